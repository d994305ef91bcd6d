# SPDX-License-Identifier: Apache-2.0
"""Roles and bindings, seen by people with tokens of their own."""
import json

import pytest

from cluster import wait_for

NODES = 0
USERS = '''joe-token,joe,u-joe,"dev"
ann-token,ann,u-ann,"ops,dev"
bot-token,system:serviceaccount:work:bot,u-bot,"system:serviceaccounts,system:serviceaccounts:work"
'''


@pytest.fixture(scope='module')
def rbac(people):
    """A server that knows people by their tokens, and a namespace for them to work in."""
    people.kubectl('create', 'namespace', 'work')
    return people


def as_user(rbac, name, *arguments, check=True, input=None):
    """kubectl with the token of a person instead of the administrator's certificate."""
    return rbac.kubectl('--kubeconfig', '/dev/null', '--server', 'https://127.0.0.1:6443', '--certificate-authority',
                        rbac.home / 'pki/ca.crt', '--token', f'{name}-token', *arguments, check=check, input=input)


def can(rbac, name, *arguments):
    return as_user(rbac, name, 'auth', 'can-i', *arguments, check=False).stdout.strip()


def test_default_roles(rbac):
    roles = {r['metadata']['name']: r for r in rbac.get('clusterroles')['items']}
    for name in ('cluster-admin', 'admin', 'edit', 'view', 'system:discovery', 'system:basic-user', 'system:node',
                 'system:public-info-viewer', 'system:monitoring', 'system:kube-scheduler',
                 'system:controller:deployment-controller'):
        assert roles[name]['metadata']['annotations']['rbac.authorization.kubernetes.io/autoupdate'] == 'true'
    assert rbac.get('clusterrolebinding', 'cluster-admin')['subjects'][0]['name'] == 'system:masters'
    assert len(rbac.get('roles', '-n', 'kube-system')['items']) == 6
    wait_for(lambda: rbac.get('clusterrole', 'view')['rules'], 'the view role to be gathered')


def test_who_am_i(rbac):
    who = json.loads(as_user(rbac, 'joe', 'auth', 'whoami', '-o', 'json').stdout)['status']['userInfo']
    assert who['username'] == 'joe' and set(who['groups']) == {'dev', 'system:authenticated'}


def test_everybody_and_nobody(rbac):
    for path in ('/healthz', '/livez', '/readyz', '/version'):
        assert rbac.curl(path, user=None)[0] == 200, path
    for path in ('/', '/api', '/apis', '/openapi/v2', '/metrics', '/livez/ping', '/api/v1/namespaces'):
        assert rbac.curl(path, user=None)[0] == 403, path
    for path in ('/api', '/apis', '/openapi/v3', '/healthz'):
        assert as_user(rbac, 'joe', 'get', '--raw', path).stdout
    assert 'forbidden: User "joe" cannot get path "/metrics"' in \
        as_user(rbac, 'joe', 'get', '--raw', '/metrics', check=False).stderr


def test_rights_come_and_go_at_once(rbac):
    refused = as_user(rbac, 'joe', 'get', 'configmaps', '-n', 'work', check=False)
    assert refused.stderr.strip() == ('Error from server (Forbidden): configmaps is forbidden: User "joe" cannot list '
                                      'resource "configmaps" in API group "" in the namespace "work"')
    rbac.kubectl('create', 'role', 'reader', '-n', 'work', '--verb=get,list', '--resource=configmaps')
    for _ in range(3):
        rbac.kubectl('create', 'rolebinding', 'reader', '-n', 'work', '--role=reader', '--user=joe')
        as_user(rbac, 'joe', 'get', 'configmaps', '-n', 'work')
        assert as_user(rbac, 'joe', 'get', 'configmaps', '-n', 'default', check=False).returncode != 0
        assert as_user(rbac, 'ann', 'get', 'configmaps', '-n', 'work', check=False).returncode != 0
        rbac.kubectl('delete', 'rolebinding', 'reader', '-n', 'work')
        assert as_user(rbac, 'joe', 'get', 'configmaps', '-n', 'work', check=False).returncode != 0
    rbac.kubectl('create', 'rolebinding', 'devs', '-n', 'work', '--role=reader', '--group=dev')
    as_user(rbac, 'ann', 'get', 'configmaps', '-n', 'work')
    rbac.kubectl('patch', 'role', 'reader', '-n', 'work', '--type=json', '-p',
                 '[{"op":"replace","path":"/rules/0/verbs","value":["watch"]}]')
    assert as_user(rbac, 'ann', 'get', 'configmaps', '-n', 'work', check=False).returncode != 0
    rbac.kubectl('delete', 'role', 'reader', '-n', 'work')
    broken = as_user(rbac, 'ann', 'get', 'configmaps', '-n', 'work', check=False).stderr
    assert 'RBAC: role.rbac.authorization.k8s.io "reader" not found' in broken
    rbac.kubectl('delete', 'rolebinding', 'devs', '-n', 'work')


