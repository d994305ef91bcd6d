# SPDX-License-Identifier: Apache-2.0
"""Services on two nodes, by kubectl and real connections."""
import subprocess
import time

from cluster import PATIENCE, condition, deployment, pod, run, wait_for


def service(name, selector=None, **spec):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name},
            'spec': {'selector': {'app': selector or name}, 'ports': [{'port': 80, 'targetPort': 8080}], **spec}}


def rollout(c, name):
    c.kubectl('rollout', 'status', f'deployment/{name}', '--timeout=60s', timeout=70)


def ready_addresses(c, name):
    """Of all slices of a Service."""
    slices = c.get('endpointslices', '-l', f'kubernetes.io/service-name={name}')['items']
    return sorted(a for s in slices for e in s['endpoints'] if e['conditions']['ready'] for a in e['addresses'])


def pod_addresses(c, name):
    return sorted(p['status']['podIP'] for p in c.pods(f'app={name}'))


def test_slices_follow_pods(cluster):
    c = cluster
    c.apply(service('followed'))
    wait_for(lambda: c.get('endpointslices', '-l', 'kubernetes.io/service-name=followed')['items'], 'an empty slice')
    assert not ready_addresses(c, 'followed')
    c.apply(deployment('followed', 2))
    rollout(c, 'followed')
    wait_for(lambda: ready_addresses(c, 'followed') == pod_addresses(c, 'followed'), 'both pods in the slice')
    slices = c.get('endpointslices', '-l', 'kubernetes.io/service-name=followed')['items']
    assert len(slices) == 1 and slices[0]['ports'] == [{'name': '', 'port': 8080, 'protocol': 'TCP'}]
    assert {e['nodeName'] for e in slices[0]['endpoints']} == {'node-1', 'node-2'}
    revision = slices[0]['metadata']['resourceVersion']
    c.kubectl('annotate', 'pod', '-l', 'app=followed', 'touched=yes')
    c.kubectl('scale', 'deploy/followed', '--replicas=0')
    wait_for(lambda: not ready_addresses(c, 'followed'), 'the slice to be empty')
    after = c.get('endpointslices', '-l', 'kubernetes.io/service-name=followed')['items']
    assert [s['metadata']['name'] for s in after] == [slices[0]['metadata']['name']]
    assert after[0]['metadata']['resourceVersion'] != revision
    c.kubectl('delete', 'svc,deploy', 'followed')
    wait_for(lambda: not c.get('endpointslices', '-l', 'kubernetes.io/service-name=followed')['items'],
             'the slice to go with its Service')


CURL = ('curl', '-sS', '-m', '3')


def fetch(c, pod, url):
    """What a pod gets from a URL; raises with what went wrong."""
    return in_pod(c, pod, *CURL, url)


def enter(c, pod):
    """The command line that runs what follows in the pod's network: what the pod could do, without exec."""
    node = next(n for n in c.nodes if n.name == pod['spec']['nodeName'])
    return ['nsenter', f'--net={node.home}/run/agent/netns/{pod["metadata"]["uid"]}', '--']


def in_pod(c, pod, *command, check=True):
    return run(*enter(c, pod), *command, check=check)


def running_pod(c, name, node, **spec):
    c.apply(pod(name, ['sleep', '3600'], nodeName=node, **spec))
    return wait_for(lambda: (p := c.get('pod', name)) and condition(p, 'Ready') == 'True' and p, f'{name} to run', 60)


def named_backends(name, replicas):
    """A Deployment whose pods answer with their own names, also for a while after they were told to end."""
    script = ('hostname > /www/index.html; httpd -f -p 8080 -h /www & '
              'trap "sleep 3; kill $!; exit 0" TERM; wait')
    manifest = deployment(name, replicas, command=['sh', '-c', script])
    manifest['spec']['template']['spec']['terminationGracePeriodSeconds'] = 10
    manifest['spec']['strategy'] = {'rollingUpdate': {'maxUnavailable': 0, 'maxSurge': 1}}
    return manifest


def backends_seen(c, client, url, tries=20):
    return {fetch(c, client, url).stdout.strip() for _ in range(tries)}


