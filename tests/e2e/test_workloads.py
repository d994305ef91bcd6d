# SPDX-License-Identifier: Apache-2.0
"""Pods and Deployments on two nodes, by kubectl."""
import json

from cluster import condition, deployment, pod, wait_for


def rollout(c, name, seconds=60):
    c.kubectl('rollout', 'status', f'deployment/{name}', f'--timeout={seconds}s', timeout=seconds + 10)


def finished(c, name):
    """The pod once it is over."""
    return wait_for(lambda: (p := c.get('pod', name)) and p['status'].get('phase') in ('Succeeded', 'Failed') and p,
                    f'pod {name} to finish', 60)


def log_of(c, name, *arguments):
    return c.kubectl('logs', name, *arguments).stdout


def test_nodes_report_themselves(cluster):
    node = cluster.get('node', 'node-1')
    for key in ('cpu', 'memory', 'ephemeral-storage', 'pods'):
        assert node['status']['capacity'][key] and node['status']['allocatable'][key]
    info = node['status']['nodeInfo']
    assert info['kubeletVersion'].startswith('v1.35') and info['kernelVersion'] and info['operatingSystem'] == 'linux'
    assert {'type': 'InternalIP', 'address': cluster.nodes[0].ip} in node['status']['addresses']
    lease = cluster.get('lease', 'node-1', '-n', 'kube-node-lease')
    assert lease['spec']['holderIdentity'] == 'node-1'
    table = cluster.kubectl('get', 'nodes', '-o', 'wide').stdout
    assert table.count('Ready') == 2 and 'CONTAINER-RUNTIME' in table
    assert 'Allocatable' in cluster.kubectl('describe', 'node', 'node-1').stdout


def test_deployment_runs_and_spreads(cluster):
    c = cluster
    c.apply(deployment('spread', 4))
    rollout(c, 'spread')
    pods = c.pods('app=spread')
    assert len(pods) == 4 and {p['spec']['nodeName'] for p in pods} == {'node-1', 'node-2'}
    for p in pods:
        assert p['status']['phase'] == 'Running' and condition(p, 'Ready') == 'True'
        assert p['status']['containerStatuses'][0]['containerID'].startswith('knarr://') or \
            '://' in p['status']['containerStatuses'][0]['containerID']
        node = next(n for n in c.nodes if n.name == p['spec']['nodeName'])
        page = node.run('busybox', 'wget', '-q', '-O', '-', f'http://{p["status"]["podIP"]}:8080/').stdout
        assert 'Hello' in page
    assert len({p['status']['podIP'] for p in pods}) == 4
    out = c.kubectl('get', 'pods', '-l', 'app=spread', '-o', 'wide').stdout
    assert out.count('Running') == 4 and out.count('1/1') == 4
    assert c.kubectl('get', 'deploy', 'spread').stdout.splitlines()[1].split()[1] == '4/4'
    reasons = {e['reason'] for e in c.events(pods[0]['metadata']['name'])}
    assert {'Scheduled', 'Created', 'Started'} <= reasons
    described = c.kubectl('describe', 'pod', pods[0]['metadata']['name']).stdout
    assert 'Successfully assigned default/' in described
    assert 'Scaled up replica set' in c.kubectl('describe', 'deploy', 'spread').stdout
    c.kubectl('delete', 'deploy', 'spread')
    wait_for(lambda: not c.pods('app=spread'), 'the pods to be collected', 60)


