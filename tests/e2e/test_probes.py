# SPDX-License-Identifier: Apache-2.0
"""Probes and lifecycle hooks, with real containers. What a pod is told from outside, it is told by files in a folder of
its node."""
import json
import pathlib
import subprocess
import sys

import pytest

from cluster import PORT, SERVER_IP, condition, pod, wait_for
from test_workloads import finished


@pytest.fixture
def shared(cluster, request):
    """A folder of node-1 that the test's pods have as /shared."""
    folder = cluster.nodes[0].home / 'shared' / request.node.name
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    return folder


def probed(name, shared, command, restart='Always', **container):
    """A pod of node-1 with /shared; more for its container."""
    manifest = pod(name, command, restart, nodeName='node-1',
                   volumes=[{'name': 'shared', 'hostPath': {'path': str(shared), 'type': 'Directory'}}])
    manifest['spec']['containers'][0].update(volumeMounts=[{'name': 'shared', 'mountPath': '/shared'}], **container)
    return manifest


def often(handler, **more):
    return {**handler, 'periodSeconds': 1, **more}


def exists(path):
    return {'exec': {'command': ['ls', f'/shared/{path}']}}


def status(c, name, container='main'):
    found = c.get('pod', name)['status']
    return next((s for s in found.get('containerStatuses', []) + found.get('initContainerStatuses', [])
                 if s['name'] == container), {})


def said(c, name, reason, text):
    return [e for e in c.events(name, reason) if text in e['message']]


def running(c, name):
    return wait_for(lambda: (p := c.get('pod', name))['status'].get('phase') == 'Running' and p, f'{name} to run', 60)


def ready_is(c, name, value):
    return wait_for(lambda: (p := c.get('pod', name)) and condition(p, 'Ready') == value and p, f'{name} Ready {value}', 60)


def test_readiness_moves_the_endpoints(cluster, shared):
    c = cluster
    manifest = probed('serves', shared, ['httpd', '-f', '-p', '8080', '-h', '/shared'],
                      ports=[{'name': 'web', 'containerPort': 8080}],
                      lifecycle={'preStop': {'exec': {'command': ['sleep', '1000']}}},
                      livenessProbe=often(exists('alive'), failureThreshold=1),
                      readinessProbe=often({'httpGet': {'path': '/ready', 'port': 'web'}}, failureThreshold=1))
    manifest['metadata']['labels'] = {'app': 'serves'}
    manifest['spec']['terminationGracePeriodSeconds'] = 60
    (shared / 'alive').touch()
    c.apply(manifest)
    c.kubectl('expose', 'pod', 'serves', '--port=80', '--target-port=8080')

    def endpoint_ready():
        slices = c.get('endpointslices', '-l', 'kubernetes.io/service-name=serves')['items']
        return [e['conditions']['ready'] for s in slices for e in s.get('endpoints') or []]
    event = wait_for(lambda: said(c, 'serves', 'Unhealthy', 'Readiness probe failed'), 'the probe to fail', 60)[0]
    assert event['message'] == 'Readiness probe failed: HTTP probe failed with statuscode: 404' and event['type'] == 'Warning'
    p = c.get('pod', 'serves')
    ready = next(x for x in p['status']['conditions'] if x['type'] == 'Ready')
    assert p['status']['phase'] == 'Running' and condition(p, 'ContainersReady') == 'False'
    assert (ready['status'], ready['reason'], ready['message']) == \
        ('False', 'ContainersNotReady', 'containers with unready status: [main]')
    assert (status(c, 'serves')['ready'], status(c, 'serves')['started']) == (False, True)
    wait_for(lambda: endpoint_ready() == [False], 'the endpoint not to be ready')
    (shared / 'ready').touch()
    wait_for(lambda: endpoint_ready() == [True], 'the endpoint to be ready')
    assert c.kubectl('get', 'pod', 'serves').stdout.split()[6] == '1/1'
    (shared / 'ready').unlink()
    wait_for(lambda: endpoint_ready() == [False], 'the endpoint not to be ready again')
    assert status(c, 'serves')['restartCount'] == 0
    # Until it has ended readiness is asked, and liveness is not.
    (shared / 'ready').touch()
    wait_for(lambda: endpoint_ready() == [True], 'the endpoint to be ready')
    c.kubectl('delete', 'pod', 'serves', '--wait=false')
    wait_for(lambda: said(c, 'serves', 'Killing', 'Stopping container main'), 'its end to begin')
    (shared / 'alive').unlink()

    def endpoint():
        slices = c.get('endpointslices', '-l', 'kubernetes.io/service-name=serves')['items']
        return [(e['conditions']['serving'], e['conditions']['terminating']) for s in slices for e in s.get('endpoints') or []]
    wait_for(lambda: endpoint() == [(True, True)], 'the endpoint to be serving still')
    (shared / 'ready').unlink()
    wait_for(lambda: endpoint() == [(False, True)], 'the endpoint to serve no more')
    assert not said(c, 'serves', 'Unhealthy', 'Liveness')
    # The grace may shrink meanwhile: neither hook nor server end by themselves.
    c.kubectl('delete', 'pod', 'serves', '--grace-period=1', timeout=30)
    c.kubectl('delete', 'service', 'serves')


