# SPDX-License-Identifier: Apache-2.0
"""The smallest gRPC health service: HTTP/2 frames by hand. grpc_health.py ADDRESS PORT; the service "good" is serving,
"bad" is not, any other is unknown (NOT_FOUND). A request's head is not looked at."""
import socket
import struct
import sys
import threading

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def literal(name, value):
    """A header that is not to be indexed (RFC 7541, 6.2.2); short texts only."""
    return b'\0' + bytes([len(name)]) + name + bytes([len(value)]) + value


def answer(service):
    head = b'\x88' + literal(b'content-type', b'application/grpc')
    if service not in (b'good', b'bad'):
        return frame(HEADERS, 5, 1, head + literal(b'grpc-status', b'5') + literal(b'grpc-message', b'unknown%20service'))
    message = b'\x08' + (b'\1' if service == b'good' else b'\2')
    return (frame(HEADERS, 4, 1, head) + frame(DATA, 0, 1, b'\0' + struct.pack('>I', len(message)) + message) +
            frame(HEADERS, 5, 1, literal(b'grpc-status', b'0')))


def serve(peer):
    stream = peer.makefile('rb')
    if stream.read(24) != b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n':
        return
    peer.sendall(frame(SETTINGS, 0, 0))
    body = b''
    while head := stream.read(9):
        length = int.from_bytes(head[:3], 'big')
        payload = stream.read(length)
        if head[3] == SETTINGS and not head[4] & 1:
            peer.sendall(frame(SETTINGS, 1, 0))
        elif head[3] == PING and not head[4] & 1:
            peer.sendall(frame(PING, 1, 0, payload))
        elif head[3] == DATA:
            body += payload
            if head[4] & 1:
                peer.sendall(answer(body[7:]))


listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print('ready', flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