def test_can_i(rbac):
    assert can(rbac, 'joe', 'list', 'pods', '-n', 'work') == 'no'
    rbac.kubectl('create', 'rolebinding', 'view', '-n', 'work', '--clusterrole=view', '--user=joe')
    wait_for(lambda: rbac.get('clusterrole', 'view')['rules'], 'the view role to be gathered')
    assert can(rbac, 'joe', 'list', 'pods', '-n', 'work') == 'yes'
    assert can(rbac, 'joe', 'list', 'pods', '-n', 'default') == 'no'
    assert can(rbac, 'joe', 'get', 'secrets', '-n', 'work') == 'no'
    assert can(rbac, 'joe', 'get', 'pods', '--subresource=log', '-n', 'work') == 'yes'
    assert can(rbac, 'joe', 'get', '/healthz') == 'yes'
    assert can(rbac, 'joe', 'get', '/metrics') == 'no'
    listed = as_user(rbac, 'joe', 'auth', 'can-i', '--list', '-n', 'work').stdout
    assert 'selfsubjectaccessreviews.authorization.k8s.io' in listed and 'pods/log' in listed
    assert 'secrets' not in listed
    assert '*.*' in rbac.kubectl('auth', 'can-i', '--list').stdout
    # An administrator asks for somebody else.
    assert rbac.kubectl('auth', 'can-i', 'list', 'pods', '-n', 'work', '--as', 'joe').stdout.strip() == 'yes'
    assert rbac.kubectl('auth', 'can-i', 'list', 'pods', '-n', 'work', '--as', 'ann', check=False).stdout.strip() == 'no'
    rbac.kubectl('delete', 'rolebinding', 'view', '-n', 'work')


def test_service_account(rbac):
    rbac.kubectl('create', 'rolebinding', 'bot', '-n', 'work', '--clusterrole=edit', '--serviceaccount=work:bot')
    wait_for(lambda: can(rbac, 'bot', 'create', 'deployments.apps', '-n', 'work') == 'yes', 'the edit role')
    as_user(rbac, 'bot', 'create', 'configmap', 'made', '-n', 'work', '--from-literal=a=b')
    assert can(rbac, 'bot', 'create', 'roles', '-n', 'work') == 'no'
    assert can(rbac, 'bot', 'list', 'nodes') == 'no'
    assert rbac.kubectl('get', 'configmaps', '-n', 'work', '--as', 'system:serviceaccount:work:bot').stdout


def test_impersonation_is_a_right(rbac):
    refused = as_user(rbac, 'joe', 'get', 'pods', '--as', 'admin', check=False).stderr
    assert 'users "admin" is forbidden: User "joe" cannot impersonate resource "users" in API group "" at the cluster ' \
           'scope' in refused
    rbac.kubectl('create', 'clusterrole', 'be-ann', '--verb=impersonate', '--resource=users', '--resource-name=ann')
    rbac.kubectl('create', 'clusterrolebinding', 'be-ann', '--clusterrole=be-ann', '--user=joe')
    who = json.loads(as_user(rbac, 'joe', 'auth', 'whoami', '--as', 'ann', '-o', 'json').stdout)['status']['userInfo']
    assert who['username'] == 'ann' and who['groups'] == ['system:authenticated']
    refused = as_user(rbac, 'joe', 'get', 'pods', '--as', 'ann', '--as-group', 'system:masters', check=False).stderr
    assert 'cannot impersonate resource "groups"' in refused
    assert 'cannot impersonate' in as_user(rbac, 'joe', 'get', 'pods', '--as', 'bob', check=False).stderr
    rbac.kubectl('delete', 'clusterrolebinding', 'be-ann')


