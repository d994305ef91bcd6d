# SPDX-License-Identifier: Apache-2.0
"""Server-side apply with real kubectl: managers, conflicts, what is left out, and the way there from client-side apply."""
from concurrent.futures import ThreadPoolExecutor
import json

from cluster import deployment, wait_for

PROTOCOL = 'application/apply-patch+yaml'
LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'


def config(name, data, **metadata):
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, **metadata}, 'data': data}


def apply(server, tree, *arguments, manager='kubectl', check=True):
    return server.kubectl('apply', '--server-side', f'--field-manager={manager}', '-f', '-', *arguments,
                          input=json.dumps(tree), check=check)


def owners(tree):
    """{(manager, operation, subresource): fields}"""
    return {(e['manager'], e['operation'], e.get('subresource', '')): e['fieldsV1']
            for e in tree['metadata'].get('managedFields', [])}


def get(server, *what):
    return json.loads(server.kubectl('get', *what, '-o', 'json', '--show-managed-fields').stdout)


def test_two_managers_and_conflicts(server):
    assert 'serverside-applied' in apply(server, config('two', {'a': '1', 'b': '2'}), manager='m1').stdout
    before = get(server, 'cm', 'two')
    apply(server, config('two', {'a': '1', 'b': '2'}), manager='m1')
    assert get(server, 'cm', 'two') == before, 'an apply of the same is no write'
    apply(server, config('two', {'a': '1', 'c': '3'}), manager='m2')
    assert owners(get(server, 'cm', 'two')) == {('m1', 'Apply', ''): {'f:data': {'f:a': {}, 'f:b': {}}},
                                                ('m2', 'Apply', ''): {'f:data': {'f:a': {}, 'f:c': {}}}}
    refused = apply(server, config('two', {'a': '9', 'c': '3'}), manager='m2', check=False)
    assert refused.returncode == 1
    assert 'Apply failed with 1 conflict: conflict with "m1": .data.a' in refused.stderr
    apply(server, config('two', {'a': '9', 'c': '3'}), '--force-conflicts', manager='m2')
    apply(server, config('two', {'b': '2'}), manager='m1')
    assert get(server, 'cm', 'two')['data'] == {'a': '9', 'b': '2', 'c': '3'}
    apply(server, config('two', {}), manager='m1')
    assert get(server, 'cm', 'two')['data'] == {'a': '9', 'c': '3'}
    assert 'managedFields' not in json.loads(server.kubectl('get', 'cm', 'two', '-o', 'json').stdout)['metadata']


def test_updates_are_owned_and_dry_run_writes_nothing(server):
    server.kubectl('create', 'cm', 'upd', '--from-literal=a=1')
    assert owners(get(server, 'cm', 'upd')) == {('kubectl-create', 'Update', ''): {'f:data': {'.': {}, 'f:a': {}}}}
    server.kubectl('label', 'cm', 'upd', 'x=y')
    assert owners(get(server, 'cm', 'upd'))[('kubectl-label', 'Update', '')] == {
        'f:metadata': {'f:labels': {'.': {}, 'f:x': {}}}}
    before = get(server, 'cm', 'upd')
    refused = apply(server, config('upd', {'a': '2'}, labels={'x': 'z'}), check=False)
    assert 'Apply failed with 2 conflicts: conflicts with "kubectl-create" using v1:\n- .data.a\n' \
           'conflicts with "kubectl-label" using v1:\n- .metadata.labels.x' in refused.stderr
    apply(server, config('upd', {'a': '2'}), '--force-conflicts', '--dry-run=server')
    assert get(server, 'cm', 'upd') == before
    different = server.kubectl('diff', '--server-side', '--force-conflicts', '-f', '-', check=False,
                               input=json.dumps(config('upd', {'a': '2'})))
    assert different.returncode == 1 and '+  a: "2"' in different.stdout, different.stderr
    assert get(server, 'cm', 'upd') == before
    # Who sets an empty list wants it forgotten.
    server.kubectl('patch', 'cm', 'upd', '--type=json', '-p', '[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]')
    assert owners(get(server, 'cm', 'upd')) == {}
    apply(server, config('upd', {'a': '1'}))
    assert ('before-first-apply', 'Update', '') in owners(get(server, 'cm', 'upd'))


