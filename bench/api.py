# SPDX-License-Identifier: Apache-2.0
"""The API server as its clients meet it: `knarr server` (TLS, HTTP/1.1, JSON, two front threads) with etcd's puts and gets of
values of the same size in the same run as a yardstick. With --quick: fewer pods and watchers, shorter times, one round.

Pods name a scheduler that is not there, so that nobody but their client writes them. docs/performance.md has the method."""
import http.client
import json
import pathlib
import resource
import shutil
import ssl
import statistics
import subprocess
import tempfile
import threading
import time

from _servers import BUILD, Etcd, Figures, Tls, memory, peer_ready

CLIENTS = (1, 32, 128)
LISTED = 10000
WATCHED = 1000
VALUE_BYTES = 3700
TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
JSON = 'application/json'
NUMBER = '@@@@@@@@'


class Scale:
    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.ms = 500 if quick else 2000
        self.many = 0 if quick else 150000
        self.lists = 3 if quick else 7
        self.fanout = ((1000, 30),) if quick else ((1000, 200), (5000, 40))
        self.paced = 1500 if quick else 5000
        self.idle = 500 if quick else 2000
        self.definitions = 100 if quick else 1000


def pod(namespace):
    """About 1 KB as sent, 3.7 KB as answered: labels, a container with probes and resources, volumes."""
    def container(name, port):
        probe = {'httpGet': {'path': '/healthz', 'port': port}, 'periodSeconds': 10}
        return {'name': name, 'image': f'registry.example/team/{name}:1.27.3', 'ports': [{'containerPort': port}],
                'env': [{'name': 'POD_NAME', 'valueFrom': {'fieldRef': {'fieldPath': 'metadata.name'}}},
                        {'name': 'LOG_LEVEL', 'value': 'info'}],
                'resources': {'requests': {'cpu': '100m', 'memory': '64Mi'}, 'limits': {'memory': '128Mi'}},
                'livenessProbe': probe, 'readinessProbe': probe,
                'volumeMounts': [{'name': 'config', 'mountPath': '/etc/app'}, {'name': 'cache', 'mountPath': '/var/cache'}]}
    return {'kind': 'Pod', 'apiVersion': 'v1',
            'metadata': {'name': f'web-{NUMBER}', 'namespace': namespace,
                         'labels': {'app': 'web', 'tier': 'frontend', 'pod-template-hash': '5d9c7b8f6d'},
                         'annotations': {'example.com/checksum': '3f786850e387550fdab836ed7e6dc881de23001b'}},
            'spec': {'schedulerName': 'nobody', 'containers': [container('main', 8080)],
                     'volumes': [{'name': 'config', 'configMap': {'name': 'web'}}, {'name': 'cache', 'emptyDir': {}}],
                     'nodeSelector': {'disk': 'ssd'}, 'priority': 0}}


def deployment(namespace, turn):
    return {'kind': 'Deployment', 'apiVersion': 'apps/v1',
            'metadata': {'name': f'app-{NUMBER}', 'namespace': namespace, 'annotations': {'example.com/turn': turn}},
            'spec': {'replicas': 0, 'selector': {'matchLabels': {'app': 'web'}},
                     'template': {'metadata': {'labels': {'app': 'web'}}, 'spec': pod(namespace)['spec']}}}


def definition():
    """A CustomResourceDefinition of ordinary size: two dozen fields in three levels."""
    def fields(depth):
        found = {f'field{i}': {'type': 'string', 'description': 'One of the settings that an operator may change.'}
                 for i in range(6)}
        if depth:
            found['nested'] = {'type': 'object', 'properties': fields(depth - 1)}
        return found
    schema = {'type': 'object', 'properties': {'spec': {'type': 'object', 'properties': fields(3)},
                                               'status': {'type': 'object', 'properties': fields(0)}}}
    return {'kind': 'CustomResourceDefinition', 'apiVersion': 'apiextensions.k8s.io/v1',
            'metadata': {'name': f'things{NUMBER}.bench.example.com'},
            'spec': {'group': 'bench.example.com', 'scope': 'Namespaced',
                     'names': {'plural': f'things{NUMBER}', 'singular': f'thing{NUMBER}', 'kind': f'Thing{NUMBER}',
                               'listKind': f'Thing{NUMBER}List'},
                     'versions': [{'name': 'v1', 'served': True, 'storage': True, 'subresources': {'status': {}},
                                   'schema': {'openAPIV3Schema': schema}}]}}


