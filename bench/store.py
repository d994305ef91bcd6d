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
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from _servers import BUILD, Etcd, Figures, Subject, Tls, memory, peer_ready

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
