# SPDX-License-Identifier: Apache-2.0
"""Endpoints of Services on two nodes: those that follow pods, and those that users make."""
from cluster import deployment, wait_for
from test_dns import short
from test_probes import exists, often, probed, shared  # noqa: F401
from test_services import CURL, in_pod, pod_addresses, rollout, running_pod, service

WARNING = 'Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'
MANAGED = 'endpoints.kubernetes.io/managed-by'
TRIGGERED = 'endpoints.kubernetes.io/last-change-trigger-time'
MIRRORED = 'endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io'


def addresses(c, name, which='addresses'):
    subsets = (c.get('endpoints', name) or {}).get('subsets', [])
    return sorted(a['ip'] for s in subsets for a in s.get(which, []))


def gone(c, name, *more):
    return not c.kubectl('get', 'endpoints', name, '--ignore-not-found', '-o', 'name', *more).stdout


def test_endpoints_follow_pods_and_go_with_their_service(cluster):
    c = cluster
    c.apply({**service('told'), 'metadata': {'name': 'told', 'labels': {'team': 'x'}}})
    wait_for(lambda: not gone(c, 'told'), 'an object without addresses')
    c.apply(deployment('told', 2))
    rollout(c, 'told')
    wait_for(lambda: addresses(c, 'told') == pod_addresses(c, 'told'), 'both pods')
    told = c.get('endpoints', 'told')
    assert told['metadata']['labels'] == {'team': 'x', MANAGED: 'endpoint-controller'}
    assert told['metadata']['annotations'][TRIGGERED].endswith('Z') and len(told['subsets']) == 1
    assert told['subsets'][0]['ports'] == [{'port': 8080, 'protocol': 'TCP'}]
    first = told['subsets'][0]['addresses'][0]
    assert first['targetRef']['kind'] == 'Pod' and first['nodeName'] in ('node-1', 'node-2')
    shown = c.kubectl('get', 'ep', 'told', '--no-headers')
    assert shown.stderr.strip() == WARNING
    assert shown.stdout.split()[1] == ','.join(f'{a["ip"]}:8080' for a in told['subsets'][0]['addresses'])
    # What the object does not show is no reason to write it; what somebody changed is put right.
    c.kubectl('annotate', 'pod', '-l', 'app=told', 'touched=yes')
    c.kubectl('patch', 'ep', 'told', '--type=merge', '-p', '{"subsets":[]}')
    wait_for(lambda: addresses(c, 'told') == pod_addresses(c, 'told'), 'the addresses to be back')
    revision = c.get('endpoints', 'told')['metadata']['resourceVersion']
    c.kubectl('annotate', 'pod', '-l', 'app=told', 'touched=again', '--overwrite')
    c.kubectl('label', 'svc', 'told', 'team=y', '--overwrite')
    wait_for(lambda: c.get('endpoints', 'told')['metadata']['labels']['team'] == 'y', 'the label')
    assert c.kubectl('get', 'ep', '-A', '-o', 'name').stdout.count('endpoints/told') == 1
    assert int(c.get('endpoints', 'told')['metadata']['resourceVersion']) > int(revision)
    c.kubectl('delete', 'svc,deploy', 'told')
    wait_for(lambda: gone(c, 'told'), 'the object to go with its Service')


def test_readiness_moves_an_address(cluster, shared):  # noqa: F811
    c = cluster
    manifest = probed('moves', shared, ['sleep', '3600'], readinessProbe=often(exists('ready')))
    manifest['metadata']['labels'] = {'app': 'moves'}
    c.apply(service('moves'))
    c.apply(manifest)
    waiting = wait_for(lambda: addresses(c, 'moves', 'notReadyAddresses'), 'the pod, not ready', 60)
    assert not addresses(c, 'moves')
    (shared / 'ready').touch()
    wait_for(lambda: addresses(c, 'moves') == waiting, 'the pod to be ready')
    assert not addresses(c, 'moves', 'notReadyAddresses')
    changed = c.get('pod', 'moves')['status']['conditions']
    when = next(i['lastTransitionTime'] for i in changed if i['type'] == 'Ready')
    assert c.get('endpoints', 'moves')['metadata']['annotations'][TRIGGERED] == when
    (shared / 'ready').unlink()
    wait_for(lambda: addresses(c, 'moves', 'notReadyAddresses') == waiting, 'the pod not to be ready again', 60)
    c.kubectl('delete', 'svc,pod', 'moves', '--wait=false')


