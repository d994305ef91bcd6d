# SPDX-License-Identifier: Apache-2.0
"""Nodes that fall silent and come back, agents without a server, everything stopped and started, stolen certificates."""
import json
import pathlib
import signal
import time

import pytest

from cluster import KNARR, PORT, SERVER_IP, Cluster, condition, deployment, pod, run, wait_for
from conftest import running
from test_failures import containers, main_process, settled


@pytest.fixture(scope='module')
def strict():
    """Two nodes and a server that soon gives a silent node up. A healthy node renews its Lease every 10 s."""
    yield from running(Cluster(nodes=2, server_arguments=['--node-grace', '13']))


def tolerant(seconds):
    """Pods leave a lost node after so many seconds."""
    return [{'key': f'node.kubernetes.io/{what}', 'operator': 'Exists', 'effect': 'NoExecute', 'tolerationSeconds': seconds}
            for what in ('not-ready', 'unreachable')]


def test_lost_node_is_noticed_emptied_and_taken_back(strict):
    c = strict
    manifest = deployment('moves', 2)
    manifest['spec']['template']['spec']['tolerations'] = tolerant(1)
    c.apply(manifest)
    c.apply(deployment('stays', 2))  # has upstream's 300 s
    lost = c.nodes[1]
    victim = next(p for p in settled(c, 'moves', 2) if p['spec']['nodeName'] == lost.name)
    patient = next(p for p in settled(c, 'stays', 2) if p['spec']['nodeName'] == lost.name)
    assert {t['tolerationSeconds'] for t in patient['spec']['tolerations']} == {300}
    process = main_process(c, victim)
    lost.stop(signal.SIGKILL)
    # A log of a node that is down: at once, and with the reason.
    done = c.kubectl('logs', victim['metadata']['name'], check=False)
    assert done.returncode == 1 and lost.ip in done.stderr and 'connect' in done.stderr
    wait_for(lambda: condition(c.get('node', lost.name), 'Ready') == 'Unknown', 'the silence to be noticed', 60)
    assert 'NotReady' in c.kubectl('get', 'node', lost.name).stdout
    taints = wait_for(lambda: (t := c.get('node', lost.name)['spec'].get('taints', [])) and len(t) == 2 and t, 'the taints')
    assert {(t['key'], t['effect']) for t in taints} == {('node.kubernetes.io/unreachable', 'NoSchedule'),
                                                         ('node.kubernetes.io/unreachable', 'NoExecute')}
    wait_for(lambda: len([p for p in c.pods('app=moves') if p['spec']['nodeName'] == 'node-1' and condition(p, 'Ready') == 'True'])
             == 2, 'the pods to move', 30)
    now = c.get('pod', patient['metadata']['name'])
    assert 'deletionTimestamp' not in now['metadata'] and condition(now, 'Ready') == 'False'
    assert wait_for(lambda: c.events(patient['metadata']['name'], 'NodeNotReady'), 'the pod to be told')[0]['type'] == 'Warning'
    lost.start()
    wait_for(lambda: not pathlib.Path('/proc', str(process)).exists(), 'the evicted container to be stopped', 60)
    wait_for(lambda: c.get('pod', victim['metadata']['name']) is None, 'the evicted pod to be gone', 60)
    wait_for(lambda: not c.get('node', lost.name)['spec'].get('taints') and condition(c.get('node', lost.name), 'Ready') == 'True',
             'the node to be taken back', 60)
    wait_for(lambda: condition(c.get('pod', patient['metadata']['name']), 'Ready') == 'True', 'the patient pod to be ready again', 60)
    assert c.get('pod', patient['metadata']['name'])['status']['containerStatuses'][0]['restartCount'] == 0
    c.kubectl('delete', 'deploy', 'moves', 'stays')


