# SPDX-License-Identifier: Apache-2.0
"""How fast it starts and how little it takes: the server to /readyz, an idle cluster of one node, pods to Running, and
the same containers started by bare hands (network namespace, CNI, conmon, runc) as the floor.

A pod's time runs from the moment its creation is sent to the moment a watch shows it Running; `kubectl apply` is timed
beside it as a person sees it, with kubectl's own start."""
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import ssl
import statistics
import subprocess
import tempfile
import threading
import time

import cluster as e2e

STARTS = 15
PODS = 15
BURST = 50
BURSTS = 3
SETTLE_S = 10
IDLE_S = 30
NODE_IMAGE = 'localhost/knarr/hello:v1'


def enter(netns):
    """This thread's new sockets belong to that network namespace from now on."""
    with open(f'/run/netns/{netns}') as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), 'setns')


def median(values):
    return round(statistics.median(values), 1)


class Api:
    """A plain client on one connection."""

    def __init__(self, cluster, verified=True):
        self.context = ssl._create_unverified_context()
        if verified:
            self.context.load_cert_chain(*map(str, cluster.client_files()))

    def connect(self):
        return http.client.HTTPSConnection('127.0.0.1', e2e.PORT, context=self.context, timeout=120)

    def ask(self, method, path, body=None, connection=None):
        connection = connection or self.connect()
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {'Content-Type': 'application/json'})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return json.loads(text)

    def watch_running(self, wanted, since):
        """Blocks until so many pods of the default namespace are Running; returns when each became so."""
        connection = self.connect()
        connection.request('GET', f'/api/v1/namespaces/default/pods?watch=true&resourceVersion={since}')
        stream = connection.getresponse()
        seen = {}
        while len(seen) < wanted:
            event = json.loads(stream.readline())
            pod = event['object']
            if pod.get('status', {}).get('phase') == 'Running' and event['type'] != 'DELETED':
                seen.setdefault(pod['metadata']['name'], time.monotonic())
        connection.close()
        return sorted(seen.values())


# ---- the server alone -----------------------------------------------------------------------------------------------


def cold_start(cluster, api):
    """Milliseconds from exec to the first 200 of /readyz, with an empty home."""
    home = tempfile.mkdtemp(dir=cluster.folder)
    begin = time.monotonic()
    process = subprocess.Popen([e2e.KNARR, 'server', '--home', home, '--address', '0.0.0.0', '--advertise-address',
                                e2e.SERVER_IP], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                api.ask_ready()
                return (time.monotonic() - begin) * 1000
            except OSError:
                assert process.poll() is None and time.monotonic() < begin + 10, 'the server does not start'
                time.sleep(0.0005)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home)


class Prober:
    """Asks for /readyz without credentials."""

    def __init__(self):
        self.context = ssl._create_unverified_context()

    def ask_ready(self):
        connection = http.client.HTTPSConnection('127.0.0.1', e2e.PORT, context=self.context, timeout=5)
        connection.request('GET', '/readyz')
        if connection.getresponse().status != 200:
            raise OSError('not ready')
        connection.close()


def measure_start(rows):
    cluster = e2e.Cluster()
    cluster.make_network()
    try:
        enter(cluster.netns)
        times = [cold_start(cluster, Prober()) for _ in range(STARTS)]
    finally:
        enter_host()
        cluster.stop()
    rows.append(('ready_ms', 'server, cold start to /readyz', median(times), 'ms',
                 f'median of {STARTS}; slowest {max(times):.0f}; Kubernetes 3,400'))


HOST_NETNS = open('/proc/self/ns/net')


def enter_host():
    ctypes.CDLL(None).setns(HOST_NETNS.fileno(), 0x40000000)


# ---- idle -----------------------------------------------------------------------------------------------------------


def memory(pid):
    lines = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    fields = {line.split(':')[0]: int(line.split()[1]) for line in lines[1:]}
    return fields['Pss'], fields['Pss_Anon']


def activity(pid):
    """Nanoseconds on a core and wake-ups (voluntary switches) so far, of all threads."""
    tasks = pathlib.Path(f'/proc/{pid}/task').iterdir()
    ns = switches = 0
    for task in tasks:
        ns += int((task / 'schedstat').read_text().split()[0])
        status = (task / 'status').read_text()
        switches += int(next(line.split()[1] for line in status.splitlines() if line.startswith('voluntary')))
    return ns, switches


