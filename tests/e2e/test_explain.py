# SPDX-License-Identifier: Apache-2.0
"""`kubectl explain` of everything that there is, and the OpenAPI documents that it and other clients read."""
import json
import pathlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from cluster import KUBECTL, wait_for

GIZMO = yaml.safe_load('''
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gizmos.told.example.com}
spec:
  group: told.example.com
  scope: Namespaced
  names: {plural: gizmos, kind: Gizmo}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: A thing with wheels.
        properties:
          spec:
            type: object
            description: What it should be.
            required: [wheels]
            properties:
              wheels: {type: integer, description: How many it has., minimum: 1}
              color: {type: string, description: How it looks., enum: [red, green], default: red}
              axles:
                type: array
                description: What the wheels are on.
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string, description: What it is called.}
                    load: {type: object, description: How much it bears., properties: {kilos: {type: number, description: In kilos.}}}
              port: {x-kubernetes-int-or-string: true, description: Where it listens.}
              maybe: {type: string, nullable: true, description: May be null.}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true, description: What you like.}
''')


@pytest.fixture(scope='module')
def told(server):
    server.apply(GIZMO)
    server.kubectl('wait', '--for=condition=established', 'crd/gizmos.told.example.com', '--timeout=10s')
    wait_for(lambda: 'gizmos' in server.kubectl('api-resources', '--api-group=told.example.com', '-o', 'name').stdout, 'gizmos')
    yield server
    server.kubectl('delete', 'crd', 'gizmos.told.example.com')


def old_kubectl(cluster, minor, *arguments, check=True, **more):
    program = pathlib.Path(KUBECTL).parent / f'kubectl-1.{minor}'
    if not program.exists():
        pytest.skip(f'{program} is missing: tools/fetch-kubectl {minor} brings it')
    home = cluster.folder / f'old-{minor}'
    return cluster.run('env', f'HOME={home}', program, '--kubeconfig', cluster.kubeconfig, *arguments, check=check, **more)


def test_every_resource_in_every_form(told):
    kinds = [line.split() for line in told.kubectl('api-resources', '--no-headers').stdout.splitlines()]
    assert len(kinds) > 55

    def explain(kind):
        for form in ('plaintext', 'plaintext-openapiv2'):
            # For version 2 kubectl itself looks up the kind without the group, and finds core's Node and Pod.
            if form == 'plaintext-openapiv2' and kind[-3].startswith('metrics.k8s.io'):
                continue
            out = told.kubectl('explain', kind[0], f'--api-version={kind[-3]}', '--recursive', f'--output={form}').stdout
            assert re.search(r'^FIELDS:\n +\w+\t<', out, re.M), (kind, form)
            assert '<empty>' not in out, (kind, form)  # what stands for a description that is not there

    with ThreadPoolExecutor() as pool:
        list(pool.map(explain, kinds))


def test_a_kind_of_ones_own(told):
    spec = told.kubectl('explain', 'gizmo.spec').stdout
    assert 'What it should be.' in spec and re.search(r'wheels\t<integer> -required-\n    How many it has\.', spec)
    assert re.search(r'color\t<string>\n  enum: red, green\n    How it looks\.', spec), spec
    assert 'A thing with wheels.' in told.kubectl('explain', 'gizmos').stdout
    assert 'kilos\t<number>' in told.kubectl('explain', 'gizmos', '--recursive').stdout
    assert 'In kilos.' in told.kubectl('explain', 'gizmos.spec.axles.load').stdout
    assert '-required-' in told.kubectl('explain', 'gizmos.spec.axles').stdout
    assert 'Name of the object' in told.kubectl('explain', 'gizmos.metadata').stdout
    assert 'red' in json.loads(told.kubectl('get', '--raw', '/openapi/v3/apis/told.example.com/v1').stdout)[
        'components']['schemas']['com.example.told.v1.Gizmo']['properties']['spec']['properties']['color']['default']


def test_a_kind_of_ones_own_in_version_2(told):
    document = json.loads(told.kubectl('get', '--raw', '/openapi/v2').stdout)
    gizmo = document['definitions']['com.example.told.v1.Gizmo']
    assert gizmo['x-kubernetes-group-version-kind'] == [{'group': 'told.example.com', 'kind': 'Gizmo', 'version': 'v1'}]
    spec = gizmo['properties']['spec']
    # What version 2 cannot say is not said, so that no client refuses what the server takes.
    assert spec['properties']['port'] == {'x-kubernetes-int-or-string': True, 'description': 'Where it listens.'}
    assert spec['properties']['maybe'] == {'description': 'May be null.'}
    assert 'default' not in spec['properties']['color'] and spec['required'] == ['wheels']
    assert '/apis/told.example.com/v1/namespaces/{namespace}/gizmos/{name}' in document['paths']
    assert 'com.example.told.v1.GizmoList' in document['definitions']
    out = told.kubectl('explain', 'gizmo.spec', '--output=plaintext-openapiv2').stdout
    assert re.search(r'wheels\t<integer> -required-\n +How many it has\.', out), out