class Api(Tls):
    """With requests by hand, for what is not timed."""

    def start(self):
        super().start()
        context = ssl._create_unverified_context()
        context.load_cert_chain(self.folder / 'client-certificate', self.folder / 'client-key')
        self.connection = http.client.HTTPSConnection('127.0.0.1', self.port, context=context)
        return self

    def request(self, method, path, body=None):
        """(status, answer)"""
        self.connection.request(method, path, body and json.dumps(body), {'content-type': JSON} if body else {})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def wait(self, path, field=lambda answer: True):
        until = time.monotonic() + 60
        while True:
            status, answer = self.request('GET', path)
            if status == 200 and field(answer):
                return answer
            if time.monotonic() > until:
                raise RuntimeError(f'waited for {path} in vain: {answer}')
            time.sleep(0.01)

    def namespace(self, name):
        self.ask('namespace', name)
        self.wait(f'/api/v1/namespaces/{name}/serviceaccounts/default')
        return f'/api/v1/namespaces/{name}/pods'

    def text(self, name, what):
        path = self.folder / name
        path.write_text(json.dumps(what, separators=(',', ':')))
        return path

    def post(self, path, body, first, count, clients=32, ms=0):
        return self.measure('send', 'POST', path, JSON, body, first, count, clients, ms)

    def anonymous_kib(self):
        return memory(self.pid())[1]


class Peak:
    """The most anonymous memory that a process has while something is done, beyond what it had before, KiB."""

    def __init__(self, pid):
        self.path = pathlib.Path(f'/proc/{pid}/status')
        self.over = threading.Event()

    def read(self):
        return next(int(line.split()[1]) for line in self.path.read_text().splitlines() if line.startswith('RssAnon'))

    def watch(self):
        while not self.over.wait(0.001):
            self.most = max(self.most, self.read())

    def __enter__(self):
        self.before = self.most = self.read()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.extra_kib = self.most - self.before


# ---- what is measured -----------------------------------------------------------------------------------------------


def measure_requests(api, etcd, scale, rounds):
    """Creations and reads in turns with the peer's; what is created stays, with numbers that go on."""
    path = api.namespace('post')
    body = api.text('pod.json', pod('post'))
    created = put = 0
    for _ in range(scale.rounds):
        found = {}
        rounds.append(found)
        for clients in CLIENTS:
            found['api', 'post', clients] = api.post(path, body, created, 10 ** 7, clients, scale.ms)
            created += found['api', 'post', clients]['ops']
            if etcd:
                found['etcd', 'post', clients] = etcd.measure('insert', 'bench', put, 10 ** 7, clients, VALUE_BYTES, 'pod',
                                                              scale.ms)
                put += found['etcd', 'post', clients]['ops']
        found['api', 'get', 32] = api.measure('send', 'GET', f'{path}/web-{NUMBER}', '-', '-', 0, created, 32, scale.ms)
        if etcd:
            found['etcd', 'get', 32] = etcd.measure('get', 'bench', put, 32, scale.ms)
        measure_changes(api, scale, path, min(created, 2000), found)
    found['bytes'] = len(json.dumps(api.request('GET', f'{path}/web-00000000')[1], separators=(',', ':')))
    return path


def measure_changes(api, scale, path, count, found):
    patch = api.text('patch.json', {'metadata': {'labels': {'turn': str(time.monotonic_ns())}}, 'spec': {
        'containers': [{'name': 'main', 'image': f'registry.example/team/main:{time.monotonic_ns()}'}]}})
    found['api', 'patch', 32] = api.measure('send', 'PATCH', f'{path}/web-{NUMBER}',
                                            'application/strategic-merge-patch+json', patch, 0, count, 32, scale.ms)
    apply = api.text('apply.json', deployment('post', str(time.monotonic_ns())))
    found['api', 'ssa', 32] = api.measure(
        'send', 'PATCH', f'/apis/apps/v1/namespaces/post/deployments/app-{NUMBER}?fieldManager=bench&force=true',
        'application/apply-patch+yaml', apply, 0, 2000, 32, scale.ms)


