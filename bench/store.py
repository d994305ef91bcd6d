# SPDX-License-Identifier: Apache-2.0
"""The store and the API server above it beside etcd, in one run on one disk: writes by 1 to 128 closed-loop writers, reads,
lists, watches, memory, restart. With --quick: fewer keys, shorter times, one round.

Three subjects take turns, phase by phase, each in a fresh folder of the build folder's file system:
    store   the store in process (bench/store.c)
    tls     `knarr server` over TLS, HTTP/1.1 and JSON (bench/load.c); objects are ConfigMaps
    etcd    Debian's etcd with its default settings over gRPC without TLS (bench/etcd/main.go, one connection)
Values have 1 KiB: inserts are pod-like text, updates random letters. Ratios are ours / etcd's of the same round, and a
figure is the median of the rounds. CPU and device bytes (/proc/PID/io) are the serving process's, from a phase's begin
to its next phase's, so that what is put off counts too; the store's has the client in the same process, which counts as
well. The bare log appends the batches of the phase before to a file of zeros, a fdatasync each, and does nothing else."""
import base64
import json
import os
import pathlib
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ['KNARR_BIN']).parent.parent
WRITERS = (1, 8, 32, 128)
LISTED = 10000
WATCHED = 64
SETTLE_S = 6  # the store's memory goes to its index after 5 s


class Scale:
    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.keys = 12000 if quick else 150000
        self.ms = 500 if quick else 2500
        self.floor_ms = 250 if quick else 600
        self.read_ms = 300 if quick else 1000
        self.lists = 3 if quick else 9
        self.events = 50 if quick else 200
        # For memory and restart; the keys end in how many.
        self.filled = 10000 if quick else 150000


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def usage(pid):
    """(CPU seconds, bytes to the device) of a process so far."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    ticks = int(fields[11]) + int(fields[12])
    io = dict(line.split(': ') for line in pathlib.Path(f'/proc/{pid}/io').read_text().splitlines())
    return ticks / os.sysconf('SC_CLK_TCK'), int(io['write_bytes'])


def memory(pid):
    """Pss and Pss_Anon, KiB."""
    lines = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    fields = {line.split(':')[0]: int(line.split()[1]) for line in lines[1:]}
    return fields['Pss'], fields['Pss_Anon']


class Subject:
    """A server, or none, and the driver that asks it."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.log = open(folder / f'{name}.log', 'ab')
        self.server = self.driver = None
        self.phase = None  # whose cost is still counted
        self.inserted = 0
        self.open_ms = 0

    def spawn(self, *command):
        return subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=self.log, text=True)

    def drive(self, *command):
        self.driver = self.spawn(*command)
        self.hello = json.loads(self.driver.stdout.readline() or self.failed())

    def failed(self):
        raise RuntimeError(f'{self.name} failed: {pathlib.Path(self.log.name).read_text()[-2000:]}')

    def ask(self, *words):
        self.driver.stdin.write(' '.join(map(str, words)) + '\n')
        self.driver.stdin.flush()
        return json.loads(self.driver.stdout.readline() or self.failed())

    def pid(self):
        return (self.server or self.driver).pid

    def settle(self):
        """The cost so far is the last phase's."""
        now = usage(self.pid())
        if self.phase:
            self.phase['cpu_us'] = (now[0] - self.before[0]) * 1e6 / max(self.phase['ops'], 1)
            self.phase['device_bytes'] = (now[1] - self.before[1]) / max(self.phase['ops'], 1)
        self.phase, self.before = None, now

    def measure(self, *words):
        self.settle()
        result = self.ask(*words)
        if result.get('ops') and result.get('seconds'):
            result['rate'] = result['ops'] / result['seconds']
        if words[0] in ('insert', 'update'):
            self.phase = result
        return result

    def stop(self):
        for process in (self.driver, self.server):
            if process:
                process.stdin.close()
                if process is self.server:
                    process.terminate()
                process.wait(60)
                process.stdout.close()
        self.driver = self.server = None


