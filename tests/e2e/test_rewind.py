# SPDX-License-Identifier: Apache-2.0
"""`knarr rewind`: objects as they were, by revision and by time, with everybody's rights and nobody's newer writes lost."""
import base64
import json
import time

import pytest

from cluster import PATIENCE, deployment, wait_for


@pytest.fixture(scope='module')
def past(node):
    return node


def revision(c, kind='configmaps'):
    """The newest revision, which is now."""
    return json.loads(c.curl(f'/api/v1/{kind}?limit=1')[1])['metadata']['resourceVersion']


def configmap(c, name, value, *arguments):
    c.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name}, 'data': {'k': value}}, *arguments)


def data(c, name, *arguments):
    found = c.get('configmap', name, *arguments)
    return found and found['data']['k']


def test_changed_deleted_made(past):
    c = past
    c.kubectl('create', 'namespace', 'work')
    in_work = ('-n', 'work')
    web = deployment('web', 1)
    c.apply(web, *in_work)
    c.kubectl(*in_work, 'rollout', 'status', 'deploy/web', '--timeout=60s')
    configmap(c, 'changed', 'old', *in_work)
    configmap(c, 'gone', 'old', *in_work)
    c.kubectl(*in_work, 'create', 'secret', 'generic', 'hidden', '--from-literal', 'k=oldvalue')
    uid = c.get('configmap', 'gone', *in_work)['metadata']['uid']
    then = revision(c)
    assert c.knarr('rewind', '--to', then, *in_work, '--dry-run').returncode == 0

    c.kubectl(*in_work, 'scale', 'deploy/web', '--replicas=2')
    c.kubectl(*in_work, 'label', 'deploy/web', 'tier=front')
    configmap(c, 'changed', 'new', *in_work)
    c.kubectl(*in_work, 'delete', 'configmap/gone')
    configmap(c, 'made', 'new', *in_work)
    c.kubectl(*in_work, 'patch', 'secret', 'hidden', '--type=merge', '-p', '{"stringData":{"k":"newvalue"}}')
    c.kubectl(*in_work, 'rollout', 'status', 'deploy/web', '--timeout=60s')
    now = revision(c)

    # What would change, as a diff; and nothing does.
    dry = c.knarr('rewind', '--to', then, *in_work, '--dry-run', check=False)
    assert dry.returncode == 1 and not dry.stderr, dry
    assert '--- now/configmap/work/changed\n' in dry.stdout and f'+++ {then}/configmap/work/changed\n' in dry.stdout
    assert '\n-  k: new\n+  k: old\n' in dry.stdout and '\n-  replicas: 2\n+  replicas: 1\n' in dry.stdout
    assert f'--- /dev/null\n+++ {then}/configmap/work/gone\n' in dry.stdout
    assert '--- now/configmap/work/made\n+++ /dev/null\n' in dry.stdout
    assert '*** (now)' in dry.stdout and '*** (then)' in dry.stdout
    assert base64.b64encode(b'oldvalue').decode() not in dry.stdout
    assert f'would go to revision {then}: 3 rewound, 1 created, 1 deleted, 0 recreated;' in dry.stdout
    assert data(c, 'changed', *in_work) == 'new'

    done = c.knarr('rewind', '--to', then, *in_work)
    lines = done.stdout.splitlines()
    for line in ('deployment.apps/web rewound', 'configmap/changed rewound', 'configmap/gone created',
                 'configmap/made deleted', 'secret/hidden rewound'):
        assert line in lines, done.stdout
    assert f'went to revision {then}: 3 rewound, 1 created, 1 deleted, 0 recreated;' in lines[-2] and '0 failed' in lines[-2]
    assert any(line.startswith('pod/web-') and 'left alone: owned by ReplicaSet web-' in line for line in lines)
    assert data(c, 'changed', *in_work) == data(c, 'gone', *in_work) == 'old' and not data(c, 'made', *in_work)
    assert c.get('configmap', 'gone', *in_work)['metadata']['uid'] != uid
    assert 'tier' not in c.get('deploy', 'web', *in_work)['metadata'].get('labels', {})
    # Pods follow their Deployment.
    wait_for(lambda: len(c.pods('app=web', 'work')) == 1, 'one pod')
    # It is a write as any other.
    rows = c.knarr('history', 'configmap', 'changed', *in_work).stdout.splitlines()
    assert 'kubernetes-admin' in rows[1] and ' update ' in rows[1] and '.data.k' in rows[1]
    assert 'knarr-rewind' in c.kubectl('get', *in_work, 'configmap/changed', '-o', 'yaml', '--show-managed-fields').stdout

    # The rewinding can be rewound.
    before = lines[-1].split('--to ')[1].split()[0]
    assert int(before) >= int(now)
    c.knarr('rewind', '--to', before, *in_work)
    assert data(c, 'changed', *in_work) == data(c, 'made', *in_work) == 'new' and not data(c, 'gone', *in_work)
    assert c.get('deploy', 'web', *in_work)['spec']['replicas'] == 2
    again = c.knarr('rewind', '--to', before, *in_work)
    assert ': 0 rewound, 0 created, 0 deleted, 0 recreated;' in again.stdout, again.stdout


