# SPDX-License-Identifier: Apache-2.0
"""Kinds that are stored for others: kubectl makes, shows and describes them, and is told that nothing enforces them yet."""
import json

import pytest

from cluster import wait_for

# kubectl's own commands, which send protobuf; what is to be found in the table; whether there is a Warning.
MADE = [
    (['create', 'ingress', 'in', '--class=c', '--rule=a.b/x*=web:80,tls=secret'], 'ingress', r'in c a.b 80, 443', 'no ingress controller'),
    (['create', 'quota', 'q', '--hard=pods=3,cpu=2'], 'quota', 'q', None),
    (['create', 'poddisruptionbudget', 'pdb', '--selector=app=a', '--min-available=1'], 'pdb', 'pdb 1 N/A 0', None),
    (['create', 'job', 'j', '--image=i'], 'job', r'j Running 0/1', 'runs no Jobs yet'),
    (['create', 'cronjob', 'cj', '--image=i', '--schedule=*/5 * * * *'], 'cj', 'cj */5 * * * * <none> False 0 <none>', 'runs no CronJobs yet'),
    (['create', 'priorityclass', 'pc', '--value=7', '--preemption-policy=Never'], 'pc', 'pc 7 false', None),
]

SELECTED = {'selector': {'matchLabels': {'app': 'x'}}, 'template': {
    'metadata': {'labels': {'app': 'x'}}, 'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}}
APPLIED = [
    ('networking.k8s.io/v1', 'NetworkPolicy', 'netpol', {'spec': {'podSelector': {'matchLabels': {'app': 'a'}}, 'ingress': [{}]}},
     'x app=a', 'does not filter traffic'),
    ('apps/v1', 'StatefulSet', 'sts', {'spec': {'serviceName': 's', **SELECTED}}, 'x 0/1', 'runs no StatefulSets yet'),
    ('v1', 'PersistentVolumeClaim', 'pvc', {'spec': {'accessModes': ['ReadWriteOnce'], 'resources': {'requests': {'storage': '1Gi'}}}},
     'x Pending', 'binds no claims yet'),
    ('storage.k8s.io/v1', 'StorageClass', 'sc', {'provisioner': 'a.b/c'}, 'x a.b/c Delete Immediate false', 'makes no volumes'),
    ('autoscaling/v1', 'HorizontalPodAutoscaler', 'hpa', {'spec': {'maxReplicas': 3, 'scaleTargetRef': {'kind': 'Deployment', 'name': 'd'}}},
     'x Deployment/d cpu: <unknown>/80% 1 3 0', 'runs no autoscaler yet'),
    ('networking.k8s.io/v1', 'IngressClass', 'ingressclass', {'spec': {'controller': 'a.b/c'}}, 'x a.b/c <none>', None),
    ('v1', 'LimitRange', 'limits', {'spec': {'limits': [{'type': 'Container', 'max': {'cpu': '1'}}]}}, 'x', None),
    ('node.k8s.io/v1', 'RuntimeClass', 'runtimeclass', {'handler': 'kata'}, 'x kata', 'one container runtime'),
    ('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', 'validatingwebhookconfigurations', {'webhooks': [
        {'name': 'a.b.c', 'clientConfig': {'url': 'https://127.0.0.1/'}, 'sideEffects': 'None', 'admissionReviewVersions': ['v1']}]},
     'x 1', 'calls no webhooks'),
    ('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', 'mutatingwebhookconfigurations', {'webhooks': []}, 'x 0',
     'calls no webhooks'),
    ('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies', {'spec': {
        'paramKind': {'apiVersion': 'v1', 'kind': 'ConfigMap'}, 'validations': [{'expression': 'true'}], 'matchConstraints': {'resourceRules': [
            {'apiGroups': [''], 'apiVersions': ['v1'], 'operations': ['CREATE'], 'resources': ['pods']}]}}}, 'x 1 v1/ConfigMap', 'refuses nothing'),
    ('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings', {'spec': {
        'policyName': 'x', 'validationActions': ['Deny'], 'paramRef': {'name': 'p', 'parameterNotFoundAction': 'Deny'}}}, 'x x */p', 'refuses nothing'),
]


def row(c, resource, name):
    return ' '.join(c.kubectl('get', resource, name, '--no-headers').stdout.split())


def warned(done, text):
    assert ('Warning:' in done.stderr) == (text is not None) and (text or '') in done.stderr, done.stderr


@pytest.mark.parametrize('command,resource,shown,warning', MADE, ids=[m[0][1] for m in MADE])
def test_made_by_kubectl(server, command, resource, shown, warning):
    c = server
    warned(c.kubectl(*command), warning)
    name = command[2]
    assert row(c, resource, name).startswith(shown)
    assert name in c.kubectl('describe', resource, name).stdout
    c.kubectl('delete', resource, name)


@pytest.mark.parametrize('version,kind,resource,more,shown,warning', APPLIED, ids=[a[1] for a in APPLIED])
def test_applied(server, version, kind, resource, more, shown, warning):
    c = server
    manifest = {'apiVersion': version, 'kind': kind, 'metadata': {'name': 'x'}, **more}
    warned(c.apply(manifest), warning)
    assert row(c, resource, 'x').startswith(shown)
    assert json.loads(c.kubectl('apply', '-f', '-', '-o', 'json', input=json.dumps(manifest)).stdout)['kind'] == kind
    assert 'FIELDS' in c.kubectl('explain', resource).stdout
    assert kind in c.kubectl('describe', resource, 'x').stdout or 'x' in c.kubectl('describe', resource, 'x').stdout
    c.kubectl('delete', resource, 'x')


def volume_claim(name):
    return {'apiVersion': 'v1', 'kind': 'PersistentVolumeClaim', 'metadata': {'name': name},
            'spec': {'accessModes': ['ReadWriteOnce'], 'resources': {'requests': {'storage': '1Gi'}}}}


def test_a_claim_in_use_outlives_its_deletion(server):
    c = server
    c.apply(volume_claim('used'))
    assert c.get('pvc', 'used')['metadata']['finalizers'] == ['kubernetes.io/pvc-protection']
    c.apply({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'user'}, 'spec': {
        'nodeName': 'nowhere', 'containers': [{'name': 'c', 'image': 'i'}],
        'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': 'used'}}]}})
    c.kubectl('delete', 'pvc', 'used', '--wait=false')
    c.apply(volume_claim('free'))
    c.kubectl('delete', 'pvc', 'free')  # what nobody uses goes, and so the controller has been at work
    assert c.get('pvc', 'used')['metadata']['deletionTimestamp']
    c.kubectl('delete', 'pod', 'user', '--force', '--grace-period=0')
    wait_for(lambda: c.get('pvc', 'used') is None, 'the claim to go')


def test_a_bound_volume_outlives_its_deletion(server):
    c = server
    c.apply({'apiVersion': 'v1', 'kind': 'PersistentVolume', 'metadata': {'name': 'bound'}, 'spec': {
        'capacity': {'storage': '1Gi'}, 'accessModes': ['ReadWriteOnce'], 'hostPath': {'path': '/x'}}})
    assert c.get('pv', 'bound')['metadata']['finalizers'] == ['kubernetes.io/pv-protection']

    def phase(name):
        c.kubectl('patch', 'pv', 'bound', '--subresource=status', '--type=merge', '-p', json.dumps({'status': {'phase': name}}))

    phase('Bound')
    c.kubectl('delete', 'pv', 'bound', '--wait=false')
    assert c.get('pv', 'bound')['metadata']['deletionTimestamp']
    phase('Released')
    wait_for(lambda: c.get('pv', 'bound') is None, 'the volume to go')