def measure_lists(api, scale, found):
    path = api.namespace('list')
    body = api.text('listed.json', pod('list'))
    api.post(path, body, 0, LISTED)
    with Peak(api.pid()) as peak:
        found['list10k'] = api.ask('fetch', path, 0, 1, JSON, 0)
    found['list10k_extra_kib'] = peak.extra_kib
    for name, page, accept, gzip in (('list10k', 0, JSON, 0), ('list10k_paged', 500, JSON, 0), ('table10k', 0, TABLE, 0),
                                     ('list10k_gzip', 0, JSON, 1)):
        found[name] = api.ask('fetch', path, page, scale.lists, accept, gzip)
    wires = [api.ask('wire', found['list10k']['bytes'])['ms'] for _ in range(scale.lists)]
    found['wire_ms'] = statistics.median(wires)


def measure_lists_many(api, scale, found):
    path = '/api/v1/namespaces/list/pods'
    if scale.many:
        api.post(path, api.folder / 'listed.json', LISTED, scale.many - LISTED, 128)
        with Peak(api.pid()) as peak:
            found['list150k'] = api.ask('fetch', path, 0, 1, JSON, 0)
        found['list150k_extra_kib'] = peak.extra_kib
        found['list150k_paged'] = api.ask('fetch', path, 500, 1, JSON, 0)


def measure_idle(api, scale, found):
    """First of all, because memory that was given back inside the process would serve again."""
    before = api.anonymous_kib()
    api.ask('hold', '/api/v1/namespaces/default/secrets?watch=true', scale.idle)
    found['watch_idle_kib'] = (api.anonymous_kib() - before) / scale.idle
    api.ask('release')


def measure_watches(api, scale, found):
    api.ask('namespace', 'watch')
    api.ask('insert', 'watch', 0, WATCHED, 32, 1024, 'pod', 0)
    found['paced'] = api.ask('watch', 'watch', 10, scale.paced, 1000)
    for watchers, events in scale.fanout:
        results = [api.ask('watch', 'watch', watchers, events) for _ in range(scale.rounds)]
        found['fanout', watchers] = statistics.median(result['events'] / result['seconds'] for result in results)


def measure_definitions(folder, scale, found):
    """How long until all are served, and what the server holds for each besides the text of its schema. A server of its own:
    in another there is free memory that would serve."""
    folder.mkdir()
    api = Api('api', folder).start()
    try:
        time_definitions(api, scale, found)
    finally:
        api.stop()


def time_definitions(api, scale, found):
    path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    what = definition()
    body = api.text('definition.json', what)
    before = api.anonymous_kib()
    begin = time.monotonic()
    api.post(path, body, 0, scale.definitions, 8)
    for i in range(scale.definitions):
        api.wait(f'/apis/bench.example.com/v1/things{i:08d}')
    found['crd_s'] = time.monotonic() - begin
    schema = len(json.dumps(what['spec']['versions'][0]['schema'], separators=(',', ':'))) / 1024
    found['crd_kib'] = (api.anonymous_kib() - before) / scale.definitions
    found['crd_kib_beyond_schema'] = found['crd_kib'] - schema


