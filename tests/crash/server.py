#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 of the API server while clients write to it over TLS, and a look at what is left.

Writers create, update and delete ConfigMaps, each its own, and note every answer; watchers note what they are shown. The
server dies at a random moment, or at one of the named places of lib/failpoint.h. Started again, it must hold everything
that was answered or shown, nothing that was not asked for, its watch must tell the same story as its list, and no revision
may be given twice.

    server.py KNARR_WITH_FAILPOINTS KNARR ROUNDS [SEED]
"""
import base64
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

WRITERS = 6
NAMES = 4  # ConfigMaps of each
PATH = '/api/v1/namespaces/default/configmaps'
PLACES = ['reply_begin', 'append_begin', 'append_written', 'append_synced', 'append_visible', 'published', 'told',
          'reply_made', 'segment_named', 'segment_prepared', 'segment_begun', 'table_frozen', 'index_written', 'index_durable']
OFTEN = 8  # so many of them are passed by every write
REACH_S = 20


class Wrong(Exception):
    pass


def wrong_unless(ok, text):
    if not ok:
        raise Wrong(text)


class Client:
    """One connection. Raises OSError or HTTPException when the server dies."""

    def __init__(self, crash):
        self.http = http.client.HTTPSConnection('127.0.0.1', crash.port, context=crash.tls, timeout=60)

    def ask(self, method, path, body=None):
        headers = {'Authorization': 'Bearer crash', 'Content-Type': 'application/json'}
        self.http.request(method, path, body=json.dumps(body) if body else None, headers=headers)
        answer = self.http.getresponse()
        return answer.status, json.loads(answer.read())

    def watch(self, revision):
        """The events, as they come."""
        self.http.request('GET', f'{PATH}?watch=1&resourceVersion={revision}', headers={'Authorization': 'Bearer crash'})
        answer = self.http.getresponse()
        wrong_unless(answer.status == 200, f'watching from {revision}: {answer.status}')
        while True:
            line = answer.readline()
            if not line:
                return
            event = json.loads(line)
            wrong_unless(event['type'] != 'ERROR', f'watching from {revision}: {event}')
            yield event['type'], *read(event['object'])


def read(config_map):
    """Name, revision, number."""
    meta = config_map['metadata']
    return meta['name'], int(meta['resourceVersion']), int(config_map['data'].get('number', -1))


class Name:
    """One ConfigMap as its writer knows it."""

    def __init__(self, name):
        self.name = name
        self.number = None  # None = it is not there
        self.revision = 0
        self.asked = None  # what was asked for and not answered: a number, or 'delete'


class Writer(threading.Thread):
    def __init__(self, crash, names, seed):
        super().__init__()
        self.crash, self.names, self.random = crash, names, random.Random(seed)
        self.answered = []  # (revision, name, number)
        self.failure = None

    def run(self):
        try:
            client = Client(self.crash)
            while True:
                self.write(client, self.random.choice(self.names))
        except (OSError, http.client.HTTPException):
            pass
        except Exception as failure:  # pylint: disable=broad-except  # told by the main thread
            self.failure = failure

    def write(self, client, name):
        if name.number is not None and self.random.random() < 0.2:
            name.asked = 'delete'
            status, answer = client.ask('DELETE', f'{PATH}/{name.name}')
            wrong_unless(status == 200, f'deleting {name.name}: {status} {answer}')
            name.number = name.asked = None
            return
        number = self.crash.next_number()
        body = {'metadata': {'name': name.name},
                'data': {'number': str(number), 'padding': 'x' * (6000 if number % 9 == 0 else number % 400)}}
        name.asked = number
        if name.number is None:
            status, answer = client.ask('POST', PATH, body)
        else:
            body['metadata']['resourceVersion'] = str(name.revision)
            status, answer = client.ask('PUT', f'{PATH}/{name.name}', body)
        wrong_unless(status in (200, 201), f'writing {name.name}: {status} {answer}')
        name.number, name.asked = number, None
        name.revision = read(answer)[1]
        self.answered.append((name.revision, name.name, number))


class Watcher(threading.Thread):
    def __init__(self, crash, revision):
        super().__init__()
        self.crash, self.revision = crash, revision
        self.shown = []
        self.failure = None

    def run(self):
        try:
            for event in Client(self.crash).watch(self.revision):
                self.shown.append(event)
        except (OSError, http.client.HTTPException, ValueError):  # cut, in the middle of a line too
            pass
        except Wrong as failure:
            self.failure = failure


class Crash:
    def __init__(self, knarr, seed):
        self.knarr = knarr
        self.random = random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='knarr-crash-', dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None))
        (self.folder / 'tokens').write_text('crash,crash,1,"system:masters"\n')
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self.tls = None
        self.server = None
        self.names = [[Name(f'w{w}-{n}') for n in range(NAMES)] for w in range(WRITERS)]
        self.numbers = 0
        self.lock = threading.Lock()
        self.floor = 0  # revision of the last check
        self.state = {}  # then: name -> (revision, number)
        self.answered = self.kills = 0
        self.reached = {}

    def next_number(self):
        with self.lock:
            self.numbers += 1
            return self.numbers

    def start(self, place=None):
        env = dict(os.environ)
        env.pop('KNARR_FAILPOINT', None)
        if place:
            env['KNARR_FAILPOINT'] = place
        log = open(self.folder / 'log', 'ab')
        self.server = subprocess.Popen([self.knarr, 'server', '--home', self.folder / 'home', '--address', '127.0.0.1', '--port',
                                        str(self.port), '--token-auth-file', self.folder / 'tokens'],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env, text=True)
        log.close()
        line = self.server.stdout.readline()
        if 'ready at' not in line:
            self.server.wait()
            if place:
                return False
            raise Wrong(f'the server does not start: {(self.folder / "log").read_text()[-2000:]}')
        if not self.tls:
            text = (self.folder / 'home/kubeconfig').read_text()
            ca = next(line.split(':')[1].strip() for line in text.splitlines() if 'certificate-authority-data' in line)
            self.tls = ssl.create_default_context(cadata=base64.b64decode(ca).decode())
        return True

    def end(self):
        """Kills it, unless it is dead."""
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.server.stdout.close()

    def round(self, number):
        named = number % 2 == 1
        place = PLACES[number // 2 % len(PLACES)] if named else None
        passes = self.random.randint(1, 300 if named and number // 2 % len(PLACES) < OFTEN else 2)
        threads = []
        if self.start(f'{place}:{passes + (60 if place in PLACES[:OFTEN] else 0)}' if named else None):
            threads = [Writer(self, names, self.random.random()) for names in self.names]
            threads += [Watcher(self, self.floor)] if self.floor else []
        for thread in threads:
            thread.start()
        if named:
            try:
                self.server.wait(REACH_S)
            except subprocess.TimeoutExpired:
                raise Wrong(f'{place} was not passed {passes} times') from None
            self.reached[place] = self.reached.get(place, 0) + 1
        else:
            time.sleep(self.random.uniform(0.05, 0.3))
        self.end()
        self.kills += 1
        for thread in threads:
            thread.join()
            if thread.failure:
                raise thread.failure
        self.check(threads)

    # What is left

    def check(self, threads):
        self.start()
        client = Client(self)
        status, answer = client.ask('GET', PATH)
        wrong_unless(status == 200, f'listing: {status}')
        now = {name: (revision, number) for name, revision, number in map(read, answer['items']) if name[0] == 'w'}
        revision = int(answer['metadata']['resourceVersion'])
        listed = dict(now)
        for name in (name for names in self.names for name in names):
            self.check_name(name, now.pop(name.name, None), revision)
        wrong_unless(not now, f'nobody wrote {now}')
        answered = [a for thread in threads if isinstance(thread, Writer) for a in thread.answered]
        shown = [s for thread in threads if isinstance(thread, Watcher) for s in thread.shown]
        wrong_unless(all(r > self.floor for r, _, _ in answered), f'a revision up to {self.floor} was given again')
        wrong_unless(len({r for r, _, _ in answered}) == len(answered), 'a revision was given twice')
        wrong_unless(all(r <= revision for r in [a[0] for a in answered] + [s[2] for s in shown]),
                     f'revision {revision} is behind what was answered or shown')
        self.answered += len(answered)
        if self.floor:
            self.check_log(client, answered, shown)
        self.state = listed
        self.floor = revision
        self.end()

    def check_name(self, name, there, revision):
        """Its last answer, or what was asked for and not answered."""
        number = there[1] if there else None
        if number != name.number:
            wrong_unless(name.asked is not None and number == (None if name.asked == 'delete' else name.asked),
                         f'{name.name} is {there}; answered was {name.number}@{name.revision}, asked for {name.asked}')
        elif there:
            wrong_unless(there[0] == name.revision, f'{name.name} is {there}, but was answered at {name.revision}')
        wrong_unless(not there or there[0] <= revision, f'{name.name} is of the future: {there}')
        name.asked = None
        name.number = number
        name.revision = there[0] if there else name.revision

    def check_log(self, client, answered, shown):
        """Everything since the last check: each answer, each event that was shown, and the way from that state to this."""
        marker = self.next_number()
        status, _ = client.ask('POST', PATH, {'metadata': {'name': f'marker-{marker}'}, 'data': {'number': str(marker)}})
        wrong_unless(status == 201, f'the marker: {status}')
        told, last, state = [], self.floor, dict(self.state)
        for event in Client(self).watch(self.floor):
            kind, name, revision, number = event
            if number == marker:
                break
            wrong_unless(revision > last, f'revision {revision} is told after {last}')
            wrong_unless(name[0] != 'w' or (name in state) == (kind != 'ADDED'), f'{name} is {kind} at {revision}, before: {state.get(name)}')
            last = revision
            if kind == 'DELETED':
                state.pop(name, None)
            else:
                state[name] = (revision, number)
            told.append(event)
        writes = {(revision, name, number) for kind, name, revision, number in told if kind != 'DELETED'}
        wrong_unless(writes.issuperset(answered), f'the log lacks {set(answered) - writes}')
        # The last one may be of a name that the server had before this round.
        wrong_unless(set(told).issuperset(shown), f'shown, but not in the log: {set(shown) - set(told)}')
        for name in (name for names in self.names for name in names):
            there = state.get(name.name)
            wrong_unless((there[1] if there else None) == name.number, f'the log ends with {name.name} at {there}')


def main():
    with_places, without, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = sys.argv[4] if len(sys.argv) > 4 else str(time.time_ns())
    print(f'seed {seed}', flush=True)
    crash = Crash(with_places, seed)
    failure = None
    try:
        wrong_unless(b'KNARR_FAILPOINT' in pathlib.Path(with_places).read_bytes(), 'the program has no places')
        wrong_unless(b'KNARR_FAILPOINT' not in pathlib.Path(without).read_bytes(), f'{without} has places to die at')
        for number in range(rounds):
            crash.round(number)
        wrong_unless(rounds < 2 * len(PLACES) or len(crash.reached) == len(PLACES), f'reached: {crash.reached}')
        wrong_unless(crash.answered, 'nothing was written')
    except Wrong as wrong:
        failure = wrong
        print(f'FAILED: {wrong}; the folder is {crash.folder}')
    finally:
        if crash.server:
            crash.end()
    print(f'{crash.kills} kills of the server, {sum(crash.reached.values())} of them at {len(crash.reached)} named places, '
          f'{crash.answered} answered writes, revision {crash.floor}: {"FAILED" if failure else "nothing lost"}')
    if not failure:
        shutil.rmtree(crash.folder)
    return 1 if failure else 0


sys.exit(main())
