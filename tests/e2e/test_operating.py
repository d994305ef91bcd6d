# SPDX-License-Identifier: Apache-2.0
"""What who operates a cluster sees: metrics, usage, logs, options, units."""
import json
import os
import pathlib
import re
import shutil
import socket

import pytest
from cluster import KNARR, ROOT, Cluster, Process, pod, run, wait_for
from conftest import running

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse(text):
    """A text exposition as [(name, labels, value)]; fails on anything that is not one."""
    samples, types = [], {}
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            assert name not in types, f'{name} twice'
            types[name] = kind
        elif not line.startswith('# HELP '):
            found = SAMPLE.match(line)
            assert found, line
            name, labels, value = found.groups()
            family = re.sub(r'_(bucket|sum|count)$', '', name)
            assert name in types or types.get(family) == 'histogram', f'{name} has no type'
            assert not labels or LABEL.sub('', labels) == '', line
            samples.append((name, dict(LABEL.findall(labels or '')), float(value)))
    assert text.endswith('\n')
    return samples


def total(samples, metric, **labels):
    return sum(value for name, found, value in samples if name == metric and labels.items() <= found.items())


def documented():
    """Names of metrics in the tables of docs/operating.md."""
    return set(re.findall(r'^\| `([a-z]+_[a-z_]+)` \|', (ROOT / 'docs/operating.md').read_text(), re.M))


def families(text):
    return set(re.findall(r'^# TYPE (\S+) ', text, re.M))


@pytest.fixture(scope='module')
def one():
    """One node; a user without rights (ann) and one who watches over the cluster (mon)."""
    yield from running(Cluster(nodes=1, server_arguments=['--log-format', 'json', '--backup-every', '86400'],
                               users='ann-token,ann,1\nmon-token,mon,2\n'))


def server_metrics(cluster):
    return parse(cluster.kubectl('get', '--raw', '/metrics').stdout)


def as_user(cluster, name, path):
    return cluster.curl(path, '-H', f'Authorization: Bearer {name}-token', user=None)


def test_metrics_of_the_server(one):
    before = server_metrics(one)
    one.kubectl('create', 'configmap', 'counted')
    one.kubectl('get', 'configmap', 'counted')
    now = server_metrics(one)
    created = {'verb': 'POST', 'resource': 'configmaps', 'version': 'v1', 'code': '201'}
    assert total(now, 'apiserver_request_total', **created) == total(before, 'apiserver_request_total', **created) + 1
    for name in ('apiserver_request_duration_seconds_count', 'knarr_store_commit_duration_seconds_count',
                 'knarr_store_revision', 'process_cpu_seconds_total'):
        assert total(now, name) > total(before, name), name
    objects = {'resource': 'configmaps'}
    assert total(now, 'apiserver_storage_objects', **objects) == total(before, 'apiserver_storage_objects', **objects) + 1
    watched = {'resource': 'configmaps', 'version': 'v1'}
    assert total(now, 'apiserver_watch_events_total', **watched) > total(before, 'apiserver_watch_events_total', **watched)
    assert total(now, 'apiserver_longrunning_requests', verb='WATCH', resource='pods') >= 2
    assert total(now, 'workqueue_adds_total', name='node-controller') > 0
    assert total(now, 'kubernetes_build_info', major='1', minor='35') == 1
    assert total(now, 'rest_client_requests_total', code='200', method='GET') > 0
    assert total(now, 'apiserver_request_total', subresource='/metrics', code='200') > 0


def test_metrics_count_the_scheduler(one):
    before = server_metrics(one)
    one.apply(pod('placed', ['sleep', '600']))
    one.apply(pod('waits', ['true'], nodeSelector={'no': 'where'}))
    wait_for(lambda: one.events('waits', 'FailedScheduling'), 'the pod to be unschedulable')
    wait_for(lambda: one.get('pod', 'placed')['status'].get('phase') == 'Running', 'the pod to run')
    now = server_metrics(one)
    for result in ('scheduled', 'unschedulable'):
        assert total(now, 'scheduler_schedule_attempts_total', result=result) > \
            total(before, 'scheduler_schedule_attempts_total', result=result)
    assert total(now, 'scheduler_pending_pods', queue='unschedulable') == 1
    one.kubectl('delete', 'pod', 'waits', 'placed', '--wait=false')


