# SPDX-License-Identifier: Apache-2.0
"""Kinds that users define: there at once, validated, shown, applied, owned, and gone at once with their objects."""
import json
import time

import pytest
import yaml

from cluster import PATIENCE, wait_for

WIDGET = yaml.safe_load('''
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size, description: How large it is.}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema: &schema
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            description: What it should be.
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 10, description: How large it is.}
              color: {type: string, enum: [red, green], default: red}
              replicas: {type: integer}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, port: {x-kubernetes-int-or-string: true}}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties:
              replicas: {type: integer}
              selector: {type: string}
              conditions: {type: array, items: {type: object, properties: {type: {type: string}, status: {type: string}}}}
  - {name: v1beta1, served: true, storage: false, schema: *schema}
''')


def widget(name, version='v1', **spec):
    return {'apiVersion': f'shop.example.com/{version}', 'kind': 'Widget', 'metadata': {'name': name}, 'spec': {'size': 1, **spec}}


@pytest.fixture(scope='module')
def shop(server):
    server.apply(WIDGET)
    return server


def columns(cluster, *arguments):
    return [line.split() for line in cluster.kubectl('get', *arguments).stdout.splitlines()]


def test_there_at_once(shop):
    shop.kubectl('wait', '--for=condition=established', 'crd/widgets.shop.example.com', '--timeout=5s')
    shop.apply(widget('first', size=3, free={'any': {'thing': [1, None]}}))
    assert columns(shop, 'wd')[0] == ['NAME', 'SIZE', 'READY', 'AGE'] and columns(shop, 'wd')[1][:2] == ['first', '3']
    stored = shop.get('widget', 'first')
    assert stored['spec'] == {'size': 3, 'free': {'any': {'thing': [1, None]}}, 'color': 'red'}
    assert stored['metadata']['generation'] == 1
    assert 'widget.shop.example.com/first' in shop.kubectl('get', 'all', '-o', 'name').stdout
    found = shop.kubectl('api-resources', '--api-group=shop.example.com', '--no-headers').stdout.split()
    assert found == ['widgets', 'wd', 'shop.example.com/v1', 'true', 'Widget']
    assert 'What it should be.' in shop.kubectl('explain', 'widget.spec').stdout
    assert 'How large it is.' in shop.kubectl('explain', 'widget.spec.size').stdout


def test_what_does_not_fit_is_refused(shop):
    for object_, why in ((widget('bad', size=11), 'spec.size in body should be less than or equal to 10'),
                         (widget('bad', size='x'), 'spec.size in body must be of type integer: "string"'),
                         (widget('bad', color='blue'), 'supported values: "red", "green"'),
                         (widget('bad', ports=[{'name': 'a'}, {'name': 'a'}]), 'spec.ports[1]: Duplicate value'),
                         (widget('bad', unknown=1), 'strict decoding error: unknown field "spec.unknown"')):
        done = shop.kubectl('create', '-f', '-', input=json.dumps(object_), check=False)
        assert done.returncode and why in done.stderr, done.stderr
    done = shop.kubectl('create', '-f', '-', '--validate=warn', input=json.dumps(widget('warned', unknown=1)))
    assert 'Warning: unknown field "spec.unknown"' in done.stderr
    assert 'unknown' not in shop.get('widget', 'warned')['spec']
    done = shop.kubectl('apply', '-f', '-', input=json.dumps({**WIDGET, 'metadata': {'name': 'other.shop.example.com'}}), check=False)
    assert 'must be spec.names.plural' in done.stderr
    done = shop.kubectl('patch', 'widget', 'first', '--type=strategic', '-p', '{}', check=False)
    assert done.returncode and 'strategic' in done.stderr


