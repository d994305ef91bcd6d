# SPDX-License-Identifier: Apache-2.0
"""kubectl debug into pods that run: ephemeral containers from the request to the end of their pod."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from cluster import condition, pod, wait_for
from terminal import Terminal, start

IMAGE = 'localhost/knarr/hello:v1'
SECRET = {'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'late'}, 'stringData': {'word': 'open sesame'}}


def debug(cluster, name, container, *arguments, command=('sleep', '100000'), check=True, **kwargs):
    return cluster.kubectl('debug', name, f'--image={IMAGE}', '--profile=general', '-c', container, *arguments, '--', *command,
                           check=check, **kwargs)


def status(cluster, name, container):
    """Of an ephemeral container, or nothing."""
    return next((s for s in cluster.get('pod', name)['status'].get('ephemeralContainerStatuses', [])
                 if s['name'] == container), {})


def wait_running(cluster, name, container):
    return wait_for(lambda: 'running' in status(cluster, name, container).get('state', {}) and
                    status(cluster, name, container), f'{container} in {name} to run')


def make(cluster, name, command, **spec):
    cluster.apply(pod(name, command, **spec))
    wait_for(lambda: condition(cluster.get('pod', name), 'Ready') == 'True', f'{name} to be ready')


def test_a_guest_comes_and_goes(node):
    make(node, 'host', ['sleep', '100000'])
    # With input and without a target: it is alone with its own processes.
    done = debug(node, 'host', 'alone', '-i', command=['sh', '-c', 'read x; echo got $x; ps; hostname'], input='a word\n')
    assert re.search(r'^got a word$', done.stdout, re.M), done
    assert re.search(r'^ +1 root +sh -c read', done.stdout, re.M) and '100000' not in done.stdout, done
    assert re.search(r'^host$', done.stdout, re.M), 'it shares what the pod has'
    assert 'Warning' not in done.stderr and 'ephemeral containers are disabled' not in done.stderr
    ended = wait_for(lambda: status(node, 'host', 'alone')['state'].get('terminated'), 'its end to be told')
    assert (ended['exitCode'], ended['reason']) == (0, 'Completed')
    assert 'got a word' in node.kubectl('logs', 'host', '-c', 'alone').stdout
    # One that fails is not started again either, and does the pod no harm.
    debug(node, 'host', 'fails', command=['sh', '-c', 'exit 3'])
    wait_for(lambda: status(node, 'host', 'fails').get('state', {}).get('terminated', {}).get('exitCode') == 3, 'it to fail')
    debug(node, 'host', 'never', '--image-pull-policy=Never', '--image=localhost/knarr/none:v1')
    wait_for(lambda: status(node, 'host', 'never').get('state', {}).get('waiting', {}).get('reason') == 'ErrImageNeverPull',
             'it to wait for an image that is not there')
    seen = node.get('pod', 'host')
    assert condition(seen, 'Ready') == 'True' and seen['status']['phase'] == 'Running'
    assert seen['metadata']['generation'] == 4 and len(seen['status']['containerStatuses']) == 1
    assert [s['restartCount'] for s in seen['status']['ephemeralContainerStatuses']] == [0, 0, 0]
    assert 'started' not in seen['status']['ephemeralContainerStatuses'][0]
    place = 'spec.ephemeralContainers{alone}'
    wait_for(lambda: {'Pulled', 'Created', 'Started'} <= {
        e['reason'] for e in node.events('host') if e['involvedObject'].get('fieldPath') == place}, 'its events')
    # What it refers to may be newer than the pod.
    node.apply(SECRET)
    env = [{'name': 'WORD', 'valueFrom': {'secretKeyRef': {'name': 'late', 'key': 'word'}}}]
    patch = {'name': 'knows', 'image': IMAGE, 'command': ['sh', '-c', 'echo $WORD'], 'env': env}
    node.kubectl('patch', 'pod', 'host', '--subresource=ephemeralcontainers', '-p', f'spec: {{ephemeralContainers: [{patch}]}}')
    wait_for(lambda: node.kubectl('logs', 'host', '-c', 'knows', check=False).stdout == 'open sesame\n', 'the secret', 8)
    node.kubectl('delete', 'pod', 'host', '--timeout=20s')


def test_a_status_is_no_order_to_remove(node):
    """Who may write a pod's status names no container of another pod to be removed with it."""
    make(node, 'victim', ['sleep', '100000'])
    theirs = node.get('pod', 'victim')['status']['containerStatuses'][0]['containerID']
    node.apply(pod('liar', ['sleep', '100000'], schedulingGates=[{'name': 'example.com/later'}]))
    node.kubectl('patch', 'pod', 'liar', '--subresource=ephemeralcontainers', '-p',
                 f"spec: {{ephemeralContainers: [{{name: guest, image: '{IMAGE}'}}]}}")
    lie = {'name': 'guest', 'containerID': theirs, 'image': IMAGE, 'imageID': '', 'ready': False, 'restartCount': 0}
    node.kubectl('patch', 'pod', 'liar', '--subresource=status', '-p', f'status: {{ephemeralContainerStatuses: [{lie}]}}'
                 .replace('False', 'false'))
    node.kubectl('patch', 'pod', 'liar', '--type=json', '-p', '[{"op": "remove", "path": "/spec/schedulingGates"}]')
    wait_for(lambda: condition(node.get('pod', 'liar'), 'Ready') == 'True', 'it to be ready')
    assert status(node, 'liar', 'guest')['state']['terminated']['reason'] == 'ContainerStatusUnknown'
    node.kubectl('delete', 'pod', 'liar', '--timeout=20s')
    assert node.kubectl('exec', 'victim', '--', 'echo', 'alive').stdout == 'alive\n'
    assert node.get('pod', 'victim')['status']['containerStatuses'][0]['containerID'] == theirs
    node.kubectl('delete', 'pod', 'victim', '--timeout=20s')