def measure_idle(cluster, rows):
    pids = {'server': cluster.server.popen.pid, 'agent': cluster.nodes[0].process.popen.pid}
    time.sleep(SETTLE_S)
    before = {name: activity(pid) for name, pid in pids.items()}
    time.sleep(IDLE_S)
    after = {name: activity(pid) for name, pid in pids.items()}
    peer = {'server': 'Kubernetes 491 MB', 'agent': 'kubelet and containerd 132 MB'}
    for name, pid in pids.items():
        pss, anon = memory(pid)
        rows.append((f'{name}_pss_kib', f'{name}, idle: Pss', pss, 'KiB', peer[name]))
        rows.append((f'{name}_anon_kib', f'{name}, idle: Pss_Anon', anon, 'KiB', ''))
    busy = sum(after[n][0] - before[n][0] for n in pids) / 1e9 / IDLE_S
    wakes = {n: (after[n][1] - before[n][1]) / IDLE_S for n in pids}
    rows.append(('idle_core_share', 'idle cluster: share of a core', round(busy, 5), '',
                 'server and agent; wake-ups a second: ' + ', '.join(f'{n} {w:.1f}' for n, w in wakes.items()) +
                 '; Kubernetes 0.02 to 0.03'))


# ---- pods -----------------------------------------------------------------------------------------------------------


def pod(name):
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name, 'labels': {'app': 'bench'}},
            'spec': {'terminationGracePeriodSeconds': 0,
                     'containers': [{'name': 'main', 'image': NODE_IMAGE, 'command': ['sleep', '3600']}]}}


def timed_pods(api, names):
    """Milliseconds from sending until each is Running."""
    since = api.ask('GET', '/api/v1/namespaces/default/pods')['metadata']['resourceVersion']
    result = []
    watcher = threading.Thread(target=lambda: result.extend(api.watch_running(len(names), since)))
    watcher.start()
    connection = api.connect()
    connection.connect()
    begin = time.monotonic()
    for name in names:
        api.ask('POST', '/api/v1/namespaces/default/pods', pod(name), connection)
    watcher.join()
    return [(t - begin) * 1000 for t in result]


def remove_pods(cluster):
    cluster.kubectl('delete', 'pods', '--all', '--now', timeout=300)


def measure_kubectl(cluster):
    times = []
    for i in range(5):
        manifest = json.dumps(pod(f'by-hand-{i}'))
        begin = time.monotonic()
        cluster.kubectl('apply', '-f', '-', input=manifest)
        while cluster_phase(cluster, f'by-hand-{i}') != 'Running':
            time.sleep(0.005)
        times.append((time.monotonic() - begin) * 1000)
        remove_pods(cluster)
    return times


def cluster_phase(cluster, name):
    return Api(cluster).ask('GET', f'/api/v1/namespaces/default/pods/{name}').get('status', {}).get('phase')


def measure_pods(cluster, rows):
    api = Api(cluster)
    single = []
    for i in range(PODS):
        single += timed_pods(api, [f'single-{i}'])
        remove_pods(cluster)
    rows.append(('pod1_ms', 'one pod, created to Running', median(single), 'ms',
                 f'median of {PODS}; slowest {max(single):.0f}; Kubernetes 1,003'))
    by_kubectl = measure_kubectl(cluster)
    rows.append(('pod1_kubectl_ms', 'the same by kubectl apply, with kubectl', median(by_kubectl), 'ms', 'median of 5'))
    bursts = []
    for b in range(BURSTS):
        bursts.append(max(timed_pods(api, [f'burst-{b}-{i}' for i in range(BURST)])))
        if b + 1 < BURSTS:
            remove_pods(cluster)
    rate = BURST * 1000 / statistics.median(bursts)
    rows.append(('pod50_ms', f'{BURST} pods at once, created to all Running', median(bursts), 'ms',
                 f'median of {BURSTS}: {rate:.1f} pods/s; Kubernetes 7.0 pods/s'))
    return rate


# ---- the floor: the same containers without us -----------------------------------------------------------------------

FLOOR_ONE = r'''
set -e
d=$FLOOR/c$1 id=floor$1
ip netns add $FLOOR_ID$1
mkdir -p $d/upper $d/work $d/root $d/exit
mount -t overlay overlay -o lowerdir=$FLOOR_LOWER,upperdir=$d/upper,workdir=$d/work $d/root
CNI_COMMAND=ADD CNI_CONTAINERID=$id CNI_NETNS=/run/netns/$FLOOR_ID$1 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni \
    /usr/lib/cni/bridge <$FLOOR/net.json >/dev/null
sed -e "s#@ROOT@#$d/root#" -e "s#@NETNS@#/run/netns/$FLOOR_ID$1#" -e "s#@N@#$1#" $FLOOR/config.json >$d/config.json
conmon -c $id -u $id -n main -b $d -r /usr/sbin/runc --runtime-arg --root=$FLOOR/runc -p $d/pid -P $d/conmon.pid \
    --exit-dir $d/exit --socket-dir-path $d -l k8s-file:$d/log --log-level warn --no-sync-log
while [ ! -s $d/pid ]; do :; done
runc --root $FLOOR/runc start $id
'''
FLOOR_END = r'''
d=$FLOOR/c$1
runc --root $FLOOR/runc delete --force floor$1
umount $d/root
ip netns del $FLOOR_ID$1
'''