def measure_wrk(api, path, scale, found):
    """A pod read by a client that is not ours; who it is says a token, for it has no certificates."""
    if not shutil.which('wrk'):
        return
    api.request('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
        'metadata': {'name': 'bench'}, 'subjects': [{'kind': 'ServiceAccount', 'name': 'default', 'namespace': 'post'}],
        'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'ClusterRole', 'name': 'view'}})
    _, answer = api.request('POST', '/api/v1/namespaces/post/serviceaccounts/default/token',
                            {'kind': 'TokenRequest', 'apiVersion': 'authentication.k8s.io/v1', 'spec': {}})
    script = api.folder / 'wrk.lua'
    script.touch(mode=0o600)
    script.write_text(f'wrk.headers["Authorization"] = "Bearer {answer["status"]["token"]}"\n')
    printed = subprocess.run(['wrk', '-t1', '-c32', f'-d{max(scale.ms // 1000, 1)}s', '-s', script,
                              f'https://127.0.0.1:{api.port}{path}/web-00000000'], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    if 'Non-2xx' in printed:
        raise RuntimeError(f'wrk was refused: {printed}')
    found['wrk'] = float(next(line.split()[1] for line in printed.splitlines() if line.startswith('Requests/sec')))


# ---- the table ------------------------------------------------------------------------------------------------------


def request_rows(f):
    names = {1: '1 client', 32: '32 clients', 128: '128 clients'}
    for clients in CLIENTS:
        f.compare(f'post_per_s_{clients}', f'POST of a pod, durable, {names[clients]}', 'api', 'post', clients, 'rate', '/s',
                  'post_vs_etcd' if clients == 32 else f'post_vs_etcd_{clients}', named=False)
        f.key(f'post_p99_us_{clients}', f.median('api', 'post', clients, 'p99_us'))
    f.compare('get_per_s', f'GET of a pod of {f.rounds[-1]["bytes"]:,} bytes, 32 clients', 'api', 'get', 32, 'rate', '/s',
              'get_vs_etcd', named=False)
    for key, what in (('patch', 'strategic merge patch of a pod'), ('ssa', 'server-side apply of a Deployment')):
        f.row(f'{key}_per_s', f'{what}, 32 clients', f.median('api', key, 32, 'rate'), '/s',
              f'p99 {f.median("api", key, 32, "p99_us"):,.0f} us')


def list_rows(f, found):
    mib = found['list10k']['bytes'] / 2 ** 20
    f.row('list10k_ms', f'LIST of {LISTED:,} pods, whole', found['list10k']['ms'], 'ms', f'{mib:.1f} MiB')
    f.row('list10k_wire_share', 'its share of what TLS alone moves', found['wire_ms'] / found['list10k']['ms'], '',
          f'TLS alone: {found["wire_ms"]:.1f} ms')
    f.row('list10k_extra_kib', 'the most memory it took, the first time', found['list10k_extra_kib'], 'KiB')
    for name, what in (('list10k_paged', 'by 500'), ('table10k', 'as Table'), ('list10k_gzip', 'gzip')):
        f.row(f'{name}_ms', f'LIST of {LISTED:,} pods, {what}', found[name]['ms'], 'ms', f'{found[name]["bytes"] / 2 ** 20:.1f} MiB')
    if 'list150k' in found:
        f.row('list150k_ms', 'LIST of 150,000 pods, whole', found['list150k']['ms'], 'ms',
              f'{found["list150k"]["bytes"] / 2 ** 20:.0f} MiB; memory: {found["list150k_extra_kib"]:,} KiB')
        f.key('list150k_extra_kib', found['list150k_extra_kib'])
        f.row('list150k_paged_ms', 'LIST of 150,000 pods, by 500', found['list150k_paged']['ms'], 'ms')


def other_rows(f, found, scale):
    for watchers, _ in scale.fanout:
        f.row('fanout_per_s' if watchers == 1000 else f'fanout_per_s_{watchers}', f'events to {watchers:,} watchers',
              found['fanout', watchers], '/s')
    f.row('watch_p99_ms', 'write due to event seen, 1,000 writes/s, 10 watchers: p99', found['paced']['p99_us'] / 1000, 'ms',
          f'p50 {found["paced"]["p50_us"] / 1000:.2f} ms')
    f.row('watch_idle_kib', f'memory per idle watch, of {scale.idle:,}', found['watch_idle_kib'], 'KiB')
    f.row(f'crd{scale.definitions}_s', f'{scale.definitions:,} definitions, until all are served', found['crd_s'], 's')
    f.row('crd_kib_beyond_schema', 'memory per definition beyond its schema\'s text', found['crd_kib_beyond_schema'], 'KiB',
          f'with it: {found["crd_kib"]:.1f} KiB')
    if 'wrk' in found:
        f.row('get_wrk_per_s', 'GET of a pod, wrk, 32 connections', found['wrk'], '/s', 'with a token')


# ---- all ------------------------------------------------------------------------------------------------------------


def measure(arguments):
    scale = Scale('--quick' in arguments)
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))  # for both ends of the watches
    subprocess.run(['ninja', '-C', str(BUILD), 'bench/bench-load'], check=True, stdout=subprocess.DEVNULL)
    peer = peer_ready()
    rounds, found, subjects = [], {}, []
    with tempfile.TemporaryDirectory(prefix='bench-api-', dir=BUILD) as folder:
        folder = pathlib.Path(folder)
        try:
            subjects.append(Api('api', folder).start())
            if peer:
                subjects.append(Etcd('etcd', folder).start())
            api, etcd = subjects[0], subjects[1] if peer else None
            measure_idle(api, scale, found)
            measure_lists(api, scale, found)
            path = measure_requests(api, etcd, scale, rounds)
            measure_wrk(api, path, scale, found)
            measure_watches(api, scale, found)
            measure_lists_many(api, scale, found)
        finally:
            for s in subjects:
                s.stop()
        measure_definitions(folder / 'definitions', scale, found)
    figures = Figures(rounds, peer)
    request_rows(figures)
    list_rows(figures, found)
    other_rows(figures, found, scale)
    return figures.rows
