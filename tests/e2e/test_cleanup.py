# SPDX-License-Identifier: Apache-2.0
"""What goes by itself: old events, too many ended pods, content of namespaces, dependents of what was deleted."""
import json

import pytest

from cluster import Cluster, deployment, wait_for
from conftest import running


@pytest.fixture(scope='module')
def tidy():
    """A control plane that keeps little. Its pods stay pending: there is no node."""
    yield from running(Cluster(server_arguments=['--event-ttl', '5', '--terminated-pod-limit', '3']))


def event(name):
    return {'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': name}, 'reason': 'Test', 'type': 'Normal',
            'involvedObject': {'kind': 'Pod', 'name': 'x', 'namespace': 'default'}}


def bare(name):
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name}, 'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}


def hold(c, kind, name, *arguments):
    c.kubectl('patch', kind, name, *arguments, '--type=merge', '-p', '{"metadata":{"finalizers":["example.com/hold"]}}')


def release(c, kind, name, *arguments):
    c.kubectl('patch', kind, name, *arguments, '--type=json', '-p', json.dumps(
        [{'op': 'test', 'path': '/metadata/finalizers/0', 'value': 'example.com/hold'},
         {'op': 'remove', 'path': '/metadata/finalizers/0'}]))


def test_events_expire(tidy):
    c = tidy
    watch = c.spawn_kubectl('get', 'events', '-w', '--output-watch-events', '-o', 'jsonpath={.type} {.object.metadata.name}{"\\n"}')
    for i in range(3):
        c.apply(event(f'e{i}'))
    assert len([e for e in c.get('events')['items'] if e['reason'] == 'Test']) == 3
    wait_for(lambda: not [e for e in c.get('events')['items'] if e['reason'] == 'Test'], 'the events to go', 20)
    watch.terminate()
    assert 'DELETED e1' in watch.stdout.read()


def test_ended_pods_beyond_the_limit_go(tidy):
    c = tidy
    names = [f'ended-{i}' for i in range(5)]
    for name in names:
        c.apply(bare(name))
        c.kubectl('patch', 'pod', name, '--subresource=status', '--type=merge', '-p', '{"status":{"phase":"Succeeded"}}')
    wait_for(lambda: {p['metadata']['name'] for p in c.pods()} == set(names[2:]), 'the oldest two to go', 20)
    c.kubectl('delete', 'pods', '--all')


def test_namespace_says_what_keeps_it(tidy):
    c = tidy
    c.kubectl('create', 'namespace', 'kept')
    c.kubectl('create', 'configmap', 'held', '-n', 'kept')
    c.kubectl('create', 'configmap', 'free', '-n', 'kept')
    c.kubectl('apply', '-n', 'kept', '-f', '-', input=json.dumps(bare('last')))
    hold(c, 'pod', 'last', '-n', 'kept')
    hold(c, 'configmap', 'held', '-n', 'kept')
    c.kubectl('delete', 'namespace', 'kept', '--wait=false')

    def conditions():
        return {x['type']: x for x in c.get('namespace', 'kept')['status'].get('conditions', [])}
    remaining = wait_for(lambda: conditions().get('NamespaceFinalizersRemaining'), 'the conditions', 10)
    assert remaining['status'] == 'True' and 'example.com/hold in 2 resource instances' in remaining['message']
    assert 'pods. has 1 resource instances' in conditions()['NamespaceContentRemaining']['message']
    # While a pod is there, what it may need is there too.
    assert 'deletionTimestamp' not in c.get('configmap', 'free', '-n', 'kept')['metadata']
    release(c, 'pod', 'last', '-n', 'kept')
    wait_for(lambda: not c.get('configmap', 'free', '-n', 'kept'), 'the rest to follow', 10)
    told = c.kubectl('describe', 'namespace', 'kept').stdout
    assert 'SomeFinalizersRemain' in told and 'NamespaceDeletionDiscoveryFailure' in told
    release(c, 'configmap', 'held', '-n', 'kept')
    wait_for(lambda: c.get('namespace', 'kept') is None, 'the namespace to go', 10)


