# SPDX-License-Identifier: Apache-2.0
"""Drives an informer (informer.mjs) whose every connection is cut again and again, in the server's network: between the two
is a relay of ours that resets. Meanwhile objects change. Prints one JSON object: what was done, what was seen, and both ends."""
import json
import queue
import random
import socket
import struct
import subprocess
import sys
import threading
import time

from wire import Wire

NAMES = [f'o{i}' for i in range(8)]


class Relay:
    """Passes bytes between clients and the server until told to reset all that there is."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = {}  # client's socket -> [server's socket, bytes from the server]
        self.news = threading.Condition(self.lock)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            with self.news:
                self.pairs[client] = [server, 0]
                self.news.notify_all()
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(client, source, target), daemon=True).start()

    def pump(self, client, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
                with self.news:
                    if source is not client and client in self.pairs:
                        self.pairs[client][1] += len(data)
                        self.news.notify_all()
        except OSError:
            pass
        with self.lock:
            self.end(client)

    def end(self, client):
        server, _ = self.pairs.pop(client, (None, 0))
        for s in (client, server) if server else ():
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            try:
                s.shutdown(socket.SHUT_RDWR)  # wakes who reads from it
            except OSError:
                pass
            s.close()

    def cut(self, after, delay):
        """Waits for a connection on which the server has sent so many bytes, and so many seconds, and resets all."""
        with self.news:
            there = self.news.wait_for(lambda: any(sent >= after for _, sent in self.pairs.values()), 20)
            assert there, 'the informer does not come back'
        time.sleep(delay)
        with self.lock:
            for client in list(self.pairs):
                self.end(client)


def change(wire, path, objects, done, chance):
    """One write; notes what an informer is to see of it: the revision of a deletion is told to nobody."""
    name = chance.choice(NAMES)
    if name not in objects:
        made = wire.json('POST', path, {'metadata': {'name': name}, 'data': {'text': 'x' * chance.choice((1, 40000))}})
        objects[name] = made['metadata']['resourceVersion']
        done.append(['add', name, objects[name]])
    elif chance.random() < 0.2:
        wire.json('DELETE', f'{path}/{name}')
        done.append(['delete', name, None])
        del objects[name]
    else:
        made = wire.json('PUT', f'{path}/{name}', {'metadata': {'name': name}, 'data': {'n': str(chance.random())}})
        objects[name] = made['metadata']['resourceVersion']
        done.append(['update', name, objects[name]])


def main():
    kubeconfig, namespace, modules, cuts = *sys.argv[1:4], int(sys.argv[4])
    wire, chance = Wire(kubeconfig), random.Random(1)
    path = f'/api/v1/namespaces/{namespace}/configmaps'
    objects, done = {}, []
    relay = Relay((wire.place.hostname, wire.place.port))
    informer = subprocess.Popen(['node', f'{sys.path[0]}/informer.mjs', modules, kubeconfig, f'https://127.0.0.1:{relay.port}', namespace],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seen = []
    lists = queue.Queue()

    def read():
        for line in informer.stdout:
            event = json.loads(line)
            lists.put(event[1]) if event[0] == 'list' else seen.append(event)

    def ask():
        informer.stdin.write('list\n')
        informer.stdin.flush()
        return dict(lists.get(timeout=20))

    threading.Thread(target=read, daemon=True).start()
    try:
        while not ask():  # until its first list has what the cluster puts there
            pass
        for _ in range(cuts):
            for _ in range(chance.randrange(3)):
                change(wire, path, objects, done, chance)
            # In the handshake, at the head of the answer, among the events, while it is quiet: wherever it happens.
            relay.cut(chance.choice((0, 1, 1, 1)), chance.choice((0, 0.002, 0.01, 0.03)))
        change(wire, path, objects, done, chance)
        end = time.monotonic() + 20
        mine = lambda: [e for e in seen if e[1] in NAMES]  # noqa: E731
        while len(mine()) < len(done) and time.monotonic() < end:
            time.sleep(0.01)
        cache = ask()
        truth = {o['metadata']['name']: o['metadata']['resourceVersion'] for o in wire.json('GET', path)['items']}
        print(json.dumps({'done': done, 'seen': mine(), 'cache': cache, 'truth': truth}))
    finally:
        informer.kill()
        informer.wait()


main()
