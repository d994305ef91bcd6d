# SPDX-License-Identifier: Apache-2.0
"""A monitoring stack's manifests, ten large definitions and all that uses them, as manifests/generate.py writes them: applied, read back
without a loss, applied again without a change, gone. KNARR_TEST_MANIFESTS names a folder of somebody else's to be used instead, with the
definitions in its folder setup."""
import importlib.util
import json
import os
import pathlib

import pytest
import yaml

from cluster import PATIENCE, Cluster, wait_for
from conftest import running


class Loader(yaml.CSafeLoader):
    """YAML 1.2 in the one regard that matters here: a time is a text, and so is "="."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rows if not tag.endswith((':timestamp', ':value'))]
    for first, rows in yaml.CSafeLoader.yaml_implicit_resolvers.items()}

GIVEN = os.environ.get('KNARR_TEST_MANIFESTS')
LARGEST_ANNOTATION = 256 * 1024
spec = importlib.util.spec_from_file_location('generate', pathlib.Path(__file__).parent / 'manifests/generate.py')
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


class Stack:
    """The manifests in one cluster."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.folder = pathlib.Path(GIVEN or cluster.folder / 'manifests')
        if not GIVEN:
            generate.write(self.folder)
        self.parts = [self.folder / 'setup', self.folder]
        self.sent = {part: list(self.objects(part)) for part in self.parts}

    def objects(self, part):
        """What the files have, those in Lists one by one."""
        for file in sorted(part.glob('*.yaml')):
            for document in yaml.load_all(file.read_text(), Loader):
                yield from document['items'] if document and document['kind'].endswith('List') else [document] if document else []

    def read(self, part, form='json'):
        text = self.cluster.kubectl('get', '-f', part, '-o', form).stdout
        items = (json.loads(text) if form == 'json' else yaml.load(text, Loader))['items']
        return {identity(o): o for o in items}

    def revisions(self):
        return {key: o['metadata']['resourceVersion'] for part in self.parts for key, o in self.read(part).items()}

    def settled(self):
        """Whether controllers have had their say."""
        def now():
            return {identity(o): (o['metadata']['resourceVersion'], o['status'].get('observedGeneration'))
                    for o in self.cluster.get('deployments,poddisruptionbudgets', '-A')['items']}
        return (first := now()) == now() and all(generation for _, generation in first.values())

    def apply(self, *arguments):
        """Definitions first, and then what needs them; what was said on the standard error."""
        said = ''
        for part in self.parts:
            said += self.cluster.kubectl('apply', '--server-side', '-f', part, *arguments).stderr
            if part.name == 'setup' and '--dry-run=server' not in arguments:
                self.cluster.kubectl('wait', '--for=condition=Established', '--all', 'crd', '--timeout=20s')
        return said


def identity(o):
    return o['apiVersion'], o['kind'], o['metadata'].get('namespace'), o['metadata']['name']


def lost(sent, got, built_in, at=''):
    """The places where something was sent and is not there, or is another. Built-in kinds leave out what is empty, as upstream's do."""
    if isinstance(sent, dict) and isinstance(got, dict):
        for key, value in sent.items():
            if key in got:
                yield from lost(value, got[key], built_in, f'{at}.{key}')
            elif key != 'stringData' and not (built_in and not value):
                yield f'{at}.{key}'
    elif isinstance(sent, list) and isinstance(got, list) and len(sent) == len(got):
        for i, (one, other) in enumerate(zip(sent, got)):
            yield from lost(one, other, built_in, f'{at}[{i}]')
    elif sent != got or isinstance(sent, bool) != isinstance(got, bool):
        yield f'{at}: {sent!r:.200} became {got!r:.200}'


@pytest.fixture(scope='module')
def stack():
    for cluster in running(Cluster(nodes=0)):
        yield Stack(cluster)


def test_applied(stack):
    sizes = [len(json.dumps(o)) for o in stack.sent[stack.parts[0]] if o['kind'] == 'CustomResourceDefinition']
    assert len(sizes) == 10 and sum(size > LARGEST_ANNOTATION for size in sizes) >= 5, sizes
    said = stack.apply()
    for what in ('the APIService is stored, but nothing acts on it', 'the NetworkPolicy is stored, but nothing enforces it'):
        assert what in said, said


def test_what_is_too_large_to_be_applied_by_the_client(stack):
    largest = max(stack.parts[0].glob('*.yaml'), key=lambda file: file.stat().st_size)
    done = stack.cluster.kubectl('apply', '--dry-run=server', '-f', largest, check=False)
    assert done.returncode == 1 and 'metadata.annotations: Too long: may not be more than 262144 bytes' in done.stderr, done.stderr


@pytest.mark.parametrize('form', ['yaml', 'json'])
def test_nothing_is_lost(stack, form):
    for part in stack.parts:
        got = stack.read(part, form)
        sent = stack.sent[part]
        assert {identity(o) for o in sent} == set(got)
        for o in sent:
            group = o['apiVersion'].rpartition('/')[0]
            gone = list(lost(o, got[identity(o)], '.' not in group or group.endswith('.k8s.io')))
            assert not gone, (identity(o), gone)