def owners(obj):
    return [o['name'] for o in obj['metadata'].get('ownerReferences', [])]


def grown(c, name, replicas=2):
    """A Deployment with its ReplicaSet and pods."""
    c.apply(deployment(name, replicas, image='i'))
    wait_for(lambda: len(c.pods(f'app={name}')) == replicas, 'the pods to be made', 10)
    return c.get('rs', '-l', f'app={name}')['items'][0]


def test_cascade_background(tidy):
    c = tidy
    grown(c, 'back')
    c.kubectl('delete', 'deployment', 'back', '--cascade=background')
    wait_for(lambda: not c.get('rs,pods', '-l', 'app=back')['items'], 'the dependents to go', 10)


def test_cascade_foreground_waits(tidy):
    c = tidy
    grown(c, 'front')
    last = c.pods('app=front')[0]['metadata']['name']
    hold(c, 'pod', last)
    c.kubectl('delete', 'deployment', 'front', '--cascade=foreground', '--wait=false')
    wait_for(lambda: len(c.get('pods', '-l', 'app=front')['items']) == 1, 'the other pod to go', 10)
    for kind in ('deployment', 'rs'):
        waiting = c.get(kind, '-l', 'app=front')['items'] if kind == 'rs' else [c.get(kind, 'front')]
        assert len(waiting) == 1 and 'foregroundDeletion' in waiting[0]['metadata']['finalizers']
        assert 'deletionTimestamp' in waiting[0]['metadata']
    release(c, 'pod', last)
    wait_for(lambda: not c.get('deployment', 'front') and not c.get('rs,pods', '-l', 'app=front')['items'], 'all to go', 10)


def test_cascade_orphan_leaves_and_is_adopted_again(tidy):
    c = tidy
    rs = grown(c, 'orphan')
    pods = {p['metadata']['uid'] for p in c.pods('app=orphan')}
    c.kubectl('delete', 'deployment', 'orphan', '--cascade=orphan')
    left = wait_for(lambda: (r := c.get('rs', rs['metadata']['name'])) and not owners(r) and r, 'the set to be nobody\'s', 10)
    assert left['metadata']['uid'] == rs['metadata']['uid']
    assert {p['metadata']['uid'] for p in c.pods('app=orphan')} == pods
    c.apply(deployment('orphan', 2, image='i'))
    wait_for(lambda: owners(c.get('rs', rs['metadata']['name'])) == ['orphan'], 'the set to be adopted', 10)
    assert {p['metadata']['uid'] for p in c.pods('app=orphan')} == pods
    c.kubectl('delete', 'deployment', 'orphan')


def test_owner_of_another_namespace_is_none(tidy):
    """An owner reference means the object's own namespace: what names one elsewhere has no owner, and goes."""
    c = tidy
    c.kubectl('create', 'configmap', 'owner')
    uid = c.get('configmap', 'owner')['metadata']['uid']
    c.kubectl('create', 'namespace', 'away')
    for namespace, name in (('default', 'near'), ('away', 'far')):
        c.kubectl('apply', '-n', namespace, '-f', '-', input=json.dumps(
            {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, 'ownerReferences': [
                {'apiVersion': 'v1', 'kind': 'ConfigMap', 'name': 'owner', 'uid': uid}]}}))
    wait_for(lambda: c.get('configmap', 'far', '-n', 'away') is None, 'the stray one to go', 10)
    assert c.get('configmap', 'near')
    told = wait_for(lambda: c.get('events', '-n', 'away', '--field-selector', 'reason=OwnerRefInvalidNamespace')['items'], 'the event', 10)
    assert told[0]['type'] == 'Warning' and told[0]['involvedObject']['name'] == 'far' and uid in told[0]['message']
    c.kubectl('delete', 'configmap', 'owner')
    wait_for(lambda: c.get('configmap', 'near') is None, 'the other to follow its owner', 10)
    c.kubectl('delete', 'namespace', 'away')