def test_metrics_need_a_right(one):
    assert as_user(one, 'ann', '/metrics')[0] == 403
    assert one.curl('/metrics', user=None)[0] in (401, 403)
    one.kubectl('create', 'clusterrolebinding', 'mon', '--clusterrole=system:monitoring', '--user=mon')
    code, body = as_user(one, 'mon', '/metrics')
    assert code == 200 and parse(body.decode())


def test_strange_requests_make_no_series(one):
    for i in range(20):
        one.curl(f'/apis/made.up{i}/v1/things{i}')
        one.curl(f'/made-up-{i}', method=f'MADEUP{i}')
    assert not [labels for _, labels, _ in server_metrics(one) if any('made' in v.lower() for v in labels.values())]


def cores(text):
    return int(text.removesuffix('n')) / 1e9 if text.endswith('n') else int(text.removesuffix('m')) / 1e3


def test_usage(one):
    busy = pod('busy', ['sh', '-c', 'while :; do :; done'])
    busy['metadata']['labels'] = {'kind': 'busy'}
    busy['spec']['containers'].append({'name': 'idle', 'image': 'localhost/knarr/hello:v1', 'command': ['sleep', '600']})
    one.apply(busy)
    one.apply(pod('calm', ['sleep', '600']))
    for name in ('busy', 'calm'):
        wait_for(lambda n=name: one.get('pod', n)['status'].get('phase') == 'Running', f'{name} to run', 60)

    def used():
        pods = {p['metadata']['name']: p for p in one.get('podmetrics', '-n', 'default')['items']}
        return pods if {'busy', 'calm'} <= pods.keys() else None
    pods = wait_for(used, 'both pods to be known', 20)
    containers = {c['name']: c['usage'] for c in pods['busy']['containers']}
    assert cores(containers['main']['cpu']) > 0.05 > cores(containers['idle']['cpu']), containers
    assert containers['main']['memory'].endswith('Ki')
    assert pods['busy']['metadata']['labels'] == {'kind': 'busy'}
    node, = one.get('nodemetrics')['items']
    assert node['metadata']['name'] == 'node-1' and cores(node['usage']['cpu']) > 0.05
    # What kubectl makes of it.
    lines = one.kubectl('top', 'pod', '--sort-by=cpu').stdout.splitlines()
    assert lines[0].split() == ['NAME', 'CPU(cores)', 'MEMORY(bytes)'] and lines[1].startswith('busy ')
    lines = one.kubectl('top', 'pod', '-A', '-l', 'kind=busy', '--containers').stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [['NAMESPACE', 'POD', 'NAME'], ['default', 'busy', 'idle'],
                                                    ['default', 'busy', 'main']] or len(lines) == 3
    row = one.kubectl('top', 'node').stdout.splitlines()[1].split()
    assert row[0] == 'node-1' and row[1].endswith('m') and row[2].endswith('%') and row[4].endswith('%')
    assert one.kubectl('top', 'pod', 'busy').stdout.splitlines()[1].startswith('busy ')
    assert 'CPU' in one.kubectl('get', 'nodes.metrics.k8s.io').stdout.splitlines()[0]
    # Many at once.
    asking = [one.spawn_kubectl('get', '--raw', '/apis/metrics.k8s.io/v1beta1/pods') for _ in range(6)]
    assert all('"busy"' in p.communicate(timeout=30)[0] for p in asking)
    # Who may not, does not.
    assert as_user(one, 'ann', '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods')[0] == 403
    one.kubectl('create', 'rolebinding', 'ann', '--clusterrole=view', '--user=ann')
    code, body = as_user(one, 'ann', '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods')
    assert code == 200 and b'"busy"' in body
    assert as_user(one, 'ann', '/apis/metrics.k8s.io/v1beta1/nodes')[0] == 403


