# SPDX-License-Identifier: Apache-2.0
"""pods/proxy and services/proxy: what goes through to a pod's own server, what does not, and who may."""
import hashlib
import json
import os
import ssl
import subprocess
import tempfile

import pytest

from cluster import KUBECTL, Process, pod, wait_for
from raw_websocket import WebSocket, connect_in

NODES = 1
USERS = '''ann-token,ann,u-ann,"system:masters"
joe-token,joe,u-joe,"dev"
'''
PODS = '/api/v1/namespaces/default/pods/'
SERVICES = '/api/v1/namespaces/default/services/'
BIG = 8 << 20

# A server of HTTP that does nothing by itself: what it is sent is what the test sees.
HANDLER = r'''
cr=$(printf '\r')
read -r method target version
head="$method $target"; size=0; chunked=; socket=
while read -r line; do
  line=${line%$cr}
  [ -n "$line" ] || break
  head="$head
$line"
  case $line in
    [Cc]ontent-[Ll]ength:*) size=${line#*: } ;;
    [Tt]ransfer-[Ee]ncoding:*chunked) chunked=1 ;;
  esac
done
body() {
  if [ -n "$chunked" ]; then
    while read -r n; do
      n=$((0x${n%$cr})); [ $n != 0 ] || break
      dd bs=$n count=1 iflag=fullblock 2>/dev/null; read -r n
    done
  elif [ $size != 0 ]; then
    dd bs=$size count=1 iflag=fullblock 2>/dev/null
  fi
}
answer() { printf 'HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n%b\r\n' "$1" "${#2}" "$3"; printf %s "$2"; }
case $target in
  */hash*) sum=$(body | sha256sum); answer '200 OK' "$sum" ;;
  */big*) printf 'HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n'; dd if=/dev/zero bs=65536 count=128 2>/dev/null ;;
  */slow*) printf 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n'
           until [ -e /tmp/go ]; do sleep 0.1; done; printf '9\r\ndata: 2\n\n\r\n0\r\n\r\n' ;;
  */refuse*) answer '413 Too Much' 'no more' ;;
  */redirect*) answer '302 Found' gone 'Location: /there?a=b\r\nSet-Cookie: s=1; Path=/; Domain=example.com\r\nAccess-Control-Allow-Origin: *\r\n' ;;
  */page*) answer '200 OK' '<a href="/x">x</a><script>"<a href=/y>"</script><img src=//elsewhere.example/z>' 'Content-Type: text/html\r\n' ;;
  */nothing*) printf 'HTTP/1.1 204 No Content\r\n\r\n' ;;
  */garbage*) printf 'what?\r\n\r\n' ;;
  */cut*) printf 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf' ;;
  */ws*) printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Seen: %s\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello' "$target"
         exec cat ;;
  *) answer '200 OK' "$head" 'Content-Type: text/plain\r\n' ;;
esac
'''


def serving(name, **spec):
    script = f"cat >/tmp/handler <<'END'\n{HANDLER}\nEND\nprintf '#!/bin/sh\\nexec sh /tmp/handler' >/tmp/run\n" \
             "chmod +x /tmp/run\nexec nc -ll -p 9000 -e /tmp/run"
    p = pod(name, ['sh', '-c', script], restart='Always', **spec)
    p['metadata']['labels'] = {'app': name}
    p['spec']['containers'][0]['ports'] = [{'name': 'web', 'containerPort': 9000}]
    p['spec']['containers'][0]['readinessProbe'] = {'tcpSocket': {'port': 9000}, 'periodSeconds': 1}
    return p


def service(name, ports, **spec):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name}, 'spec': {'ports': ports, **spec}}


@pytest.fixture(scope='module')
def proxy(people):
    people.apply(serving('web'))
    people.apply(service('web', [{'name': 'main', 'port': 80, 'targetPort': 'web'}], selector={'app': 'web'}))
    wait_for(lambda: people.curl(SERVICES + 'web:main/proxy/')[0] == 200, 'the service to have an endpoint')
    return people


def ask(cluster, path, *arguments, token='ann-token', **kwargs):
    """By token: (code, body, headers)."""
    with tempfile.NamedTemporaryFile('r', prefix='knarr-head-') as head:
        code, body = cluster.curl(path, '-D', head.name, '-H', f'Authorization: Bearer {token}', *arguments, user=None,
                                  **kwargs)
        lines = head.read().strip().split('\n\n')[-1].splitlines()[1:]
    return code, body, {k.lower(): v for k, v in (line.split(': ', 1) for line in lines)}