def test_by_time(past):
    c = past
    configmap(c, 'clock', 'one')
    configmap(c, 'other', 'one')
    written = c.knarr('history', 'configmap', 'clock').stdout.splitlines()[1].split()[1]
    made = c.knarr('history', 'configmap', 'other').stdout.splitlines()[1].split()[1]
    configmap(c, 'clock', 'two')
    done = c.knarr('rewind', '--to', made, 'configmap/clock')
    assert 'configmap/clock rewound' in done.stdout and data(c, 'clock') == 'one'
    # Of what is not named nothing is touched.
    assert 'other' not in done.stdout
    c.knarr('rewind', '--to', written, 'cm')
    assert data(c, 'other') is None and data(c, 'clock') == 'one'
    # How long ago: at least so long that the change before it is older, and the one behind it younger.
    span = 2 * PATIENCE
    configmap(c, 'clock', 'three')
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun > span, 'time to pass')
    configmap(c, 'clock', 'four')
    c.knarr('rewind', '--to', f'{span}s', 'configmap/clock')
    assert data(c, 'clock') == 'three'
    for to, code, words in (('2001-01-01T00:00:00Z', 1, 'the past is kept from 2'), ('1d', 1, 'the past is kept from 2'),
                            ('99999999', 1, 'Too large resource version'),
                            ('2999-01-01T00:00:00Z', 1, 'future'), ('soon', 2, 'how long ago')):
        refused = c.knarr('rewind', '--to', to, check=False)
        assert refused.returncode == code and words in refused.stderr, refused
    refused = c.knarr('rewind', '--to', '1m', 'events', check=False)
    assert refused.returncode == 2 and 'not what is wanted' in refused.stderr


def test_what_cannot_be_changed(past):
    c = past
    c.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'fixed'}, 'data': {'k': 'old'}})
    then = revision(c)
    c.kubectl('patch', 'configmap', 'fixed', '--type=merge', '-p', '{"data":{"k":"new"},"immutable":true}')
    left = c.knarr('rewind', '--to', then, 'configmap/fixed', check=False)
    assert left.returncode == 1 and data(c, 'fixed') == 'new'
    assert 'configmap/fixed left alone: immutable, data may not change; --recreate deletes it' in left.stdout, left.stdout
    assert c.knarr('rewind', '--to', then, 'configmap/fixed', '--dry-run', check=False).returncode == 2
    done = c.knarr('rewind', '--to', then, 'configmap/fixed', '--recreate')
    assert 'configmap/fixed recreated' in done.stdout and data(c, 'fixed') == 'old'


def test_what_could_not_be_made_anew(past):
    """It is not deleted then."""
    c = past
    configmap(c, 'boss', 'old')
    uid = c.get('configmap', 'boss')['metadata']['uid']
    owner = {'apiVersion': 'v1', 'kind': 'ConfigMap', 'name': 'boss', 'uid': uid}
    c.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'child', 'ownerReferences': [owner]},
             'data': {'k': 'old'}})
    then = revision(c)
    c.kubectl('delete', 'configmap', 'boss', '--cascade=orphan')
    wait_for(lambda: 'ownerReferences' not in c.get('configmap', 'child')['metadata'], 'the child to be left behind')
    c.kubectl('patch', 'configmap', 'child', '--type=merge', '-p', '{"data":{"k":"new"},"immutable":true}')
    left = c.knarr('rewind', '--to', then, 'configmap/child', '--recreate', check=False)
    assert 'configmap/child left alone: its owner ConfigMap boss is not there' in left.stdout, left
    assert data(c, 'child') == 'new'
    # Nor what a quota would not let in again.
    quota = {'apiVersion': 'v1', 'kind': 'ResourceQuota', 'metadata': {'name': 'few'}, 'spec': {'hard': {'configmaps': '1'}}}
    configmap(c, 'boss', 'old')
    c.kubectl('patch', 'configmap', 'boss', '--type=merge', '-p', '{"data":{"k":"newer"}}')
    then = revision(c)
    c.kubectl('patch', 'configmap', 'boss', '--type=merge', '-p', '{"data":{"k":"newest"},"immutable":true}')
    c.apply(quota)
    wait_for(lambda: c.get('resourcequota', 'few').get('status', {}).get('used'), 'the quota to count')
    left = c.knarr('rewind', '--to', then, 'configmap/boss', '--recreate', check=False)
    assert left.returncode == 1 and 'exceeded quota' in left.stdout + left.stderr, left
    assert data(c, 'boss') == 'newest'
    c.kubectl('delete', 'resourcequota', 'few')