def test_rolling_update_undo_history_pause(cluster):
    c = cluster
    c.apply(deployment('rolled', 3))
    rollout(c, 'rolled')
    c.kubectl('set', 'image', 'deploy/rolled', 'web=localhost/knarr/hello:v2')
    # The second image is not there yet: the old pods go on serving.
    wait_for(lambda: any('ErrImage' in (s.get('state', {}).get('waiting') or {}).get('reason', '') or
                         'ImagePullBackOff' in (s.get('state', {}).get('waiting') or {}).get('reason', '')
                         for p in c.pods('app=rolled') for s in p['status'].get('containerStatuses', [])),
             'the missing image to be reported', 60)
    assert c.get('deploy', 'rolled')['status']['availableReplicas'] >= 2
    c.kubectl('rollout', 'undo', 'deploy/rolled')
    rollout(c, 'rolled')
    assert {p['spec']['containers'][0]['image'] for p in c.pods('app=rolled')} == {'localhost/knarr/hello:v1'}
    c.kubectl('set', 'env', 'deploy/rolled', 'STAGE=two')
    rollout(c, 'rolled')
    history = c.kubectl('rollout', 'history', 'deploy/rolled').stdout
    assert len([line for line in history.splitlines() if line[:1].isdigit()]) == 3
    c.kubectl('rollout', 'pause', 'deploy/rolled')
    c.kubectl('set', 'env', 'deploy/rolled', 'STAGE=three')
    paused = c.get('deploy', 'rolled')
    assert paused['spec']['paused']
    c.kubectl('rollout', 'resume', 'deploy/rolled')
    rollout(c, 'rolled')
    assert {e['value'] for p in c.pods('app=rolled') for e in p['spec']['containers'][0]['env']} == {'three'}
    c.kubectl('rollout', 'restart', 'deploy/rolled')
    rollout(c, 'rolled')
    c.kubectl('scale', 'deploy/rolled', '--replicas=1')
    wait_for(lambda: len(c.pods('app=rolled')) == 1, 'one pod to be left', 60)
    c.kubectl('wait', 'deploy/rolled', '--for=condition=Available', '--timeout=30s')
    c.kubectl('delete', 'deploy', 'rolled')


def test_recreate_strategy_never_runs_both(cluster):
    c = cluster
    c.apply(deployment('recreated', 2, strategy={'type': 'Recreate'}))
    rollout(c, 'recreated')
    old = {p['metadata']['uid'] for p in c.pods('app=recreated')}
    c.kubectl('set', 'env', 'deploy/recreated', 'A=1')
    rollout(c, 'recreated')
    assert not old & {p['metadata']['uid'] for p in c.pods('app=recreated')}
    c.kubectl('delete', 'deploy', 'recreated')


def test_command_environment_and_volumes(cluster):
    c = cluster
    c.kubectl('create', 'cm', 'settings', '--from-literal=color=blue', '--from-literal=file.txt=from config map')
    c.kubectl('create', 'secret', 'generic', 'hidden', '--from-literal=password=opensesame')
    script = ('echo "$COLOR $PASSWORD $POD_NAME $NODE_NAME $EXPANDED $LIMIT $file_color"; cat /cm/file.txt; echo; '
              'cat /secret/password; echo; echo data > /scratch/f; cat /scratch/f; stat -L -c %a /secret/password; '
              'grep /secret /proc/mounts; cat /hostdir/hello; hostname; id -u')
    host = c.nodes[0].home / 'shared'
    host.mkdir()
    (host / 'hello').write_text('from the host\n')
    manifest = pod('configured', ['sh', '-c', script], nodeName='node-1', volumes=[
        {'name': 'cm', 'configMap': {'name': 'settings'}},
        {'name': 'secret', 'secret': {'secretName': 'hidden', 'defaultMode': 0o400}},
        {'name': 'scratch', 'emptyDir': {}},
        {'name': 'host', 'hostPath': {'path': str(host), 'type': 'Directory'}}])
    manifest['spec']['containers'][0].update({
        'env': [
            {'name': 'COLOR', 'valueFrom': {'configMapKeyRef': {'name': 'settings', 'key': 'color'}}},
            {'name': 'PASSWORD', 'valueFrom': {'secretKeyRef': {'name': 'hidden', 'key': 'password'}}},
            {'name': 'POD_NAME', 'valueFrom': {'fieldRef': {'fieldPath': 'metadata.name'}}},
            {'name': 'NODE_NAME', 'valueFrom': {'fieldRef': {'fieldPath': 'spec.nodeName'}}},
            {'name': 'EXPANDED', 'value': 'is-$(COLOR)'},
            {'name': 'LIMIT', 'valueFrom': {'resourceFieldRef': {'resource': 'limits.memory'}}}],
        'envFrom': [{'prefix': 'file_', 'configMapRef': {'name': 'settings'}}],
        'resources': {'limits': {'memory': '32Mi', 'cpu': '200m'}},
        'volumeMounts': [{'name': 'cm', 'mountPath': '/cm'}, {'name': 'secret', 'mountPath': '/secret', 'readOnly': True},
                         {'name': 'scratch', 'mountPath': '/scratch'}, {'name': 'host', 'mountPath': '/hostdir'}]})
    c.apply(manifest)
    assert finished(c, 'configured')['status']['phase'] == 'Succeeded'
    lines = log_of(c, 'configured').splitlines()
    assert lines[0] == 'blue opensesame configured node-1 is-blue 33554432 blue'
    assert lines[1:4] == ['from config map', 'opensesame', 'data']
    assert '400' in lines[4] and any('tmpfs' in line for line in lines[4:6])
    assert lines[-3:] == ['from the host', 'configured', '0']