def names(c, app):
    return {p['metadata']['name'] for p in c.pods(f'app={app}')}


def test_cluster_address_from_pods_and_nodes(cluster):
    c = cluster
    c.apply(service('spread'))
    c.apply(named_backends('spread', 4))
    rollout(c, 'spread')
    url = f'http://{c.get("svc", "spread")["spec"]["clusterIP"]}/'
    for node in ('node-1', 'node-2'):
        client = running_pod(c, f'client-{node}', node)
        wait_for(lambda p=client: backends_seen(c, p, url, 40) == names(c, 'spread'), f'all backends from {node}')
    for node in c.nodes:
        page = node.run(*CURL, url).stdout.strip()
        assert page in names(c, 'spread')
    c.kubectl('delete', 'svc,deploy', 'spread')
    c.kubectl('delete', 'pod', 'client-node-1', 'client-node-2', '--wait=false')


def test_a_pod_reaches_itself_through_its_service(cluster):
    c = cluster
    c.apply(service('mirror'))
    c.apply(named_backends('mirror', 1))
    rollout(c, 'mirror')
    own = c.pods('app=mirror')[0]
    url = f'http://{c.get("svc", "mirror")["spec"]["clusterIP"]}/'
    assert wait_for(lambda: fetch(c, own, url).stdout.strip(), 'the pod to answer itself') == own['metadata']['name']
    c.kubectl('delete', 'svc,deploy', 'mirror')


def test_pods_reach_the_api_server(cluster):
    client = running_pod(cluster, 'api-client', 'node-2')
    answer = in_pod(cluster, client, *CURL, '-k', 'https://10.96.0.1/readyz', check=False)
    assert answer.stdout, answer.stderr
    cluster.kubectl('delete', 'pod', 'api-client', '--wait=false')


def test_requests_succeed_while_endpoints_roll(cluster):
    c = cluster
    c.apply(service('rolled'))
    c.apply(named_backends('rolled', 2))
    rollout(c, 'rolled')
    client = running_pod(c, 'roll-client', 'node-1')
    url = f'http://{c.get("svc", "rolled")["spec"]["clusterIP"]}/'
    wait_for(lambda: fetch(c, client, url).stdout, 'the first answer')
    before = names(c, 'rolled')
    c.kubectl('rollout', 'restart', 'deploy/rolled')
    seen, failures, end = set(), 0, time.monotonic() + 60
    while not (seen and seen <= names(c, 'rolled') and not names(c, 'rolled') & before) and time.monotonic() < end:
        seen = set()
        for _ in range(5):
            answer = in_pod(c, client, *CURL, url, check=False)
            failures += answer.returncode != 0
            seen.add(answer.stdout.strip())
    rollout(c, 'rolled')
    # There are no readiness probes: a pod counts as soon as its container runs, a moment before it listens.
    assert failures <= 1
    assert not backends_seen(c, client, url) & before
    c.kubectl('delete', 'svc,deploy', 'rolled')
    c.kubectl('delete', 'pod', 'roll-client', '--wait=false')


def test_node_port_from_another_host(cluster):
    c = cluster
    c.apply(service('outside', type='NodePort'))
    c.apply(named_backends('outside', 2))
    rollout(c, 'outside')
    port = c.get('svc', 'outside')['spec']['ports'][0]['nodePort']

    def page(node):
        return c.run(*CURL, f'http://{node.ip}:{port}/').stdout.strip()
    for node in c.nodes:
        wait_for(lambda n=node: {page(n) for _ in range(20)} == names(c, 'outside'), f'both pods by {node.name}')
    # Local: each node has one of the two and keeps to it; the client's address stays.
    c.kubectl('patch', 'svc', 'outside', '-p', '{"spec":{"externalTrafficPolicy":"Local"}}')
    for node in c.nodes:
        own = {p['metadata']['name'] for p in c.pods('app=outside') if p['spec']['nodeName'] == node.name}
        wait_for(lambda n=node, o=own: {page(n) for _ in range(10)} == o, f'the own pod of {node.name}')
    c.kubectl('delete', 'svc,deploy', 'outside')