def test_node_through_the_api_server(one):
    def get(path):
        return one.kubectl('get', '--raw', f'/api/v1/nodes/node-1/proxy/{path}').stdout
    summary = json.loads(get('stats/summary'))
    assert summary['node']['nodeName'] == 'node-1' and summary['node']['fs']['capacityBytes'] > 0
    busy = [p for p in summary['pods'] if p['podRef']['name'] == 'busy'][0]
    assert {c['name'] for c in busy['containers']} == {'main', 'idle'} and busy['memory']['workingSetBytes'] > 0
    first = total(parse(get('metrics/resource')), 'container_cpu_usage_seconds_total', pod='busy', container='main')
    wait_for(lambda: total(parse(get('metrics/resource')), 'container_cpu_usage_seconds_total', pod='busy',
                           container='main') > first + 0.05, 'the counter to move', 10)
    assert total(parse(get('metrics/cadvisor')), 'container_memory_working_set_bytes', pod='busy') > 0
    own = parse(get('metrics'))
    assert total(own, 'kubelet_running_pods') == 2 and total(own, 'kubelet_running_containers') == 3
    assert total(own, 'kubelet_runtime_operations_total', operation_type='start_container') >= 3
    assert total(own, 'kubelet_pod_start_duration_seconds_count') >= 2
    assert total(own, 'kubelet_node_name', node='node-1') == 1 and total(own, 'process_resident_memory_bytes') > 0
    assert get('healthz') == 'ok' and 'busy' in get('pods')
    # The tables of the documentation: nothing is missing, nothing is made up.
    served = families(one.kubectl('get', '--raw', '/metrics').stdout)
    for path in ('metrics', 'metrics/resource', 'metrics/cadvisor'):
        served |= families(get(path))
    if shutil.which('promtool'):
        for text in (one.kubectl('get', '--raw', '/metrics').stdout, get('metrics'), get('metrics/resource')):
            done = run('promtool', 'check', 'metrics', input=text, check=False)
            assert done.returncode == 0, done.stderr
    rare = {'knarr_store_commit_failures_total', 'workqueue_retries_total', 'kubelet_runtime_operations_errors_total',
            'knarr_http_connections_refused_total'}
    assert served - documented() == set()
    assert documented() - served - rare == set()
    done = one.kubectl('get', '--raw', '/api/v1/nodes/node-1/proxy/containerLogs/default/busy/main', check=False)
    assert done.returncode == 1 and 'NotFound' in done.stderr
    assert as_user(one, 'ann', '/api/v1/nodes/node-1/proxy/metrics')[0] == 403
    assert one.curl('/api/v1/nodes/node-1/proxy/metrics', method='POST')[0] == 405
    # A certificate of the cluster is not enough to be answered by the node itself.
    client = one.nodes[0].home / 'agent/pki/client.pem'
    done = one.run('curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', '--cert', client,
                   f'https://{one.nodes[0].ip}:10250/metrics', check=False)
    assert done.stdout == '403', (done.stdout, done.stderr)


def test_a_node_that_is_away_is_left_out(one):
    one.nodes[0].stop()
    wait_for(lambda: not one.get('nodemetrics')['items'], 'the node to be left out', 20)
    one.nodes[0].start()
    wait_for(lambda: one.get('nodemetrics')['items'], 'the node to be back', 20)
    one.kubectl('delete', 'pod', 'busy', 'calm', '--grace-period=1')


def test_install(tmp_path):
    """Into a folder: what is there, that systemd takes the units, that --uninstall leaves only the configuration."""
    build = pathlib.Path(KNARR).parent.parent
    if not (build / 'build.ninja').exists():
        pytest.skip(f'{KNARR} stands in no build folder')
    env = {**os.environ, 'DESTDIR': str(tmp_path), 'KNARR_BUILD': str(build)}
    run(ROOT / 'up', '--install', env=env, timeout=600)
    binary = tmp_path / 'usr/local/bin/knarr'
    assert run(binary, 'version').stdout.startswith('knarr ') and binary.stat().st_mode & 0o777 == 0o755
    units = sorted((tmp_path / 'usr/local/lib/systemd/system').glob('*.service'))
    assert [u.name for u in units] == ['knarr-agent.service', 'knarr-server.service']
    for unit in units:
        text = unit.read_text()
        assert 'Type=notify' in text and 'Restart=on-failure' in text
        unit.write_text(text.replace('/usr/local/bin/knarr', str(binary)))
    done = run('systemd-analyze', 'verify', *units)
    assert not [line for line in done.stderr.splitlines() if 'knarr' in line], done.stderr
    done = run('systemd-analyze', 'security', '--offline=true', '--threshold=20', units[1], check=False)
    assert done.returncode == 0, done.stdout[-500:]
    for name in ('server', 'agent'):
        assert (tmp_path / f'etc/knarr/{name}.yaml').read_text().startswith('#')
    # What somebody wrote stays.
    (tmp_path / 'etc/knarr/server.yaml').write_text('port: 7777\n')
    run(ROOT / 'up', '--install', env=env, timeout=600)
    assert (tmp_path / 'etc/knarr/server.yaml').read_text() == 'port: 7777\n'
    run(ROOT / 'up', '--uninstall', env=env)
    assert sorted(p.name for p in tmp_path.rglob('*') if p.is_file()) == ['agent.yaml', 'server.yaml']