def test_what_goes_through_and_what_does_not(proxy):
    code, body, headers = ask(proxy, PODS + 'web:9000/proxy/a%2Fb//c;d?watch=true&x=%zz;y', '-H', 'Cookie: a=b',
                              '-H', 'X-Own: mine', '-H', 'Connection: close, X-Hop', '-H', 'X-Hop: 1',
                              '-H', 'X-Remote-User: root', '-H', 'TE: trailers', '-H', 'X-Forwarded-For: 192.0.2.9')
    first, *lines = body.decode().splitlines()
    seen = {k.lower(): v for k, v in (line.split(': ', 1) for line in lines)}
    assert code == 200 and first == 'GET /a%2Fb//c;d?watch=true&x=%zz;y'
    assert seen['x-own'] == 'mine' and seen['host'] == '127.0.0.1:6443'
    assert seen['x-forwarded-for'] == '192.0.2.9, 127.0.0.1'
    assert seen['x-forwarded-uri'] == PODS + 'web:9000/proxy/a%2Fb//c;d'
    assert seen['cookie'] == 'a=b' and not {'authorization', 'x-remote-user', 'te', 'x-hop'} & set(seen)
    assert 'ann' not in body.decode() and headers['content-type'] == 'text/plain'
    assert 'content-security-policy' not in headers, 'it came by way of another proxy'
    # Straight from a browser it would be a page of the API server itself.
    assert ask(proxy, PODS + 'web/proxy/')[2]['content-security-policy'].startswith('sandbox ')

    code, body, headers = ask(proxy, PODS + 'web/proxy/redirect')
    assert (code, body, headers['location']) == (302, b'gone', PODS + 'web/proxy/there?a=b')
    assert headers['set-cookie'] == f's=1; Path={PODS}web/proxy/' and 'access-control-allow-origin' not in headers
    body = ask(proxy, PODS + 'web/proxy/page')[1].decode()
    assert body == (f'<a href="{PODS}web/proxy/x">x</a><script>"<a href=/y>"</script><img src=//elsewhere.example/z>')
    code, body, headers = ask(proxy, PODS + 'web/proxy?a=b')
    assert (code, headers['location']) == (301, PODS + 'web/proxy/?a=b')
    assert ask(proxy, PODS + 'web/proxy/nothing')[:2] == (204, b'')
    code, body, headers = ask(proxy, PODS + 'web/proxy/', '--head')
    assert (code, int(headers['content-length']) > 50) == (200, True)
    for method in ('PUT', 'PATCH', 'DELETE', 'OPTIONS'):
        assert ask(proxy, PODS + 'web/proxy/x', method=method)[1].startswith(f'{method} /x\n'.encode())
    assert ask(proxy, PODS + 'web/proxy/x', method='TRACE')[0] == 405
    assert ask(proxy, PODS + 'web/proxy/../../secrets')[0] == 400
    assert ask(proxy, PODS + 'web/proxy/%2e%2e/secrets')[0] == 400

    assert proxy.kubectl('get', '--raw', PODS + 'web/proxy/hi').stdout.startswith('GET /hi\n')


def test_bodies_stream_both_ways(proxy):
    data = os.urandom(BIG)
    sum_ = hashlib.sha256(data).hexdigest()
    assert ask(proxy, PODS + 'web/proxy/hash', data=data, method='POST')[1].decode().split()[0] == sum_
    assert ask(proxy, PODS + 'web/proxy/hash', '-H', 'Transfer-Encoding: chunked', '-H', 'Expect:', data=data,
               method='PUT')[1].decode().split()[0] == sum_
    assert ask(proxy, PODS + 'web/proxy/hash', data=b'small')[1].decode().split()[0] == hashlib.sha256(b'small').hexdigest()
    code, body, headers = ask(proxy, SERVICES + 'web:80/proxy/big')
    assert (code, len(body), headers['content-length']) == (200, BIG, str(BIG))
    # Refused before the body was read: the answer is still seen.
    assert ask(proxy, PODS + 'web/proxy/refuse', data=data)[:2] == (413, b'no more')
    assert ask(proxy, PODS + 'web/proxy/hash', data=data, token='joe-token')[0] == 403
    assert ask(proxy, PODS + 'web/proxy/hash', data=data, token='nobody')[0] == 401


def raw(cluster):
    context = ssl.create_default_context(cafile=cluster.home / 'pki/ca.crt')
    return context.wrap_socket(connect_in(cluster.netns, ('127.0.0.1', 6443)), server_hostname='127.0.0.1')


def receive(socket, enough):
    got = b''
    while not enough(got):
        more = socket.recv(65536)
        if not more:
            break
        got += more
    return got