def test_init_containers_and_sidecars(cluster):
    """One after the other, then the sidecar beside the main container; the sidecar does not keep the pod alive."""
    c = cluster
    mounts = [{'name': 'shared', 'mountPath': '/shared'}]
    manifest = pod('prepared', ['sh', '-c', 'until grep -q side /shared/log; do sleep 0.1; done; cat /shared/log'],
                   volumes=[{'name': 'shared', 'emptyDir': {}}])
    main = manifest['spec']['containers'][0]
    main['volumeMounts'] = mounts

    def init(name, script, **more):
        return {'name': name, 'image': main['image'], 'command': ['sh', '-c', script], 'volumeMounts': mounts, **more}
    manifest['spec']['initContainers'] = [
        init('first', 'echo first >> /shared/log'),
        init('second', 'echo second >> /shared/log'),
        init('side', 'echo side >> /shared/log; while true; do sleep 0.1; done', restartPolicy='Always')]
    c.apply(manifest)
    status = finished(c, 'prepared')['status']
    assert status['phase'] == 'Succeeded'
    assert log_of(c, 'prepared', '-c', 'main').split() == ['first', 'second', 'side']
    ended = [s['state']['terminated']['reason'] for s in status['initContainerStatuses'][:2]]
    assert ended == ['Completed', 'Completed']
    broken = pod('unprepared', ['true'])
    broken['spec']['initContainers'] = [{'name': 'bad', 'image': main['image'], 'command': ['false']}]
    c.apply(broken)
    assert finished(c, 'unprepared')['status']['phase'] == 'Failed'
    assert 'Init:Error' in c.kubectl('get', 'pod', 'unprepared').stdout


