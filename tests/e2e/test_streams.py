# SPDX-License-Identifier: Apache-2.0
"""What lives on an upgraded connection: watches over WebSocket, exec, attach, cp and port-forward."""
import json
import pathlib
import tempfile

import pytest

import websocket as ws
from cluster import Cluster
from websocket import WebSocket

USERS = '''ann-token,ann,u-ann,"system:masters"
joe-token,joe,u-joe,"dev"
'''


@pytest.fixture(scope='module')
def streams():
    """A node, and people who are known by tokens."""
    with tempfile.TemporaryDirectory(prefix='knarr-users-') as folder:
        users = pathlib.Path(folder) / 'users.csv'
        users.write_text(USERS)
        cluster = Cluster(1, ['--token-auth-file', users])
        try:
            yield cluster.start()
        finally:
            left = cluster.stop()
            assert not left, left


# ---- watches over WebSocket ----

WATCH = '/api/v1/namespaces/default/configmaps?watch=true'


def event(socket):
    opcode, data = socket.receive()
    assert opcode == ws.TEXT, (opcode, data)
    e = json.loads(data)
    return e['type'], e['object']['metadata'].get('name'), e['object']['metadata']['resourceVersion']


def test_a_watch_over_websocket_gives_each_event_as_a_text_message(streams):
    streams.kubectl('create', 'configmap', 'first', '-n', 'default')
    socket = WebSocket(streams, WATCH + '&resourceVersion=0&fieldSelector=metadata.name!=kube-root-ca.crt',
                       ['v1.knarr.test'], token='ann-token')
    assert (socket.status, socket.protocol) == (101, 'v1.knarr.test')
    kind, name, revision = event(socket)
    assert (kind, name) == ('ADDED', 'first')
    streams.kubectl('create', 'configmap', 'second', '-n', 'default')
    assert event(socket)[:2] == ('ADDED', 'second')
    socket.send(ws.PING, b'are you there')
    assert socket.receive() == (ws.PONG, b'are you there')
    socket.send(ws.TEXT, b'what a client says is not listened to')
    streams.kubectl('delete', 'configmap', 'first', 'second', '-n', 'default')
    assert {event(socket)[:2], event(socket)[:2]} == {('DELETED', 'first'), ('DELETED', 'second')}
    socket.send(ws.CLOSE, b'\x03\xe8')
    assert socket.receive() == (ws.CLOSE, b'\x03\xe8')
    with pytest.raises(EOFError):
        socket.receive()
    # From a revision on, as a page does that has read a list; an end of time is a clean close.
    socket = WebSocket(streams, f'{WATCH}&resourceVersion={revision}&timeoutSeconds=1&allowWatchBookmarks=true',
                       ['a', 'b'], token='ann-token')
    assert socket.protocol == 'a'
    assert [event(socket)[:2] for _ in range(3)] == [('ADDED', 'second'), ('DELETED', 'first'), ('DELETED', 'second')]
    assert event(socket)[0] == 'BOOKMARK'
    assert socket.receive() == (ws.CLOSE, b'\x03\xe8')
    socket.close()


def test_who_opens_a_websocket(streams):
    def status(protocols=('x',), path=WATCH, **kwargs):
        socket = WebSocket(streams, path, protocols, **kwargs)
        if socket.status == 101:
            assert 'bearer' not in (socket.protocol or '')
            socket.close()
        return socket.status

    own, other = 'https://127.0.0.1:6443', 'https://evil.example'
    assert status(token='ann-token', origin=other) == 101, 'a page that has the token gave it itself'
    assert status(token='no-token') == 401
    assert status((), token='ann-token') == 401, 'nothing to echo'
    assert status(['base64url.bearer.authorization.k8s.io.YW5uLXRva2Vu', 'x'], token='ann-token') == 401, 'two tokens'
    assert status(['base64url.bearer.authorization.k8s.io.!!', 'x']) == 401
    assert status(token='joe-token') == 403, 'joe may not watch'
    assert status() == 403, 'nor may nobody'
    assert status(headers=['Authorization: Bearer ann-token']) == 101
    assert status((), headers=['Authorization: Bearer ann-token']) == 101
    # A browser shows a client certificate to every page's sockets.
    assert status(certificate=True) == 101
    assert status(certificate=True, origin=own) == 101
    assert status(certificate=True, origin=other) == 403
    assert status(certificate=True, origin='null') == 403
    assert status(certificate=True, path=WATCH + '&resourceVersion=x') == 400, 'refused before it is a stream'


def test_broken_frames_end_the_connection(streams):
    socket = WebSocket(streams, WATCH, ['x'], token='ann-token')
    socket.socket.sendall(b'\x81\x02no')  # a client's frames must be masked
    while (frame := socket.receive())[0] == ws.TEXT:
        pass
    assert frame == (ws.CLOSE, b'\x03\xea')
    with pytest.raises(EOFError):
        socket.receive()