@pytest.mark.skipif(GIVEN is not None, reason='about what we made ourselves')
def test_defaults_columns_versions(stack):
    c = stack.cluster
    name = ('-n', generate.NAMESPACE)
    assert c.get('collector', 'collectors-least', *name)['spec'] == {'logLevel': 'info'}
    assert c.get('collector', 'collectors-all', *name)['spec']['logLevel'] == ''
    c.kubectl('patch', 'collector', 'collectors-all', *name, '--subresource=status', '--type=merge', '-p', json.dumps(
        {'status': {'replicas': 3, 'conditions': [{'type': 'Other', 'status': 'False'}, {'type': 'Ready', 'status': 'True'}]}}))
    rows = [line.split() for line in c.kubectl('get', 'xcolle', *name).stdout.splitlines()]
    assert rows[0] == ['NAME', 'REPLICAS', 'READY', 'AGE'] and rows[1][:3] == ['collectors-all', '8080', 'True'], rows
    c.kubectl('scale', 'collector/collectors-least', *name, '--replicas=2')
    assert c.get('collector', 'collectors-least', *name)['spec']['replicas'] == 2
    c.kubectl('patch', 'collector', 'collectors-least', *name, '--type=json', '-p', '[{"op":"remove","path":"/spec/replicas"}]')
    old = json.loads(c.kubectl('get', 'things.v1beta1.watch.example.com', 'things-all', '-o', 'json').stdout)
    assert old['apiVersion'] == 'watch.example.com/v1beta1' and old['spec'] == c.get('thing', 'things-all')['spec']
    assert c.curl('/apis/watch.example.com/v1alpha1/things')[0] == 404
    assert 'containerPort' in c.kubectl('explain', 'ruler.spec.initContainers', '--recursive').stdout
    listed = c.kubectl('get', 'watch-everything', '-A', '-o', 'name').stdout.split()
    assert len(listed) == 2 * len(generate.DEFINITIONS)


def test_applied_again_nothing_changes(stack):
    wait_for(stack.settled, 'the controllers to be done')
    before = stack.revisions()
    stack.apply()
    after = stack.revisions()
    assert before == after, [key for key in before if before[key] != after[key]]
    for part in stack.parts:
        assert stack.cluster.kubectl('diff', '--server-side', '-f', part).stdout == ''


def test_what_a_newer_one_changes(stack):
    """A field less, a field more: as upgrades of such a stack do."""
    if GIVEN:
        pytest.skip('about what we made ourselves')
    place = stack.cluster.folder / 'newer.json'
    newer = generate.thing('watch.example.com/v1', 'Rule', 'rules-all', spec={'groups': [{'name': 'only', 'rules': [{'alert': 'x', 'expr': 1}]}]})
    place.write_text(json.dumps(newer))
    stack.cluster.kubectl('apply', '--server-side', '-f', place)
    assert stack.cluster.get('rule', 'rules-all', '-n', generate.NAMESPACE)['spec'] == newer['spec']
    deployment = next(o for o in generate.folder()['pages.yaml'] if o['kind'] == 'Deployment')
    del deployment['spec']['template']['spec']['tolerations'], deployment['metadata']['labels']['app.kubernetes.io/part-of']
    deployment['spec']['template']['spec']['containers'][0]['ports'].pop()
    place.write_text(json.dumps(deployment))
    stack.cluster.kubectl('apply', '--server-side', '-f', place)
    got = stack.cluster.get('deployment', 'pages', '-n', generate.NAMESPACE)
    assert got['metadata']['labels'] == deployment['metadata']['labels'] and 'tolerations' not in got['spec']['template']['spec']
    assert [p['name'] for p in got['spec']['template']['spec']['containers'][0]['ports']] == ['web']


def test_everything_goes(stack):
    c = stack.cluster
    kinds = c.kubectl('get', 'crd', '-o', 'jsonpath={.items[*].metadata.name}').stdout.split()
    # Without waiting: kubectl asks for each object then, and slows itself down to five questions in a second.
    for part in reversed(stack.parts):
        c.kubectl('delete', '-f', part, '--wait=false')
    wait_for(lambda: not c.get('crd')['items'], 'the definitions to go')
    # Of kinds that are gone kubectl cannot even ask.
    wait_for(lambda: not {identity(o) for o in stack.sent[stack.parts[0]]} & {identity(o) for o in c.get('crd,ns')['items']}, 'the namespace to go')
    kept = [o for part in stack.parts for o in stack.sent[part] if not o['metadata'].get('namespace') and 'k8s.io' in o['apiVersion']]
    there = {identity(o) for o in c.get('clusterroles,clusterrolebindings,apiservices,crd')['items']}
    assert not there & {identity(o) for o in kept}
    # Objects do not outlive their kind unseen.
    c.kubectl('apply', '--server-side', '-f', stack.parts[0])
    assert c.kubectl('get', ','.join(kinds), '-A', '-o', 'name', timeout=20 * PATIENCE).stdout == ''
