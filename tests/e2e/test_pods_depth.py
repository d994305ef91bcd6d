# SPDX-License-Identifier: Apache-2.0
"""What a pod is promised, one by one: images of every archive, cgroups, environment, volumes, phases, logs, tables."""
import json
import os
import pathlib
import shutil

from cluster import ROOT, condition, deployment, pod, run, wait_for
from test_failures import main_process
from test_workloads import finished, log_of, rollout


def running(c, name):
    return wait_for(lambda: (p := c.get('pod', name))['status'].get('phase') == 'Running' and p, f'{name} to run', 60)


def make_image(c, tag, *, page=None):
    path = c.folder / f'{tag}.tar'
    run(ROOT / 'tools/make-hello-image', path, f'localhost/knarr/hello:{tag}', page or f'page {tag}')
    return path


def drop(c, path, name=None):
    """Copies an archive into the images folder of running nodes."""
    for node in c.nodes:
        shutil.copy(path, node.home / 'images' / (name or path.name))


def test_rolling_update_to_a_second_image(cluster):
    c = cluster
    c.apply(deployment('second', 2))
    rollout(c, 'second')
    drop(c, make_image(c, 'v2', page='the second page'))
    c.kubectl('set', 'image', 'deploy/second', 'web=localhost/knarr/hello:v2')
    rollout(c, 'second')
    pods = c.pods('app=second')
    assert {p['status']['containerStatuses'][0]['image'] for p in pods} == {'localhost/knarr/hello:v2'}
    for p in pods:
        assert c.nodes[0].run('busybox', 'wget', '-q', '-O', '-',
                              f'http://{p["status"]["podIP"]}:8080/').stdout == 'the second page\n'
    c.kubectl('rollout', 'undo', 'deploy/second')
    rollout(c, 'second')
    assert {p['spec']['containers'][0]['image'] for p in c.pods('app=second')} == {'localhost/knarr/hello:v1'}
    c.kubectl('delete', 'deploy', 'second')


def test_archives_of_every_kind(cluster):
    c = cluster
    run('gzip', make_image(c, 'gz'))
    run('zstd', '-q', '--rm', make_image(c, 'zst'))
    oci = make_image(c, 'docker')
    run('skopeo', 'copy', '--insecure-policy', f'oci-archive:{oci}',
        f'docker-archive:{c.folder}/saved.tar:localhost/knarr/hello:docker')
    (c.folder / 'broken.tar').write_bytes(b'no archive' * 1000)
    for name in ('gz.tar.gz', 'zst.tar.zst', 'saved.tar', 'broken.tar'):
        drop(c, c.folder / name)
    for tag in ('gz', 'zst', 'docker'):
        c.apply(pod(f'from-{tag}', ['cat', '/www/index.html'], image=f'localhost/knarr/hello:{tag}', nodeName='node-1'))
    for tag in ('gz', 'zst', 'docker'):
        finished(c, f'from-{tag}')
        assert log_of(c, f'from-{tag}') == f'page {tag}\n'
    # A bad archive is named and does not keep the others out.
    assert 'broken.tar' in c.nodes[0].log.read_text()


def test_one_layer_is_stored_once(cluster):
    """Two names for one image, and two images that differ in their configuration only, share what is equal."""
    c = cluster
    layers = c.nodes[0].home / 'agent/images/layers'
    before = set(layers.iterdir())
    path = make_image(c, 'shared-a', page='shared')
    run('skopeo', 'copy', '--insecure-policy', f'oci-archive:{path}',
        f'docker-archive:{c.folder}/shared-b.tar:localhost/knarr/hello:shared-b')
    drop(c, path)
    drop(c, c.folder / 'shared-b.tar')
    for tag in ('shared-a', 'shared-b'):
        c.apply(pod(tag, ['cat', '/www/index.html'], image=f'localhost/knarr/hello:{tag}', nodeName='node-1'))
        finished(c, tag)
        assert log_of(c, tag) == 'shared\n'
    assert len(set(layers.iterdir()) - before) == 1