def test_exit_codes_reasons_and_restart_policies(cluster):
    c = cluster
    c.apply(pod('fails', ['sh', '-c', 'echo out; echo err >&2; exit 3']))
    status = finished(c, 'fails')['status']
    ended = status['containerStatuses'][0]['state']['terminated']
    assert status['phase'] == 'Failed' and (ended['exitCode'], ended['reason']) == (3, 'Error')
    assert ended['startedAt'] and ended['finishedAt']
    assert sorted(log_of(c, 'fails').split()) == ['err', 'out']
    # Who left no word has its log's end as its last word, when it wants so and failed.
    for name, policy, code, want in (('told', 'FallbackToLogsOnError', 3, 'one\ntwo\n'), ('untold', 'File', 3, None),
                                     ('well', 'FallbackToLogsOnError', 0, None)):
        manifest = pod(name, ['sh', '-c', f'echo one; echo two; exit {code}'])
        manifest['spec']['containers'][0]['terminationMessagePolicy'] = policy
        c.apply(manifest)
        assert finished(c, name)['status']['containerStatuses'][0]['state']['terminated'].get('message') == want
    c.apply(pod('windows', ['true'], os={'name': 'windows'}))
    status = finished(c, 'windows')['status']
    assert (status['phase'], status['reason']) == ('Failed', 'PodOSNotSupported')
    c.apply(pod('done', ['true']))
    ended = finished(c, 'done')['status']['containerStatuses'][0]['state']['terminated']
    assert (ended['exitCode'], ended['reason']) == (0, 'Completed')
    assert 'Completed' in c.kubectl('get', 'pod', 'done').stdout
    c.apply(pod('missing', ['/no/such/program']))
    waiting = wait_for(lambda: (c.get('pod', 'missing')['status'].get('containerStatuses') or [{}])[0]
                       .get('state', {}).get('terminated'), 'the missing program to be reported', 60)
    assert waiting['exitCode'] in (127, 128)
    c.apply(pod('crashes', ['sh', '-c', 'echo attempt; exit 1'], restart='Always'))
    crashed = wait_for(lambda: (s := (c.get('pod', 'crashes')['status'].get('containerStatuses') or [{}])[0]) and
                       s.get('restartCount', 0) >= 1 and
                       (s.get('state', {}).get('waiting') or {}).get('reason') == 'CrashLoopBackOff' and s,
                       'the crash loop', 60)
    assert 'back-off' in crashed['state']['waiting']['message']
    assert crashed['lastState']['terminated']['exitCode'] == 1
    assert log_of(c, 'crashes', '--previous').strip() == 'attempt'
    c.apply(pod('oom', ['sh', '-c', 'x=y; while true; do x=$x$x; done']))
    c.kubectl('delete', 'pod', 'crashes', 'missing', 'oom', '--wait=false')


def test_out_of_memory_is_reported(cluster):
    c = cluster
    manifest = pod('hungry', ['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=64M count=1'])
    manifest['spec']['containers'][0]['resources'] = {'limits': {'memory': '16Mi'}}
    c.apply(manifest)
    ended = finished(c, 'hungry')['status']['containerStatuses'][0]['state']['terminated']
    assert ended['reason'] == 'OOMKilled' and ended['exitCode'] == 137


def test_logs(cluster):
    c = cluster
    c.apply(pod('talks', ['sh', '-c', 'for i in $(seq 5); do echo line $i; done; sleep 1; echo last']))
    follower = c.spawn_kubectl('logs', '-f', 'talks', '--pod-running-timeout=30s')
    wait_for(lambda: c.get('pod', 'talks')['status'].get('phase') in ('Running', 'Succeeded'), 'talks to run', 60)
    if follower.wait(60):
        follower = c.spawn_kubectl('logs', '-f', 'talks')
        follower.wait(60)
    assert follower.stdout.read().splitlines() == [f'line {i + 1}' for i in range(5)] + ['last']
    finished(c, 'talks')
    assert log_of(c, 'talks', '--tail=2').splitlines() == ['line 5', 'last']
    assert log_of(c, 'talks', '--timestamps').splitlines()[0].split(' ', 1)[0].endswith('Z')
    assert log_of(c, 'talks', '--since=1h', '-c', 'main').splitlines()[-1] == 'last'
    wrong = c.kubectl('logs', 'talks', '-c', 'nonsense', check=False)
    assert wrong.returncode == 1 and 'nonsense' in wrong.stderr
    assert 'not found' in c.kubectl('logs', 'nobody', check=False).stderr