def test_every_kind_of_probe(cluster, shared):
    """Good ones become ready; bad ones say why, in the kubelet's words."""
    c = cluster
    (shared / 'cgi-bin').mkdir()
    for name, script in {'agent': 'case "$HTTP_USER_AGENT$HTTP_X_ASK" in kube-probe/1.35yes) echo "Status: 200 OK";; '
                                  '*) echo "Status: 500 Wrong";; esac; echo; echo',
                         'host': 'case "$HTTP_HOST" in inner.example) echo "Status: 399 Odd";; '
                                 '*) echo "Status: 400 No";; esac; echo; echo',
                         'moved': 'echo "Status: 302 Found"; echo "Location: /cgi-bin/agent"; echo; echo',
                         'away': 'echo "Status: 302 Found"; echo "Location: http://192.0.2.1/"; echo; echo'}.items():
        (shared / 'cgi-bin' / name).write_text(f'#!/bin/sh\n{script}\n')
        (shared / 'cgi-bin' / name).chmod(0o755)

    def get(path, **more):
        return {'httpGet': {'path': path, 'port': 8080, 'httpHeaders': [{'name': 'X-Ask', 'value': 'yes'}], **more}}
    good = {'http': get('/cgi-bin/agent'), 'moved': get('/cgi-bin/moved'), 'away': get('/cgi-bin/away'),
            'host': get('/cgi-bin/host', httpHeaders=[{'name': 'Host', 'value': 'inner.example'}]),
            # Whose certificate it is does not matter.
            'tls': get('/readyz', host=SERVER_IP, port=PORT, scheme='HTTPS'),
            'tcp': {'tcpSocket': {'port': 8080}}, 'exec': {'exec': {'command': ['true']}}}
    bad = {'status': (get('/cgi-bin/agent', httpHeaders=[]), 'failed: HTTP probe failed with statuscode: 500'),
           'nobody': ({'tcpSocket': {'port': 81}}, ':81: connect: connection refused'),
           'closed': (get('/', port=81), 'failed: Get "http://'),
           'plain': (get('/', scheme='HTTPS'), 'failed: Get "https://'),
           'fails': ({'exec': {'command': ['sh', '-c', 'echo no such luck; exit 3']}}, 'failed: no such luck'),
           'hangs': ({'exec': {'command': ['sleep', '1000']}}, 'failed: command timed out: "sleep 1000" timed out after 1s'),
           'absent': ({'exec': {'command': ['/no/such']}}, 'errored and resulted in unknown state: OCI runtime exec failed'),
           'unnamed': (get('/', port='nope'), 'errored and resulted in unknown state: strconv.Atoi: parsing "nope"')}
    manifest = probed('kinds', shared, ['true'])
    first = manifest['spec']['containers'].pop()
    for name, handler in [*good.items(), *((n, h) for n, (h, _) in bad.items())]:
        # One web server serves all of them: they share the pod's address.
        command = ['httpd', '-f', '-p', '8080', '-h', '/shared'] if name == 'http' else ['sleep', '1000']
        manifest['spec']['containers'].append({**first, 'name': name, 'command': command, 'readinessProbe': often(handler)})
    c.apply(manifest)
    wait_for(lambda: {s['name'] for s in c.get('pod', 'kinds')['status'].get('containerStatuses', []) if s['ready']} == set(good),
             'the good ones to be ready', 60)
    for name, (_, text) in bad.items():
        def complaint(field=f'spec.containers{{{name}}}', text=text):
            return [e for e in c.events('kinds', 'Unhealthy')
                    if e['involvedObject'].get('fieldPath') == field and text in e['message']]
        wait_for(complaint, f'{name} to say "{text}"', 30)
    assert said(c, 'kinds', 'ProbeWarning', 'Readiness probe warning: Probe terminated redirects')
    unready = next(x['message'] for x in c.get('pod', 'kinds')['status']['conditions'] if x['type'] == 'Ready')
    assert unready == f'containers with unready status: [{" ".join(bad)}]'
    c.kubectl('delete', 'pod', 'kinds', '--wait=false')