def group_files(process, names):
    """What the files of the control groups of a process say; v1, v2 and hybrid hosts."""
    found = {}
    for line in pathlib.Path('/proc', str(process), 'cgroup').read_text().splitlines():
        _, controllers, path = line.split(':')
        for root in [f'/sys/fs/cgroup/{controllers}', *(['/sys/fs/cgroup', '/sys/fs/cgroup/unified'] if not controllers else [])]:
            for name in names:
                file = pathlib.Path(root + path, name)
                if file.exists():
                    found[name] = file.read_text().strip()
    return found


def test_resources_reach_the_control_groups(cluster):
    c = cluster
    manifest = pod('limited', ['sleep', '1000'])
    manifest['spec']['containers'][0]['resources'] = {'limits': {'memory': '32Mi', 'cpu': '250m'},
                                                      'requests': {'memory': '16Mi', 'cpu': '100m'}}
    c.apply(manifest)
    p = running(c, 'limited')
    assert p['status']['qosClass'] == 'Burstable'
    found = group_files(main_process(c, p), ('memory.limit_in_bytes', 'memory.max', 'cpu.cfs_quota_us', 'cpu.cfs_period_us',
                                             'cpu.max', 'cpu.shares', 'cpu.weight', 'pids.max'))
    assert found.get('memory.limit_in_bytes', found.get('memory.max')) == str(32 << 20)
    quota, period = found['cpu.max'].split() if 'cpu.max' in found else (found['cpu.cfs_quota_us'], found['cpu.cfs_period_us'])
    assert int(quota) * 4 == int(period)
    assert found.get('cpu.shares') == '102' or found.get('cpu.weight') == '4'
    assert found['pids.max'].isdigit()
    c.kubectl('delete', 'pod', 'limited')


def test_environment_from_fields(cluster):
    c = cluster
    fields = {'IP': 'status.podIP', 'HOST': 'status.hostIP', 'NODE': 'spec.nodeName', 'UID': 'metadata.uid', 'NS': 'metadata.namespace',
              'LABEL': "metadata.labels['tier']", 'NOTE': "metadata.annotations['note']", 'ACCOUNT': 'spec.serviceAccountName'}
    manifest = pod('fields', ['env'])
    manifest['metadata'].update(labels={'tier': 'back'}, annotations={'note': 'a b'})
    manifest['spec']['containers'][0]['env'] = [{'name': n, 'valueFrom': {'fieldRef': {'fieldPath': f}}}
                                                for n, f in fields.items()]
    c.apply(manifest)
    p = finished(c, 'fields')
    got = dict(line.split('=', 1) for line in log_of(c, 'fields').splitlines())
    want = {'IP': p['status']['podIP'], 'HOST': p['status']['hostIP'], 'NODE': p['spec']['nodeName'],
            'UID': p['metadata']['uid'], 'NS': 'default', 'LABEL': 'back', 'NOTE': 'a b', 'ACCOUNT': 'default'}
    assert {n: got.get(n) for n in want} == want


