# SPDX-License-Identifier: Apache-2.0
"""Names on two nodes: the cluster's own by real resolvers, others by a name server of the test, and pods' resolv.conf."""
import itertools
import pathlib
import subprocess

import pytest

from cluster import deployment, pod, wait_for
from test_services import enter, in_pod, names, rollout, running_pod, service

DNS = '10.96.0.10'
# A name server for everything: under big. only TCP gives all there is, refused. it refuses, none. does not exist, and to
# silent. it says nothing.
UPSTREAM = '''
import socket, struct, sys, threading
address, answer = sys.argv[1:]
def respond(q, stream, peer=()):
    end = 12
    labels = []
    while q[end]:
        labels.append(q[end + 1:end + 1 + q[end]].lower())
        end += q[end] + 1
    question, kind = q[12:end + 5], struct.unpack('>H', q[end + 1:end + 3])[0]
    count = 60 if labels[0] == b'big' else 1
    code = {b'refused': 5, b'none': 3}.get(labels[0], 0)
    cut = count > 1 and not stream
    if cut or code or kind != 1:
        count = 0
    records = b''.join(b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x14\\0\\4' + (socket.inet_aton(answer)[:3] + bytes([i]) if count > 1 else
                       socket.inet_aton(answer)) for i in range(count))
    print(b'.'.join(labels).decode(), kind, stream or 'udp', *peer[1:] if not stream else (), q[:2].hex(), flush=True)
    return q[:2] + struct.pack('>BBHHHH', 0x81 | 2 * cut, 0x80 | code, 1, count, 0, 0) + question + records
def streams():
    server = socket.create_server((address, 53))
    while True:
        peer, _ = server.accept()
        size = struct.unpack('>H', peer.recv(2))[0]
        r = respond(peer.recv(size), 'tcp')
        peer.sendall(struct.pack('>H', len(r)) + r)
        peer.close()
threading.Thread(target=streams, daemon=True).start()
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind((address, 53))
while True:
    q, peer = s.recvfrom(4096)
    r = respond(q, '', peer)
    if b'silent' not in q:
        s.sendto(r, peer)
'''


# Asks for many names that nobody answers; counts the answers that come all the same, and at once.
FLOOD = '''
import socket, struct, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.connect((sys.argv[1], 53))
s.settimeout(0.5)
for i in range(int(sys.argv[2])):
    label = b'silent-%d' % i
    s.send(struct.pack('>HHHHHH', i, 0x100, 1, 0, 0, 0) + bytes([len(label)]) + label + bytes([0, 0, 1, 0, 1]))
count = 0
try:
    while s.recv(512):
        count += 1
except TimeoutError:
    print(count)
'''


@pytest.fixture
def upstream(cluster):
    """Starts name servers in a node's network; each answers with its own address. Gives what they were asked."""
    servers = []

    def start(node, address, answer):
        log = cluster.folder / f'upstream-{len(servers)}.log'
        servers.append(subprocess.Popen(['nsenter', f'--net=/run/netns/{node.netns}', '--', 'python3', '-c', UPSTREAM,
                                         address, answer], stdout=open(log, 'wb'), stderr=subprocess.STDOUT))
        wait_for(lambda: node.run('dig', '+short', '+tries=1', '+time=1', f'@{address}', 'up.example', check=False)
                 .stdout.strip() == answer, 'the name server')
        return lambda: [line.split() for line in pathlib.Path(log).read_text().splitlines()]
    yield start
    for server in servers:
        server.kill()
        server.wait()


def dig(c, where, *arguments):
    """What dig says in a pod's network, or on a node."""
    command = ('dig', '+tries=1', '+time=5', f'@{DNS}', *arguments)
    return (where.run(*command, check=False) if hasattr(where, 'netns') else in_pod(c, where, *command, check=False)).stdout


def short(c, where, *arguments):
    return sorted(dig(c, where, '+short', *arguments).split('\n')[:-1])