def test_without_endpoints_connections_are_refused(cluster):
    c = cluster
    c.apply(service('empty', type='NodePort'))
    address, port = (lambda s: (s['clusterIP'], s['ports'][0]['nodePort']))(c.get('svc', 'empty')['spec'])
    client = running_pod(c, 'empty-client', 'node-1')

    def refused(answer):
        return answer.returncode == 7 and 'connect' in answer.stderr  # 28 would be a timeout
    wait_for(lambda: refused(in_pod(c, client, *CURL, f'http://{address}/', check=False)), 'a refusal in a pod')
    wait_for(lambda: refused(c.run(*CURL, f'http://{c.nodes[1].ip}:{port}/', check=False)), 'a refusal outside')
    c.kubectl('delete', 'svc', 'empty')
    c.kubectl('delete', 'pod', 'empty-client', '--wait=false')


def test_session_affinity(cluster):
    c = cluster
    c.apply(service('sticky', sessionAffinity='ClientIP'))
    c.apply(named_backends('sticky', 4))
    rollout(c, 'sticky')
    url = f'http://{c.get("svc", "sticky")["spec"]["clusterIP"]}/'
    clients = [running_pod(c, f'sticky-client-{i}', f'node-{1 + i % 2}') for i in range(3)]
    for client in clients:
        wait_for(lambda p=client: len(backends_seen(c, p, url)) == 1, 'one backend for one client')
    c.kubectl('patch', 'svc', 'sticky', '-p', '{"spec":{"sessionAffinity":"None"}}')
    wait_for(lambda: len(backends_seen(c, clients[0], url)) == 4, 'all backends without affinity')
    c.kubectl('delete', 'svc,deploy', 'sticky')
    c.kubectl('delete', 'pod', '--wait=false', *(p['metadata']['name'] for p in clients))


def test_a_dead_pod_gets_no_connection_after_a_second(cluster):
    c = cluster
    c.apply(service('mortal'))
    c.apply(named_backends('mortal', 2))
    rollout(c, 'mortal')
    client = running_pod(c, 'mortal-client', 'node-1')
    url = f'http://{c.get("svc", "mortal")["spec"]["clusterIP"]}/'
    wait_for(lambda: backends_seen(c, client, url) == names(c, 'mortal'), 'both pods')
    victim = c.pods('app=mortal')[0]['metadata']['name']
    c.kubectl('scale', 'deploy/mortal', '--replicas=1')
    wait_for(lambda: len(names(c, 'mortal')) == 1, 'one of them to end')
    time.sleep(PATIENCE)
    left = names(c, 'mortal')
    assert left and backends_seen(c, client, url) == left, victim
    c.kubectl('delete', 'svc,deploy', 'mortal')
    c.kubectl('delete', 'pod', 'mortal-client', '--wait=false')


def test_host_port(cluster):
    c = cluster
    for name, port in (('first', 8081), ('second', 8082)):
        manifest = pod(name, ['sh', '-c', 'hostname > /www/index.html; exec httpd -f -p 8080 -h /www'], nodeName='node-1')
        manifest['spec']['containers'][0]['ports'] = [{'containerPort': 8080, 'hostPort': port}]
        c.apply(manifest)
    for name, port in (('first', 8081), ('second', 8082)):
        url = f'http://{c.nodes[0].ip}:{port}/'
        wait_for(lambda u=url, n=name: c.run(*CURL, u).stdout.strip() == n, f'{name} by its host port', 60)
    assert in_pod(c, c.get('pod', 'first'), *CURL, f'http://{c.nodes[0].ip}:8082/').stdout.strip() == 'second'
    c.kubectl('delete', 'pod', 'first')
    wait_for(lambda: c.run(*CURL, f'http://{c.nodes[0].ip}:8081/', check=False).returncode == 7, 'the port to be closed')
    assert c.run(*CURL, f'http://{c.nodes[0].ip}:8082/').stdout.strip() == 'second'
    c.kubectl('delete', 'pod', 'second', '--wait=false')