@pytest.mark.parametrize('minor', [20, 27])
def test_old_clients_check_by_version_2(told, minor):
    out = old_kubectl(told, minor, 'explain', 'gizmo.spec').stdout
    assert re.search(r'wheels\t<integer> -required-\n +How many it has\.', out), out
    assert 'kilos\t<number>' in old_kubectl(told, minor, 'explain', 'gizmo', '--recursive').stdout
    gizmo = {'apiVersion': 'told.example.com/v1', 'kind': 'Gizmo', 'metadata': {'name': f'old{minor}'},
             'spec': {'wheels': 4, 'port': 80, 'free': {'any': ['thing']}, 'axles': [{'name': 'a', 'load': {'kilos': 1.5}}]}}
    apply = ('apply', '--validate=true', '-f', '-')
    assert 'created' in old_kubectl(told, minor, *apply, input=json.dumps(gizmo)).stdout
    gizmo['spec'] |= {'port': 'http', 'bogus': 1}
    refused = old_kubectl(told, minor, *apply, input=json.dumps(gizmo), check=False)
    assert refused.returncode and re.search('unknown field "(spec.)?bogus"', refused.stderr), refused.stderr
    if minor == 20:
        del gizmo['spec']['bogus'], gizmo['spec']['wheels']
        refused = old_kubectl(told, minor, *apply, input=json.dumps(gizmo), check=False)
        assert 'missing required field "wheels"' in refused.stderr


def test_a_definition_goes_from_all_documents(told):
    other = json.loads(json.dumps(GIZMO).replace('gizmo', 'passing').replace('Gizmo', 'Passing'))
    told.apply(other)
    name = 'com.example.told.v1.Passing'
    wait_for(lambda: name in told.kubectl('get', '--raw', '/openapi/v2').stdout, 'the definition')
    told.kubectl('delete', 'crd', 'passings.told.example.com')
    for path in ('/openapi/v2', '/openapi/v3/apis/told.example.com/v1'):
        assert name not in told.kubectl('get', '--raw', path).stdout
        assert 'com.example.told.v1.Gizmo' in told.kubectl('get', '--raw', path).stdout


def test_strict_validation_before_anything_is_sent(told):
    manifest = json.dumps([{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'dry'}, 'data': {'a': '1'}},
                           {'apiVersion': 'told.example.com/v1', 'kind': 'Gizmo', 'metadata': {'name': 'dry'}, 'spec': {'wheels': 1}}])
    documents = '\n---\n'.join(json.dumps(d) for d in json.loads(manifest))
    for arguments in (('--dry-run=client',), ('--dry-run=server',), ('--dry-run=server', '--server-side')):
        out = told.kubectl('apply', '--validate=strict', *arguments, '-f', '-', input=documents).stdout
        assert 'configmap/dry' in out and 'gizmo.told.example.com/dry' in out


def check_document(name, document):
    """What generators of clients insist on."""
    text = json.dumps(document)
    schemas = document['components']['schemas']
    for ref in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert ref in schemas, f'{name}: {ref}'
    ids = []
    for path, item in document['paths'].items():
        wanted = set(re.findall(r'{(\w+)}', path))
        assert wanted == {p['name'] for p in item['parameters'] if p['in'] == 'path' and p['required']}, path
        for method, operation in item.items():
            if method == 'parameters':
                continue
            ids.append(operation['operationId'])
            assert operation['tags'] and {'200', '401'} <= set(operation['responses']), (path, method)
            assert {'group', 'version', 'kind'} == set(operation['x-kubernetes-group-version-kind']), (path, method)
    assert len(ids) == len(set(ids)), name
    return ids


def test_documents_for_generators(told):
    paths = json.loads(told.kubectl('get', '--raw', '/openapi/v3').stdout)['paths']
    ids = []
    for name, place in paths.items():
        ids += check_document(name, json.loads(told.kubectl('get', '--raw', place['serverRelativeURL']).stdout))
    assert len(ids) == len(set(ids)) and len(ids) > 500
    assert 'connectCoreV1PostNamespacedPodExec' in ids and 'deleteAppsV1CollectionNamespacedDeployment' in ids