def test_a_scale_whose_number_is_elsewhere(shop):
    version = {'name': 'v1', 'served': True, 'storage': True, 'schema': {'openAPIV3Schema': {
        'type': 'object', 'properties': {'spec': {'type': 'object', 'x-kubernetes-preserve-unknown-fields': True}}}},
        'subresources': {'scale': {'specReplicasPath': '.spec.pool.size', 'statusReplicasPath': '.status.size'}}}
    shop.apply({'apiVersion': 'apiextensions.k8s.io/v1', 'kind': 'CustomResourceDefinition', 'metadata': {'name': 'pools.shop.example.com'}, 'spec': {
        'group': 'shop.example.com', 'scope': 'Namespaced', 'names': {'plural': 'pools', 'kind': 'Pool'}, 'versions': [version]}})
    shop.apply({'apiVersion': 'shop.example.com/v1', 'kind': 'Pool', 'metadata': {'name': 'p'}, 'spec': {}})
    path = '/apis/shop.example.com/v1/namespaces/default/pools/p/scale'
    assert 'the spec replicas field ".spec.pool.size" does not exist' in shop.kubectl('get', '--raw', path, check=False).stderr
    shop.kubectl('scale', 'pool', 'p', '--replicas=3')
    assert shop.get('pool', 'p')['spec'] == {'pool': {'size': 3}}
    assert json.loads(shop.kubectl('get', '--raw', path).stdout)['spec'] == {'replicas': 3}
    done = shop.kubectl('patch', 'pool', 'p', '--type=merge', '-p', '{"spec":{"pool":{"size":-1}}}', check=False)
    assert 'The Pool "p" is invalid: .spec.pool.size: Invalid value: -1: should be a non-negative integer' in done.stderr
    shop.kubectl('delete', 'crd', 'pools.shop.example.com')


def test_subresources_and_selection(shop):
    shop.apply(widget('scaled', color='green', replicas=1))
    shop.kubectl('scale', 'widget', 'scaled', '--replicas=4')
    assert shop.get('widget', 'scaled')['spec']['replicas'] == 4
    shop.kubectl('patch', 'widget', 'scaled', '--subresource=status', '--type=merge', '-p', json.dumps(
        {'status': {'replicas': 4, 'selector': 'a=b', 'conditions': [{'type': 'Ready', 'status': 'True'}]}, 'spec': {'size': 9}}))
    assert shop.get('widget', 'scaled')['spec']['size'] == 1
    assert columns(shop, 'widget', 'scaled')[1][:3] == ['scaled', '1', 'True']
    scale = json.loads(shop.kubectl('get', '--raw', '/apis/shop.example.com/v1/namespaces/default/widgets/scaled/scale').stdout)
    assert scale['spec'] == {'replicas': 4} and scale['status'] == {'replicas': 4, 'selector': 'a=b'}
    names = shop.kubectl('get', 'widgets', '--field-selector=spec.color=green', '-o', 'name').stdout.split()
    assert names == ['widget.shop.example.com/scaled']


def test_versions_of_one_object(shop):
    shop.apply(widget('old', version='v1beta1'))
    code, raw = shop.curl('/apis/shop.example.com/v1/namespaces/default/widgets/old')
    assert code == 200 and json.loads(raw)['apiVersion'] == 'shop.example.com/v1'
    code, raw = shop.curl('/apis/shop.example.com/v1beta1/namespaces/default/widgets')
    items = json.loads(raw)['items']
    assert {i['apiVersion'] for i in items} == {'shop.example.com/v1beta1'} and 'first' in [i['metadata']['name'] for i in items]
    for version in ('v1', 'v1beta1'):
        code, raw = shop.curl(f'/apis/shop.example.com/{version}/widgets?watch=true&resourceVersion=0&timeoutSeconds=1')
        assert {json.loads(line)['object']['apiVersion'] for line in raw.splitlines()} == {f'shop.example.com/{version}'}