def test_grpc(cluster, shared):
    c = cluster
    node = c.nodes[0]
    server = subprocess.Popen(['nsenter', f'--net=/run/netns/{node.netns}', '--', sys.executable,
                               pathlib.Path(__file__).parent / 'grpc_health.py', node.ip, '9191'],
                              stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == 'ready\n'
        cases = {'good': 'good', 'bad': 'failed: service unhealthy (responded with "NOT_SERVING")',
                 'other': 'failed: error: health rpc probe failed: rpc error: code = NotFound desc = unknown service'}
        # On the node's network, where the service listens: the pod's address is the node's.
        manifest = probed('asks', shared, ['true'])
        manifest['spec']['hostNetwork'] = True
        first = manifest['spec']['containers'].pop()
        for name in (*cases, 'gone'):
            handler = {'grpc': {'port': 9192 if name == 'gone' else 9191, 'service': name}}
            manifest['spec']['containers'].append(
                {**first, 'name': name, 'command': ['sleep', '1000'], 'readinessProbe': often(handler)})
        c.apply(manifest)
        wait_for(lambda: status(c, 'asks', 'good').get('ready'), 'the good service', 60)
        for text in [*list(cases.values())[1:], f'failed to connect service at "{node.ip}:9192"']:
            wait_for(lambda text=text: said(c, 'asks', 'Unhealthy', text), text)
        assert not status(c, 'asks', 'bad')['ready']
        c.kubectl('delete', 'pod', 'asks', '--wait=false')
    finally:
        server.terminate()
        server.wait()


def test_liveness_and_startup(cluster, shared):
    """What fails is started again and counted; startup keeps liveness waiting; a policy of Never ends the pod."""
    c = cluster
    once = often(exists('alive'), failureThreshold=1)
    (shared / 'alive').touch()
    # Deaf to SIGTERM with a long grace: only the probe's own grace ends it soon.
    live = probed('lives', shared, ['sleep', '1000'], livenessProbe={**once, 'terminationGracePeriodSeconds': 1})
    live['spec']['terminationGracePeriodSeconds'] = 600
    c.apply(live)
    c.apply(probed('ends', shared, ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 0.1; done'], 'Never',
                   livenessProbe=once))
    c.apply(probed('slow', shared, ['sleep', '1000'], startupProbe=often(exists('started'), failureThreshold=1000),
                   livenessProbe=often(exists('started'), failureThreshold=1)))
    c.apply(probed('never', shared, ['sleep', '1000'], startupProbe=often(exists('nothing'), failureThreshold=2)))
    for name in ('lives', 'ends', 'slow'):
        running(c, name)
    wait_for(lambda: said(c, 'slow', 'Unhealthy', 'Startup probe failed: ls: /shared/started'), 'a failed startup probe')
    assert (status(c, 'slow')['started'], status(c, 'slow')['ready']) == (False, False)
    (shared / 'started').touch()
    ready_is(c, 'slow', 'True')
    assert status(c, 'slow')['started'] and status(c, 'slow')['restartCount'] == 0
    (shared / 'alive').unlink()
    over = finished(c, 'ends')['status']
    assert over['phase'] == 'Succeeded' and not over['containerStatuses'][0]['restartCount']
    assert said(c, 'ends', 'Killing', 'Container main failed liveness probe')[0]['message'].endswith('probe')
    wait_for(lambda: said(c, 'lives', 'Killing', 'Container main failed liveness probe, will be restarted'), 'the kill', 60)
    (shared / 'alive').touch()
    again = wait_for(lambda: (s := status(c, 'lives'))['restartCount'] == 1 and s['state'].get('running') and s,
                     'the restart', 60)
    assert again['lastState']['terminated']['exitCode'] == 137
    assert said(c, 'lives', 'Unhealthy', 'Liveness probe failed: ls: /shared/alive: No such file')
    wait_for(lambda: status(c, 'never')['restartCount'] >= 1, 'the startup probe to give up', 60)
    assert said(c, 'never', 'Killing', 'Container main failed startup probe, will be restarted')
    c.kubectl('delete', 'pod', 'lives', 'ends', 'slow', 'never', '--wait=false', '--grace-period=1')


def test_sidecar_and_gates(cluster, shared):
    """The next init container waits until the sidecar has started; a gate holds the pod back. Sidecars end last, in reverse."""
    c = cluster

    def says(name):
        trap = f'echo {name} >> /shared/ended; exit 0'
        return {'name': name, 'command': ['sh', '-c', f'trap "{trap}" TERM; touch /shared/{name}.up; '
                                                      'while true; do sleep 0.1; done']}
    manifest = probed('gated', shared, says('main')['command'])
    manifest['spec']['terminationGracePeriodSeconds'] = 60
    main = manifest['spec']['containers'][0]
    manifest['spec']['initContainers'] = [
        {**main, **says('side'), 'restartPolicy': 'Always', 'startupProbe': often(exists('side'), failureThreshold=1000),
         'readinessProbe': often(exists('side-ready'), failureThreshold=1)},
        {**main, 'name': 'next', 'command': ['touch', '/shared/next']},
        {**main, **says('late'), 'restartPolicy': 'Always'}]
    manifest['spec']['readinessGates'] = [{'conditionType': 'example.com/open'}]
    c.apply(manifest)
    wait_for(lambda: said(c, 'gated', 'Unhealthy', 'Startup probe failed'), 'the sidecar to be asked', 60)
    assert not (shared / 'next').exists() and condition(c.get('pod', 'gated'), 'Initialized') == 'False'
    (shared / 'side').touch()
    running(c, 'gated')
    p = wait_for(lambda: status(c, 'gated').get('ready') and c.get('pod', 'gated'), 'main to be ready')
    assert (shared / 'next').exists() and condition(p, 'Initialized') == 'True'
    assert 'containers with unready status: [side]' in [x.get('message') for x in p['status']['conditions']]
    (shared / 'side-ready').touch()

    def why():
        p = c.get('pod', 'gated')
        ready = next(x for x in p['status']['conditions'] if x['type'] == 'Ready')
        return condition(p, 'ContainersReady') == 'True' and ready
    ready = wait_for(why, 'the containers to be ready')
    assert (ready['reason'], ready['message']) == \
        ('ReadinessGatesNotReady', 'corresponding condition of pod readiness gate "example.com/open" does not exist.')
    c.kubectl('patch', 'pod', 'gated', '--subresource=status', '-p',
              '{"status":{"conditions":[{"type":"example.com/open","status":"True"}]}}')
    ready_is(c, 'gated', 'True')
    wait_for(lambda: all((shared / f'{n}.up').exists() for n in ('main', 'late', 'side')), 'the traps to be set')
    c.kubectl('delete', 'pod', 'gated', timeout=40)
    assert (shared / 'ended').read_text().split() == ['main', 'late', 'side']


def test_post_start(cluster, shared):
    c = cluster
    manifest = probed('hooked', shared, ['sh', '-c', 'touch /shared/main; sleep 1000'], lifecycle={
        'postStart': {'exec': {'command': ['sh', '-c', 'touch /shared/hook; until [ -e /shared/go ]; do sleep 0.1; done']}}})
    main = manifest['spec']['containers'][0]
    manifest['spec']['containers'].append({**main, 'name': 'second', 'command': ['sh', '-c', 'touch /shared/second; sleep 1000'],
                                           'lifecycle': {'postStart': {'sleep': {'seconds': 0}}}})
    c.apply(manifest)
    c.apply(probed('unhooked', shared, ['sleep', '1000'], lifecycle={'postStart': {'exec': {'command': ['false']}}}))
    wait_for(lambda: (shared / 'hook').exists() and (shared / 'main').exists(), 'hook and main to run together', 60)
    wait_for(lambda: said(c, 'hooked', 'Started', 'Started container main'), 'the event')
    assert status(c, 'hooked')['state'] == {'waiting': {'reason': 'ContainerCreating'}}
    assert not (shared / 'second').exists()
    (shared / 'go').touch()
    ready_is(c, 'hooked', 'True')
    assert (shared / 'second').exists()
    wait_for(lambda: said(c, 'unhooked', 'FailedPostStartHook', 'PostStartHook failed'), 'the hook to fail', 60)
    wait_for(lambda: status(c, 'unhooked')['restartCount'] >= 1, 'another try', 60)
    assert said(c, 'unhooked', 'Killing', 'FailedPostStartHook')
    c.kubectl('delete', 'pod', 'hooked', 'unhooked', '--wait=false')


def test_pre_stop(cluster, shared):
    c = cluster
    trap = 'trap "echo term >> /shared/{0}; exit 0" TERM; touch /shared/{0}.up; while true; do sleep 0.1; done'

    def make(name, hook, grace=30, command=None, **more):
        manifest = probed(name, shared, command or ['sh', '-c', trap.format(name)], lifecycle={'preStop': hook}, **more)
        manifest['spec']['terminationGracePeriodSeconds'] = grace
        c.apply(manifest)

    def run(script):
        return {'exec': {'command': ['sh', '-c', script]}}
    (shared / 'cgi-bin').mkdir()
    (shared / 'cgi-bin/stop').write_text('#!/bin/sh\necho "$HTTP_USER_AGENT" > /shared/asked\necho\n')
    (shared / 'cgi-bin/stop').chmod(0o755)
    make('ordered', run('sleep 0.5; echo hook >> /shared/ordered'))
    make('broken', run('exit 1'))
    make('endless', run('sleep 1000'), grace=2)
    make('asked', {'httpGet': {'path': '/cgi-bin/stop', 'port': 8080}}, grace=1,
         command=['httpd', '-f', '-p', '8080', '-h', '/shared'])
    # Not for a container that ends by itself.
    make('alone', run('touch /shared/alone-hook'), command=['true'], restart='Never')
    for name in ('ordered', 'broken', 'endless'):
        wait_for(lambda name=name: (shared / f'{name}.up').exists(), f'{name} to run', 60)
    running(c, 'asked')
    finished(c, 'alone')
    c.kubectl('delete', 'pod', 'ordered', 'broken', 'endless', 'asked', 'alone', timeout=60)
    assert (shared / 'ordered').read_text() == 'hook\nterm\n'
    # The grace went by with the hook, and there was still time for the handler.
    assert (shared / 'endless').read_text() == 'term\n'
    assert (shared / 'broken').read_text() == 'term\n' and said(c, 'broken', 'FailedPreStopHook', 'PreStopHook failed')
    assert (shared / 'asked').read_text() == 'kube-lifecycle/1.35\n'
    assert not (shared / 'alone-hook').exists()


def test_stop_signal_and_force(cluster, shared):
    c = cluster
    trap = 'trap "echo usr1 > /shared/got; exit 0" USR1; trap "" TERM; touch /shared/up; while true; do sleep 0.1; done'
    manifest = probed('signalled', shared, ['sh', '-c', trap], lifecycle={'stopSignal': 'SIGUSR1'})
    refused = c.kubectl('apply', '-f', '-', input=json.dumps(manifest), check=False)
    assert 'may not be set for containers with empty `spec.os.name`' in refused.stderr
    manifest['spec'].update(os={'name': 'linux'}, terminationGracePeriodSeconds=600)
    c.apply(manifest)
    forced = probed('forced', shared, ['sleep', '1000'])
    forced['spec']['terminationGracePeriodSeconds'] = 600
    c.apply(forced)
    wait_for((shared / 'up').exists, 'the trap to be set', 60)
    uid = running(c, 'forced')['metadata']['uid']
    c.kubectl('delete', 'pod', 'signalled')
    assert (shared / 'got').read_text() == 'usr1\n'
    # Forced: gone from the API at once, and from the node soon, though the pod has a long grace.
    c.kubectl('delete', 'pod', 'forced', '--force', '--grace-period=0')
    assert c.get('pod', 'forced') is None
    wait_for(lambda: not (c.nodes[0].home / 'agent/pods' / uid).exists(), 'the node to be rid of it', 20)


def test_active_deadline(cluster, shared):
    c = cluster
    manifest = probed('limited', shared, ['sh', '-c', 'trap "exit 3" TERM; while true; do sleep 0.1; done'])
    manifest['spec']['activeDeadlineSeconds'] = 600
    c.apply(manifest)
    running(c, 'limited')
    c.kubectl('patch', 'pod', 'limited', '-p', '{"spec":{"activeDeadlineSeconds":1}}')
    over = finished(c, 'limited')['status']
    assert (over['phase'], over['reason']) == ('Failed', 'DeadlineExceeded')
    assert over['message'] == 'Pod was active on the node longer than the specified deadline'
    assert over['containerStatuses'][0]['state']['terminated']['exitCode'] == 3
    assert c.events('limited', 'DeadlineExceeded')


def test_agent_restart_changes_nothing(cluster, shared):
    """A new agent takes over what was known: nobody becomes unready or is killed; and it goes on probing. A hook that was
    under way ends as it would have."""
    c = cluster
    for name in ('ready', 'alive', 'started'):
        (shared / name).touch()
    c.apply(probed('steady', shared, ['sleep', '1000'], startupProbe=often(exists('started'), failureThreshold=1),
                   livenessProbe=often(exists('alive'), failureThreshold=1),
                   readinessProbe=often({'exec': {'command': ['sh', '-c', 'echo >> /shared/asked; ls /shared/ready']}},
                                        successThreshold=2, failureThreshold=1)))
    c.apply(probed('midway', shared, ['sleep', '1000'], lifecycle={'postStart': {'exec': {'command': [
        'sh', '-c', 'touch /shared/begun; until [ -e /shared/go ]; do sleep 0.1; done; touch /shared/done']}}}))
    before = ready_is(c, 'steady', 'True')
    wait_for((shared / 'begun').exists, 'the hook to begin', 60)
    (shared / 'started').unlink()
    watcher = c.spawn_kubectl('get', 'pod', 'steady', '-w', '-o', r'jsonpath={.status.containerStatuses[0].ready}{"\n"}')
    node = c.nodes[0]
    node.stop()
    (shared / 'asked').unlink()
    node.start()
    wait_for(lambda: (shared / 'asked').exists() and (shared / 'asked').stat().st_size >= 2, 'the new agent to probe twice', 60)
    watcher.terminate()
    assert set(watcher.communicate()[0].split()) == {'true'}
    (shared / 'ready').unlink()
    ready_is(c, 'steady', 'False')
    ready_is(c, 'midway', 'True')
    assert status(c, 'midway')['restartCount'] == 0 and not (shared / 'done').exists()
    (shared / 'go').touch()
    wait_for((shared / 'done').exists, 'the hook to end')
    after = status(c, 'steady')
    assert after['restartCount'] == 0 and after['started']
    assert after['containerID'] == before['status']['containerStatuses'][0]['containerID']
    c.kubectl('delete', 'pod', 'steady', 'midway', '--wait=false')