class Store(Subject):
    def start(self):
        self.drive(BUILD / 'bench/bench-store', self.folder)
        self.open_ms = self.hello['open_ms']
        return self

    def floor(self, ms):
        """What the log alone makes of the last phase's batches, in writes a second."""
        batches = self.ask('batches')['batches']
        command = [BUILD / 'bench/bench-store', self.folder, 'floor', str(ms)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return found['ops'] / found['seconds'] * self.phase['ops'] / batches


class Tls(Subject):
    def start(self):
        self.port = free_port()
        begin = time.monotonic()
        self.server = self.spawn(os.environ['KNARR_BIN'], 'server', '--home', self.folder / 'home', '--address',
                                 '127.0.0.1', '--advertise-address', '127.0.0.1', '--port', self.port)
        context = ssl._create_unverified_context()
        while True:
            try:
                urllib.request.urlopen(f'https://127.0.0.1:{self.port}/readyz', context=context, timeout=5).close()
                break
            except OSError:
                if self.server.poll() is not None or time.monotonic() > begin + 60:
                    self.failed()
                time.sleep(0.001)
        self.open_ms = (time.monotonic() - begin) * 1000
        self.drive(BUILD / 'bench/bench-load', '127.0.0.1', self.port, self.folder / 'home/pki/ca.crt',
                   *self.client_files())
        return self

    def client_files(self):
        user = yaml.safe_load((self.folder / 'home/kubeconfig').read_text())['users'][0]['user']
        for name in ('client-certificate', 'client-key'):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(user[f'{name}-data']))
            yield path


class Etcd(Subject):
    def start(self):
        client, peer = (f'http://127.0.0.1:{free_port()}' for _ in range(2))
        begin = time.monotonic()
        self.server = self.spawn('etcd', '--name', 'bench', '--data-dir', self.folder / 'data', '--listen-client-urls',
                                 client, '--advertise-client-urls', client, '--listen-peer-urls', peer,
                                 '--initial-advertise-peer-urls', peer, '--initial-cluster', f'bench={peer}',
                                 '--log-outputs', 'stderr', '--log-level', 'error')
        self.drive(BUILD / 'bench/etcd-client', client[len('http://'):], 1)
        self.open_ms = (time.monotonic() - begin) * 1000
        return self


# ---- what is measured -----------------------------------------------------------------------------------------------


def prepare(subjects):
    """Namespaces, what is listed and what is watched."""
    for s in subjects:
        if isinstance(s, Tls):
            for namespace in ('bench', 'list', 'watch'):
                s.ask('namespace', namespace)
        s.ask('insert', 'list', 0, LISTED, 32, 1024, 'pod', 0)
        s.ask('insert', 'watch', 0, WATCHED, 8, 1024, 'pod', 0)


def measure_writes(subjects, scale, found):
    """Inserts, each number of writers for a while and the last until all keys are there; then random updates."""
    shares = {1: 0.05, 8: 0.15, 32: 0.3}
    for writers in WRITERS:
        for s in subjects:
            last = writers == WRITERS[-1]
            count = scale.keys - s.inserted if last else int(scale.keys * shares[writers])
            result = s.measure('insert', 'bench', s.inserted, count, writers, 1024, 'pod', 0 if last else scale.ms)
            s.inserted += result['ops']
            found[s.name, 'insert', writers] = result
    for writers in WRITERS:
        for s in subjects:
            found[s.name, 'update', writers] = s.measure('update', 'bench', scale.keys, writers, 1024, 'random', scale.ms)
            if isinstance(s, Store):
                found['log', 'update', writers] = {'rate': s.floor(scale.floor_ms)}
    time.sleep(SETTLE_S)
    for s in subjects:
        s.settle()


def measure_reads(subjects, scale, found):
    for readers in (1, 32):
        for s in subjects:
            found[s.name, 'get', readers] = s.measure('get', 'bench', scale.keys, readers, scale.read_ms)
    for page in (0, 500):
        for s in subjects:
            found[s.name, 'list', page] = s.measure('list', 'list', page, scale.lists)


def measure_watches(subjects, scale, found):
    for watchers in (100, 1000):
        for s in subjects:
            if isinstance(s, Store):
                continue
            result = s.measure('watch', 'watch', watchers, scale.events)
            result['rate'] = result['events'] / result['seconds']
            found[s.name, 'watch', watchers] = result


def measure_round(kinds, scale, folder):
    found = {}
    subjects = []
    try:
        for kind in kinds:
            subjects.append(kind(kind.__name__.lower(), folder).start())
        prepare(subjects)
        measure_writes(subjects, scale, found)
        measure_reads(subjects, scale, found)
        measure_watches(subjects, scale, found)
    finally:
        for s in subjects:
            s.stop()
    return found