def test_graceful_deletion_runs_the_handler(cluster):
    c = cluster
    c.apply(pod('polite', ['sh', '-c', 'trap "echo bye; exit 0" TERM; echo ready; while true; do sleep 0.1; done']))
    wait_for(lambda: 'ready' in c.kubectl('logs', 'polite', check=False).stdout, 'polite to be ready', 60)
    # It ends as soon as it is told to: who follows must be there before.
    follower = c.spawn_kubectl('logs', '-f', 'polite')
    assert follower.stdout.readline() == 'ready\n'
    c.kubectl('delete', 'pod', 'polite', '--grace-period=20')
    assert 'bye' in follower.communicate(timeout=60)[0]
    assert c.get('pod', 'polite') is None


def test_what_cannot_be_scheduled_says_why(cluster):
    c = cluster
    manifest = pod('huge', ['true'])
    manifest['spec']['containers'][0]['resources'] = {'requests': {'cpu': '1000'}}
    c.apply(manifest)
    event = wait_for(lambda: c.events('huge', 'FailedScheduling'), 'FailedScheduling')[0]
    assert event['message'].startswith('0/2 nodes are available: 2 Insufficient cpu.')
    assert condition(c.get('pod', 'huge'), 'PodScheduled') == 'False'
    c.kubectl('delete', 'pod', 'huge')
    c.kubectl('taint', 'node', 'node-1', 'test=x:NoSchedule')
    c.kubectl('cordon', 'node-2')
    c.apply(pod('kept-out', ['true']))
    event = wait_for(lambda: c.events('kept-out', 'FailedScheduling'), 'FailedScheduling')[0]
    assert '1 node(s) had untolerated taint(s)' in event['message'] and '1 node(s) were unschedulable' in event['message']
    # Waiting pods are woken by the change, not by time.
    c.kubectl('uncordon', 'node-2')
    assert finished(c, 'kept-out')['spec']['nodeName'] == 'node-2'
    c.kubectl('taint', 'node', 'node-1', 'test-')


def test_node_selector_and_affinity(cluster):
    c = cluster
    c.kubectl('label', 'node', 'node-2', 'disk=ssd')
    c.apply(pod('selected', ['true'], nodeSelector={'disk': 'ssd'}))
    assert finished(c, 'selected')['spec']['nodeName'] == 'node-2'
    term = {'matchExpressions': [{'key': 'disk', 'operator': 'DoesNotExist'}]}
    c.apply(pod('attracted', ['true'], affinity={'nodeAffinity': {
        'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': [term]}}}))
    assert finished(c, 'attracted')['spec']['nodeName'] == 'node-1'


def test_orphans_and_dependents(cluster):
    c = cluster
    c.apply(deployment('parent', 1))
    rollout(c, 'parent')
    owner = c.pods('app=parent')[0]['metadata']['ownerReferences'][0]
    assert owner['kind'] == 'ReplicaSet' and owner['controller']
    c.kubectl('delete', 'pod', c.pods('app=parent')[0]['metadata']['name'])
    rollout(c, 'parent')
    c.kubectl('delete', 'deploy', 'parent')
    wait_for(lambda: not c.get('rs', '-l', 'app=parent')['items'] and not c.pods('app=parent'), 'dependents to go', 60)


def test_watch_sees_a_pod_live(cluster):
    c = cluster
    watcher = c.spawn_kubectl('get', 'pods', '-w', '--output-watch-events', '-o', 'json', '--field-selector',
                              'metadata.name=lived')
    c.apply(pod('lived', ['true']))
    finished(c, 'lived')
    c.kubectl('delete', 'pod', 'lived')
    text = ''
    decoder = json.JSONDecoder()
    phases = []
    while not phases or phases[-1] != 'DELETED':
        text += watcher.stdout.readline()
        try:
            event, end = decoder.raw_decode(text)
        except ValueError:
            continue
        text = text[end:].lstrip()
        phases.append('DELETED' if event['type'] == 'DELETED' else event['object']['status'].get('phase'))
    watcher.kill()
    watcher.wait()
    assert phases[0] == 'Pending' and 'Succeeded' in phases
