# SPDX-License-Identifier: Apache-2.0
"""The command line in the box, against real nodes."""
import json
import os
import pty
import re
import signal
import subprocess
import termios

from cluster import KNARR, deployment, pod, wait_for


def test_help_and_mistakes(cluster):
    usage = cluster.knarr('help').stdout
    assert 'Usage: knarr COMMAND' in usage
    for command in re.findall(r'^  (\w+)', usage, re.M):
        assert f'Usage: knarr {command}' in cluster.knarr('help', command).stdout
        assert f'Usage: knarr {command}' in cluster.knarr(command, '--help').stdout
    assert {'describe', 'events', 'scale', 'top', 'server', 'agent'} <= set(re.findall(r'^  (\w+)', usage, re.M))
    assert cluster.knarr('version').stdout.startswith('knarr ')
    for command in (['bogus'], ['get'], ['get', 'pods', '--bogus'], ['apply'], ['delete', 'pod'], ['describe'],
                    ['scale', 'deploy', 'x'], ['events', '--for', 'x'], ['top', 'x'], ['help', 'bogus']):
        done = cluster.knarr(*command, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    done = cluster.knarr('get', 'nonsense', check=False)
    assert done.returncode == 1 and 'doesn\'t have a resource type "nonsense"' in done.stderr
    done = cluster.knarr('get', 'pod', 'nobody', check=False)
    assert done.returncode == 1 and done.stderr == 'Error from server (NotFound): pods "nobody" not found\n'
    done = cluster.knarr('get', 'pods', '--kubeconfig', '/nonexistent', check=False)
    assert done.returncode == 1 and '/nonexistent' in done.stderr


def test_apply_get_logs_delete(cluster):
    c = cluster
    path = c.folder / 'manifest.yaml'
    path.write_text(json.dumps(deployment('boxed', 2, command=['sh', '-c', 'echo started; exec httpd -f -p 8080'])) +
                    '\n---\n' + json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'boxed'},
                                            'data': {'a': '1', 'b': '2'}}))
    assert c.knarr('apply', '-f', path).stdout == 'deployment.apps/boxed created\nconfigmap/boxed created\n'
    assert c.knarr('apply', '-f', path).stdout == 'deployment.apps/boxed unchanged\nconfigmap/boxed unchanged\n'
    path.write_text(path.read_text().replace('"b": "2"', '"c": "3"'))
    assert 'configmap/boxed configured' in c.knarr('apply', '-f', path).stdout
    assert c.get('cm', 'boxed')['data'] == {'a': '1', 'c': '3'}
    # kubectl takes over what knarr applied.
    assert 'configmap/boxed unchanged' in c.kubectl('apply', '-f', path).stdout
    assert c.knarr('wait', 'deploy', 'boxed', '--for', 'condition=Available', '--timeout', '60').stdout == \
        'deployment/boxed condition met\n'
    out = c.knarr('get', 'pods', '-l', 'app=boxed').stdout.splitlines()
    assert out[0].split() == ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE'] and len(out) == 3
    name = c.knarr('get', 'pods', '-l', 'app=boxed', '-o', 'jsonpath={.items[0].metadata.name}').stdout
    assert 'NODE' in c.knarr('get', 'pod', name, '-o', 'wide').stdout
    assert c.knarr('get', 'pod', name, '-o', 'name').stdout == f'pod/{name}\n'
    assert json.loads(c.knarr('get', 'pod', name, '-o', 'json').stdout)['kind'] == 'Pod'
    assert 'kind: Pod' in c.knarr('get', 'pod', name, '-o', 'yaml').stdout
    assert c.knarr('logs', name).stdout == 'started\n'
    both = c.knarr('get', 'nodes,pods', '-A').stdout
    assert both.count('Ready') == 2 and 'NAMESPACE' in both.split('\n\n')[1]
    done = c.knarr('delete', '-f', path)
    assert done.stdout.count('deleted') == 2
    assert c.get('deploy', 'boxed') is None