def measure_filled(kinds, scale, folder):
    """Memory with many values of 3 KiB, and the time to be there again after a stop."""
    found = {}
    subjects = []
    try:
        for kind in kinds:
            subjects.append(kind(kind.__name__.lower(), folder).start())
        for s in subjects:
            if isinstance(s, Tls):
                s.ask('namespace', 'bench')
            s.ask('insert', 'bench', 0, scale.filled, 128, 3072, 'pod', 0)
        time.sleep(SETTLE_S)
        for s in subjects:
            pss, anon = memory(s.pid())
            s.stop()
            s.start()
            found[s.name] = {'pss': pss, 'anon': anon, 'restart_ms': s.open_ms}
    finally:
        for s in subjects:
            s.stop()
    return found


# ---- the table ------------------------------------------------------------------------------------------------------


class Figures:
    def __init__(self, rounds, peer):
        self.rounds = rounds
        self.peer = peer
        self.rows = []

    def median(self, who, what, at, field):
        return statistics.median(r[who, what, at][field] for r in self.rounds)

    def ratio(self, who, what, at, field):
        """Ours / etcd's; the median of the rounds'."""
        return statistics.median(r[who, what, at][field] / max(r['etcd', what, at][field], 1e-9) for r in self.rounds)

    def row(self, key, what, value, unit='', note=''):
        digits = 2 if abs(value) < 100 else 0
        self.rows.append((key, what, round(value, digits) if digits else round(value), unit, note))

    def key(self, key, value):
        """For --json only."""
        self.rows.append((key, '', round(value, 3), '', ''))

    def compare(self, key, what, who, phase, at, field, unit, ratio_key, faster_is_more=True):
        """A row, with etcd's figure and the ratio beside it."""
        ours = self.median(who, phase, at, field)
        note = ''
        if self.peer:
            peer, ratio = self.median('etcd', phase, at, field), self.ratio(who, phase, at, field)
            if not faster_is_more:
                ratio = 1 / ratio
            self.key(f'etcd_{key}', peer)
            self.key(ratio_key, ratio)
            note = f'etcd {peer:,.{0 if peer >= 100 else 1}f}: {ratio:.2f} times as fast'
        self.row(f'{who}_{key}', f'{who}: {what}', ours, unit, note)


WRITE_FIELDS = (('rate', 'writes'), ('p50_us', 'p50_us'), ('p99_us', 'p99_us'), ('cpu_us', 'cpu_us'),
                ('device_bytes', 'device_bytes'))


def write_rows(f):
    subjects = ('store', 'tls') + ('etcd',) * f.peer
    for phase in ('insert', 'update'):
        for writers in WRITERS:
            for who in subjects:
                found = {field: f.median(who, phase, writers, field) for field, _ in WRITE_FIELDS}
                f.row(None, f'{who}: {phase}s, {writers} writer' + 's' * (writers > 1), found['rate'], '/s',
                      'p50 {p50_us:,.0f} us, p99 {p99_us:,.0f} us, CPU {cpu_us:.1f} us, to the device {device_bytes:,.0f} '
                      'bytes'.format(**found))
                for field, name in WRITE_FIELDS:
                    f.key(f'{who}_{phase}_{name}_{writers}', found[field])
                    if f.peer and who != 'etcd':
                        f.key(f'{who}_{phase}_{name}_ratio_{writers}', f.ratio(who, phase, writers, field))
            if phase == 'update':
                f.row(f'log_writes_{writers}', f'the bare log with the store\'s batches, {writers} writer' +
                      's' * (writers > 1), f.median('log', phase, writers, 'rate'), '/s')


def read_rows(f):
    for readers in (1, 32):
        f.compare(f'reads_{readers}', f'reads, {readers} at a time', 'tls', 'get', readers, 'rate', '/s',
                  'tls_reads_ratio' if readers == 32 else 'tls_reads_ratio_1')
    f.compare('reads_1', 'reads, 1 at a time', 'store', 'get', 1, 'rate', '/s', 'reads_ratio')
    for who in ('tls', 'store'):
        prefix = 'tls_' if who == 'tls' else ''
        f.compare('list_ms', f'{LISTED:,} keys, whole', who, 'list', 0, 'ms', 'ms', f'{prefix}list_ratio', False)
        f.compare('list_paged_ms', f'{LISTED:,} keys, by 500', who, 'list', 500, 'ms', 'ms', f'{prefix}list_paged_ratio',
                  False)
    for watchers in (100, 1000):
        f.compare(f'watch_{watchers}', f'events to {watchers} watchers', 'tls', 'watch', watchers, 'rate', '/s',
                  f'tls_watch_ratio_{watchers}')