def test_stored_versions_are_for_who_wrote_objects_anew(shop):
    """Storage migrations end with a write of the definition's status; what the server says there stays its own."""
    name = 'crates.shop.example.com'
    crate = yaml.safe_load(yaml.safe_dump(WIDGET).replace('widgets', 'crates').replace('Widget', 'Crate'))
    crate['spec']['names'].pop('shortNames')
    shop.kubectl('apply', '-f', '-', input=json.dumps(crate))
    crate['spec']['versions'][0]['storage'], crate['spec']['versions'][1]['storage'] = False, True
    shop.kubectl('apply', '-f', '-', input=json.dumps(crate))
    assert json.loads(shop.kubectl('get', 'crd', name, '-o', 'json').stdout)['status']['storedVersions'] == ['v1', 'v1beta1']
    shop.kubectl('patch', 'crd', name, '--subresource=status', '--type=merge', '-p', json.dumps(
        {'status': {'storedVersions': ['v1beta1'], 'acceptedNames': {'plural': 'x', 'kind': 'X'}, 'conditions': []}}))
    status = json.loads(shop.kubectl('get', 'crd', name, '--subresource=status', '-o', 'json').stdout)['status']
    assert status['storedVersions'] == ['v1beta1'] and status['acceptedNames']['kind'] == 'Crate'
    assert {c['type'] for c in status['conditions'] if c['status'] == 'True'} == {'NamesAccepted', 'Established'}
    assert not json.loads(shop.kubectl('get', 'crates', '-o', 'json').stdout)['items']
    shop.kubectl('delete', 'crd', name)


def test_server_side_apply(shop):
    one = widget('shared', ports=[{'name': 'a', 'port': 1}])
    two = {**widget('shared'), 'spec': {'ports': [{'name': 'b', 'port': 'http'}]}}
    shop.apply(one, '--server-side', '--field-manager=one')
    shop.apply(two, '--server-side', '--field-manager=two')
    assert [p['name'] for p in shop.get('widget', 'shared')['spec']['ports']] == ['a', 'b']
    done = shop.kubectl('apply', '-f', '-', '--server-side', '--field-manager=two', check=False,
                        input=json.dumps({**two, 'spec': {'size': 5}}))
    assert done.returncode and '.spec.size' in done.stderr and 'conflict' in done.stderr
    shop.apply({**two, 'spec': {}}, '--server-side', '--field-manager=two')
    assert [p['name'] for p in shop.get('widget', 'shared')['spec']['ports']] == ['a']


def test_a_stricter_schema_leaves_objects_changeable(shop):
    shop.apply(widget('large', size=9))
    stricter = json.loads(json.dumps(WIDGET))
    for version in stricter['spec']['versions']:
        version['schema']['openAPIV3Schema']['properties']['spec']['properties']['size']['maximum'] = 5
    shop.apply(stricter)
    done = shop.kubectl('create', '-f', '-', input=json.dumps(widget('larger', size=9)), check=False)
    assert 'less than or equal to 5' in done.stderr
    shop.kubectl('label', 'widget', 'large', 'still=there')
    shop.apply(WIDGET)


def test_a_watch_ends_with_what_it_watches(shop):
    """When the kind is defined anew, no longer served, or gone: the stream ends, and ends well. Those of others do not."""
    def watching(group, version):
        done = shop.spawn_kubectl('get', '--raw', f'/apis/{group}/{version}/widgets?watch=true&timeoutSeconds=60')
        assert '"ADDED"' in done.stdout.readline()
        return done

    definition = json.loads(json.dumps(WIDGET))
    definition['metadata']['name'] = 'widgets.tools.example.com'
    definition['spec']['group'] = 'tools.example.com'
    shop.apply(definition)
    shop.apply({**widget('x'), 'apiVersion': 'tools.example.com/v1'})
    shop.apply(widget('watched'))
    other = watching('shop.example.com', 'v1')

    def redefine(change):
        watched = watching('tools.example.com', 'v1beta1' if change == 'version' else 'v1')
        shop.kubectl('annotate', 'crd', 'widgets.tools.example.com', f'told={change}', '--overwrite')
        if change == 'gone':
            shop.kubectl('delete', 'crd', 'widgets.tools.example.com', '--timeout=20s')
        else:
            shop.apply(definition)
        said, _ = watched.communicate(timeout=20 * PATIENCE)
        assert watched.returncode == 0, said
        return [json.loads(line)['type'] for line in said.splitlines()]

    definition['spec']['versions'][0]['additionalPrinterColumns'].pop()
    assert redefine('columns') == []
    definition['spec']['versions'][1]['served'] = False
    assert redefine('version') == []
    assert redefine('gone')[-1] == 'DELETED'
    assert other.poll() is None
    other.kill()
    other.communicate()