def floor_config(cluster):
    """The OCI configuration of a pod of ours as a template: its own namespaces, root and control group."""
    node = cluster.nodes[0]
    found = sorted((node.home / 'run/agent/containers').glob('*/config.json'))
    config = json.loads(found[0].read_text())
    config['root']['path'] = '@ROOT@'
    config['linux']['cgroupsPath'] = f'/{cluster.id}-floor/c@N@'
    for ns in config['linux']['namespaces']:
        if ns['type'] == 'network':
            ns['path'] = '@NETNS@'
        elif ns['type'] in ('ipc', 'uts'):
            ns.pop('path', None)
    lower = sorted((node.home / 'agent/images/layers').glob('*'))
    return config, ':'.join(str(p) for p in lower if p.is_dir() and p.name != 'empty')


def floor_parallel(script, env, netns, workers):
    numbers = '\n'.join(map(str, range(BURST)))
    begin = time.monotonic()
    done = subprocess.run(['nsenter', f'--net=/run/netns/{netns}', '--', 'xargs', '-P', str(workers), '-n', '1', 'sh',
                           '-c', script, 'floor'], input=numbers, text=True, env=env, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.monotonic() - begin


def measure_floor(cluster):
    """Pods a second of the floor, at the parallelism that suits it best."""
    folder = cluster.folder / 'floor'
    folder.mkdir()
    config, lower = floor_config(cluster)
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'net.json').write_text(json.dumps({
        'cniVersion': '0.4.0', 'name': 'floor', 'type': 'bridge', 'bridge': 'floor0', 'isGateway': True,
        'hairpinMode': True, 'ipam': {'type': 'host-local', 'dataDir': str(folder / 'ipam'),
                                      'ranges': [[{'subnet': '10.99.0.0/24'}]], 'routes': [{'dst': '0.0.0.0/0'}]}}))
    env = {**os.environ, 'FLOOR': str(folder), 'FLOOR_ID': cluster.id + 'f', 'FLOOR_LOWER': lower}
    netns = cluster.nodes[0].netns
    rates = []
    try:
        for workers in (2, 4, 8):
            for _ in range(BURSTS):
                rates.append((BURST / floor_parallel(FLOOR_ONE, env, netns, workers), workers))
                floor_parallel(FLOOR_END, env, netns, 4)
                for i in range(BURST):
                    shutil.rmtree(folder / f'c{i}')
                shutil.rmtree(folder / 'ipam')
    finally:
        e2e.run('ip', '-n', netns, 'link', 'del', 'floor0', check=False)
        for root in pathlib.Path('/sys/fs/cgroup').glob(f'*/{cluster.id}-floor'):
            root.rmdir()
        for path in pathlib.Path('/sys/fs/cgroup').glob(f'{cluster.id}-floor'):
            path.rmdir()
    by_workers = {w: statistics.median(r for r, at in rates if at == w) for _, w in rates}
    return max((rate, workers) for workers, rate in by_workers.items())


# ---- all ------------------------------------------------------------------------------------------------------------


def measure(arguments):
    rows = []
    os.environ['KUBECTL'] = e2e.KUBECTL = e2e.run(e2e.ROOT / 'tools/fetch-kubectl', '35', e2e.ROOT / 'build/deps'
                                                  ).stdout.strip()
    measure_start(rows)
    cluster = e2e.Cluster(nodes=1)
    try:
        cluster.start()
        enter(cluster.netns)
        measure_idle(cluster, rows)
        rate = measure_pods(cluster, rows)
        floor, workers = measure_floor(cluster)
        remove_pods(cluster)
    finally:
        enter_host()
        left = cluster.stop()
    assert not left, left
    rows.append(('floor_per_s', 'floor: the same containers by hand', round(floor, 1), '/s',
                 f'netns, CNI, overlay, conmon, runc; {workers} at a time'))
    rows.append(('burst_floor_share', 'burst, share of the floor', round(rate / floor, 2), '', ''))
    rows.append(('binary_bytes', 'binary, stripped', stripped_size(), 'bytes', ''))
    return rows


def stripped_size():
    with tempfile.NamedTemporaryFile() as f:
        e2e.run('strip', '-o', f.name, e2e.KNARR)
        return os.stat(f.name).st_size