def test_endpoints_that_users_make_are_served(cluster):
    c = cluster
    c.apply(deployment('outer', 2, command=['sh', '-c', 'hostname > /www/index.html; exec httpd -f -p 8080 -h /www']))
    rollout(c, 'outer')
    one, two = c.pods('app=outer')
    client = running_pod(c, 'outer-client', 'node-2')
    c.apply({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'db'}, 'spec': {'ports': [{'port': 80}]}})
    url = f'http://{c.get("svc", "db")["spec"]["clusterIP"]}/'

    def point_to(p):
        c.apply({'apiVersion': 'v1', 'kind': 'Endpoints', 'metadata': {'name': 'db', 'labels': {'team': 'x'}},
                 'subsets': [{'addresses': [{'ip': p['status']['podIP']}], 'ports': [{'port': 8080}]}]})
        wait_for(lambda: in_pod(c, client, *CURL, url, check=False).stdout.strip() == p['metadata']['name'], 'its answer')
    point_to(one)
    slices = c.get('endpointslices', '-l', MIRRORED + ',kubernetes.io/service-name=db,team=x')['items']
    assert [s['metadata']['ownerReferences'][0]['kind'] for s in slices] == ['Endpoints']
    point_to(two)
    after = c.get('endpointslices', '-l', MIRRORED)['items']
    assert [s['metadata']['name'] for s in after] == [slices[0]['metadata']['name']]
    c.kubectl('label', 'ep', 'db', 'endpointslice.kubernetes.io/skip-mirror=true')
    wait_for(lambda: not c.get('endpointslices', '-l', MIRRORED)['items'], 'the slice to go')
    wait_for(lambda: in_pod(c, client, *CURL, url, check=False).returncode == 7, 'a refusal')
    c.kubectl('label', 'ep', 'db', 'endpointslice.kubernetes.io/skip-mirror-')
    wait_for(lambda: len(c.get('endpointslices', '-l', MIRRORED)['items']) == 1, 'the slice again')
    c.kubectl('delete', 'svc', 'db')
    wait_for(lambda: gone(c, 'db') and not c.get('endpointslices', '-l', MIRRORED)['items'], 'all of it to go')
    c.kubectl('delete', 'deploy', 'outer')
    c.kubectl('delete', 'pod', 'outer-client', '--wait=false')


def test_names_of_endpoints_that_users_make(cluster):
    c = cluster
    c.apply({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'loose'},
             'spec': {'clusterIP': 'None', 'ports': [{'name': 'sql', 'port': 5432}]}})
    c.apply({'apiVersion': 'v1', 'kind': 'Endpoints', 'metadata': {'name': 'loose'}, 'subsets': [{
        'addresses': [{'ip': '192.0.2.1', 'hostname': 'first'}, {'ip': '2001:db8::1'}], 'notReadyAddresses': [{'ip': '192.0.2.2'}],
        'ports': [{'name': 'sql', 'port': 5432}]}]})
    domain = 'loose.default.svc.cluster.local'
    wait_for(lambda: short(c, c.nodes[0], f'first.{domain}') == ['192.0.2.1'], 'the address by its name')
    assert short(c, c.nodes[0], domain) == ['192.0.2.1']
    assert short(c, c.nodes[0], 'SRV', f'_sql._tcp.{domain}') == [f'0 100 5432 first.{domain}.']
    assert {s['addressType'] for s in c.get('endpointslices', '-l', MIRRORED)['items']} == {'IPv4', 'IPv6'}
    c.kubectl('delete', 'svc', 'loose')


def test_a_namespace_goes_with_its_endpoints(cluster):
    c = cluster
    c.kubectl('create', 'namespace', 'passing')
    c.apply(service('followed'), '-n', 'passing')
    c.apply({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'made'}, 'spec': {'ports': [{'port': 80}]}}, '-n', 'passing')
    c.apply({'apiVersion': 'v1', 'kind': 'Endpoints', 'metadata': {'name': 'made'},
             'subsets': [{'addresses': [{'ip': '192.0.2.1'}], 'ports': [{'port': 80}]}]}, '-n', 'passing')
    wait_for(lambda: c.get('endpointslices', '-n', 'passing', '-l', MIRRORED)['items'], 'the slice')
    wait_for(lambda: not gone(c, 'followed', '-n', 'passing'), 'the object')
    c.kubectl('delete', 'namespace', 'passing', '--timeout=30s')
    assert not c.kubectl('get', 'namespace', 'passing', '--ignore-not-found').stdout


def test_the_clusters_own(cluster):
    c = cluster
    own = c.get('endpoints', 'kubernetes')
    assert own['metadata']['labels'] == {'endpointslice.kubernetes.io/skip-mirror': 'true'}
    of_slice = c.get('endpointslice', 'kubernetes')
    assert addresses(c, 'kubernetes') == of_slice['endpoints'][0]['addresses']
    assert own['subsets'][0]['ports'] == of_slice['ports']
    assert len(c.get('endpointslices', '-l', 'kubernetes.io/service-name=kubernetes')['items']) == 1
    # Nothing was tried in vain, and nobody was warned who could do nothing about it.
    log = c.server.text()
    assert 'deprecated in' not in log
    assert not [line for line in log.splitlines() if 'endpoint' in line and ('trying again' in line or 'refused' in line)]
