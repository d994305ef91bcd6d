# SPDX-License-Identifier: Apache-2.0
"""Who somebody is: tokens of ServiceAccounts, in pods and out of them; bootstrap tokens; what nobody may see."""
import base64
import json
import time

import pytest

from cluster import KNARR, Cluster, pod, run, wait_for

API = 'https://kubernetes.default.svc.cluster.local'
# The host's Python with the field's own client library, in a container whose image has neither.
HOST = [('usr', '/usr', '/usr'), ('lib', '/usr/lib', '/lib'), ('lib64', '/usr/lib64', '/lib64')]


def claims(token):
    """What a token says, unverified."""
    part = token.split('.')[1]
    return json.loads(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)))


def python_pod(name, program, account=None, **spec):
    made = pod(name, ['/usr/bin/python3', '-c', program])
    container = made['spec']['containers'][0]
    container['volumeMounts'] = [{'name': n, 'mountPath': at, 'readOnly': True} for n, _, at in HOST]
    made['spec']['volumes'] = [{'name': n, 'hostPath': {'path': path, 'type': 'Directory'}} for n, path, _ in HOST]
    if account:
        made['spec']['serviceAccountName'] = account
    made['spec'].update(spec)
    return made


def finished(cluster, name, namespace='default', seconds=40):
    def over():
        phase = cluster.get('pod', name, '-n', namespace)['status'].get('phase')
        return phase if phase in ('Succeeded', 'Failed') else None
    phase = wait_for(over, f'pod {name} to end', seconds)
    log = cluster.kubectl('logs', name, '-n', namespace).stdout
    assert phase == 'Succeeded', log
    return log


def as_token(cluster, token, *arguments, check=True, input=None):
    return cluster.kubectl('--kubeconfig', '/dev/null', '--server', 'https://127.0.0.1:6443', '--certificate-authority',
                           cluster.home / 'pki/ca.crt', '--token', token, *arguments, check=check, input=input)


def account_exists(cluster, name, namespace='default'):
    return wait_for(lambda: cluster.get('serviceaccount', name, '-n', namespace), f'account {name}')


@pytest.fixture(scope='module')
def cluster():
    one = Cluster(nodes=1)
    try:
        yield one.start()
    finally:
        left = one.stop()
        assert not left, left


# ---- in pods ----

IN_CLUSTER = '''
import kubernetes, json
kubernetes.config.load_incluster_config()
core = kubernetes.client.CoreV1Api()
print(sorted(p.metadata.name for p in core.list_namespaced_pod("default").items))
try:
    core.list_namespaced_secret("default")
    print("secrets seen")
except kubernetes.client.exceptions.ApiException as refused:
    print(refused.status, json.loads(refused.body)["message"])
'''


def test_a_pod_uses_its_account(cluster):
    cluster.kubectl('create', 'serviceaccount', 'reader')
    cluster.kubectl('create', 'role', 'reader', '--verb=get,list', '--resource=pods')
    cluster.kubectl('create', 'rolebinding', 'reader', '--role=reader', '--serviceaccount=default:reader')
    cluster.apply(python_pod('client', IN_CLUSTER, 'reader'))
    log = finished(cluster, 'client')
    assert "'client'" in log
    assert ('403 secrets is forbidden: User "system:serviceaccount:default:reader" cannot list resource "secrets" in API '
            'group "" in the namespace "default"') in log
    spec = cluster.get('pod', 'client')['spec']
    volume = spec['volumes'][-1]
    assert volume['name'].startswith('kube-api-access-') and len(volume['name']) == len('kube-api-access-') + 5
    assert volume['projected']['sources'][0] == {'serviceAccountToken': {'expirationSeconds': 3607, 'path': 'token'}}
    assert spec['containers'][0]['volumeMounts'][-1] == {
        'name': volume['name'], 'readOnly': True, 'mountPath': '/var/run/secrets/kubernetes.io/serviceaccount'}