def test_cut_off_node_is_replaced_and_cleans_up_when_it_is_back(strict):
    """The node lives and its pods with it, but nobody hears it: pods move, and what is left over there ends later."""
    c = strict
    cut = c.nodes[1]
    manifest = deployment('cut', 2)
    manifest['spec']['template']['spec']['tolerations'] = tolerant(1)
    c.apply(manifest)
    c.apply(pod('patient', ['sleep', '1000'], nodeName=cut.name))  # tolerates 300 s
    wait_for(lambda: condition(c.get('pod', 'patient'), 'Ready') == 'True', 'the patient pod', 30)
    before = settled(c, 'cut', 2)
    victim = next(p for p in before if p['spec']['nodeName'] == cut.name)
    run('ip', '-n', c.netns, 'link', 'set', 'v1', 'down')
    wait_for(lambda: len([p for p in c.pods('app=cut') if p['spec'].get('nodeName') == 'node-1' and condition(p, 'Ready') == 'True']) == 2,
             'the pods to be on the other node', 60)
    assert condition(c.get('node', cut.name), 'Ready') == 'Unknown'
    assert condition(c.get('pod', 'patient'), 'Ready') == 'False'
    gone = c.get('pod', victim['metadata']['name'])
    assert 'deletionTimestamp' in gone['metadata'] and condition(gone, 'DisruptionTarget') == 'True'
    wait_for(lambda: c.events(victim['metadata']['name'], 'TaintManagerEviction'), 'the event', 10)
    now = c.get('pods', '-l', 'app=cut')['items']
    assert victim['metadata']['name'] in c.processes(now)  # it has not heard
    run('ip', '-n', c.netns, 'link', 'set', 'v1', 'up')
    wait_for(lambda: victim['metadata']['name'] not in c.processes(now), 'the leftover to be stopped', 60)
    wait_for(lambda: c.get('pod', victim['metadata']['name']) is None, 'its pod to be gone', 60)
    wait_for(lambda: not c.get('node', cut.name)['spec'].get('taints') and condition(c.get('node', cut.name), 'Ready') == 'True',
             'the node to be taken back', 60)
    wait_for(lambda: condition(c.get('pod', 'patient'), 'Ready') == 'True', 'the patient pod to be ready again', 30)
    after = settled(c, 'cut', 2)
    assert {p['metadata']['uid'] for p in after} == {p['metadata']['uid'] for p in now if p['metadata']['uid'] != victim['metadata']['uid']}
    assert sorted(c.processes(now + after)) == sorted(p['metadata']['name'] for p in after)
    c.kubectl('delete', 'deploy/cut', 'pod/patient')


def test_when_all_nodes_are_lost_nobody_is_sent_away(strict):
    """That no node is heard of is the network's fault: pods stay where they are, and are found there."""
    c = strict
    c.apply(deployment('many', 4))
    before = containers(settled(c, 'many', 4))
    for i in range(2):
        run('ip', '-n', c.netns, 'link', 'set', f'v{i}', 'down')

    def effects():
        nodes = c.get('nodes')['items']
        return [sorted(t['effect'] for t in n['spec'].get('taints', [])) for n in nodes if condition(n, 'Ready') == 'Unknown']
    wait_for(lambda: effects() == [['NoSchedule'], ['NoSchedule']], 'both to be silent, and not to be emptied', 60)
    for i in range(2):
        run('ip', '-n', c.netns, 'link', 'set', f'v{i}', 'up')
    wait_for(lambda: all(condition(n, 'Ready') == 'True' and not n['spec'].get('taints') for n in c.get('nodes')['items']),
             'both to be back', 60)
    assert containers(settled(c, 'many', 4)) == before
    c.kubectl('delete', 'deploy', 'many')


def test_stolen_certificate_of_a_node(strict):
    """Whoever has a node's certificate may do what that node needs, and nothing to others."""
    c = strict
    for name in ('mine', 'other'):
        c.kubectl('create', 'secret', 'generic', name, '--from-literal=a=b')
    manifest = pod('user', ['sleep', '1000'], nodeName='node-1', volumes=[{'name': 's', 'secret': {'secretName': 'mine'}}])
    c.apply(manifest)
    c.apply(pod('foreign', ['sleep', '1000'], nodeName='node-2'))
    for name in ('user', 'foreign'):
        wait_for(lambda n=name: c.get('pod', n)['status'].get('phase') == 'Running', f'{name} to run', 60)
    pki = c.nodes[0].home / 'agent/pki'

    def as_node(path, method=None, body=None, content_type='application/merge-patch+json'):
        data = None if body is None else json.dumps(body)
        return c.curl(path, '--cert', str(pki / 'client.pem'), '-H', f'Content-Type: {content_type}',
                      user=None, method=method, data=data)[0]
    pods, secrets = '/api/v1/namespaces/default/pods', '/api/v1/namespaces/default/secrets'
    assert as_node(f'{secrets}/mine') == 200 and as_node(f'{pods}/user') == 200
    assert as_node(f'{secrets}/other') == 403 and as_node(secrets) == 403
    assert as_node(f'{secrets}/mine', 'PATCH', {'data': {'a': ''}}) == 403
    assert as_node(f'{pods}/foreign') == 403
    assert as_node(f'{pods}/foreign/status', 'PATCH', {'status': {'phase': 'Failed'}}) == 403
    assert as_node(f'{pods}/foreign', 'DELETE') == 403
    assert as_node(f'{pods}/user', 'PATCH', {'metadata': {'labels': {'x': 'y'}}}) == 403
    assert as_node('/api/v1/nodes/node-2/status', 'PATCH', {'status': {}}) == 403
    assert as_node('/api/v1/nodes/node-2', 'DELETE') == 403
    assert as_node('/api/v1/nodes/node-1', 'PATCH', {'spec': {'taints': []}}) in (200, 403)
    leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
    assert as_node(f'{leases}/node-1') == 200 and as_node(f'{leases}/node-2') == 403
    binding = {'kind': 'Binding', 'apiVersion': 'v1', 'metadata': {'name': 'user'}, 'target': {'kind': 'Node', 'name': 'node-1'}}
    assert as_node(f'{pods}/user/binding', 'POST', binding, 'application/json') == 403
    assert as_node('/api/v1/namespaces', 'POST', {'kind': 'Namespace', 'apiVersion': 'v1', 'metadata': {'name': 'n'}},
                   'application/json') == 403
    assert as_node(f'{pods}/foreign/log') == 403
    # Nor does the node server of another node listen to it.
    for credentials in ([], ['--cert', pki / 'client.pem']):
        done = c.nodes[0].run('curl', '-sk', *credentials, '-o', '/dev/null', '-w', '%{http_code}',
                              f'https://{c.nodes[1].ip}:10250/containerLogs/default/foreign/main', check=False)
        assert done.returncode != 0 or done.stdout in ('401', '403')
    c.kubectl('delete', 'pod', 'user', 'foreign')