def test_delete_waits(cluster):
    cluster.apply(pod('slow', ['sh', '-c', 'trap "sleep 1; exit 0" TERM; while true; do sleep 0.1; done'],
                      terminationGracePeriodSeconds=20))
    wait_for(lambda: cluster.get('pod', 'slow')['status'].get('phase') == 'Running', 'slow to run', 60)
    cluster.knarr('delete', 'pod', 'slow')
    assert cluster.get('pod', 'slow') is None


def test_token_create(cluster):
    token = cluster.token()
    parts = token.split('.')
    assert [len(p) for p in parts] == [64, 6, 26]
    secret = cluster.get('secret', f'bootstrap-token-{parts[1]}', '-n', 'kube-system')
    assert secret['type'] == 'bootstrap.kubernetes.io/token' and set(secret['data']) >= {'expiration', 'token-secret'}


def test_scale_describe_events_top(cluster):
    c = cluster
    c.apply(deployment('seen', 1, command=['sh', '-c', 'while :; do :; done']))
    c.apply(pod('stuck', ['true'], nodeSelector={'no': 'where'}))
    assert c.knarr('scale', 'deployment', 'seen', '--replicas', '2').stdout == 'deployment.apps/seen scaled\n'
    wait_for(lambda: c.get('deploy', 'seen')['status'].get('readyReplicas') == 2, 'two replicas', 60)
    assert c.knarr('scale', 'deploy/seen', '--replicas=1').stdout == 'deployment.apps/seen scaled\n'
    wait_for(lambda: len(c.pods('app=seen')) == 1, 'one replica')
    done = c.knarr('scale', 'configmap/x', '--replicas=1', check=False)
    assert done.returncode == 1 and 'cannot be scaled' in done.stderr
    done = c.knarr('scale', 'deploy/nobody', '--replicas=1', check=False)
    assert done.returncode == 1 and '"nobody" not found' in done.stderr

    name = c.pods('app=seen')[0]['metadata']['name']
    text = c.knarr('describe', 'pod', name).stdout
    for line in (f'Name:           {name}', 'Namespace:      default', 'Controlled By:  ReplicaSet/seen-', '    web:',
                 '  Phase:', 'Events:', 'Started container web'):
        assert line in text, text
    assert 'Template:' in c.knarr('describe', 'deploy/seen').stdout
    both = c.knarr('describe', 'nodes').stdout
    assert both.count('Name:           node-') == 2 and 'Allocatable:' in both
    assert c.knarr('describe', 'pod', 'nobody', check=False).returncode == 1

    assert 'hugepages-2Mi=' in both and 'cpu=' in both
    assert c.knarr('exec', f'pod/{name}', '--', 'echo', 'hi').stdout == 'hi\n'
    assert c.knarr('logs', f'po/{name}').stdout == ''
    for command in (['exec', 'deploy/seen', '--', 'id'], ['logs', 'deploy/seen']):
        done = c.knarr(*command, check=False)
        assert done.returncode == 2 and done.stderr == f"knarr {command[0]}: 'deploy/seen' is no pod; 'knarr get pods' lists them\n"

    wait_for(lambda: c.events('stuck', 'FailedScheduling'), 'the pod to be unschedulable')
    lines = c.knarr('events', '--for', 'pod/stuck').stdout.splitlines()
    assert lines[0].split() == ['LAST', 'SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE'] and len(lines) == 2
    assert 'FailedScheduling' in lines[1] and 'Pod/stuck' in lines[1]
    every = c.knarr('events', '-A', '--types', 'normal').stdout
    assert 'Scheduled' in every and 'FailedScheduling' not in every
    assert 'NodeReady' in every or 'Starting' in every or 'default ' in every

    def usage():
        rows = [line.split() for line in c.knarr('top', 'pod', '--sort-by', 'cpu').stdout.splitlines()[1:]]
        return rows and rows[0][0] == name and rows
    row = wait_for(usage, 'the usage of the pod', 20)[0]
    assert int(row[1].removesuffix('m')) > 20 and row[2].endswith('Mi')
    lines = c.knarr('top', 'pod', '--containers', '-l', 'app=seen').stdout.splitlines()
    assert [name, 'web'] in [line.split()[:2] for line in lines]
    rows = [line.split() for line in c.knarr('top', 'node').stdout.splitlines()]
    assert rows[0] == ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'] and len(rows) == 3
    assert rows[1][2].endswith('%') and rows[1][4].endswith('%')
    c.kubectl('delete', 'deploy/seen', 'pod/stuck', '--wait=false')


