# SPDX-License-Identifier: Apache-2.0
"""The API's finer promises, by raw requests: snapshots, history, watches, preconditions, dry-run, subresources, addresses."""
import base64
from concurrent.futures import ThreadPoolExecutor
import json

import pytest

from cluster import Cluster, deployment, run, wait_for
from conftest import running

MERGE = 'application/merge-patch+json'


@pytest.fixture(scope='module')
def forgetful():
    """A control plane that forgets old revisions after seconds."""
    yield from running(Cluster(nodes=0, server_arguments=['--history', '1']))


def call(server, path, method=None, body=None, content_type='application/json', user='admin'):
    """(code, tree of the answer)"""
    data = None if body is None else json.dumps(body)
    code, text = server.curl(path, '-H', f'Content-Type: {content_type}', method=method, data=data, user=user)
    return code, json.loads(text)


def events(server, path):
    code, text = server.curl(path)
    assert code == 200, text
    return [json.loads(line) for line in text.decode().splitlines() if line]


def config(name, **labels):
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, 'labels': labels}, 'data': {'k': name}}


def service(name, **spec):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name}, 'spec': {'ports': [{'port': 80}], **spec}}


def space(server, name, count=0):
    """A namespace with some ConfigMaps; returns the collection's path."""
    server.kubectl('create', 'ns', name)
    path = f'/api/v1/namespaces/{name}/configmaps'
    wait_for(lambda: server.get('cm', 'kube-root-ca.crt', '-n', name), 'the root CA')
    for i in range(count):
        assert call(server, path, 'POST', config(f'c{i}', odd=str(i % 2)))[0] == 201
    return path


def names(tree):
    return [i['metadata']['name'] for i in tree['items'] if i['metadata']['name'] != 'kube-root-ca.crt']


def test_paged_list_is_one_snapshot(server):
    path = space(server, 'paged', 6)
    _, first = call(server, f'{path}?limit=2')
    assert names(first) == ['c0', 'c1'] and first['metadata']['remainingItemCount'] == 5
    call(server, f'{path}/c4', 'DELETE')
    call(server, path, 'POST', config('c9'))
    call(server, f'{path}/c5', 'PATCH', {'data': {'k': 'changed'}}, MERGE)
    _, second = call(server, f'{path}?limit=2&continue={first["metadata"]["continue"]}')
    _, rest = call(server, f'{path}?continue={second["metadata"]["continue"]}')
    assert names(second) == ['c2', 'c3'] and names(rest) == ['c4', 'c5']
    assert rest['items'][1]['data'] == {'k': 'c5'}
    assert {p['metadata']['resourceVersion'] for p in (first, second, rest)} == {first['metadata']['resourceVersion']}
    exact = f'{path}?resourceVersion={first["metadata"]["resourceVersion"]}&resourceVersionMatch=Exact'
    assert names(call(server, exact)[1]) == [f'c{i}' for i in range(6)]
    assert names(call(server, path)[1]) == ['c0', 'c1', 'c2', 'c3', 'c5', 'c9']
    code, status = call(server, f'{path}?resourceVersion=99999999&resourceVersionMatch=Exact')
    assert code == 504 and status['details']['causes'][0]['reason'] == 'ResourceVersionTooLarge'
    assert call(server, f'{path}?continue=nonsense')[0] == 400


def test_forgotten_revisions_are_gone(forgetful):
    path = space(forgetful, 'past', 3)
    _, page = call(forgetful, f'{path}?limit=1')
    old = page['metadata']['resourceVersion']
    call(forgetful, f'{path}/c0', 'PATCH', {'data': {'k': 'new'}}, MERGE)
    exact = f'{path}?resourceVersion={old}&resourceVersionMatch=Exact'
    wait_for(lambda: call(forgetful, exact)[0] == 410, 'the past to be forgotten')
    for query in (f'continue={page["metadata"]["continue"]}', f'watch=1&timeoutSeconds=1&resourceVersion={old}'):
        code, status = call(forgetful, f'{path}?{query}')
        assert (code, status['reason']) == (410, 'Expired'), query
    assert forgetful.kubectl('get', 'cm', '-n', 'past', '-w', '--request-timeout=1s', '-o', 'name', check=False).stdout