def test_a_guest_sees_the_processes_of_its_target(node):
    make(node, 'target', ['sh', '-c', 'echo kept >/tmp/file; while [ ! -e /tmp/go ]; do sleep 0.05; done'], restart='Always')
    debug(node, 'target', 'looks', '--target=main', '-i=false')
    before = wait_running(node, 'target', 'looks')

    def looks(*command):
        return node.kubectl('exec', 'target', '-c', 'looks', '--', *command, check=False).stdout

    assert re.search(r'^ +1 root +sh -c echo kept', looks('ps'), re.M), looks('ps')
    assert looks('cat', '/proc/1/root/tmp/file') == 'kept\n'
    debug(node, 'target', 'past', command=['sh', '-c', 'exit 4'])
    past = wait_for(lambda: 'terminated' in (s := status(node, 'target', 'past')).get('state', {}) and s, 'one to end')
    refused = debug(node, 'target', 'lost', '--target=nobody', check=False)
    assert refused.returncode == 1 and 'targetContainerName: Not found: "nobody"' in refused.stderr
    # The agent dies, and another one goes on with what runs. What had ended is forgotten, as after a start of the host.
    node.nodes[0].stop(signal.SIGKILL)
    shutil.rmtree(node.nodes[0].home / 'run/agent/containers' / past['containerID'].removeprefix('knarr://'))
    node.nodes[0].start()
    wait_for(lambda: looks('echo', 'here') == 'here\n', 'the new agent to know it')
    assert status(node, 'target', 'looks')['containerID'] == before['containerID']
    assert status(node, 'target', 'looks')['state'] == before['state']
    # Its end is known from what was told of it, and it does not run again.
    assert status(node, 'target', 'past') == past and node.kubectl('logs', 'target', '-c', 'past', check=False).returncode == 0
    # Its target's end is its own.
    looks('touch', '/proc/1/root/tmp/go')
    wait_for(lambda: status(node, 'target', 'looks')['state'].get('terminated', {}).get('exitCode') == 137, 'both to end')
    wait_for(lambda: node.get('pod', 'target')['status']['containerStatuses'][0]['restartCount'] == 1, 'one to come back')
    node.kubectl('delete', 'pod', 'target', '--wait=false')


def test_a_guest_with_a_terminal(node):
    make(node, 'screen', ['sleep', '100000'])
    terminal = Terminal(node, 'debug', '-it', 'screen', f'--image={IMAGE}', '--profile=general', '--target=main', '-c', 'shell',
                        '--', 'sh')
    terminal.expect(rb'try pressing enter')
    terminal.send(b'while [ "$(stty size)" != "33 101" ]; do sleep 0.1; done; ps; echo do""ne\n')
    terminal.expect(rb' 1 root +sleep 100000\r\n')
    terminal.expect(rb'\ndone\r\n')
    terminal.send(b'exit 5\n')
    terminal.wait()
    wait_for(lambda: status(node, 'screen', 'shell')['state'].get('terminated', {}).get('exitCode') == 5, 'its end to be told')
    # Who comes later joins what runs.
    debug(node, 'screen', 'cat', '-i', '--attach=false', command=['cat'])
    wait_running(node, 'screen', 'cat')
    client = start(node, 'attach', '-i', 'screen', '-c', 'cat', stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   stderr=subprocess.DEVNULL)
    client.stdin.write(b'to and fro\n')
    client.stdin.flush()
    assert client.stdout.readline() == b'to and fro\n'
    client.kill()
    client.communicate()
    node.kubectl('delete', 'pod', 'screen', '--wait=false')