def test_history(cluster):
    c = cluster
    c.kubectl('create', 'configmap', 'past', '--from-literal', 'k=one')
    c.kubectl('patch', 'configmap', 'past', '--type=merge', '-p', '{"data":{"k":"two"}}')
    c.kubectl('delete', 'configmap', 'past')
    rows = [line.split() for line in c.knarr('history', 'configmap', 'past').stdout.splitlines()]
    assert rows[0] == ['REVISION', 'TIME', 'USER', 'VERB', 'CHANGED']
    assert [row[2:] for row in rows[1:]] == [['kubernetes-admin', 'delete', 'delete'],
                                             ['kubernetes-admin', 'patch', '.data.k'],
                                             ['kubernetes-admin', 'create', 'create']]
    done = c.knarr('history', 'configmap', 'nobody', check=False)
    assert done.returncode == 1 and 'not found' in done.stderr
    done = c.knarr('history', 'lease', '-n', 'kube-node-lease', c.nodes[0].name)
    assert 'the history of leases is not kept' in done.stderr and 'REVISION' in done.stdout
    # The object itself, as it was: by anybody's client.
    code, body = c.curl(f'/api/v1/namespaces/default/configmaps/past?resourceVersion={rows[3][0]}&resourceVersionMatch=Exact')
    assert code == 200 and json.loads(body)['data'] == {'k': 'one'}


def spawn(c, *arguments, stdin=subprocess.DEVNULL):
    return subprocess.Popen(['nsenter', f'--net=/run/netns/{c.netns}', '--', KNARR, *map(str, arguments)], stdin=stdin,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=c.environment())


def ended(process, text):
    """It ended by itself: exit code 1, and one line that says why."""
    try:
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1 and len(error.splitlines()) == 1 and text in error, (process.args, error)


def test_commands_end_when_nobody_reads(cluster):
    c = cluster
    c.apply(pod('talker', ['sh', '-c', 'while true; do echo word; sleep 0.1; done']))
    wait_for(lambda: c.get('pod', 'talker')['status']['phase'] == 'Running', 'talker to run')
    for command in (['get', 'cm', '-w', '-A'], ['events', '-w', '-A'], ['logs', '-f', 'talker'],
                    ['exec', 'talker', '--', 'sh', '-c', 'while true; do echo word; sleep 0.1; done']):
        process = spawn(c, *command)
        assert process.stdout.readline(), process.stderr.read()
        process.stdout.close()
        for i in range(2):  # the first may still be on the way before the pipe is closed
            name = f'{command[0]}-{i}'
            c.kubectl('create', 'configmap', name)
            c.kubectl('create', '-f', '-', input=json.dumps(
                {'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': name}, 'reason': 'Test',
                 'involvedObject': {'kind': 'ConfigMap', 'namespace': 'default', 'name': name}}))
        process.stdout = None
        ended(process, 'writing to standard output')
    c.kubectl('delete', 'pod', 'talker', '--wait=false')


def test_commands_that_are_ended_leave_nothing(cluster):
    c = cluster
    file = c.folder / 'broken-off'
    c.server.popen.send_signal(signal.SIGSTOP)
    try:
        process = spawn(c, 'backup', file)
        wait_for(lambda: list(c.folder.glob('broken-off*')), 'the file to be begun')
        process.terminate()
        ended(process, 'ended by a signal')
    finally:
        c.server.popen.send_signal(signal.SIGCONT)
    assert not list(c.folder.glob('broken-off*'))
    c.apply(pod('sleeper', ['sleep', '1000']))
    wait_for(lambda: c.get('pod', 'sleeper')['status']['phase'] == 'Running', 'sleeper to run')
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        process = spawn(c, 'exec', '-it', 'sleeper', '--', 'sh', stdin=slave)
        wait_for(lambda: not termios.tcgetattr(slave)[3] & termios.ICANON, 'the terminal to be raw')
        process.terminate()
        ended(process, 'ended by a signal')
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)
    c.kubectl('delete', 'pod', 'sleeper', '--wait=false')