def test_watch_from_a_revision_and_bookmarks(server):
    path = space(server, 'watched', 2)
    revision = call(server, path)[1]['metadata']['resourceVersion']
    call(server, f'{path}/c0', 'PATCH', {'data': {'k': 'new'}}, MERGE)
    call(server, f'{path}/c1', 'DELETE')
    seen = events(server, f'{path}?watch=1&timeoutSeconds=1&resourceVersion={revision}')
    assert [(e['type'], e['object']['metadata']['name']) for e in seen] == [('MODIFIED', 'c0'), ('DELETED', 'c1')]
    assert int(seen[1]['object']['metadata']['resourceVersion']) > int(seen[0]['object']['metadata']['resourceVersion'])
    initial = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
    seen = events(server, f'{path}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&{initial}')
    ends = [e for e in seen if (e['object']['metadata'].get('annotations') or {}).get('k8s.io/initial-events-end') == 'true']
    assert len(ends) == 1 and ends[0]['type'] == 'BOOKMARK' and ends[0]['object']['metadata']['resourceVersion']
    before = seen[:seen.index(ends[0])]
    assert {e['type'] for e in before} == {'ADDED'} and 'c0' in [e['object']['metadata']['name'] for e in before]
    assert call(server, f'{path}?watch=1&sendInitialEvents=true&timeoutSeconds=1')[0] == 422


def test_watch_with_a_selector_shows_moves_over_its_edge(server):
    path = space(server, 'edges', 1)
    revision = call(server, path)[1]['metadata']['resourceVersion']
    for value in ('1', '0'):
        call(server, f'{path}/c0', 'PATCH', {'metadata': {'labels': {'odd': value}}}, MERGE)
    seen = events(server, f'{path}?watch=1&timeoutSeconds=1&labelSelector=odd%3D1&resourceVersion={revision}')
    assert [e['type'] for e in seen] == ['ADDED', 'DELETED']


def test_delete_preconditions(server):
    path = space(server, 'careful', 1)
    uid = call(server, f'{path}/c0')[1]['metadata']['uid']
    for wrong in ({'uid': 'other'}, {'resourceVersion': '1'}, {'uid': uid, 'resourceVersion': '1'}):
        code, status = call(server, f'{path}/c0', 'DELETE', {'preconditions': wrong})
        assert (code, status['reason']) == (409, 'Conflict'), wrong
    assert call(server, f'{path}/c0', 'DELETE', {'preconditions': {'uid': uid}})[0] == 200
    assert call(server, f'{path}/c0')[0] == 404


def test_deletecollection(server):
    path = space(server, 'many', 6)
    assert call(server, f'{path}?labelSelector=odd%3D1&dryRun=All', 'DELETE')[0] == 200
    assert len(names(call(server, path)[1])) == 6
    assert call(server, f'{path}?labelSelector=odd%3D1', 'DELETE')[0] == 200
    assert names(call(server, path)[1]) == ['c0', 'c2', 'c4']
    assert call(server, f'{path}?fieldSelector=metadata.name%3Dc2', 'DELETE')[0] == 200
    assert names(call(server, path)[1]) == ['c0', 'c4']
    call(server, path, 'DELETE')
    assert names(call(server, path)[1]) == []


def test_grace_period_of_pods(server):
    manifest = {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'graced'},
                'spec': {'nodeName': 'nowhere', 'terminationGracePeriodSeconds': 33, 'containers': [{'name': 'a', 'image': 'x'}]}}
    path = '/api/v1/namespaces/default/pods'
    assert call(server, path, 'POST', manifest)[0] == 201
    assert call(server, f'{path}/graced', 'DELETE')[1]['metadata']['deletionGracePeriodSeconds'] == 33
    assert call(server, f'{path}/graced', 'DELETE', {'gracePeriodSeconds': 5})[1]['metadata']['deletionGracePeriodSeconds'] == 5
    # Longer than what was granted is not possible any more.
    assert call(server, f'{path}/graced', 'DELETE', {'gracePeriodSeconds': 60})[1]['metadata']['deletionGracePeriodSeconds'] == 5
    assert call(server, f'{path}/graced', 'DELETE', {'gracePeriodSeconds': 0})[0] == 200
    assert call(server, f'{path}/graced')[0] == 404