def status(c, where, *arguments):
    text = dig(c, where, *arguments)
    return text.split('status: ')[1].split(',')[0] if 'status: ' in text else text


def own_path(c, pod, name):
    """Where a pod's file of /etc lies."""
    node = next(n for n in c.nodes if n.name == pod['spec']['nodeName'])
    return node.home / 'agent/pods' / pod['metadata']['uid'] / 'etc' / name


@pytest.fixture(scope='module')
def client(cluster):
    return running_pod(cluster, 'asking', 'node-1')


def test_the_service_of_the_dns(cluster, client):
    svc = cluster.get('svc', '-n', 'kube-system', 'kube-dns')
    assert svc['spec']['clusterIP'] == DNS and svc['metadata']['labels']['k8s-app'] == 'kube-dns'
    for where in (client, *cluster.nodes):
        wait_for(lambda w=where: short(cluster, w, 'kubernetes.default.svc.cluster.local') == ['10.96.0.1'], 'an answer')
        assert short(cluster, where, '+tcp', 'kubernetes.default.svc.cluster.local') == ['10.96.0.1']
    assert short(cluster, client, 'TXT', 'dns-version.cluster.local') == ['"1.1.0"']
    assert short(cluster, client, '-x', DNS) == ['kube-dns.kube-system.svc.cluster.local.']
    assert short(cluster, client, 'SRV', '_dns._udp.kube-dns.kube-system.svc.cluster.local') == [
        '0 100 53 kube-dns.kube-system.svc.cluster.local.']


def test_services_and_endpoints(cluster, client):
    c = cluster
    domain = 'default.svc.cluster.local'
    manifest = deployment('named', 2)
    c.apply(service('named', ports=[{'name': 'http', 'port': 80, 'targetPort': 8080}]))
    c.apply(service('bare', 'named', clusterIP='None', ports=[{'name': 'http', 'port': 80, 'targetPort': 8080}]))
    c.apply(service('group', clusterIP='None', publishNotReadyAddresses=True))
    c.apply(manifest)
    c.apply({**pod('member', ['sleep', '3600'], hostname='first', subdomain='group', nodeName='node-2'),
             'metadata': {'name': 'member', 'labels': {'app': 'group'}}})
    rollout(c, 'named')
    address = c.get('svc', 'named')['spec']['clusterIP']
    pods = sorted(p['status']['podIP'] for p in c.pods('app=named'))
    wait_for(lambda: short(c, client, f'bare.{domain}') == pods, 'both pods behind the name')
    assert short(c, client, f'named.{domain}') == [address]
    assert short(c, client, f'NaMeD.{domain}') == [address]
    assert short(c, client, 'SRV', f'_http._tcp.named.{domain}') == [f'0 100 80 named.{domain}.']
    dashed = [p.replace('.', '-') for p in pods]
    assert short(c, client, 'SRV', f'_http._tcp.bare.{domain}') == sorted(f'0 50 8080 {d}.bare.{domain}.' for d in dashed)
    assert short(c, client, f'{dashed[0]}.bare.{domain}') == [pods[0]]
    assert f'{dashed[0]}.bare.{domain}.' in short(c, client, '-x', pods[0])
    assert short(c, client, f'{dashed[0]}.default.pod.cluster.local') == [pods[0]]
    member = wait_for(lambda: c.get('pod', 'member')['status'].get('podIP'), 'the pod with a name of its own')
    wait_for(lambda: short(c, client, f'first.group.{domain}') == [member], 'its name')
    assert short(c, client, '-x', member) == [f'first.group.{domain}.']
    assert f'{member}\tfirst.group.{domain}\tfirst\n' in own_path(c, c.get('pod', 'member'), 'hosts').read_text()
    assert status(c, client, 'AAAA', f'named.{domain}') == 'NOERROR' and not short(c, client, 'AAAA', f'named.{domain}')
    for name in (f'nobody.{domain}', f'second.group.{domain}', f'_none._tcp.named.{domain}', 'a.nowhere.svc.cluster.local'):
        assert status(c, client, name) == 'NXDOMAIN', name
    assert status(c, client, domain) == 'NOERROR'
    assert status(c, client, 'AXFR', '+tcp', 'cluster.local') != 'NOERROR'
    c.kubectl('delete', 'deploy', 'named')
    wait_for(lambda: status(c, client, f'bare.{domain}') == 'NXDOMAIN', 'the name to go with its pods')
    c.kubectl('delete', 'svc', 'named', 'bare', 'group')
    c.kubectl('delete', 'pod', 'member', '--wait=false')