def test_nobody_gives_what_he_does_not_hold(rbac):
    rbac.kubectl('create', 'role', 'chief', '-n', 'work', '--verb=create,get,update,patch,delete',
                 '--resource=roles,rolebindings')
    rbac.kubectl('create', 'role', 'see', '-n', 'work', '--verb=get', '--resource=configmaps')
    for role in ('chief', 'see'):
        rbac.kubectl('create', 'rolebinding', role, '-n', 'work', f'--role={role}', '--user=joe')
    refused = as_user(rbac, 'joe', 'create', 'role', 'more', '-n', 'work', '--verb=get,list', '--resource=secrets',
                      check=False).stderr
    assert ('roles.rbac.authorization.k8s.io "more" is forbidden: user "joe" (groups=["dev" "system:authenticated"]) is '
            'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], '
            'Verbs:["get" "list"]}') in refused
    as_user(rbac, 'joe', 'create', 'role', 'same', '-n', 'work', '--verb=get', '--resource=configmaps')
    refused = as_user(rbac, 'joe', 'create', 'rolebinding', 'up', '-n', 'work', '--clusterrole=cluster-admin',
                      '--user=joe', check=False).stderr
    assert 'not currently held' in refused
    as_user(rbac, 'joe', 'create', 'rolebinding', 'same', '-n', 'work', '--role=same', '--user=ann')
    assert can(rbac, 'ann', 'get', 'configmaps', '-n', 'work') == 'yes'
    refused = as_user(rbac, 'joe', 'patch', 'role', 'same', '-n', 'work', '--type=json', '-p',
                      '[{"op":"replace","path":"/rules/0/verbs","value":["*"]}]', check=False).stderr
    assert 'not currently held' in refused
    rbac.kubectl('create', 'role', 'binder', '-n', 'work', '--verb=bind', '--resource=clusterroles.rbac.authorization.k8s.io',
                 '--resource-name=view')
    rbac.kubectl('create', 'rolebinding', 'binder', '-n', 'work', '--role=binder', '--user=joe')
    as_user(rbac, 'joe', 'create', 'rolebinding', 'viewer', '-n', 'work', '--clusterrole=view', '--user=ann')


def test_aggregation(rbac):
    rbac.apply({'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'ClusterRole', 'metadata': {'name': 'gather'},
                'aggregationRule': {'clusterRoleSelectors': [{'matchLabels': {'part-of': 'gather'}}]}, 'rules': []})
    rbac.kubectl('create', 'clusterrolebinding', 'gather', '--clusterrole=gather', '--user=ann')
    assert can(rbac, 'ann', 'list', 'leases.coordination.k8s.io') == 'no'
    rbac.kubectl('create', 'clusterrole', 'part', '--verb=list', '--resource=leases.coordination.k8s.io')
    rbac.kubectl('label', 'clusterrole', 'part', 'part-of=gather')
    wait_for(lambda: can(rbac, 'ann', 'list', 'leases.coordination.k8s.io') == 'yes', 'the part to be gathered')
    rbac.kubectl('label', 'clusterrole', 'part', 'part-of-')
    wait_for(lambda: can(rbac, 'ann', 'list', 'leases.coordination.k8s.io') == 'no', 'the part to be gone')
    # What carries a label of the defaults ends up in admin through edit and view.
    rbac.kubectl('label', 'clusterrole', 'part', 'rbac.authorization.k8s.io/aggregate-to-view=true')
    for role in ('view', 'edit', 'admin'):
        wait_for(lambda r=role: 'leases' in json.dumps(rbac.get('clusterrole', r)['rules']), f'{role} to gather it')


def test_reconcile(rbac):
    manifest = {'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'ClusterRole', 'metadata': {'name': 'rec'},
                'rules': [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['get']}]}
    rbac.kubectl('auth', 'reconcile', '-f', '-', input=json.dumps(manifest))
    manifest['rules'][0]['verbs'] = ['list']
    rbac.kubectl('auth', 'reconcile', '-f', '-', input=json.dumps(manifest))
    assert len(rbac.get('clusterrole', 'rec')['rules']) == 2


def test_defaults_come_back_with_a_restart(rbac):
    rbac.kubectl('delete', 'clusterrole', 'system:monitoring', 'system:heapster')
    rbac.kubectl('patch', 'clusterrole', 'system:kube-dns', '--type=json', '-p',
                 '[{"op":"replace","path":"/rules","value":[]}]')
    rbac.kubectl('annotate', 'clusterrole', 'system:kube-aggregator', '--overwrite',
                 'rbac.authorization.kubernetes.io/autoupdate=false')
    rbac.kubectl('patch', 'clusterrole', 'system:kube-aggregator', '--type=json', '-p',
                 '[{"op":"replace","path":"/rules","value":[]}]')
    assert rbac.stop_server() == 0
    rbac.start_server()
    assert rbac.get('clusterrole', 'system:monitoring') and rbac.get('clusterrole', 'system:heapster')
    assert rbac.get('clusterrole', 'system:kube-dns')['rules']
    assert not rbac.get('clusterrole', 'system:kube-aggregator')['rules']
