# SPDX-License-Identifier: Apache-2.0
"""A controller's client that speaks nothing but protobuf, as those of client-go do by default from 0.32 on: list and watch,
updates that conflict and are tried again, the status, deletion. The few field numbers it needs are written down here. Prints one
JSON object with what it found."""
import json
import struct
import sys
import threading

from wire import Wire

PROTOBUF = 'application/vnd.kubernetes.protobuf'


def fields(data):
    """A message as a list of (number, value): integers and bytes."""
    at, found = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        value = varint()
        assert key & 7 in (0, 2), f'wire type {key & 7}'
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found.append((key >> 3, value))
    return found


def message(*pairs):
    """The other way; text and messages are bytes."""
    def varint(value):
        out = b''
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])
    out = b''
    for number, value in pairs:
        value = value.encode() if isinstance(value, str) else value
        out += varint(number << 3 | 2) + varint(len(value)) + value if isinstance(value, bytes) else varint(number << 3) + varint(value)
    return out


def one(data, *path):
    """The last value of a field, along a path of numbers; empty when it is not there."""
    for number in path:
        data = next((value for n, value in reversed(fields(data)) if n == number), b'')
    return data


def entries(data, number):
    """A map[string]string."""
    return {one(e, 1).decode(): one(e, 2).decode() for n, e in fields(data) if n == number}


def envelope(version, kind, raw):
    return b'k8s\0' + message((1, message((1, version), (2, kind))), (2, raw))


def opened(body):
    """(kind, message) of an answer."""
    assert body[:4] == b'k8s\0', body[:80]
    return one(body[4:], 1, 2).decode(), one(body[4:], 2)


class Client:
    def __init__(self, kubeconfig, namespace):
        self.wire = Wire(kubeconfig)
        self.base = f'/api/v1/namespaces/{namespace}'

    def ask(self, method, path, kind=None, raw=b'', version='v1'):
        body = envelope(version, kind, raw) if kind else None
        code, answer = self.wire.ask(method, self.base + path, body, Accept=PROTOBUF, **({'Content_Type': PROTOBUF} if kind else {}))
        return code, *opened(answer)

    def watch(self, path, until):
        """The events (type, object) of a watch, until one satisfies a function."""
        connection = self.wire.connect()
        connection.request('GET', f'{self.base}{path}', headers={'Accept': f'{PROTOBUF};stream=watch'})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader('Content-Type') == f'{PROTOBUF};stream=watch', answer.getheaders()
        while True:
            size, = struct.unpack('>I', answer.read(4))
            event = answer.read(size)
            kind, raw = opened(one(event, 2, 1))
            assert kind == 'ConfigMap', kind
            yield one(event, 1).decode(), raw
            if until(one(event, 1).decode(), raw):
                connection.close()
                return


# Numbers: metadata 1; in it name 1, resourceVersion 6, labels 11, annotations 12. ConfigMap: data 2. Lists: metadata 1 with
# resourceVersion 2 and continue 3, items 2. Status: status 2, reason 4, code 6. Pod: spec 2, status 3 with phase 1, message 3.
def name_of(raw):
    return one(raw, 1, 1).decode()


def config_map(name, data, revision=''):
    return message((1, message((1, name), (6, revision), (11, message((1, 'made'), (2, 'proto'))))),
                   *((2, message((1, key), (2, value))) for key, value in data.items()))