def test_owners_and_namespaces(shop):
    shop.kubectl('create', 'namespace', 'gone')
    shop.apply(widget('w'), '-n', 'gone')
    shop.kubectl('delete', 'namespace', 'gone', '--timeout=20s')
    assert 'NotFound' in shop.kubectl('get', 'widget', 'w', '-n', 'gone', check=False).stderr
    shop.apply(widget('owner'))
    uid = shop.get('widget', 'owner')['metadata']['uid']
    reference = {'apiVersion': 'shop.example.com/v1beta1', 'kind': 'Widget', 'name': 'owner', 'uid': uid}
    shop.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'owned', 'ownerReferences': [reference]}})
    shop.kubectl('delete', 'widget', 'owner')
    wait_for(lambda: not shop.get('configmap', 'owned'), 'what it owned to go')


def test_what_is_not_carried_out_is_told(shop):
    definition = json.loads(json.dumps(WIDGET))
    for version in definition['spec']['versions']:
        spec = version['schema']['openAPIV3Schema']['properties']['spec']
        spec['x-kubernetes-validations'] = [{'rule': 'self.size > 0'}]
        spec['properties']['ports']['items']['x-kubernetes-validations'] = [{'rule': 'self.port > 0'}]
    definition['spec']['conversion'] = {'strategy': 'Webhook', 'webhook': {
        'conversionReviewVersions': ['v1'], 'clientConfig': {'url': 'https://127.0.0.1:1/convert'}}}
    said = [line for line in shop.apply(definition, '--dry-run=server').stderr.splitlines() if 'act on it' in line]
    assert said == ['Warning: spec.conversion.webhook is stored, but this server does not act on it',
                    'Warning: spec.versions[].schema.openAPIV3Schema...x-kubernetes-validations is stored, but this server '
                    'does not act on it'], said


def test_the_command_line_in_the_box(shop):
    """It asks the server for kinds that are not built in."""
    path = shop.folder / 'boxed.yaml'
    path.write_text(json.dumps(widget('boxed', size=2)))
    assert shop.knarr('apply', '-f', path).stdout == 'widget.shop.example.com/boxed created\n'
    assert shop.knarr('apply', '-f', path).stdout == 'widget.shop.example.com/boxed unchanged\n'
    path.write_text(json.dumps(widget('boxed', size=3)))
    assert shop.knarr('apply', '-f', path).stdout == 'widget.shop.example.com/boxed configured\n'
    assert shop.knarr('apply', '--server-side', '-f', path).stdout.endswith('serverside-applied\n')
    lines = [line.split() for line in shop.knarr('get', 'wd', 'boxed').stdout.splitlines()]
    assert lines[0][:2] == ['NAME', 'SIZE'] and lines[1][:2] == ['boxed', '3']
    assert 'boxed' in shop.knarr('get', 'widgets.shop.example.com,configmaps').stdout
    assert 'boxed' in shop.knarr('describe', 'widget', 'boxed').stdout
    assert len(shop.knarr('history', 'widget', 'boxed').stdout.splitlines()) >= 3
    shop.knarr('scale', 'widget', 'boxed', '--replicas', '4')
    assert shop.get('widget', 'boxed')['spec']['replicas'] == 4
    shop.knarr('delete', '-f', path)
    assert not shop.get('widget', 'boxed')
    done = shop.knarr('get', 'gadgets', check=False)
    assert done.returncode == 1 and done.stderr == 'error: the server doesn\'t have a resource type "gadgets"\n'