def test_deployment_lists_status_and_scale(server):
    web = deployment('ssa', 2)
    apply(server, web)
    side = {'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': 'ssa'},
            'spec': {'template': {'spec': {'containers': [{'name': 'side', 'image': 'side:1'}]}}}}
    apply(server, side, manager='sidecars')
    first = web['spec']['template']['spec']['containers'][0]['name']
    assert [c['name'] for c in get(server, 'deploy', 'ssa')['spec']['template']['spec']['containers']] == [first, 'side']
    wait_for(lambda: ('kube-controller-manager', 'Update', 'status') in owners(get(server, 'deploy', 'ssa')),
             'the controller as owner of the status')
    # A scale is an update of one field; the next apply of another number is a conflict.
    server.kubectl('scale', 'deploy', 'ssa', '--replicas=3')
    scalers = {k: v for k, v in owners(get(server, 'deploy', 'ssa')).items() if k[2] == 'scale'}
    assert list(scalers.values()) == [{'f:spec': {'f:replicas': {}}}], 'by the name of the program'
    (name, operation, _), = scalers
    refused = apply(server, web, check=False)
    assert operation == 'Update' and name.startswith('kubectl')
    assert f'conflict with "{name}" with subresource "scale" using apps/v1: .spec.replicas' in refused.stderr
    del web['spec']['replicas']
    apply(server, web)
    side['spec'] = {}
    apply(server, side, manager='sidecars')
    have = get(server, 'deploy', 'ssa')
    assert have['spec']['replicas'] == 3
    assert [c['name'] for c in have['spec']['template']['spec']['containers']] == [first]
    scale = {'apiVersion': 'autoscaling/v1', 'kind': 'Scale', 'metadata': {'name': 'ssa'}, 'spec': {'replicas': 5}}
    path = '/apis/apps/v1/namespaces/default/deployments/ssa'
    code, body = server.curl(f'{path}/scale?fieldManager=hpa&force=true', '-H', f'Content-Type: {PROTOCOL}', method='PATCH',
                             data=json.dumps(scale))
    assert code == 200 and json.loads(body)['spec']['replicas'] == 5, body
    assert owners(json.loads(body)) == {('hpa', 'Apply', 'scale'): {'f:spec': {'f:replicas': {}}}}
    status = {'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': 'ssa'}, 'spec': {'replicas': 9},
              'status': {'conditions': [{'type': 'Mine', 'status': 'True'}]}}
    code, body = server.curl(f'{path}/status?fieldManager=ctl', '-H', f'Content-Type: {PROTOCOL}', method='PATCH',
                             data=json.dumps(status))
    have = json.loads(body)
    assert code == 200 and have['spec']['replicas'] == 5, body
    assert owners(have)[('ctl', 'Apply', 'status')] == {
        'f:status': {'f:conditions': {'k:{"type":"Mine"}': {'.': {}, 'f:status': {}, 'f:type': {}}}}}
    server.kubectl('delete', 'deploy', 'ssa')


def test_from_client_side_apply(server):
    tree = config('csa', {'a': '1', 'b': '2'})
    server.apply(tree)
    assert ('kubectl-client-side-apply', 'Update', '') in owners(get(server, 'cm', 'csa'))
    done = apply(server, config('csa', {'a': '9'}))
    assert 'Warning' not in done.stderr, done.stderr
    have = get(server, 'cm', 'csa')
    assert have['data'] == {'a': '9'}, 'what the last client-side apply set is taken over, and so taken out'
    assert set(owners(have)) == {('kubectl', 'Apply', ''), ('kubectl-last-applied', 'Apply', '')}
    assert apply(server, config('csa', {'a': '9'})).stderr == ''
    # And back: the annotation was kept current.
    assert json.loads(have['metadata']['annotations'][LAST_APPLIED])['data'] == {'a': '9'}
    server.apply(config('csa', {'b': '3'}))
    assert get(server, 'cm', 'csa')['data'] == {'b': '3'}