def test_other_names_are_asked_of_the_host_s_name_servers(cluster, client, upstream):
    c = cluster
    node = c.nodes[0]
    assert status(c, client, 'early.example') == 'SERVFAIL'
    asked = upstream(node, '127.0.0.53', '192.0.2.7')
    node.resolv_conf.write_text('search example\nnameserver 127.0.0.53\n')
    wait_for(lambda: short(c, client, 'www.example') == ['192.0.2.7'], 'an answer from outside')
    assert short(c, client, 'www.example') == ['192.0.2.7']
    assert len([a for a in asked() if a[0] == 'www.example']) == 1, 'kept'
    assert len(short(c, client, 'big.example')) == 60
    assert len(short(c, client, '+ignore', '+noedns', 'big.example')) == 0 and 'tc' in dig(c, client, '+ignore', '+noedns',
                                                                                         'big.example')
    assert [a[2] for a in asked() if a[0] == 'big.example'][:2] == ['udp', 'tcp']
    assert status(c, client, 'none.example') == 'NXDOMAIN'
    # Asked again from other ports under other ids, and given up before the client does.
    assert status(c, client, 'silent.example') == 'SERVFAIL'
    tries = [a[3:] for a in asked() if a[0] == 'silent.example']
    assert len(tries) == 3 and len({t[0] for t in tries}) == 3 and len({t[1] for t in tries}) == 3, tries
    # One client may have so many questions under way; the others are not held up by it.
    assert int(in_pod(c, client, 'python3', '-c', FLOOD, DNS, 300).stdout) == 300 - 256
    assert short(c, node, 'fair.example') == ['192.0.2.7']
    assert status(c, client, 'refused.example') == 'SERVFAIL'
    wait_for(lambda: status(c, client, 'refused.example') == 'REFUSED', 'the flood to be over')
    c.apply({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'elsewhere'},
             'spec': {'type': 'ExternalName', 'externalName': 'www.example'}})
    wait_for(lambda: short(c, client, 'elsewhere.default.svc.cluster.local') == ['192.0.2.7', 'www.example.'], 'the alias')
    # Names that were not asked yet: the file is looked at for those only, and not more often than every two seconds.
    fresh = itertools.count()
    # Another server takes over when the first does not answer.
    upstream(node, '127.0.0.54', '192.0.2.8')
    node.resolv_conf.write_text('nameserver 127.0.0.99\nnameserver 127.0.0.54\n')
    wait_for(lambda: short(c, client, f'second-{next(fresh)}.example') == ['192.0.2.8'], 'the second server')
    node.resolv_conf.write_text(f'nameserver {DNS}\n')
    wait_for(lambda: status(c, client, f'round-{next(fresh)}.example') == 'SERVFAIL', 'no server but ourselves')
    c.kubectl('delete', 'svc', 'elsewhere')


def test_a_resolver_of_the_host_is_not_in_the_way(cluster, upstream):
    """It has port 53 of all addresses, as dnsmasq does, and is the one that is asked."""
    c = cluster
    node = c.nodes[1]
    upstream(node, '0.0.0.0', '192.0.2.9')
    node.resolv_conf.write_text('nameserver 127.0.0.1\n')
    node.stop()
    node.start()
    wait_for(lambda: short(c, node, 'kubernetes.default.svc.cluster.local') == ['10.96.0.1'], 'an answer', 60)
    assert short(c, node, '+tcp', 'kubernetes.default.svc.cluster.local') == ['10.96.0.1']
    assert short(c, node, 'www.example') == ['192.0.2.9']


