# SPDX-License-Identifier: Apache-2.0
"""Joining: only with the right token, only to the right server; a wrong one learns nothing."""
import base64
import re
import shutil
import signal

import pytest

from cluster import SERVER_IP, Cluster, Process, KNARR, run, wait_for


@pytest.fixture(scope='module')
def waiting():
    """A control plane with a node that has not joined."""
    c = Cluster(nodes=1)
    try:
        c.make_network()
        c.start_server()
        yield c
    finally:
        left = c.stop()
        assert not left, left


def said(node, pattern, seconds=30):
    return wait_for(lambda: re.search(pattern, node.process.text()), f'the agent to say "{pattern}"', seconds)


def fresh(node):
    node.stop(clean=(0, 1))  # it may be ending by itself, because it was refused
    node.log.unlink(missing_ok=True)


def test_wrong_hash(waiting):
    node = waiting.nodes[0]
    fresh(node)
    token = waiting.token()
    node.start('0' * 64 + token[64:])
    said(node, r'(?i)not the (cluster|server)|does not match|hash')
    assert token.split('.')[-1] not in waiting.server.text()
    assert waiting.get('node', node.name) is None
    fresh(node)


def test_wrong_secret(waiting):
    node = waiting.nodes[0]
    fresh(node)
    token = waiting.token()
    node.start(token[:-4] + ('aaaa' if token[-4:] != 'aaaa' else 'bbbb'))
    said(node, r'(?i)token|unauthorized')
    wait_for(lambda: re.search(r'(?i)token', waiting.server.text()), 'the server to say so too')
    assert waiting.get('node', node.name) is None
    fresh(node)


def test_expired_token(waiting):
    node = waiting.nodes[0]
    fresh(node)
    token = waiting.token('--ttl', '1s')
    name = f'bootstrap-token-{token.split(".")[1]}'
    wait_for(lambda: waiting.get('secret', name, '-n', 'kube-system') is None, 'the expired token to be cleaned up')
    node.start(token)
    said(node, r'(?i)expired')
    wait_for(lambda: re.search(r'there is none of that id', waiting.server.text()), 'the server to say so too')
    assert waiting.get('node', node.name) is None
    fresh(node)


def test_impostor_gets_no_secret(waiting):
    """A server with another CA stands where the API server should be; all it is told is recorded."""
    node = waiting.nodes[0]
    fresh(node)
    token = waiting.token()
    folder = waiting.folder
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj',
        '/CN=impostor', '-addext', f'subjectAltName=IP:{SERVER_IP}', '-keyout', folder / 'fake.key', '-out', folder / 'fake.crt')
    record = folder / 'record'
    script = folder / 'impostor.py'
    script.write_text(f'''
import socket, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({str(folder / 'fake.crt')!r}, {str(folder / 'fake.key')!r})
ca = open({str(folder / 'fake.crt')!r}).read()
listener = socket.create_server(({SERVER_IP!r}, 7443))
open({str(record)!r}, 'wb').close()
while True:
    raw, _ = listener.accept()
    try:
        with context.wrap_socket(raw, server_side=True) as s:
            s.settimeout(2)
            data = s.recv(65536)
            open({str(record)!r}, 'ab').write(data)
            s.sendall(f"HTTP/1.1 200 OK\\r\\nContent-Length: {{len(ca)}}\\r\\nContent-Type: application/x-pem-file\\r\\n\\r\\n{{ca}}".encode())
    except OSError:
        pass
''')
    impostor = Process(waiting.netns, folder / 'impostor.log', '/usr/bin/python3', script)
    try:
        wait_for(record.exists, 'the impostor')
        (node.home / 'images').mkdir(parents=True, exist_ok=True)
        node.process = Process(node.netns, node.log, KNARR, 'agent', *node.common(), '--node-ip', node.ip,
                               '--server', f'https://{SERVER_IP}:7443', '--token', token)
        said(node, r'(?i)not the (cluster|server)|does not match|hash')
        text = record.read_bytes().decode(errors='replace')
        assert token.split('.')[-1] not in text and 'Authorization' not in text
    finally:
        impostor.kill()
        fresh(node)