def summary_rows(f):
    """What the aims are about: of inserts and updates, and of all numbers of writers, the worse."""
    def worst(pick, who, field, writers=WRITERS):
        return pick(f.ratio(who, phase, w, field) for phase in ('insert', 'update') for w in writers)
    if f.peer:
        for who, prefix in (('store', ''), ('tls', 'tls_')):
            for w in WRITERS:
                f.row(f'{prefix}writes_ratio_{w}', f'{who} / etcd: writes, {w} writer' + 's' * (w > 1),
                      worst(min, who, 'rate', (w,)), '', 'the lower of inserts and updates')
        f.row('p99_ratio_128', 'store / etcd: p99 of a write, 128 writers', worst(max, 'store', 'p99_us', (128,)), '',
              'the higher')
        f.row('cpu_ratio', 'store / etcd: CPU per write', worst(max, 'store', 'cpu_us'), '', 'the highest')
        f.row('device_bytes_ratio', 'store / etcd: device bytes per write', worst(max, 'store', 'device_bytes'), '',
              'the highest')
    shares = {w: statistics.median(r['store', 'update', w]['rate'] / r['log', 'update', w]['rate'] for r in f.rounds)
              for w in WRITERS}
    f.row('log_share', 'store / bare log: writes', min(shares.values()), '',
          'the lowest; at ' + ', '.join(f'{w}: {share:.2f}' for w, share in shares.items()))
    for w in WRITERS:
        f.key(f'log_share_{w}', shares[w])


def filled_rows(f, filled, scale):
    what = f'{scale.filled:,} values of 3 KiB'
    suffix = f'{scale.filled // 1000}k'
    for who, found in filled.items():
        prefix = '' if who == 'store' else f'{who}_'
        f.row(f'{prefix}pss_kib_{suffix}', f'{who}: {what}: Pss', found['pss'], 'KiB', 'with the mapped files\' cache')
        f.row(f'{prefix}anon_kib_{suffix}', f'{who}: {what}: Pss_Anon', found['anon'], 'KiB')
        f.row(f'{prefix}restart_ms_{suffix}', f'{who}: {what}: restart', found['restart_ms'], 'ms')


# ---- all ------------------------------------------------------------------------------------------------------------


def peer_ready():
    """Installs etcd and builds its client; says so when that cannot be."""
    installed = subprocess.run([ROOT / 'tools/install-packages', 'bench'], check=False)
    if installed.returncode or not shutil.which('etcd') or not os.access('/usr/bin/go', os.X_OK):
        print('store: SKIPPED etcd: Debian\'s etcd-server, golang-go or golang-etcd-server-dev is not here; no ratios')
        return False
    env = {**os.environ, 'GO111MODULE': 'off', 'GOPATH': '/usr/share/gocode', 'GOFLAGS': '',
           'GOCACHE': str(BUILD / 'bench/gocache')}
    subprocess.run(['/usr/bin/go', 'build', '-o', BUILD / 'bench/etcd-client', ROOT / 'bench/etcd/main.go'], check=True,
                   env=env, cwd=ROOT)
    return True


def measure(arguments):
    scale = Scale('--quick' in arguments)
    subprocess.run(['ninja', '-C', str(BUILD), 'bench/bench-store', 'bench/bench-load'], check=True,
                   stdout=subprocess.DEVNULL)
    peer = peer_ready()
    kinds = [Store, Etcd, Tls] if peer else [Store, Tls]
    rounds = []
    for _ in range(scale.rounds):
        with tempfile.TemporaryDirectory(prefix='bench-store-', dir=BUILD) as folder:
            rounds.append(measure_round(kinds, scale, pathlib.Path(folder)))
    with tempfile.TemporaryDirectory(prefix='bench-store-', dir=BUILD) as folder:
        filled = measure_filled(kinds, scale, pathlib.Path(folder))
    figures = Figures(rounds, peer)
    write_rows(figures)
    read_rows(figures)
    filled_rows(figures, filled, scale)
    summary_rows(figures)
    return figures.rows