def test_nobody_else_is_answered(cluster, client):
    c = cluster
    gateway = client['status']['podIP'].rsplit('.', 1)[0] + '.1'

    def ask(where, server, *more):
        return where.run('dig', '+tries=1', '+time=1', '-p', '10053', f'@{server}', *more,
                         'kubernetes.default.svc.cluster.local', check=False).returncode
    assert ask(c.nodes[0], gateway) == 0 and ask(c.nodes[0], gateway, '+tcp') == 0
    for server in (gateway, c.nodes[0].ip):
        assert ask(c.nodes[1], server) != 0 and ask(c.nodes[1], server, '+tcp') != 0


# Two questions in one segment, split in odd places; nonsense; a length that no question has; more connections than one
# client may have.
STREAMS = '''
import socket, struct, sys, time
def connect():
    s = socket.create_connection((sys.argv[1], 53), 5)
    s.settimeout(5)
    return s
def question(number, name):
    q = struct.pack('>HHHHHH', number, 0x100, 1, 0, 0, 0)
    q += b''.join(bytes([len(p)]) + p.encode() for p in name.split('.')) + bytes([0, 0, 1, 0, 1])
    return struct.pack('>H', len(q)) + q
def answer(s):
    size = struct.unpack('>H', s.recv(2, socket.MSG_WAITALL))[0]
    return s.recv(size, socket.MSG_WAITALL)
def closed(s):
    try:
        return not s.recv(1)
    except ConnectionResetError:
        return True
s = connect()
both = question(1, 'kubernetes.default.svc.cluster.local') + question(2, 'nobody.default.svc.cluster.local')
for i in range(0, len(both), 40):
    s.sendall(both[i:i + 40])
    time.sleep(0.01)
got = {r[1]: r for r in (answer(s), answer(s))}
assert got[1][3] & 15 == 0 and got[1][-4:] == bytes([10, 96, 0, 1]) and got[2][3] & 15 == 3, got
s.sendall(struct.pack('>H', 20) + bytes(20))
assert answer(s)[3] & 15 == 1
s.sendall(struct.pack('>H', 60000))
assert closed(s)
many = [connect() for i in range(40)]
assert sum(closed(m) for m in many[32:]) >= 7
many[0].sendall(question(3, 'kubernetes.default.svc.cluster.local'))
assert answer(many[0])[1] == 3
print('well')
'''


def test_streams(cluster, client):
    assert in_pod(cluster, client, 'python3', '-c', STREAMS, DNS).stdout == 'well\n'
    assert short(cluster, client, '+tcp', 'kubernetes.default.svc.cluster.local') == ['10.96.0.1']


def resolv_conf(c, name, **spec):
    """A pod's resolv.conf as a program in it sees it."""
    p = pod(name, ['cat', '/etc/resolv.conf'], nodeName='node-2', **spec)
    c.apply(p)
    wait_for(lambda: c.get('pod', name)['status']['phase'] == 'Succeeded', f'{name} to end', 60)
    return c.kubectl('logs', name).stdout.splitlines()