def test_volumes_follow_what_they_show(cluster):
    c = cluster
    c.kubectl('create', 'cm', 'live', '--from-literal=a=one')
    c.kubectl('create', 'secret', 'generic', 'live', '--from-literal=a=one')
    script = 'chmod 700 /empty; old=; while true; do new="$(cat /cm/a /secret/a) $(cat /cm/b) $(cat /down/labels)"; ' \
             '[ "$new" = "$old" ] || echo $new; old=$new; sleep 0.1; done 2>/dev/null'
    labels = {'path': 'labels', 'fieldRef': {'fieldPath': 'metadata.labels'}}
    manifest = pod('follows', ['sh', '-c', script], volumes=[
        {'name': 'cm', 'configMap': {'name': 'live'}}, {'name': 'secret', 'secret': {'secretName': 'live'}},
        {'name': 'down', 'downwardAPI': {'items': [labels]}}, {'name': 'empty', 'emptyDir': {}}])
    manifest['metadata']['labels'] = {'turn': '1'}
    manifest['spec']['containers'][0]['volumeMounts'] = [{'name': n, 'mountPath': '/' + n} for n in ('cm', 'secret', 'down', 'empty')]
    c.apply(manifest)
    wait_for(lambda: 'oneone turn="1"' in log_of(c, 'follows', '--tail=1'), 'the first contents', 60)
    c.kubectl('patch', 'cm', 'live', '-p', '{"data":{"a":"two","b":"new"}}')
    c.kubectl('patch', 'secret', 'live', '-p', '{"stringData":{"a":"two"}}')
    # Contents are looked at every minute, and at once when the pod's labels change.
    c.kubectl('label', 'pod', 'follows', 'turn=2', '--overwrite')
    wait_for(lambda: 'twotwo new turn="2"' in log_of(c, 'follows', '--tail=1'), 'the new contents', 60)
    # What the pod made of its emptyDir stays.
    assert c.kubectl('exec', 'follows', '--', 'stat', '-c', '%a', '/empty').stdout == '700\n'
    c.kubectl('delete', 'pod', 'follows')


def test_host_paths_are_checked(cluster):
    c = cluster
    host = c.nodes[0].home / 'paths'
    host.mkdir()
    (host / 'file').write_text('from the host\n')
    good = {'new': ('DirectoryOrCreate', host / 'a/b'), 'touched': ('FileOrCreate', host / 'fresh'), 'device': ('CharDevice', '/dev/null'),
            'file': ('File', host / 'file')}
    bad = {'nodir': ('Directory', host / 'missing'), 'nofile': ('File', host), 'nosocket': ('Socket', host / 'file')}
    for name, (kind, path) in {**good, **bad}.items():
        manifest = pod(f'path-{name}', ['ls', '-ld', '/m'], nodeName='node-1',
                       volumes=[{'name': 'h', 'hostPath': {'path': str(path), 'type': kind}}])
        manifest['spec']['containers'][0]['volumeMounts'] = [{'name': 'h', 'mountPath': '/m'}]
        c.apply(manifest)
    for name in good:
        assert finished(c, f'path-{name}')['status']['phase'] == 'Succeeded', name
    assert (host / 'a/b').is_dir() and (host / 'fresh').is_file()
    for name in bad:
        event = wait_for(lambda n=name: c.events(f'path-{n}', 'FailedMount'), f'{name} to be refused', 60)[0]
        assert 'hostPath type check failed' in event['message']
    assert not (host / 'missing').exists()
    c.kubectl('delete', 'pod', *[f'path-{n}' for n in bad], '--wait=false')


def test_restart_on_failure_and_phases(cluster):
    c = cluster
    manifest = pod('retries', ['sh', '-c', 'echo run; [ -e /c/again ] && exit 0; touch /c/again; exit 5'], restart='OnFailure',
                   volumes=[{'name': 'c', 'emptyDir': {}}])
    manifest['spec']['containers'][0]['volumeMounts'] = [{'name': 'c', 'mountPath': '/c'}]
    c.apply(manifest)
    mixed = pod('mixed', ['true'])
    mixed['spec']['containers'].append({'name': 'other', 'image': 'localhost/knarr/hello:v1', 'command': ['sh', '-c', 'exit 2']})
    c.apply(mixed)
    c.apply(pod('speaks', ['sh', '-c', 'echo last words > /dev/termination-log; exit 4']))
    status = finished(c, 'retries')['status']
    assert status['phase'] == 'Succeeded' and status['containerStatuses'][0]['restartCount'] == 1
    assert status['containerStatuses'][0]['lastState']['terminated']['exitCode'] == 5
    assert log_of(c, 'retries', '--previous') == 'run\n' and log_of(c, 'retries') == 'run\n'
    status = finished(c, 'mixed')['status']
    assert status['phase'] == 'Failed' and condition({'status': status}, 'Ready') == 'False'
    assert {s['name']: s['state']['terminated']['exitCode'] for s in status['containerStatuses']} == {'main': 0, 'other': 2}
    assert finished(c, 'speaks')['status']['containerStatuses'][0]['state']['terminated']['message'] == 'last words\n'
    table = c.kubectl('get', 'pods').stdout
    assert [line.split()[1:4] for line in table.splitlines() if line.startswith('retries')] == [['0/1', 'Completed', '1']]
    assert 'Error' in next(line for line in table.splitlines() if line.startswith('speaks'))