def test_second_agent_on_one_home_is_refused(strict):
    node = strict.nodes[0]
    done = node.run('timeout', '20', KNARR, 'agent', *node.common(), '--node-ip', node.ip,
                    '--server', f'https://{SERVER_IP}:{PORT}', check=False)
    assert done.returncode == 1 and 'another' in done.stderr, done.stderr
    assert node.process.alive()




def test_overlapping_network_is_told(strict):
    node = strict.nodes[0]
    node.stop()
    node.run('ip', 'link', 'add', 'other0', 'type', 'bridge')
    node.run('ip', 'addr', 'add', '10.244.0.77/16', 'dev', 'other0')
    node.run('ip', 'link', 'set', 'other0', 'up')
    try:
        node.start()
        wait_for(lambda: "overlaps with a network of this host" in node.process.text(), 'the warning', 30)
    finally:
        node.run('ip', 'link', 'del', 'other0')


def test_everything_stopped_and_started_again(own_cluster):
    c = own_cluster
    c.apply(deployment('web', 4))
    c.kubectl('create', 'cm', 'kept', '--from-literal=a=1')
    before = containers(settled(c, 'web', 4))
    for node in c.nodes:
        node.stop()
    assert c.stop_server() == 0
    # Agents first: they wait for their server.
    for node in c.nodes:
        node.start()
    wait_for(lambda: 'cannot be renewed' in c.nodes[0].process.text() or 'connect' in c.nodes[0].process.text(),
             'the agent to say that it waits', 30)
    assert all(n.process.alive() for n in c.nodes)
    c.start_server()
    c.kubectl('scale', 'deploy', 'web', '--replicas=5')
    assert before < containers(settled(c, 'web', 5))
    assert c.get('cm', 'kept')['data'] == {'a': '1'}


def test_agent_that_comes_before_its_server_joins():
    c = Cluster(nodes=1)
    try:
        c.make_network()
        c.start_server()
        token = c.token()
        c.stop_server()
        node = c.nodes[0]
        node.start(token)
        wait_for(lambda: 'connect' in node.process.text(), 'the agent to try', 30)
        assert node.process.alive()
        c.start_server()
        c.wait_ready()
    finally:
        left = c.stop()
        assert not left, left


def test_agents_end_at_any_moment(own_cluster):
    """What an agent is in the middle of at its start is no reason to end badly; sanitizers see what it forgot."""
    c = own_cluster
    c.apply(deployment('web', 6))
    settled(c, 'web', 6)
    node = c.nodes[0]

    def restart(until):
        node.stop()
        node.start()
        wait_for(lambda: until in node.process.text(node.process.begin), until)
        return time.monotonic()

    begin = restart('pods of node')  # its first line: by then it knows what a signal is
    wait_for(lambda: 'certificate of the node server' in node.process.text(node.process.begin), 'all that it starts')
    whole = time.monotonic() - begin
    for i in range(12):
        c.kubectl('delete', 'pods', '--all', '--wait=false')
        restart('pods of node')
        time.sleep(whole * i / 10)  # another moment each time
    settled(c, 'web', 6)


def test_clean_removes_the_logs(own_cluster):
    c = own_cluster
    c.apply(deployment('web', 2))
    settled(c, 'web', 2)
    node = c.nodes[0]
    other = node.home / 'logs/default_somebody_11111111-2222-3333-4444-555555555555'
    other.mkdir()
    assert len(list((node.home / 'logs').iterdir())) == 2
    node.stop()
    node.clean()
    assert list((node.home / 'logs').iterdir()) == [other]
    # Cleaned up, the node starts its pods anew.
    node.start()
    settled(c, 'web', 2)