def test_right_token_joins_with_least_rights(waiting):
    node = waiting.nodes[0]
    fresh(node)
    node.start(waiting.token())
    wait_for(lambda: waiting.get('node', node.name), 'the node to register', 60)
    csrs = waiting.get('csr')['items']
    assert any(r['spec']['signerName'] == 'kubernetes.io/kube-apiserver-client-kubelet' for r in csrs)
    pki = [p for p in (node.home / 'agent').rglob('*') if p.is_file() and p.suffix in ('.pem', '.key', '.crt')]
    assert pki and all(p.stat().st_mode & 0o077 == 0 for p in pki if b'PRIVATE KEY' in p.read_bytes())
    waiting.kubectl('create', 'secret', 'generic', 'private', '--from-literal=a=b')
    key = next(p for p in pki if b'PRIVATE KEY' in p.read_bytes() and 'client' in p.name)
    certificate = next(p for p in pki if b'CERTIFICATE' in p.read_bytes() and 'client' in p.name)

    def as_node(path, *arguments, **kwargs):
        return waiting.curl(path, '--cert', str(certificate), '--key', str(key), *arguments, user=None, **kwargs)[0]
    assert as_node(f'/api/v1/nodes/{node.name}') == 200
    assert as_node('/api/v1/namespaces/default/secrets/private') == 403
    assert as_node('/api/v1/secrets') == 403
    assert as_node('/api/v1/pods') == 403
    assert as_node(f'/api/v1/pods?fieldSelector=spec.nodeName%3D{node.name}') == 200
    assert as_node('/api/v1/pods?fieldSelector=spec.nodeName%3Dother') == 403
    assert as_node('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/other') in (403, 404)
    body = '{"kind":"Node","apiVersion":"v1","metadata":{"name":"other"}}'
    assert as_node('/api/v1/nodes', '-H', 'Content-Type: application/json', method='POST', data=body) == 403


def test_restart_needs_no_token(waiting):
    node = waiting.nodes[0]
    node.stop()
    renewed = waiting.get('lease', node.name, '-n', 'kube-node-lease')['spec']['renewTime']
    started = node.log.read_text().count('get addresses of')
    node.start()
    # What the first process had sent may still be on its way.
    wait_for(lambda: node.log.read_text().count('get addresses of') > started, 'the second process to know its node', 30)
    wait_for(lambda: waiting.get('lease', node.name, '-n', 'kube-node-lease')['spec']['renewTime'] != renewed,
             'the Lease to be renewed', 30)


def test_a_join_that_is_interrupted_goes_on(waiting):
    """Between request and certificate the agent is killed; starting again is not another use of the token."""
    node = waiting.nodes[0]
    node.stop()
    shutil.rmtree(node.home / 'agent/pki')
    waiting.kubectl('delete', 'node', node.name)
    # Nobody signs: the controller's rights are gone until the server starts again.
    waiting.kubectl('delete', 'clusterrolebinding', 'system:controller:certificate-controller')
    token = waiting.token()
    identifier = token.split('.')[1]

    def uses():
        return base64.b64decode(waiting.get('secret', f'bootstrap-token-{identifier}', '-n', 'kube-system')['data']['uses-left'])

    node.start(token)
    wait_for(lambda: uses() == b'0', 'the request')
    for _ in range(2):
        node.stop(signal.SIGKILL)
        assert [p.name for p in (node.home / 'agent/pki').iterdir()] == [f'pending-{identifier}.pem']
        node.start(token)
    waiting.stop_server()
    waiting.troubles = [t for t in waiting.troubles if 'certificate-controller' not in t]
    waiting.start_server()
    wait_for(lambda: waiting.get('node', node.name), 'the node to join', 60)
    wait_for(lambda: not list((node.home / 'agent/pki').glob('pending*')), 'the request to be forgotten')
    mine = [c for c in waiting.get('csr')['items'] if c['spec']['username'] == f'system:bootstrap:{identifier}']
    assert len(mine) == 1