def test_tokens_do_not_come_back(past):
    c = past
    token = c.token().split('.')[1]
    then = revision(c)
    c.knarr('token', 'revoke', token)
    done = c.knarr('rewind', '--to', then, '-n', 'kube-system')
    assert token not in c.knarr('token', 'list').stdout and ' 0 created' in done.stdout


def test_rights(past):
    c = past
    c.kubectl('create', 'namespace', 'rights')
    in_rights = ('-n', 'rights')
    configmap(c, 'changed', 'old', *in_rights)
    then = revision(c)
    configmap(c, 'changed', 'new', *in_rights)
    configmap(c, 'made', 'new', *in_rights)
    c.kubectl(*in_rights, 'create', 'serviceaccount', 'ann')
    c.kubectl(*in_rights, 'create', 'role', 'editor', '--verb=get,list,update,create', '--resource=configmaps')
    c.kubectl(*in_rights, 'create', 'rolebinding', 'ann', '--role=editor', '--serviceaccount=rights:ann')
    config = json.loads(c.kubectl('config', 'view', '--raw', '-o', 'json').stdout)
    config['users'][0]['user'] = {'token': c.kubectl(*in_rights, 'create', 'token', 'ann').stdout.strip()}
    (c.folder / 'ann').write_text(json.dumps(config))

    def as_ann(*arguments):
        return c.knarr('rewind', '--kubeconfig', c.folder / 'ann', '--to', then, *in_rights, 'configmaps', *arguments,
                       check=False)
    refused = as_ann()
    assert refused.returncode == 1 and data(c, 'changed', *in_rights) == 'new'
    assert 'cannot history resource "configmaps"' in refused.stderr and "needs the verbs 'history' and 'list'" in refused.stderr
    c.kubectl(*in_rights, 'patch', 'role', 'editor', '--type=json', '-p',
              '[{"op":"add","path":"/rules/0/verbs/-","value":"history"}]')
    # The dry run already says what would be refused.
    dry = as_ann('--dry-run')
    assert dry.returncode == 2 and 'cannot delete resource' in dry.stderr and '+  k: old' in dry.stdout
    partly = as_ann()
    assert partly.returncode == 1 and 'configmap/changed rewound' in partly.stdout and '1 failed' in partly.stdout
    assert 'configmap/made: ' in partly.stderr and 'cannot delete resource "configmaps"' in partly.stderr
    assert data(c, 'changed', *in_rights) == 'old' and data(c, 'made', *in_rights) == 'new'
    rows = c.knarr('history', 'configmap', 'changed', *in_rights).stdout
    assert 'system:serviceaccount:rights:ann' in rows.splitlines()[1]


def test_namespaces(past):
    c = past
    c.kubectl('create', 'namespace', 'lost')
    configmap(c, 'c', 'theirs', '-n', 'lost')
    wait_for(lambda: c.get('serviceaccount', 'default', '-n', 'lost'), 'the default account')
    then = revision(c)
    c.kubectl('delete', 'namespace', 'lost')
    gone = revision(c)
    # A namespace that is gone is made first; what controllers put into it does not disturb.
    done = c.knarr('rewind', '--to', then, '-n', 'lost')
    assert 'namespace/lost created' in done.stdout and 'configmap/c created' in done.stdout and '0 failed' in done.stdout
    assert data(c, 'c', '-n', 'lost') == 'theirs'
    # Now it is another one: its past begins anew.
    refused = c.knarr('rewind', '--to', then, '-n', 'lost', check=False)
    assert refused.returncode == 1 and 'namespace "lost" was made at revision' in refused.stderr, refused
    configmap(c, 'c', 'ours', '-n', 'lost')
    every = c.knarr('rewind', '--to', then, '-A', 'cm', check=False)
    assert 'configmap/c -n lost left alone: its namespace was made anew since then' in every.stdout, every
    assert data(c, 'c', '-n', 'lost') == 'ours'
    nowhere = c.knarr('rewind', '--to', gone, '-n', 'nowhere', check=False)
    assert nowhere.returncode == 1 and 'namespace "nowhere" is not there, and was not there then' in nowhere.stderr
    # All namespaces, and what lies in none: a new namespace goes, with all that is in it.
    then = revision(c)
    c.kubectl('create', 'namespace', 'fresh')
    configmap(c, 'c', 'x', '-n', 'fresh')
    c.kubectl('create', 'clusterrole', 'fresh', '--verb=get', '--resource=pods')
    done = c.knarr('rewind', '--to', then, '-A')
    assert 'namespace/fresh deleted' in done.stdout and 'clusterrole.rbac.authorization.k8s.io/fresh deleted' in done.stdout
    assert 'configmap/c -n fresh left alone: it goes with its namespace' in done.stdout and '0 failed' in done.stdout
    wait_for(lambda: not c.get('namespace', 'fresh'), 'the namespace to go')
    assert c.get('node', 'node-1')


