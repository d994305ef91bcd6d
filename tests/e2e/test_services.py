# SPDX-License-Identifier: Apache-2.0
"""Services on two nodes, by kubectl and real connections."""
from cluster import deployment, wait_for


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
