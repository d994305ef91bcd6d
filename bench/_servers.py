# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of servers share: servers in fresh folders with the drivers that ask them, what a process used, and
figures with the peer's beside them."""
import base64
import json
import os
import pathlib
import shutil
import socket
import ssl
import statistics
import subprocess
import time
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ['KNARR_BIN']).parent.parent


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

    def compare(self, key, what, who, phase, at, field, unit, ratio_key, faster_is_more=True, named=True):
        """A row, with etcd's figure and the ratio beside it. named: `who` is part of its key and its text."""
        ours = self.median(who, phase, at, field)
        note = ''
        if self.peer:
            peer, ratio = self.median('etcd', phase, at, field), self.ratio(who, phase, at, field)
            if not faster_is_more:
                ratio = 1 / ratio
            self.key(f'etcd_{key}', peer)
            self.key(ratio_key, ratio)
            note = f'etcd {peer:,.{0 if peer >= 100 else 1}f}: {ratio:.2f} times as fast'
        self.row(f'{who}_{key}' if named else key, f'{who}: {what}' if named else what, ours, unit, note)


def peer_ready():
    """Installs etcd and builds its client; says so when that cannot be."""
    installed = subprocess.run([ROOT / 'tools/install-packages', 'bench'], check=False)
    if installed.returncode or not shutil.which('etcd') or not os.access('/usr/bin/go', os.X_OK):
        print('SKIPPED etcd: Debian\'s etcd-server, golang-go or golang-etcd-server-dev is not here; no ratios')
        return False
    env = {**os.environ, 'GO111MODULE': 'off', 'GOPATH': '/usr/share/gocode', 'GOFLAGS': '',
           'GOCACHE': str(BUILD / 'bench/gocache')}
    subprocess.run(['/usr/bin/go', 'build', '-o', BUILD / 'bench/etcd-client', ROOT / 'bench/etcd/main.go'], check=True,
                   env=env, cwd=ROOT)
    return True
