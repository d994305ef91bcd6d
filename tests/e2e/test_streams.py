# SPDX-License-Identifier: Apache-2.0
"""What lives on an upgraded connection: watches over WebSocket, exec, attach, cp and port-forward."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

import raw_websocket as ws
from cluster import KNARR, KUBECTL, PATIENCE, deployment, pod, wait_for
from raw_websocket import WebSocket
from terminal import Terminal, start

NODES = 1
USERS = '''ann-token,ann,u-ann,"system:masters"
joe-token,joe,u-joe,"dev"
'''


# How kubectl speaks: WebSocket as it does by itself, or SPDY as older ones do.
CARRIERS = {'websocket': {}, 'spdy': {'KUBECTL_REMOTE_COMMAND_WEBSOCKETS': 'false',
                                      'KUBECTL_PORT_FORWARD_WEBSOCKETS': 'false'}}


def running(cluster, name):
    wait_for(lambda: cluster.get('pod', name)['status'].get('phase') == 'Running', f'{name} to run')


@pytest.fixture(params=CARRIERS, ids=str)
def carrier(request):
    return CARRIERS[request.param]


@pytest.fixture(scope='module')
def streams(people):
    """A node, and people who are known by tokens."""
    people.apply(pod('box', ['sleep', '100000'], restart='Always'))
    running(people, 'box')
    return people


# ---- watches over WebSocket ----

WATCH = '/api/v1/namespaces/default/configmaps?watch=true'


def event(socket):
    opcode, data = socket.receive()
    assert opcode == ws.TEXT, (opcode, data)
    e = json.loads(data)
    return e['type'], e['object']['metadata'].get('name'), e['object']['metadata']['resourceVersion']


def test_a_watch_over_websocket_gives_each_event_as_a_text_message(streams):
    streams.kubectl('create', 'configmap', 'first', '-n', 'default')
    socket = WebSocket(streams, WATCH + '&resourceVersion=0&fieldSelector=metadata.name!=kube-root-ca.crt',
                       ['v1.knarr.test'], token='ann-token')
    assert (socket.status, socket.protocol) == (101, 'v1.knarr.test')
    kind, name, revision = event(socket)
    assert (kind, name) == ('ADDED', 'first')
    streams.kubectl('create', 'configmap', 'second', '-n', 'default')
    assert event(socket)[:2] == ('ADDED', 'second')
    socket.send(ws.PING, b'are you there')
    assert socket.receive() == (ws.PONG, b'are you there')
    socket.send(ws.TEXT, b'what a client says is not listened to')
    streams.kubectl('delete', 'configmap', 'first', 'second', '-n', 'default')
    assert {event(socket)[:2], event(socket)[:2]} == {('DELETED', 'first'), ('DELETED', 'second')}
    socket.send(ws.CLOSE, b'\x03\xe8')
    assert socket.receive() == (ws.CLOSE, b'\x03\xe8')
    with pytest.raises(EOFError):
        socket.receive()
    # From a revision on, as a page does that has read a list; an end of time is a clean close.
    socket = WebSocket(streams, f'{WATCH}&resourceVersion={revision}&timeoutSeconds=1&allowWatchBookmarks=true',
                       ['a', 'b'], token='ann-token')
    assert socket.protocol == 'a'
    assert [event(socket)[:2] for _ in range(3)] == [('ADDED', 'second'), ('DELETED', 'first'), ('DELETED', 'second')]
    assert event(socket)[0] == 'BOOKMARK'
    assert socket.receive() == (ws.CLOSE, b'\x03\xe8')
    socket.close()


def test_who_opens_a_websocket(streams):
    def status(protocols=('x',), path=WATCH, **kwargs):
        socket = WebSocket(streams, path, protocols, **kwargs)
        if socket.status == 101:
            assert 'bearer' not in (socket.protocol or '')
            socket.close()
        return socket.status

    own, other = 'https://127.0.0.1:6443', 'https://evil.example'
    assert status(token='ann-token', origin=other) == 101, 'a page that has the token gave it itself'
    assert status(token='no-token') == 401
    assert status((), token='ann-token') == 401, 'nothing to echo'
    assert status(['base64url.bearer.authorization.k8s.io.YW5uLXRva2Vu', 'x'], token='ann-token') == 401, 'two tokens'
    assert status(['base64url.bearer.authorization.k8s.io.!!', 'x']) == 401
    assert status(token='joe-token') == 403, 'joe may not watch'
    assert status() == 403, 'nor may nobody'
    assert status(headers=['Authorization: Bearer ann-token']) == 101
    assert status((), headers=['Authorization: Bearer ann-token']) == 101
    # A browser shows a client certificate to every page's sockets.
    assert status(certificate=True) == 101
    assert status(certificate=True, origin=own) == 101
    assert status(certificate=True, origin=own.replace('https', 'http')) == 101, 'as Python says it'
    assert status(certificate=True, origin=other) == 403
    assert status(certificate=True, origin=own + '0') == 403
    assert status(certificate=True, origin='null') == 403
    assert status(certificate=True, path=WATCH + '&resourceVersion=x') == 400, 'refused before it is a stream'


def test_a_slow_watcher_over_websocket_costs_little_and_misses_nothing(streams):
    def memory():
        return int(re.search(r'RssAnon:\s+(\d+) kB', pathlib.Path(
            f'/proc/{streams.server.popen.pid}/status').read_text())[1])

    def patch(number):
        body = json.dumps({'data': {'number': str(number), 'bulk': 'x' * 800_000}})
        code, _ = streams.curl('/api/v1/namespaces/default/configmaps/bulky', '-H', 'Authorization: Bearer ann-token',
                               '-H', 'Content-Type: application/merge-patch+json', method='PATCH', data=body, user=None)
        assert code == 200

    streams.kubectl('create', 'configmap', 'bulky', '-n', 'default')
    socket = WebSocket(streams, WATCH + '&fieldSelector=metadata.name=bulky&resourceVersion=0', token='ann-token',
                       protocols=['x'])
    assert event(socket)[0] == 'ADDED'
    patch(0)
    before = memory()
    for number in range(1, 50):
        patch(number)
    # A sanitizer keeps what was freed for a while.
    assert PATIENCE > 1 or memory() - before < 25_000, 'forty megabytes of events that nobody reads'
    numbers = []
    while 49 not in numbers:
        opcode, data = socket.receive()
        assert opcode == ws.TEXT
        numbers.append(int(json.loads(data)['object']['data']['number']))
    assert numbers == list(range(50))
    socket.close()
    streams.kubectl('delete', 'configmap', 'bulky', '-n', 'default')


def test_broken_frames_end_the_connection(streams):
    socket = WebSocket(streams, WATCH, ['x'], token='ann-token')
    socket.socket.sendall(b'\x81\x02no')  # a client's frames must be masked
    while (frame := socket.receive())[0] == ws.TEXT:
        pass
    assert frame == (ws.CLOSE, b'\x03\xea')
    with pytest.raises(EOFError):
        socket.receive()


# ---- exec ----

def test_exec_gives_output_errors_and_exit_codes(streams, carrier):
    def run(*command, stdin=None):
        flags = ['-i'] if stdin is not None else []
        done = streams.kubectl('exec', *flags, 'box', '--', *command, check=False, input=stdin, env=carrier)
        return done.returncode, done.stdout, done.stderr.split('\n')[0]

    assert run('echo', 'hi') == (0, 'hi\n', '')
    assert run('sh', '-c', 'echo out; echo err >&2; exit 3') == (3, 'out\n', 'err')
    assert run('sh', '-c', 'exit 126')[0] == 126
    assert run('/etc/passwd')[0] == 126
    code, out, err = run('nosuch')
    assert (code, out) == (127, '') and 'executable file not found' in err
    assert run('sh', '-c', 'kill -9 $$')[0] == 137
    assert run('cat', stdin='to and fro') == (0, 'to and fro', '')
    assert run('printf', '%s|', 'two words', '$HOME', '', '"quoted" & more') == (0, 'two words|$HOME||"quoted" & more|', '')
    assert run('cat') == (0, '', ''), 'who sends no input gives none'


def test_exec_refusals_are_told(streams, carrier):
    def failure(*arguments):
        done = streams.kubectl('exec', *arguments, '--', 'true', check=False, env=carrier)
        return done.returncode, done.stderr

    streams.apply(pod('ended', ['true']))
    wait_for(lambda: streams.get('pod', 'ended')['status'].get('phase') == 'Succeeded', 'the pod to end')
    assert failure('box', '-c', 'none') == (
        1, 'Error from server (BadRequest): container none is not valid for pod box\n')
    assert 'pods "nosuch" not found' in failure('nosuch')[1]
    assert 'completed pod' in failure('ended')[1]
    code, body = streams.curl('/api/v1/namespaces/default/pods/ended/exec?command=true&stdout=true',
                              '-H', 'Connection: Upgrade', '-H', 'Upgrade: SPDY/3.1', method='POST')
    assert (code, json.loads(body)['message']) == (500, 'container not found ("main")')
    for path, message in (('exec?command=true&stdout=true', 'Upgrade request required'),
                          ('attach?stdout=true', 'Upgrade request required'), ('portforward', 'Upgrade request required')):
        code, body = streams.curl(f'/api/v1/namespaces/default/pods/box/{path}', method='POST')
        assert code == 400 and message in json.loads(body)['message']


def test_knarr_exec(streams):
    def run(*arguments, stdin=None):
        done = streams.knarr('exec', *arguments, check=False, input=stdin)
        return done.returncode, done.stdout, done.stderr

    assert run('box', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3') == (3, 'out\n', 'err\n')
    assert run('box', '-c', 'main', '-i', '--', 'cat', stdin='to and fro') == (0, 'to and fro', '')
    data = os.urandom(1_500_000).hex()
    assert run('-i', 'box', 'cat', stdin=data) == (0, data, '')
    assert run('box', '-c', 'none', '--', 'true') == (
        1, '', 'Error from server (BadRequest): container none is not valid for pod box\n')
    assert run('nosuch', '--', 'true')[2] == 'Error from server (NotFound): pods "nosuch" not found\n'
    assert run('box')[0] == 2
    terminal = Terminal(streams, 'exec', '-it', 'box', '--', 'sh', '-c', 'stty size; exec sh', program=KNARR)
    terminal.expect(rb'33 101\r\n')
    terminal.expect(rb'/ # ')
    terminal.resize(40, 120)
    terminal.send(b'while [ "$(stty size)" != "40 120" ]; do sleep 0.1; done; exit 5\n')
    assert terminal.wait() == 5


def test_three_megabytes_both_ways(streams, carrier):
    data = os.urandom(3_000_000)
    done = subprocess.run(['nsenter', f'--net=/run/netns/{streams.netns}', '--', KUBECTL, 'exec', '-i', 'box', '--', 'cat'],
                          input=data, capture_output=True, check=True, timeout=60 * PATIENCE,
                          env={**streams.environment(), **carrier})
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_exec_with_a_terminal(streams, carrier):
    terminal = Terminal(streams, 'exec', '-it', 'box', '--', 'sh', '-c', 'tty; stty size; echo $TERM; exec sh', env=carrier)
    terminal.expect(rb'/dev/pts/\d\r\n33 101\r\nxterm\r\n')
    terminal.expect(rb'/ # ')
    terminal.resize(40, 120)
    terminal.send(b'while [ "$(stty size)" != "40 120" ]; do sleep 0.1; done; echo re""sized\n')
    terminal.expect(rb'\nresized\r\n')
    terminal.send(b'sh -c \'echo run""ning; sleep 1000\'\n')
    terminal.expect(rb'\nrunning\r\n')
    terminal.send(b'\x03')
    terminal.expect(rb'/ # ')
    terminal.send(b'exit 7\n')
    assert terminal.wait() == 7


def test_cp_both_ways(streams, carrier, tmp_path):
    (tmp_path / 'tree/below').mkdir(parents=True)
    (tmp_path / 'tree/below/data').write_bytes(os.urandom(500_000))
    (tmp_path / 'tree/name with spaces').write_text('hello')
    streams.kubectl('cp', tmp_path / 'tree', 'box:/tmp/tree', env=carrier)
    streams.kubectl('cp', 'box:/tmp/tree', tmp_path / 'back', env=carrier)
    for name in ('below/data', 'name with spaces'):
        assert (tmp_path / 'back' / name).read_bytes() == (tmp_path / 'tree' / name).read_bytes()
    streams.kubectl('exec', 'box', '--', 'rm', '-r', '/tmp/tree')


# ---- attach ----

def test_attach_and_run(streams, carrier):
    name = f'shell{len(carrier)}'
    streams.apply({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name}, 'spec': {
        'terminationGracePeriodSeconds': 1, 'containers': [
            {'name': 'main', 'image': 'localhost/knarr/hello:v1', 'stdin': True, 'tty': True, 'command': ['sh']},
            {'name': 'cat', 'image': 'localhost/knarr/hello:v1', 'stdin': True, 'command': ['cat']}]}})
    running(streams, name)
    terminal = Terminal(streams, 'attach', '-it', name, '-c', 'main', env=carrier)
    terminal.expect(rb'try pressing enter')
    terminal.send(b'while [ "$(stty size)" != "33 101" ]; do sleep 0.1; done; echo at""tached\n')
    terminal.expect(rb'\nattached\r\n')
    terminal.send(b'exit 0\n')
    assert terminal.wait() == 0
    # Input that is not said to end with who attaches stays open for the next.
    for line in (b'first\n', b'second\n'):
        cat = start(streams, 'attach', '-i', name, '-c', 'cat', stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, env=carrier)
        cat.stdin.write(line)
        cat.stdin.flush()
        assert cat.stdout.readline() == line
        cat.kill()
        cat.communicate()
    assert streams.kubectl('logs', name, '-c', 'cat').stdout == 'first\nsecond\n'
    data = 'y' * 300_000
    done = streams.kubectl('run', 'once', '-i', '--rm', '--restart=Never', '--image=localhost/knarr/hello:v1', '--command',
                           '--', 'md5sum', input=data, env=carrier)
    assert done.stdout.startswith(hashlib.md5(data.encode()).hexdigest()), done
    streams.kubectl('delete', 'pod', name, '--wait=false')


# ---- port-forward ----

def test_port_forward_to_a_pod_and_a_service(streams, carrier, tmp_path):
    if not streams.get('deployment', 'web'):
        streams.apply(deployment('web', command=['sh', '-c', 'mkdir /srv; head -c 8000000 /dev/urandom >/srv/big; '
                                                 'echo hello >/srv/index.html; httpd -f -p 8080 -h /srv']))
        streams.kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080')
        streams.kubectl('rollout', 'status', 'deployment', 'web', '--timeout=30s')
    name = streams.pods('app=web')[0]['metadata']['name']
    want = wait_for(lambda: streams.kubectl('exec', name, '--', 'sh', '-c', 'test -s /srv/index.html && md5sum /srv/big')
                    .stdout.split()[0], 'the file')
    for target, ports in ((f'pod/{name}', ('18080:8080', '18081:81')), ('service/web', ('18080:80',))):
        forward = start(streams, 'port-forward', target, *ports, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        env=carrier)
        try:
            for _ in range(2 * len(ports)):
                assert b'Forwarding from' in forward.stdout.readline()
            opened = len(os.listdir(f'/proc/{forward.pid}/fd'))
            done = streams.run('sh', '-c', 'for i in 1 2 3 4 5 6; do curl -sS http://127.0.0.1:18080/big | md5sum & '
                               'curl -sS http://127.0.0.1:18080/ & done; wait')
            assert sorted(done.stdout.split('\n')) == sorted(['', *[f'{want}  -'] * 6, *['hello'] * 6])
            streams.run('sh', '-c', 'curl -s http://127.0.0.1:18080/big | head -c 1 >/dev/null')
            wait_for(lambda: len(os.listdir(f'/proc/{forward.pid}/fd')) <= opened,
                     'kubectl to let go of a connection whose client went')
            if len(ports) > 1:
                streams.run('curl', '-sS', 'http://127.0.0.1:18081/', check=False)
                assert b'failed to connect to localhost:81' in forward.communicate(timeout=20 * PATIENCE)[0]
        finally:
            forward.kill()
            forward.communicate()


def test_port_forward_in_channels(streams):
    """The older form, which python and browsers speak."""
    path = '/api/v1/namespaces/default/pods/box/portforward?ports=7777&ports=7778'
    done = start(streams, 'exec', 'box', '--', 'nc', '-l', '-p', '7777', '-e', 'cat', stdout=subprocess.DEVNULL)
    wait_for(lambda: ':1E61 ' in streams.kubectl('exec', 'box', '--', 'cat', '/proc/net/tcp', '/proc/net/tcp6').stdout,
             'nc to listen')
    socket = WebSocket(streams, path, ['v4.channel.k8s.io'], token='ann-token')
    assert (socket.status, socket.protocol) == (101, 'v4.channel.k8s.io')
    frames = [socket.receive() for _ in range(5)]
    assert frames[:4] == [(ws.BINARY, bytes([i]) + b'\x61\x1e') for i in range(2)] + [
        (ws.BINARY, bytes([i]) + b'\x62\x1e') for i in (2, 3)]
    assert frames[4][1].startswith(b'\x03failed to connect to localhost:7778')
    socket.send(ws.BINARY, b'\x00echo')
    assert socket.receive() == (ws.BINARY, b'\x00echo')
    socket.close()
    done.wait(20 * PATIENCE)


# ---- what is left, and who may ----

def descriptors(streams):
    return [len(os.listdir(f'/proc/{p.popen.pid}/fd')) for p in (streams.server, streams.nodes[0].process)]


def test_nothing_is_left_of_a_client_that_was_killed(streams, carrier):
    def sleepers():
        return streams.kubectl('exec', 'box', '--', 'ps', '-o', 'args').stdout.count('\nsleep 7654')

    before = descriptors(streams)
    clients = [start(streams, 'exec', '-i', 'box', '--', *command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, env=carrier)
               for command in (['sleep', '7654'], ['sh', '-c', 'trap "" HUP TERM; sleep 7654; sleep 7654'])]
    terminal = Terminal(streams, 'exec', '-it', 'box', '--', 'sleep', '7654', env=carrier)
    wait_for(lambda: sleepers() == 3, 'the processes to run')
    for client in [*clients, terminal.process]:
        client.kill()
        client.communicate()
    os.close(terminal.master)
    wait_for(lambda: sleepers() == 0, 'the processes to be gone')
    wait_for(lambda: all(now <= was for now, was in zip(descriptors(streams), before)), 'the descriptors to be closed')
    wait_for(lambda: not list((streams.nodes[0].home / 'run/agent').glob('exec-*')), 'their files to be gone')


def test_exec_after_the_agent_was_restarted(streams):
    seconds = 10 ** 6 + int.from_bytes(os.urandom(3), 'big')  # nobody else on the host sleeps for so long
    client = start(streams, 'exec', '-i', 'box', '--', 'sh', '-c', f'trap "" HUP; echo ready; sleep {seconds}; true',
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert client.stdout.readline() == b'ready\n'
    streams.nodes[0].stop()
    client.communicate(timeout=20 * PATIENCE)
    assert not streams.run('pgrep', '-f', f'^sleep {seconds}', check=False).stdout, 'what an agent started ends with it'
    done = streams.kubectl('exec', 'box', '--', 'true', check=False)
    assert done.returncode == 1 and 'error dialing backend' in done.stderr
    streams.nodes[0].start()
    wait_for(lambda: streams.kubectl('exec', 'box', '--', 'echo', 'again', check=False).stdout == 'again\n',
             'exec to work again')


def test_a_server_that_stops_does_not_wait_for_streams(streams):
    client = start(streams, 'exec', '-i', 'box', '--', 'cat', stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   stderr=subprocess.DEVNULL)
    client.stdin.write(b'joined\n')
    client.stdin.flush()
    assert client.stdout.readline() == b'joined\n'
    began = time.monotonic()
    streams.stop_server()
    assert time.monotonic() - began < 3 * PATIENCE
    assert client.wait(20 * PATIENCE) == 1
    client.communicate()
    streams.start_server()
    wait_for(lambda: streams.kubectl('exec', 'box', '--', 'echo', 'again', check=False).stdout == 'again\n',
             'exec to work again')


def test_who_may_exec(streams, carrier):
    def as_joe(*arguments):
        return streams.kubectl('--kubeconfig', '/dev/null', '--server', 'https://127.0.0.1:6443', '--certificate-authority',
                               streams.home / 'pki/ca.crt', '--token', 'joe-token', *arguments, check=False, env=carrier)

    streams.apply({'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'Role', 'metadata': {'name': 'looker'}, 'rules': [
        {'apiGroups': [''], 'resources': ['pods', 'pods/exec', 'pods/portforward'], 'verbs': ['get']}]})
    streams.kubectl('create', 'rolebinding', 'joe', '--role=looker', '--user=joe', check=False)
    for sub, arguments in (('exec', ['exec', 'box', '--', 'true']), ('portforward', ['port-forward', 'box', '18090:1'])):
        done = as_joe(*arguments)
        assert done.returncode == 1
        assert (f'pods "box" is forbidden: User "joe" cannot create resource "pods/{sub}" in API group "" in the namespace '
                '"default"') in done.stderr
    # Reading is not enough, though a WebSocket is opened by GET.
    socket = WebSocket(streams, '/api/v1/namespaces/default/pods/box/exec?command=true&stdout=true',
                       ['v5.channel.k8s.io'], token='joe-token')
    assert socket.status == 403 and 'cannot create resource' in socket.body
    streams.kubectl('patch', 'role', 'looker', '--type=json',
                    '-p', '[{"op":"replace","path":"/rules/0/verbs","value":["get","create"]}]')
    assert as_joe('exec', 'box', '--', 'echo', 'mine').stdout == 'mine\n'


def test_exec_in_a_browsers_words(streams):
    """A token among the subprotocols, the protocol before v5, the end as a Status and a close frame."""
    socket = WebSocket(streams, '/api/v1/namespaces/default/pods/box/exec?command=sh&command=-c&command=exit+3&stdout=true'
                       '&stderr=1&stdin=True', ['v4.channel.k8s.io'], token='ann-token', origin='https://elsewhere.example')
    assert (socket.status, socket.protocol) == (101, 'v4.channel.k8s.io')
    opcode, data = socket.receive()
    assert (opcode, data[:1]) == (ws.BINARY, b'\x03')
    status = json.loads(data[1:])
    assert (status['status'], status['reason'], status['details']['causes']) == (
        'Failure', 'NonZeroExitCode', [{'reason': 'ExitCode', 'message': '3'}])
    assert socket.receive() == (ws.CLOSE, b'\x03\xe8')
    assert WebSocket(streams, '/api/v1/namespaces/default/pods/box/exec?command=true&stdout=true', ['v9.channel.k8s.io'],
                     token='ann-token').status == 400
    resources = json.loads(streams.kubectl('get', '--raw', '/api/v1').stdout)['resources']
    assert [(r['kind'], r['verbs']) for r in resources if r['name'] == 'pods/exec'] == [('PodExecOptions', ['create', 'get'])]