def test_udp(cluster):
    c = cluster
    c.apply({**service('datagrams'), 'spec': {'selector': {'app': 'datagrams'},
                                              'ports': [{'port': 53, 'targetPort': 'echo', 'protocol': 'UDP'}]}})
    manifest = deployment('datagrams', 1, command=['sleep', '3600'])
    manifest['spec']['template']['spec']['containers'][0]['ports'] = [
        {'name': 'echo', 'containerPort': 5353, 'protocol': 'UDP'}]
    c.apply(manifest)
    rollout(c, 'datagrams')
    client = running_pod(c, 'datagram-client', 'node-1')
    address = c.get('svc', 'datagrams')['spec']['clusterIP']
    # busybox has no server for UDP.
    echo = ('import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("", 5353))\n'
            'while True: s.sendto(*s.recvfrom(99))')
    ask = ('import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(1); '
           's.connect((sys.argv[1], 53)); s.send(b"hello"); print(s.recv(99).decode())')
    server = subprocess.Popen(enter(c, c.pods('app=datagrams')[0]) + ['python3', '-c', echo])
    try:
        wait_for(lambda: in_pod(c, client, 'python3', '-c', ask, address, check=False).stdout.strip() == 'hello',
                 'an answer by UDP', 20)
    finally:
        server.kill()
        server.wait()
    c.kubectl('delete', 'svc,deploy', 'datagrams')
    c.kubectl('delete', 'pod', 'datagram-client', '--wait=false')


def test_clients_of_udp_move_when_their_pod_goes(cluster):
    """One socket goes on sending; its flow must not outlive the pod it was given to."""
    c = cluster
    c.apply({**service('moving'), 'spec': {'selector': {'app': 'moving'}, 'ports': [{'port': 53, 'targetPort': 5353,
                                                                                    'protocol': 'UDP'}]}})
    echo = ('import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("", 5353))\n'
            'while True: s.sendto(sys.argv[1].encode(), s.recvfrom(99)[1])')
    ask = ('import socket, sys, time; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(0.2); s.connect((sys.argv[1], 53))\n'
           'while True:\n'
           ' try: s.send(b"?"); print(s.recv(99).decode(), flush=True)\n'
           ' except OSError: pass\n'
           ' time.sleep(0.1)')
    processes = []

    def answering(name):
        c.apply({**pod(name, ['sleep', '3600'], nodeName='node-2'), 'metadata': {'name': name, 'labels': {'app': 'moving'}}})
        p = wait_for(lambda: (p := c.get('pod', name)) and condition(p, 'Ready') == 'True' and p, f'{name} to run', 60)
        processes.append(subprocess.Popen(enter(c, p) + ['python3', '-c', echo, name]))
    log = c.folder / 'moving.log'
    client = running_pod(c, 'moving-client', 'node-1')
    try:
        answering('left')
        address = c.get('svc', 'moving')['spec']['clusterIP']
        processes.append(subprocess.Popen(enter(c, client) + ['python3', '-c', ask, address], stdout=open(log, 'wb')))
        wait_for(lambda: 'left' in log.read_text(), 'answers of the first pod')
        answering('right')
        c.kubectl('delete', 'pod', 'left')
        wait_for(lambda: log.read_text().endswith('right\n'), 'answers of the second pod on the same socket', 20)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    c.kubectl('delete', 'svc', 'moving')
    c.kubectl('delete', 'pod', '--wait=false', 'right', 'moving-client')


def test_rules_survive_the_agent_and_go_with_the_service(cluster):
    c = cluster
    node = c.nodes[0]
    c.apply(service('lasting'))
    address = c.get('svc', 'lasting')['spec']['clusterIP']

    def rules():
        return node.run('nft', 'list', 'ruleset').stdout
    wait_for(lambda: address in rules(), 'the address in the table')
    node.stop()
    assert address in rules()
    c.kubectl('delete', 'svc', 'lasting')
    node.start()
    wait_for(lambda: address not in rules(), 'the address to go', 60)
    assert '10.96.0.1 ' in rules()