def test_a_pod_ends_whoever_looks_into_it(node):
    """It is seen before its containers start, and is over with them; its sidecar and its guest end then."""
    wait = 'while [ ! -e /tmp/go ]; do sleep 0.05; done'
    sidecar = {'name': 'beside', 'image': IMAGE, 'restartPolicy': 'Always', 'command': ['sleep', '100000']}
    first = {'name': 'first', 'image': IMAGE, 'command': ['sh', '-c', wait]}
    node.apply(pod('short', ['sh', '-c', wait], initContainers=[sidecar, first]))
    wait_for(lambda: 'running' in node.get('pod', 'short')['status'].get('initContainerStatuses', [{}, {}])[1].get('state', {}),
             'the init container to run')
    # One whose target is not up yet waits for it.
    debug(node, 'short', 'later', '--target=main')
    waiting = wait_for(lambda: status(node, 'short', 'later').get('state', {}).get('waiting'), 'it to wait')
    assert waiting['reason'] in ('PodInitializing', 'CreateContainerConfigError'), waiting
    wait_for(lambda: [e for e in node.events('short', 'Failed') if 'target container "main"' in e['message']], 'it to say so')
    debug(node, 'short', 'early', '--target=first', command=['sh', '-c', 'touch /proc/1/root/tmp/go; sleep 100000'])
    wait_for(lambda: condition(node.get('pod', 'short'), 'Ready') == 'True', 'the pod to be ready')
    # Its target is gone, and so is it.
    assert wait_for(lambda: status(node, 'short', 'early')['state'].get('terminated'), 'it to end')['exitCode'] == 137
    wait_for(lambda: 'running' in status(node, 'short', 'later')['state'], 'it to look at once', 5)
    debug(node, 'short', 'stays')
    wait_running(node, 'short', 'stays')
    node.kubectl('exec', 'short', '-c', 'main', '--', 'touch', '/tmp/go')
    ended = wait_for(lambda: (p := node.get('pod', 'short'))['status']['phase'] == 'Succeeded' and p, 'the pod to be over')
    states = [s['state'] for kind in ('initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses')
              for s in ended['status'][kind]]
    assert all('terminated' in s for s in states), 'what is final is told when nothing runs any more'
    node.kubectl('delete', 'pod', 'short', '--timeout=20s')
    logs = node.nodes[0].home / 'logs'
    wait_for(lambda: not [name for name in os.listdir(logs) if '_short_' in name], 'its logs to be gone')


# What each profile of kubectl debug gives: in a pod, on a node. Bits of capabilities; whether the host's processes and files
# are there.
PTRACE, NET_ADMIN, NET_RAW, SYS_ADMIN = 1 << 19, 1 << 12, 1 << 13, 1 << 21
PROFILES = {
    'general': {'pod': PTRACE, 'node': 0, 'host': True, 'files': True},
    'baseline': {'pod': 0, 'node': 0, 'host': False, 'files': False},
    'restricted': {'pod': 0, 'node': 0, 'host': False, 'files': False},
    'netadmin': {'pod': NET_ADMIN | NET_RAW, 'node': NET_ADMIN | NET_RAW, 'host': True, 'files': False},
    'sysadmin': {'pod': SYS_ADMIN | PTRACE, 'node': SYS_ADMIN | PTRACE, 'host': True, 'files': True},
}
LOOK = 'read x; id -u; cat /proc/self/status; echo; ip -o -4 addr; ls -d /host/proc'


@pytest.mark.parametrize('profile', PROFILES)
def test_profiles(node, profile, tmp_path):
    wanted = PROFILES[profile]
    user = 1000 if profile == 'restricted' else 0
    own = tmp_path / 'own.json'
    own.write_text('{"securityContext": {"runAsUser": 1000}}' if user else '{}')
    if profile == 'general':
        make(node, 'looked-at', ['sleep', '100000'])

    def look(what, *arguments):
        done = node.kubectl('debug', what, f'--image={IMAGE}', f'--profile={profile}', f'--custom={own}', '-i', *arguments, '--', 'sh',
                            '-c', LOOK, input='go\n')
        said = dict(re.findall(r'^(\w+):\t(\w+)', done.stdout, re.M))
        assert f'{user}\n' in done.stdout, done
        assert said['NoNewPrivs'] == ('1' if user else '0') and said['Seccomp'] == ('0' if profile == 'sysadmin' else '2'), done
        return int(said['CapEff'], 16), done.stdout

    some = PTRACE | NET_ADMIN | SYS_ADMIN if profile != 'sysadmin' else PTRACE | SYS_ADMIN  # what nobody has by default
    caps, text = look('looked-at', '--target=main', '-c', f'with-{profile}')
    assert caps & (some | wanted['pod']) == wanted['pod'] and (caps == 0) == (profile == 'restricted'), text
    caps, text = look('node/node-1')
    assert caps & (some | wanted['node']) == wanted['node'] and (caps == 0) == (profile == 'restricted'), text
    assert (node.nodes[0].ip in text) == wanted['host'] and ('/host/proc' in text) == wanted['files'], text
    for name in [p['metadata']['name'] for p in node.pods() if p['metadata']['name'].startswith('node-debugger-')]:
        node.kubectl('delete', 'pod', name, '--timeout=20s')
    if profile == 'sysadmin':
        node.kubectl('delete', 'pod', 'looked-at', '--timeout=20s')