def test_dry_run_of_every_verb_stores_nothing(server):
    path = space(server, 'dry', 1)
    before = call(server, path)[1]['metadata']['resourceVersion']
    assert call(server, f'{path}?dryRun=All', 'POST', config('new'))[0] == 201
    changed = config('c0')
    changed['data'] = {'k': 'other'}
    assert call(server, f'{path}/c0?dryRun=All', 'PUT', changed)[1]['data'] == {'k': 'other'}
    assert call(server, f'{path}/c0?dryRun=All', 'PATCH', {'data': {'z': '1'}}, MERGE)[1]['data']['z'] == '1'
    assert call(server, f'{path}/c0', 'DELETE', {'dryRun': ['All']})[0] == 200
    services = '/api/v1/namespaces/dry/services'
    assert call(server, f'{services}?dryRun=All', 'POST', service('s'))[1]['spec']['clusterIP']
    assert call(server, f'{path}?dryRun=Perhaps', 'POST', config('new'))[0] == 422
    after = call(server, path)[1]
    assert names(after) == ['c0'] and after['items'][0]['data'] == {'k': 'c0'}
    assert call(server, services)[1]['items'] == [] and before <= after['metadata']['resourceVersion']


def test_scale_and_status_subresources(server):
    path = '/apis/apps/v1/namespaces/default/deployments'
    assert call(server, path, 'POST', deployment('sub', 0, paused=True))[0] == 201
    # The controller's own status must not come between reading and writing.
    wait_for(lambda: call(server, f'{path}/sub')[1].get('status', {}).get('observedGeneration') == 1, 'the controller')
    scale = call(server, f'{path}/sub/scale')[1]
    assert scale['kind'] == 'Scale' and scale['status']['selector'] == 'app=sub'
    scale['spec']['replicas'] = 3
    assert call(server, f'{path}/sub/scale', 'PUT', scale)[1]['spec'] == {'replicas': 3}
    assert call(server, f'{path}/sub/scale', 'PUT', scale)[0] == 409  # its resourceVersion is old now
    assert call(server, f'{path}/sub/scale', 'PATCH', {'spec': {'replicas': 0}}, MERGE)[0] == 200
    assert call(server, f'{path}/sub')[1]['spec']['replicas'] == 0
    patch = {'status': {'collisionCount': 7}, 'spec': {'replicas': 9}}
    call(server, f'{path}/sub/status', 'PATCH', patch, MERGE)
    got = call(server, f'{path}/sub')[1]
    assert got['spec']['replicas'] == 0 and got['status']['collisionCount'] == 7
    call(server, f'{path}/sub', 'PATCH', {'status': {'collisionCount': 8}}, MERGE)
    assert call(server, f'{path}/sub')[1]['status']['collisionCount'] == 7
    server.kubectl('delete', 'deploy', 'sub')


def test_binding(server):
    pod = {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'bound'},
           'spec': {'schedulerName': 'nobody', 'containers': [{'name': 'a', 'image': 'x'}]}}
    path = '/api/v1/namespaces/default/pods'
    binding = {'apiVersion': 'v1', 'kind': 'Binding', 'metadata': {'name': 'bound'},
               'target': {'apiVersion': 'v1', 'kind': 'Node', 'name': 'there'}}
    assert call(server, path, 'POST', pod)[0] == 201
    assert call(server, f'{path}/bound/binding', 'POST', binding)[0] == 201
    got = call(server, f'{path}/bound')[1]
    assert got['spec']['nodeName'] == 'there'
    assert {'PodScheduled': 'True'}.items() <= {c['type']: c['status'] for c in got['status']['conditions']}.items()
    assert call(server, f'{path}/bound/binding', 'POST', binding)[0] == 409
    call(server, f'{path}/bound', 'DELETE', {'gracePeriodSeconds': 0})


