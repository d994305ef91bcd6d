# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a container, an agent and the server: everything comes back, and what was not killed is untouched."""
import os
import pathlib
import signal

from cluster import condition, deployment, wait_for


def settled(c, name, replicas):
    def ready():
        pods = c.pods(f'app={name}')
        return len(pods) == replicas and all(condition(p, 'Ready') == 'True' for p in pods) and pods
    return wait_for(ready, f'{replicas} ready pods', 60)


def containers(pods):
    """(pod uid, container id, restarts) of each container."""
    return {(p['metadata']['uid'], s['containerID'], s['restartCount'])
            for p in pods for s in p['status']['containerStatuses']}


def main_process(c, pod):
    """The process id of the pod's container."""
    return c.processes([pod])[pod['metadata']['name']][0]


def test_killed_container_restarts_alone(own_cluster):
    c = own_cluster
    c.apply(deployment('web', 4))
    pods = settled(c, 'web', 4)
    before = containers(pods)
    victim = pods[0]
    os.kill(main_process(c, victim), signal.SIGKILL)

    def restarted():
        p = c.get('pod', victim['metadata']['name'])
        return p['status']['containerStatuses'][0]['restartCount'] == 1 and condition(p, 'Ready') == 'True' and p
    status = wait_for(restarted, 'the container to be restarted', 60)['status']['containerStatuses'][0]
    assert status['lastState']['terminated']['exitCode'] == 137
    after = containers(settled(c, 'web', 4))
    assert len(before & after) == 3


def test_killed_agent_finds_its_containers(own_cluster):
    c = own_cluster
    c.apply(deployment('web', 4))
    pods = settled(c, 'web', 4)
    before = containers(pods)
    processes = {p['metadata']['uid']: main_process(c, p) for p in pods}
    node = c.nodes[0]
    node.stop(signal.SIGKILL)
    # One container ends while nobody watches: it must be noticed and restarted afterwards.
    lost = next(p for p in pods if p['spec']['nodeName'] == node.name)
    os.kill(processes[lost['metadata']['uid']], signal.SIGKILL)
    node.start()

    def noticed():
        s = c.get('pod', lost['metadata']['name'])['status']['containerStatuses'][0]
        return s['restartCount'] == 1 and s['state'].get('running')
    wait_for(noticed, 'the loss to be noticed', 60)
    after = settled(c, 'web', 4)
    assert len(before & containers(after)) == 3
    for p in after:
        if p['metadata']['uid'] != lost['metadata']['uid']:
            assert main_process(c, p) == processes[p['metadata']['uid']]
    c.kubectl('delete', 'deploy', 'web')
    wait_for(lambda: not c.pods('app=web'), 'the pods to be gone', 60)


def test_killed_server_loses_nothing(own_cluster):
    c = own_cluster
    c.apply(deployment('web', 4))
    before = containers(settled(c, 'web', 4))
    c.stop_server(signal.SIGKILL)
    c.start_server()
    assert containers(settled(c, 'web', 4)) == before
    c.kubectl('scale', 'deploy', 'web', '--replicas=5')
    assert before <= containers(settled(c, 'web', 5))
    c.wait_ready()


def test_pod_deleted_while_its_agent_is_down(own_cluster):
    c = own_cluster
    c.apply(deployment('web', 2))
    pods = settled(c, 'web', 2)
    node = next(n for n in c.nodes if n.name == pods[0]['spec']['nodeName'])
    process = main_process(c, pods[0])
    node.stop(signal.SIGKILL)
    c.kubectl('delete', 'pod', pods[0]['metadata']['name'], '--force', '--grace-period=0')
    node.start()
    wait_for(lambda: not pathlib.Path('/proc', str(process)).exists(), 'the orphaned container to be stopped', 60)
    settled(c, 'web', 2)