def test_nothing_can_be_smuggled(proxy):
    """A body is never read as the next request, whatever its length is said to be."""
    def tell(*lines, body=b''):
        with raw(proxy) as socket:
            socket.sendall('\r\n'.join([*lines, 'Host: x', 'Authorization: Bearer ann-token', '', '']).encode() + body)
            return receive(socket, lambda got: False)

    post = f'POST {PODS}web/proxy/x HTTP/1.1'
    hidden = f'GET {PODS}web/proxy/hidden HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann-token\r\n\r\n'.encode()
    for lines in (('Content-Length: 5', 'Transfer-Encoding: chunked'), ('Content-Length: 5', 'Content-Length: 6'),
                  ('Transfer-Encoding: chunked, identity',), ('Content-Length: +5',), ('Transfer-Encoding: gzip',)):
        answer = tell(post, *lines, body=b'hello')
        assert answer.startswith(b'HTTP/1.1 400 ') and answer.count(b'HTTP/1.1') == 1, (lines, answer)
    # The pod answers without having read it; what is left is not a request.
    answer = tell(post, 'Content-Length: 1000000', body=hidden)
    assert answer.startswith(b'HTTP/1.1 200 ') and answer.count(b'HTTP/1.1 2') == 1 and b'connection: close' in answer.lower()
    # One after the other on a connection: each has its own body.
    with raw(proxy) as socket:
        one = (f'POST {PODS}web/proxy/hash HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann-token\r\n'
               'Content-Length: 5\r\n\r\nhello').encode()
        for _ in range(2):
            socket.sendall(one)
            got = receive(socket, lambda got: b'  -' in got)
            assert hashlib.sha256(b'hello').hexdigest().encode() in got and b'connection: keep-alive' in got.lower()


def test_a_stream_comes_as_it_is_made_and_an_upgrade_goes_through(proxy):
    proxy.kubectl('exec', 'web', '--', 'rm', '-f', '/tmp/go')
    with raw(proxy) as socket:
        socket.sendall(f'GET {PODS}web/proxy/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann-token\r\n\r\n'.encode())
        got = receive(socket, lambda got: b'data: 1\n\n' in got)
        assert b'data: 1' in got and b'data: 2' not in got and b'text/event-stream' in got
        proxy.kubectl('exec', 'web', '--', 'touch', '/tmp/go')
        assert receive(socket, lambda got: got.endswith(b'0\r\n\r\n')).startswith(b'9\r\ndata: 2\n\n')

    socket = WebSocket(proxy, SERVICES + 'web:main/proxy/ws/deep?x=1', ['chat'], token='ann-token',
                       origin='https://127.0.0.1:6443')
    assert (socket.status, socket.protocol, socket.headers['x-seen']) == (101, 'chat', '/ws/deep?x=1')
    while len(socket.buffer) < 5:
        socket.more()
    assert socket.buffer == b'hello'
    data = os.urandom(1 << 20)
    socket.buffer = b''
    for i in range(0, len(data), 1 << 16):
        socket.socket.sendall(data[i:i + (1 << 16)])
        while len(socket.buffer) < i + (1 << 16):
            socket.more()
    assert socket.buffer == data
    socket.close()
    wait_for(lambda: ' cat' not in proxy.kubectl('exec', 'web', '--', 'ps').stdout.replace(' cat >', ''),
             'the end to reach the pod')


def test_what_cannot_be_reached(proxy):
    def refused(path, **kwargs):
        code, body, _ = ask(proxy, path, **kwargs)
        return code, json.loads(body)['message']

    assert refused(PODS + 'none/proxy/') == (404, 'pods "none" not found')
    assert refused(SERVICES + 'none/proxy/') == (404, 'services "none" not found')
    assert refused(PODS + 'a:b:c:d/proxy/') == (400, 'invalid pod request "a:b:c:d"')
    assert refused(SERVICES + 'ftp:web:80/proxy/') == (400, 'invalid service request "ftp:web:80"')
    assert refused(SERVICES + 'web:81/proxy/') == (503, 'no service port 81 found for service "web"')
    assert refused(SERVICES + 'web:other/proxy/') == (503, 'no endpoints available for service "web:other"')
    proxy.apply(service('empty', [{'port': 80}]))
    assert refused(SERVICES + 'empty/proxy/') == (503, 'no endpoints available for service "empty"')
    # Endpoints that somebody wrote: the server goes to pods of the namespace only, and a node to its own.
    for name, endpoint in (('own', {'addresses': ['127.0.0.1']}), ('away', {'addresses': ['10.77.0.1']}),
                           ('lie', {'addresses': ['10.77.0.1'],
                                    'targetRef': {'kind': 'Pod', 'namespace': 'default', 'name': 'web'}})):
        proxy.kubectl('create', '-f', '-', input=json.dumps({
            'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice', 'addressType': 'IPv4', 'ports': [{'port': 6443}],
            'metadata': {'name': name, 'labels': {'kubernetes.io/service-name': 'empty'}}, 'endpoints': [endpoint]}),
            check=name != 'own')
        assert refused(SERVICES + 'empty/proxy/') == (503, 'no endpoints available for service "empty"')
    code, message = refused(PODS + 'web:1/proxy/')
    assert code == 503 and message.startswith('error trying to reach service: ') and '10.244.0.' in message
    assert refused(PODS + 'web/proxy/garbage') == (503, 'error trying to reach service: it is not HTTP/1.1')
    done = proxy.kubectl('get', '--raw', PODS + 'web/proxy/cut', check=False)
    assert done.returncode != 0 and 'EOF' in done.stderr