def test_kinds_that_users_defined(past):
    """Without a type they are rewound as all others; with -A their definitions too, and what those held."""
    c = past

    def definition(plural, kind, scope):
        schema = {'openAPIV3Schema': {'type': 'object', 'properties': {'spec': {
            'type': 'object', 'x-kubernetes-preserve-unknown-fields': True}}}}
        versions = [{'name': name, 'served': True, 'storage': name == 'v1', 'schema': schema} for name in ('v1', 'v1beta1')]
        return {'apiVersion': 'apiextensions.k8s.io/v1', 'kind': 'CustomResourceDefinition',
                'metadata': {'name': f'{plural}.past.example.com'},
                'spec': {'group': 'past.example.com', 'scope': scope, 'names': {'plural': plural, 'kind': kind}, 'versions': versions}}

    def put(kind, name, **spec):
        c.apply({'apiVersion': 'past.example.com/v1', 'kind': kind, 'metadata': {'name': name}, 'spec': spec}, *in_custom)

    in_custom = ('-n', 'custom')
    c.kubectl('create', 'namespace', 'custom')
    # One is named as a kind of ours, and is none.
    for one in (definition('clocks', 'Clock', 'Namespaced'), definition('namespaces', 'Realm', 'Cluster')):
        c.apply(one)
    put('Clock', 'changed', hour=1)
    put('Clock', 'gone', hour=2)
    put('Realm', 'realm', wide=True)
    then = revision(c)
    put('Clock', 'changed', hour=3)
    put('Clock', 'made', hour=4)
    c.kubectl(*in_custom, 'delete', 'clock', 'gone')
    c.kubectl('delete', 'realm', 'realm')

    done = c.knarr('rewind', '--to', then, *in_custom)
    for line in ('clock.past.example.com/changed rewound', 'clock.past.example.com/gone created', 'clock.past.example.com/made deleted'):
        assert line in done.stdout.splitlines(), done.stdout
    assert c.get('clock', 'changed', *in_custom)['spec'] == {'hour': 1} and 'realm' not in done.stdout
    assert ' 1 rewound, 1 created, 1 deleted' in done.stdout, done.stdout  # each once, of two versions
    rows = c.knarr('history', 'clock', 'changed', *in_custom).stdout.splitlines()
    assert len(rows) == 4 and ' update ' in rows[1] and '.spec.hour' in rows[1], rows

    # Definitions that are gone come back, and then what they held.
    for plural in ('clocks', 'namespaces'):
        c.kubectl('delete', 'crd', f'{plural}.past.example.com', '--timeout=20s')
    dry = c.knarr('rewind', '--to', then, '-A', '--dry-run', check=False)
    assert 'what lay in the kinds that would come back is not shown' in dry.stdout, dry
    done = c.knarr('rewind', '--to', then, '-A', check=False)
    assert 'customresourcedefinition.apiextensions.k8s.io/clocks.past.example.com created' in done.stdout, done
    assert 'clock.past.example.com/gone -n custom created' in done.stdout and 'realm.past.example.com/realm created' in done.stdout, done
    assert c.get('clock', 'gone', *in_custom)['spec'] == {'hour': 2} and c.get('realm', 'realm')['spec'] == {'wide': True}

    # A definition made since goes, with what lies in it.
    c.apply(definition('news', 'News', 'Cluster'))
    c.apply({'apiVersion': 'past.example.com/v1', 'kind': 'News', 'metadata': {'name': 'new'}})
    done = c.knarr('rewind', '--to', then, '-A', check=False)
    assert 'news.past.example.com/new deleted' in done.stdout, done
    assert 'customresourcedefinition.apiextensions.k8s.io/news.past.example.com deleted' in done.stdout, done
    wait_for(lambda: not c.get('crd', 'news.past.example.com'), 'the definition to go')