def test_following_a_log_ends_with_its_container(cluster):
    c = cluster
    c.apply(pod('ends', ['sh', '-c', 'echo one; sleep 1; echo two; exit 1'], restart='OnFailure'))
    wait_for(lambda: 'one' in c.kubectl('logs', 'ends', check=False).stdout, 'the first line', 60)
    assert c.kubectl('logs', '-f', 'ends', timeout=20).stdout.splitlines()[-1] == 'two'
    c.kubectl('delete', 'pod', 'ends')
    c.apply(pod('both', ['echo', 'said by main']))
    manifest = pod('pair', ['echo', 'said by main'])
    manifest['spec']['containers'].append({'name': 'other', 'image': 'localhost/knarr/hello:v1', 'command': ['echo', 'said by other']})
    c.apply(manifest)
    finished(c, 'pair')
    assert log_of(c, 'pair', '-c', 'other') == 'said by other\n'
    assert sorted(log_of(c, 'pair', '--all-containers').splitlines()) == ['said by main', 'said by other']
    assert log_of(c, 'pair', '-c', 'main', '--since-time=2100-01-01T00:00:00Z') == ''
    assert log_of(c, 'pair', '-c', 'main', '--limit-bytes=4') == 'said'
    assert c.kubectl('logs', 'pair', '-c', 'main', '--previous', check=False).stderr.startswith('Error from server (BadRequest)')


def test_pods_in_every_output_form(cluster):
    c = cluster
    c.apply(pod('form', ['sleep', '1000'], nodeName='node-2'))
    p = running(c, 'form')
    wide = [line.split() for line in c.kubectl('get', 'pod', 'form', '-o', 'wide').stdout.splitlines()]
    assert wide[0][:6] == ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE', 'IP']
    assert wide[1][1:4] == ['1/1', 'Running', '0'] and wide[1][5:7] == [p['status']['podIP'], 'node-2']
    outputs = {'name': 'pod/form\n', 'jsonpath={.spec.nodeName}': 'node-2', 'go-template={{.metadata.name}}': 'form',
               'custom-columns=A:.metadata.name,B:.spec.nodeName': 'A      B\nform   node-2\n',
               'jsonpath-as-json={.status.phase}': '[\n    "Running"\n]\n'}
    for form, text in outputs.items():
        assert c.kubectl('get', 'pod', 'form', '-o', form).stdout == text, form
    assert json.loads(c.kubectl('get', 'pod', 'form', '-o', 'json').stdout)['status']['phase'] == 'Running'
    assert 'phase: Running' in c.kubectl('get', 'pod', 'form', '-o', 'yaml').stdout
    assert 'phase: "Running"' in c.kubectl('get', 'pod', 'form', '-o', 'kyaml').stdout
    assert c.kubectl('get', 'pods', '--no-headers', '--sort-by=.metadata.name', '--field-selector', 'metadata.name=form,status.phase=Running'
                     ).stdout.split()[0] == 'form'
    assert 'pod/form' in c.kubectl('get', 'all').stdout
    described = c.kubectl('describe', 'node', 'node-2').stdout
    assert 'form' in described and 'Non-terminated Pods' in described and 'PodCIDR' in described and 'KubeletReady' in described
    table = c.kubectl('get', 'events', '--field-selector', 'involvedObject.name=form').stdout.splitlines()
    assert table[0].split() == ['LAST', 'SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE'] and any('Started' in x for x in table)
    assert 'Started' in c.kubectl('events', '--for', 'pod/form').stdout
    c.kubectl('delete', 'pod', 'form', '--grace-period=0', '--force')
    assert c.get('pod', 'form') is None