def test_who_may(proxy):
    proxy.apply({'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'Role', 'metadata': {'name': 'peeker'}, 'rules': [
        {'apiGroups': [''], 'resources': ['pods/proxy'], 'verbs': ['get'], 'resourceNames': ['web:9000']}]})
    proxy.kubectl('create', 'rolebinding', 'joe-peeks', '--role=peeker', '--user=joe')
    assert ask(proxy, PODS + 'web:9000/proxy/', token='joe-token')[0] == 200
    for path, method, verb, resource in ((PODS + 'web:9000/proxy/', 'POST', 'create', 'pods/proxy'),
                                         (PODS + 'web:9000/proxy/', 'DELETE', 'delete', 'pods/proxy'),
                                         (PODS + 'web/proxy/', 'GET', 'get', 'pods/proxy'),
                                         (SERVICES + 'web:main/proxy/', 'GET', 'get', 'services/proxy')):
        code, body, _ = ask(proxy, path, method=method, token='joe-token')
        assert code == 403 and f'User "joe" cannot {verb} resource "{resource}"' in json.loads(body)['message']


def test_through_kubectl_proxy(proxy):
    kubectl = Process(proxy.netns, proxy.folder / 'kubectl-proxy.log', KUBECTL, '--kubeconfig', proxy.kubeconfig, 'proxy',
                      '--port=8001', env={'HOME': '/nonexistent', 'PATH': os.environ['PATH']})
    try:
        wait_for(lambda: 'Starting' in kubectl.text(), 'kubectl proxy to listen')
        done = proxy.run('curl', '-sSi', '-H', 'Cookie: grafana=1', 'http://127.0.0.1:8001' + SERVICES + 'web:main/proxy/x')
        assert done.stdout.startswith('HTTP/1.1 200 ') and 'GET /x' in done.stdout and 'grafana=1' in done.stdout
        assert 'sandbox' not in done.stdout.lower()
    finally:
        kubectl.kill(clean=(0, -15))


def test_a_pods_certificate_is_not_looked_at(proxy):
    """A pod on its node's network, and behind its address a server with a certificate that nobody signed."""
    node = proxy.nodes[0]
    crt, key = proxy.folder / 'own.crt', proxy.folder / 'own.key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                    '/CN=elsewhere', '-keyout', key, '-out', crt], check=True, capture_output=True)
    # Looking the host's name up, as its server does by itself, would take seconds here.
    program = ('import http.server, socketserver, ssl, sys\n'
               'http.server.HTTPServer.server_bind = socketserver.TCPServer.server_bind\n'
               'c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[1], sys.argv[2])\n'
               's = http.server.HTTPServer(("0.0.0.0", 9443), http.server.SimpleHTTPRequestHandler)\n'
               's.socket = c.wrap_socket(s.socket, server_side=True); print("up", flush=True); s.serve_forever()\n')
    server = Process(node.netns, proxy.folder / 'tls.log', '/usr/bin/python3', '-c', program, crt, key)
    try:
        proxy.apply(pod('host', ['sleep', '100000'], restart='Always', hostNetwork=True))
        wait_for(lambda: proxy.get('pod', 'host')['status'].get('phase') == 'Running', 'the pod to run')
        wait_for(lambda: 'up' in server.text(), 'the server to listen')
        code, body, _ = ask(proxy, PODS + 'https:host:9443/proxy/')
        assert code == 200 and b'Directory listing' in body
        assert ask(proxy, PODS + 'http:host:9443/proxy/')[0] == 503
    finally:
        server.kill(clean=(-15,))