def test_what_is_refused(server):
    bogus = config('no', {'a': '1'})
    bogus['bogus'] = 1
    refused = apply(server, bogus, check=False)
    assert '.bogus: field not declared in schema' in refused.stderr
    twice = deployment('no')
    twice['spec']['template']['spec']['containers'] *= 2
    refused = apply(server, twice, '--validate=ignore', check=False)
    assert '.spec.template.spec.containers: duplicate entries for key [name=' in refused.stderr
    apply(server, config('pre', {'a': '1'}))
    stale = config('pre', {'a': '2'}, resourceVersion='1')
    refused = apply(server, stale, check=False)
    assert 'the object has been modified' in refused.stderr
    # Who may patch may not make.
    server.kubectl('create', 'role', 'patcher', '--verb=get,patch', '--resource=configmaps')
    server.kubectl('create', 'rolebinding', 'patcher', '--role=patcher', '--user=pat')
    apply(server, config('pre', {'a': '1'}), '--as=pat')
    refused = apply(server, config('not-there', {'a': '1'}), '--as=pat', check=False)
    assert 'cannot create resource "configmaps"' in refused.stderr
    # What cannot be read as a list of managers changes nothing about who owns what.
    before = get(server, 'cm', 'pre')
    broken = [{'manager': 'x', 'operation': 'Apply', 'apiVersion': 'v1', 'fieldsType': 'FieldsV1', 'fieldsV1': {'x': {}}}]
    server.kubectl('patch', 'cm', 'pre', '--type=merge', '-p', json.dumps({'metadata': {'managedFields': broken}}))
    assert get(server, 'cm', 'pre') == before


def test_many_at_once(server):
    """Who comes second applies to what the first has made; nobody's field is lost."""
    def one(i):
        path = f'/api/v1/namespaces/default/configmaps/crowd?fieldManager=m{i}'
        return server.curl(path, '-H', f'Content-Type: {PROTOCOL}', method='PATCH',
                           data=json.dumps(config('crowd', {f'k{i}': str(i)})))[0]

    server.client_files()  # made once, before eight want them
    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(one, range(8)))
    assert codes == [200] * 7 + [201]
    have = get(server, 'cm', 'crowd')
    assert have['data'] == {f'k{i}': str(i) for i in range(8)}
    assert owners(have) == {(f'm{i}', 'Apply', ''): {'f:data': {f'f:k{i}': {}}} for i in range(8)}


def test_by_knarr(server):
    def knarr(tree, *arguments, check=True):
        return server.knarr('apply', '--server-side', '-f', '-', *arguments, check=check, input=json.dumps(tree))

    assert knarr(config('own', {'a': '1'})).stdout == 'configmap/own serverside-applied\n'
    assert owners(get(server, 'cm', 'own')) == {('knarr', 'Apply', ''): {'f:data': {'f:a': {}}}}
    refused = knarr(config('own', {'a': '2'}), '--field-manager=x', check=False)
    assert refused.returncode == 1 and 'conflict with "knarr": .data.a' in refused.stderr
    assert '--force-conflicts' in refused.stderr
    knarr(config('own', {'a': '2'}), '--field-manager=x', '--force-conflicts')
    assert owners(get(server, 'cm', 'own')) == {('x', 'Apply', ''): {'f:data': {'f:a': {}}}}
    assert 'managedFields' not in server.knarr('get', 'cm', 'own', '-o', 'yaml').stdout
    assert 'managedFields' in server.knarr('get', 'cm', 'own', '-o', 'yaml', '--show-managed-fields').stdout