def informer(client, found):
    for i in range(5):
        code, kind, raw = client.ask('POST', '/configmaps', 'ConfigMap', config_map(f'p{i}', {'i': str(i)}))
        assert (code, kind, name_of(raw)) == (201, 'ConfigMap', f'p{i}')
    cache, more = {}, ''
    while True:
        _, kind, raw = client.ask('GET', f'/configmaps?labelSelector=made%3Dproto&limit=2{more}')
        cache.update((name_of(item), item) for number, item in fields(raw) if number == 2)
        if not one(raw, 1, 3):
            break
        more = f'&continue={one(raw, 1, 3).decode()}'
    found['listed'] = [kind, sorted(cache), one(cache['p3'], 2, 2).decode()]

    def work():
        other = Client(sys.argv[1], sys.argv[2])
        other.ask('POST', '/configmaps', 'ConfigMap', config_map('p5', {}))
        other.ask('PUT', '/configmaps/p1', 'ConfigMap', config_map('p1', {'i': 'new'}))
        # DeleteOptions: gracePeriodSeconds 1, preconditions 2, propagationPolicy 4.
        found['deleted'] = other.ask('DELETE', '/configmaps/p0', 'DeleteOptions', message((1, 0), (4, 'Background')))[:2]

    worker = threading.Thread(target=work)
    worker.start()
    revision = one(raw, 1, 2).decode()
    found['watched'] = [[kind, name_of(o), entries(o, 2)] for kind, o in client.watch(
        f'/configmaps?watch=true&labelSelector=made%3Dproto&resourceVersion={revision}', lambda kind, o: kind == 'DELETED')]
    worker.join()
    burst = list(client.watch('/configmaps?watch=true&labelSelector=made%3Dproto&sendInitialEvents=true&allowWatchBookmarks=true&'
                              'resourceVersionMatch=NotOlderThan', lambda kind, o: kind == 'BOOKMARK'))
    found['burst'] = sorted(name_of(o) for kind, o in burst if kind == 'ADDED')
    found['bookmark'] = entries(one(burst[-1][1], 1), 12)


def conflicts(found):
    """Two that count in one object."""
    lost = []

    def count():
        client = Client(sys.argv[1], sys.argv[2])
        for _ in range(25):
            while True:
                _, _, raw = client.ask('GET', '/configmaps/counter')
                value, revision = int(entries(raw, 2)['n']), one(raw, 1, 6).decode()
                code, kind, answer = client.ask('PUT', '/configmaps/counter', 'ConfigMap', config_map('counter', {'n': str(value + 1)}, revision))
                if code == 200:
                    break
                assert (code, kind, one(answer, 4), one(answer, 6)) == (409, 'Status', b'Conflict', 409), answer
                lost.append(value)

    client = Client(sys.argv[1], sys.argv[2])
    client.ask('POST', '/configmaps', 'ConfigMap', config_map('counter', {'n': '0'}))
    threads = [threading.Thread(target=count) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    found['counted'] = entries(client.ask('GET', '/configmaps/counter')[2], 2)['n']
    found['conflicts'] = len(lost) > 0


def status(client, found):
    pod = message((1, message((1, 'pod'))), (2, message((2, message((1, 'c'), (2, 'image'))))))
    code, _, made = client.ask('POST', '/pods', 'Pod', pod)
    assert code == 201
    while True:  # the scheduler writes into the status, too
        _, _, raw = client.ask('GET', '/pods/pod')
        changed = message(*(f for f in fields(raw) if f[0] != 3),
                          (3, message(*(f for f in fields(one(raw, 3)) if f[0] not in (1, 3)), (1, 'Running'), (3, 'by protobuf'))))
        code, _, raw = client.ask('PUT', '/pods/pod/status', 'Pod', changed)
        if code != 409:
            break
    found['status'] = [code, one(raw, 3, 1).decode(), one(raw, 3, 3).decode(), one(raw, 2) == one(made, 2)]
    found['pod'] = client.ask('DELETE', '/pods/pod', 'DeleteOptions', message((1, 0)))[:2]
    code, kind, raw = client.ask('GET', '/pods/pod')
    found['missing'] = [code, kind, one(raw, 4).decode(), one(raw, 5, 1).decode()]
    code, kind, raw = client.ask('POST', '/pods', 'Pod', message((1, message((1, 'Bad_Name')))))
    found['invalid'] = [code, kind, one(raw, 4).decode()]


def main():
    found = {}
    client = Client(sys.argv[1], sys.argv[2])
    informer(client, found)
    conflicts(found)
    status(client, found)
    print(json.dumps(found))


main()