def test_csr_approval_by_hand(server):
    key, request = server.folder / 'joe.key', server.folder / 'joe.csr'
    run('openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=joe/O=devs',
        '-keyout', key, '-out', request)

    def csr(name):
        return {'apiVersion': 'certificates.k8s.io/v1', 'kind': 'CertificateSigningRequest', 'metadata': {'name': name},
                'spec': {'request': base64.b64encode(request.read_bytes()).decode(), 'usages': ['client auth'],
                         'signerName': 'kubernetes.io/kube-apiserver-client'}}
    for name in ('joe', 'bad'):
        server.apply(csr(name))
    assert 'Pending' in server.kubectl('get', 'csr', 'joe').stdout
    server.kubectl('certificate', 'approve', 'joe')
    server.kubectl('certificate', 'deny', 'bad')
    conditions = {n: server.get('csr', n)['status']['conditions'][0]['type'] for n in ('joe', 'bad')}
    assert conditions == {'joe': 'Approved', 'bad': 'Denied'}
    # The certificate that was approved makes its owner joe of the devs.
    certificate = server.folder / 'joe.crt'
    certificate.write_bytes(base64.b64decode(wait_for(lambda: server.get('csr', 'joe')['status'].get('certificate'), 'a certificate')))
    review = {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'SelfSubjectReview'}
    code, body = server.curl('/apis/authentication.k8s.io/v1/selfsubjectreviews', '--cert', certificate, '--key', key, '-H',
                             'Content-Type: application/json', user=None, method='POST', data=json.dumps(review))
    who = json.loads(body)['status']['userInfo']
    assert code == 201 and (who['username'], who['groups'][0]) == ('joe', 'devs')
    described = server.kubectl('describe', 'csr', 'joe').stdout
    assert 'joe' in described and 'devs' in described and 'Approved' in described
    # The other way round is not possible any more, and not by anybody.
    assert server.kubectl('certificate', 'deny', 'joe', check=False).returncode == 1
    approve = '/apis/certificates.k8s.io/v1/certificatesigningrequests/bad/approval'
    assert server.curl(approve, method='PUT', data='{}', user=None)[0] in (401, 403)


def test_service_addresses(server):
    server.kubectl('create', 'ns', 'addresses')
    path = '/api/v1/namespaces/addresses/services'
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda i: call(server, path, 'POST', service(f's{i}', type='NodePort')), range(20)))
    assert [code for code, _ in made] == [201] * 20
    addresses = [s['spec']['clusterIP'] for _, s in made]
    ports = [s['spec']['ports'][0]['nodePort'] for _, s in made]
    assert len(set(addresses)) == 20 and len(set(ports)) == 20 and all(30000 <= p <= 32767 for p in ports)
    code, status = call(server, path, 'POST', service('taken', clusterIP=addresses[0]))
    assert code == 422 and 'provided IP is already allocated' in status['message']
    code, status = call(server, path, 'POST', service('taken', type='NodePort', ports=[{'port': 80, 'nodePort': ports[0]}]))
    assert code == 422 and 'provided port is already allocated' in status['message']
    assert call(server, path, 'POST', service('outside', clusterIP='192.0.2.1'))[0] == 422
    moved = made[1][1]
    moved['spec']['clusterIP'] = '10.96.255.1'
    assert call(server, f'{path}/s1', 'PUT', moved)[0] == 422
    assert call(server, path, 'POST', service('headless', clusterIP='None'))[1]['spec']['clusterIP'] == 'None'
    # What is given back can be had again.
    call(server, f'{path}/s0', 'DELETE')
    again = service('again', clusterIP=addresses[0], type='NodePort', ports=[{'port': 80, 'nodePort': ports[0]}])
    assert call(server, path, 'POST', again)[0] == 201
    described = server.kubectl('describe', 'svc', 'again', '-n', 'addresses').stdout
    assert addresses[0] in described and str(ports[0]) in described


def test_second_server_on_one_home_is_refused(server):
    done = server.knarr('server', '--home', server.home, '--address', '127.0.0.1', '--port', '7999', check=False)
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert 'another' in done.stderr or 'in use' in done.stderr
    assert server.kubectl('get', '--raw', '/readyz').stdout == 'ok'


def test_port_taken(server):
    done = server.knarr('server', '--home', server.folder / 'other', '--port', '6443', check=False)
    assert done.returncode == 1 and '6443' in done.stderr and 'in use' in done.stderr, done.stderr


def test_flags_of_the_server_are_checked(server):
    for flags in (['--port', '0'], ['--port', 'x'], ['--node-grace', '-1'], ['--history', '0'], ['extra']):
        done = server.knarr('server', '--home', server.folder / 'other', *flags, check=False)
        assert done.returncode == 2 and done.stderr.startswith('knarr server: '), flags