def test_the_service_manager_is_told(one):
    """A second server beside the cluster's: ready, and stopping."""
    path = one.folder / 'notify'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        other = Process(one.netns, one.folder / 'other.log', KNARR, 'server', '--home', one.folder / 'other',
                        '--port', '7443', env={**os.environ, 'NOTIFY_SOCKET': str(path)})
        assert manager.recv(4096).startswith(b'READY=1\nSTATUS=ready at https://')
        assert other.kill() == 0 and not other.troubles, other.text()
        assert manager.recv(4096) == b'STOPPING=1'


def test_options_of_file_environment_and_flags(one):
    """Flag before environment before file; what is wrong is said in one line that names the place."""
    home = one.folder / 'options'
    home.mkdir()
    config = home / 'server.yaml'

    def serve(*flags, **env):
        process = Process(one.netns, home / 'log', KNARR, 'server', *flags, env={**os.environ, **env})
        try:
            return wait_for(lambda: re.search(r'ready at https://[^:]+:(\d+)', process.text(process.begin)), 'the server')[1]
        finally:
            assert process.kill() == 0, process.text()
    config.write_text('port: 7001\nlog-format: json\nadvertise-address: 10.77.0.1\n')
    assert serve(KNARR_HOME=str(home)) == '7001'
    lines = [line for line in (home / 'log').read_text().splitlines() if not line.startswith('knarr server: ready')]
    for line in map(json.loads, lines):
        assert line.keys() == {'ts', 'level', 'component', 'msg'} and line['level'] in ('info', 'warning')
    assert lines
    assert serve(KNARR_HOME=str(home), KNARR_PORT='7002') == '7002'
    assert serve('--port', '7003', KNARR_HOME=str(home), KNARR_PORT='7002') == '7003'
    elsewhere = one.folder / 'elsewhere.yaml'
    elsewhere.write_text(f'home: {home}\nport: 7004\n')
    assert serve('--config', elsewhere) == '7004'
    for text, said in (('prot: 1\n', "line 1: there is no option 'prot'"),
                       ('\nport: x\n', "line 2: port: a number from 1 to 65535 is wanted, not 'x'")):
        elsewhere.write_text(text)
        done = run(KNARR, 'server', '--config', elsewhere, check=False)
        assert done.returncode == 2
        assert done.stderr == f"knarr server: {elsewhere}: {said}; see 'knarr help server'\n"
    # After the join the token's file may be gone; before it, what is missing is said.
    done = run(KNARR, 'agent', '--home', home / 'a', '--run-dir', home / 'run', '--log-dir', home / 'logs',
               '--token-file', '/nonexistent', '--server', 'https://127.0.0.1:1', check=False)
    assert done.returncode == 1 and 'there is no token in /nonexistent' in done.stderr, done.stderr
    assert 'this machine has not joined yet' in done.stderr.splitlines()[-1]
    documentation = (ROOT / 'docs/operating.md').read_text()
    for command in ('server', 'agent'):
        part = documentation.partition(f'### Of knarr {command}\n')[2].partition('\n#')[0]
        options = set(re.findall(r'^  --(\S+)', run(KNARR, 'help', command).stdout, re.M))
        assert set(re.findall(r'^\| `--([a-z-]+)', part, re.M)) == options, 'docs/operating.md and knarr help differ'
    text = run(KNARR, 'help', 'server').stdout
    assert '--node-grace S' in text and '(default 50)' in text and 'KNARR_NODE_GRACE' in text


def test_threads_have_names(one):
    tasks = pathlib.Path('/proc', str(one.server.popen.pid), 'task')
    names = [(task / 'comm').read_text().strip() for task in tasks.iterdir()]
    assert {'front-0', 'store-writer', 'store-keeper', 'scheduler', 'controllers', 'backup'} <= set(names)
    assert len(set(names)) == len([name for name in names if name != 'pool']) + ('pool' in names), names


def test_log_lines_are_json(one):
    lines = [line for line in one.server.text().splitlines() if not line.startswith('knarr server: ready')]
    assert lines and all(json.loads(line)['component'] for line in lines)