def test_ephemeral_storage_and_host_ports_count(cluster):
    c = cluster
    big = pod('big', ['true'])
    big['spec']['containers'][0]['resources'] = {'requests': {'ephemeral-storage': '1000Ti'}}
    c.apply(big)
    event = wait_for(lambda: c.events('big', 'FailedScheduling'), 'FailedScheduling')[0]
    assert '2 Insufficient ephemeral-storage' in event['message']
    for name in ('door-1', 'door-2', 'door-3'):
        manifest = pod(name, ['sleep', '1000'])
        manifest['spec']['containers'][0]['ports'] = [{'containerPort': 80, 'hostPort': 8088}]
        c.apply(manifest)
    assert {running(c, n)['spec']['nodeName'] for n in ('door-1', 'door-2')} == {'node-1', 'node-2'}
    event = wait_for(lambda: c.events('door-3', 'FailedScheduling'), 'FailedScheduling')[0]
    assert "2 node(s) didn't have free ports for the requested pod ports" in event['message']
    c.kubectl('delete', 'pod', 'door-1')
    running(c, 'door-3')
    c.kubectl('delete', 'pod', 'big', 'door-2', 'door-3')


def test_logs_are_rotated_without_loss(cluster):
    c = cluster
    first, last = 230000, 230050
    gate = c.nodes[0].home / 'gate'
    gate.mkdir()
    manifest = pod('talks', ['sh', '-c', f'seq 1 {first}; while [ ! -e /gate/open ]; do sleep 0.1; done; seq {first + 1} {last}; sleep 1000'],
                   nodeName='node-1', volumes=[{'name': 'g', 'hostPath': {'path': str(gate)}}])
    manifest['spec']['containers'][0]['volumeMounts'] = [{'name': 'g', 'mountPath': '/gate'}]
    c.apply(manifest)
    p = running(c, 'talks')
    follower = c.spawn_kubectl('logs', '-f', 'talks')
    folder = c.nodes[0].home / f'logs/default_talks_{p["metadata"]["uid"]}/main'
    old = wait_for(lambda: list(folder.glob('0.log.*')), 'the log to be rotated', 40)
    assert len(old) == 1 and old[0].stat().st_size > 10 << 20
    (gate / 'open').touch()
    wait_for(lambda: log_of(c, 'talks', '--tail=1') == f'{last}\n', 'the last line', 60)
    entries = [line.split(' ', 3)[2:] for file in (old[0], folder / '0.log') for line in file.read_text().splitlines()]
    texts = ''.join(text + ('' if tag == 'P' else '\n') for tag, text in entries).split()
    assert texts == [str(n) for n in range(1, last + 1)]
    c.kubectl('delete', 'pod', 'talks')
    followed = follower.communicate(timeout=30)[0].split()
    assert followed == texts
    assert not folder.exists()


def test_pods_deleted_as_they_end_leave_nothing(cluster):
    """What is over goes from the API at once, while its node still cleans up after it and keeps its logs."""
    c = cluster
    logs = [node.home / 'logs' for node in c.nodes]
    path = '/api/v1/namespaces/default/pods/over-'
    for i in range(8):
        c.apply(pod(f'over-{i}', ['true']))
        wait_for(lambda n=i: b'"phase":"Succeeded"' in c.curl(f'{path}{n}')[1], 'the pod to be over')
        assert c.curl(f'{path}{i}', method='DELETE')[0] == 200
    wait_for(lambda: not [name for folder in logs for name in os.listdir(folder) if '_over-' in name], 'all logs to be gone')