def test_policies(cluster):
    c = cluster
    c.nodes[1].resolv_conf.write_text('search a.example b.example.\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:3\n')
    search = 'search default.svc.cluster.local svc.cluster.local cluster.local a.example b.example'
    assert resolv_conf(c, 'first') == [search, f'nameserver {DNS}', 'options ndots:5']
    assert resolv_conf(c, 'net-host', hostNetwork=True, dnsPolicy='ClusterFirstWithHostNet') == [
        search, f'nameserver {DNS}', 'options ndots:5']
    host = ['search a.example b.example', 'nameserver 192.0.2.1', 'nameserver 192.0.2.2', 'options timeout:3']
    assert resolv_conf(c, 'net-first', hostNetwork=True) == host
    assert resolv_conf(c, 'host', dnsPolicy='Default') == host
    config = {'nameservers': ['192.0.2.3', '192.0.2.4'], 'searches': ['c.example'],
              'options': [{'name': 'timeout', 'value': '1'}, {'name': 'edns0'}]}
    assert resolv_conf(c, 'none', dnsPolicy='None', dnsConfig=config) == [
        'search c.example', 'nameserver 192.0.2.3', 'nameserver 192.0.2.4', 'options timeout:1 edns0']
    assert resolv_conf(c, 'more', dnsPolicy='Default', dnsConfig=config) == [
        'search a.example b.example c.example', 'nameserver 192.0.2.1', 'nameserver 192.0.2.2', 'nameserver 192.0.2.3',
        'options timeout:1 edns0']
    wait_for(lambda: c.events('more', 'DNSConfigForming'), 'the event of the name server that was left out')
    c.kubectl('delete', 'pod', '--wait=false', 'first', 'net-host', 'net-first', 'host', 'none', 'more')


def test_programs_in_pods_find_services(cluster):
    """busybox and its search paths, in a pod's own network and in the host's."""
    c = cluster
    for name, spec in (('finds', {}), ('finds-host', {'hostNetwork': True, 'dnsPolicy': 'ClusterFirstWithHostNet'})):
        c.apply(pod(name, ['nslookup', 'kubernetes'], nodeName='node-2', **spec))
    for name in ('finds', 'finds-host'):
        wait_for(lambda n=name: c.get('pod', n)['status']['phase'] in ('Succeeded', 'Failed'), f'{name} to end', 60)
        text = c.kubectl('logs', name).stdout
        assert '10.96.0.1' in text.replace('10.96.0.10', ''), text
    c.kubectl('delete', 'pod', '--wait=false', 'finds', 'finds-host')


# A new look-up and a new connection each time; the first failure ends it.
VISITS = '''
import urllib.request
while True:
    assert urllib.request.urlopen('http://replaced/', timeout=5).read()
    print('visited', flush=True)
'''


def test_a_name_leads_to_pods_while_they_are_replaced(cluster, client):
    c = cluster
    script = ('hostname > /www/index.html; httpd -f -p 8080 -h /www & trap "sleep 3; kill $!; exit 0" TERM; wait')
    manifest = deployment('replaced', 2, command=['sh', '-c', script])
    manifest['spec']['strategy'] = {'rollingUpdate': {'maxUnavailable': 0, 'maxSurge': 1}}
    spec = manifest['spec']['template']['spec']
    spec['terminationGracePeriodSeconds'] = 10
    spec['containers'][0]['readinessProbe'] = {'tcpSocket': {'port': 8080}, 'periodSeconds': 1}
    c.apply(service('replaced'))
    c.apply(manifest)
    rollout(c, 'replaced')
    # By the C library with the pod's own resolv.conf. (The static busybox of the image cannot look up names but by
    # nslookup.)
    bind = f'mount --bind {own_path(c, client, "resolv.conf")} /etc/resolv.conf && exec python3 -c "$1"'
    log = c.folder / 'visits.log'
    visitor = subprocess.Popen(enter(c, client) + ['unshare', '--mount', 'sh', '-c', bind, 'sh', VISITS],
                               stdout=open(log, 'wb'), stderr=subprocess.STDOUT)

    def visits(more):
        """Waits for so many more."""
        wanted = log.read_text().count('visited') + more
        wait_for(lambda: visitor.poll() is not None or log.read_text().count('visited') >= wanted, 'visits', 60)
        assert visitor.poll() is None, log.read_text().replace('visited\n', '')
    try:
        visits(20)
        before = names(c, 'replaced')
        c.kubectl('rollout', 'restart', 'deploy/replaced')
        rollout(c, 'replaced')
        wait_for(lambda: not names(c, 'replaced') & before, 'the old pods to go', 60)
        visits(100)
    finally:
        visitor.kill()
        visitor.wait()
    c.kubectl('delete', 'svc,deploy', 'replaced')
