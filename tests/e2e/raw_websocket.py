# SPDX-License-Identifier: Apache-2.0
"""A small WebSocket client (RFC 6455) for tests that look at frames, in the network namespace of a cluster's server."""
import base64
import ctypes
import os
import socket
import ssl
import struct
import threading

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def connect_in(netns, address):
    """A TCP connection made inside a network namespace; the socket goes on living there."""
    result = []

    def inside():
        try:
            with open(f'/run/netns/{netns}', 'rb') as f:
                assert ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0) == 0
            result.append(socket.create_connection(address, timeout=20))
        except (AssertionError, OSError) as failure:
            result.append(failure)

    thread = threading.Thread(target=inside)  # namespaces belong to threads
    thread.start()
    thread.join()
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


class WebSocket:
    """Opens at once. `status` is the answer's; when it is 101, `protocol` is the chosen one, else `body` the refusal."""

    def __init__(self, cluster, path, protocols=(), token=None, certificate=False, origin=None, headers=()):
        context = ssl.create_default_context(cafile=cluster.home / 'pki/ca.crt')
        if certificate:
            context.load_cert_chain(*cluster.client_files())
        raw = connect_in(cluster.netns, ('127.0.0.1', 6443))
        self.socket = context.wrap_socket(raw, server_hostname='127.0.0.1')
        protocols = list(protocols)
        if token:
            coded = base64.urlsafe_b64encode(token.encode()).decode().rstrip('=')
            protocols.append('base64url.bearer.authorization.k8s.io.' + coded)
        lines = [f'GET {path} HTTP/1.1', 'Host: 127.0.0.1:6443', 'Connection: keep-alive, Upgrade', 'Upgrade: websocket',
                 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', *headers]
        if protocols:
            lines.append('Sec-WebSocket-Protocol: ' + ', '.join(protocols))
        if origin:
            lines.append(f'Origin: {origin}')
        self.socket.sendall('\r\n'.join(lines + ['', '']).encode())
        self.buffer = b''
        while b'\r\n\r\n' not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(b'\r\n\r\n')
        lines = head.decode().split('\r\n')
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v for k, v in (line.split(': ', 1) for line in lines[1:])}
        self.protocol = self.headers.get('sec-websocket-protocol')
        if self.status == 101:
            assert self.headers['sec-websocket-accept'] == 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
            return
        while len(self.buffer) < int(self.headers.get('content-length', 0)):
            self.more()
        self.body = self.buffer.decode()
        self.socket.close()

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError('the connection ended')
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def receive(self):
        """One frame as (opcode, payload); the server never sends fragments."""
        first, size = self.take(2)
        assert first & 0xf0 == 0x80 and not size & 0x80
        if size == 126:
            size, = struct.unpack('>H', self.take(2))
        elif size == 127:
            size, = struct.unpack('>Q', self.take(8))
        return first & 0xf, self.take(size)

    def send(self, opcode, data=b''):
        size = struct.pack('>B', 0x80 | len(data)) if len(data) < 126 else struct.pack('>BH', 0xfe, len(data))
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.socket.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def close(self):
        self.socket.close()