def test_names_that_are_taken(shop):
    other = json.loads(json.dumps(WIDGET))
    other['metadata']['name'] = 'wodgets.shop.example.com'
    other['spec']['names'] = {'plural': 'wodgets', 'kind': 'Widget'}
    shop.apply(other)
    conditions = {c['type']: c for c in shop.get('crd', 'wodgets.shop.example.com')['status']['conditions']}
    assert conditions['NamesAccepted']['status'] == 'False' and 'already in use' in conditions['NamesAccepted']['message']
    assert conditions['Established']['status'] == 'False'
    assert shop.curl('/apis/shop.example.com/v1/wodgets')[0] == 404
    shop.kubectl('delete', 'crd', 'wodgets.shop.example.com', '--timeout=20s')


def test_names_that_become_free(shop):
    """Who waits for a name has it as soon as the one before is gone, and that one goes with what nobody is served."""
    def define(plural):
        schema = {'openAPIV3Schema': {'type': 'object'}}
        return {'apiVersion': 'apiextensions.k8s.io/v1', 'kind': 'CustomResourceDefinition',
                'metadata': {'name': f'{plural}.free.example.com'},
                'spec': {'group': 'free.example.com', 'scope': 'Namespaced', 'names': {'plural': plural, 'kind': 'Same'},
                         'versions': [{'name': 'v1', 'served': True, 'storage': True, 'schema': schema},
                                      {'name': 'v2', 'served': True, 'storage': False, 'schema': schema}]}}

    shop.apply(define('olds'))
    shop.apply({'apiVersion': 'free.example.com/v1', 'kind': 'Same', 'metadata': {'name': 'left'}})
    shop.apply(define('news'))
    names = shop.get('crd', 'news.free.example.com')['status']
    assert names['acceptedNames']['plural'] == 'news' and names['acceptedNames']['kind'] == ''
    hide = [{'op': 'replace', 'path': f'/spec/versions/{i}/served', 'value': False} for i in (0, 1)]
    shop.kubectl('patch', 'crd', 'olds.free.example.com', '--type=json', '-p', json.dumps(hide))
    assert shop.curl('/apis/free.example.com/v1/namespaces/default/olds/left')[0] == 404
    shop.kubectl('delete', 'crd', 'olds.free.example.com', '--timeout=20s')
    wait_for(lambda: shop.curl('/apis/free.example.com/v1/namespaces/default/news')[0] == 200, 'the name to be given')
    shop.kubectl('delete', 'crd', 'news.free.example.com', '--timeout=20s')
    shop.apply(define('olds'))
    assert shop.curl('/apis/free.example.com/v1/namespaces/default/olds/left')[0] == 404, 'its objects went with it'
    shop.kubectl('delete', 'crd', 'olds.free.example.com', '--timeout=20s')


def test_gone_at_once_with_its_objects(shop):
    shop.kubectl('delete', 'crd', 'widgets.shop.example.com', '--timeout=20s')
    assert shop.curl('/apis/shop.example.com/v1/widgets')[0] == 404
    assert 'shop.example.com' not in shop.kubectl('api-versions').stdout
    shop.apply(WIDGET)
    assert shop.kubectl('get', 'widgets', '-A', '-o', 'name').stdout == ''
    shop.apply(widget('again'))


def test_survive_a_restart(shop):
    shop.apply(widget('kept', size=2))
    shop.stop_server()
    shop.start_server()
    assert shop.get('widget', 'kept')['spec'] == {'size': 2, 'color': 'red'}


def test_a_thousand(shop):
    """Installed within seconds, each served at once."""
    def definition(i):
        return {**WIDGET, 'metadata': {'name': f'k{i}s.many.example.com'}, 'spec': {
            **WIDGET['spec'], 'group': 'many.example.com', 'names': {'plural': f'k{i}s', 'kind': f'K{i}'}}}

    began = time.monotonic()
    shop.kubectl('create', '-f', '-', input=json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': [definition(i) for i in range(1000)]}))
    took = time.monotonic() - began
    assert took < 30 * PATIENCE, took
    shop.kubectl('create', '-f', '-', input=json.dumps({**widget('x'), 'apiVersion': 'many.example.com/v1', 'kind': 'K999'}))
    assert shop.get('k999s', 'x')['spec']['color'] == 'red'
