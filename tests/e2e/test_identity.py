# SPDX-License-Identifier: Apache-2.0
"""Who somebody is: tokens of ServiceAccounts, in pods and out of them; bootstrap tokens; what nobody may see."""
import base64
import concurrent.futures
import json

import pytest

from cluster import KNARR, pod, run, wait_for

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
def cluster(node):
    return node


# ---- in pods ----

IN_CLUSTER = '''
import json, socket, ssl
import kubernetes
kubernetes.config.load_incluster_config()
core = kubernetes.client.CoreV1Api()
print(sorted(p.metadata.name for p in core.list_namespaced_pod("default").items))
try:
    core.list_namespaced_secret("default")
    print("secrets seen")
except kubernetes.client.exceptions.ApiException as refused:
    print(refused.status, json.loads(refused.body)["message"])
trust = ssl.create_default_context(cafile="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
for name in ("kubernetes.default.svc", "kubernetes.default.svc.cluster.local"):
    with trust.wrap_socket(socket.create_connection((name, 443)), server_hostname=name) as connection:
        print(connection.version(), "with", name)
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
    assert 'TLSv1.3 with kubernetes.default.svc.cluster.local' in log
    spec = cluster.get('pod', 'client')['spec']
    volume = spec['volumes'][-1]
    assert volume['name'].startswith('kube-api-access-') and len(volume['name']) == len('kube-api-access-') + 5
    assert volume['projected']['sources'][0] == {'serviceAccountToken': {'expirationSeconds': 3607, 'path': 'token'}}
    assert spec['containers'][0]['volumeMounts'][-1] == {
        'name': volume['name'], 'readOnly': True, 'mountPath': '/var/run/secrets/kubernetes.io/serviceaccount'}


def test_containers_find_the_server_and_services(cluster):
    cluster.apply({'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'front-end'},
                   'spec': {'clusterIP': '10.96.0.77', 'ports': [{'name': 'http', 'port': 80}]}})
    wait_for(lambda: '10.96.0.77' in cluster.nodes[0].run('nft', 'list', 'ruleset').stdout, 'the node to know the Service')
    program = 'env; ls -la /var/run/secrets/kubernetes.io/serviceaccount; touch /var/run/secrets/kubernetes.io/serviceaccount/x'
    cluster.apply(pod('variables', ['sh', '-c', program + '; true']))
    log = finished(cluster, 'variables')
    for line in ('KUBERNETES_SERVICE_HOST=10.96.0.1', 'KUBERNETES_SERVICE_PORT=443', 'KUBERNETES_SERVICE_PORT_HTTPS=443',
                 'KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1', 'FRONT_END_SERVICE_HOST=10.96.0.77',
                 'FRONT_END_PORT_80_TCP=tcp://10.96.0.77:80'):
        assert f'\n{line}\n' in '\n' + log, (line, log)
    assert 'Read-only file system' in log and ' token -> ..data/token' in log
    cluster.apply(pod('unlinked', ['env'], spec={'enableServiceLinks': False}) | {
        'spec': pod('unlinked', ['env'])['spec'] | {'enableServiceLinks': False, 'automountServiceAccountToken': False}})
    log = finished(cluster, 'unlinked')
    assert 'KUBERNETES_SERVICE_HOST=10.96.0.1\n' in log and 'FRONT_END' not in log
    assert not cluster.get('pod', 'unlinked')['spec'].get('volumes')


TOKEN_DIR = '/var/run/secrets/kubernetes.io/serviceaccount'


def test_a_token_is_replaced_under_the_container(cluster):
    """A new token takes the old one's place in a running container, which is not restarted."""
    cluster.apply(pod('keeps', ['sh', '-c', f'while true; do now=$(md5sum <{TOKEN_DIR}/token || echo hole); '
                                '[ "$now" = "$was" ] || echo "$now"; was=$now; usleep 20000; done']))
    wait_for(lambda: cluster.kubectl('logs', 'keeps', check=False).stdout, 'the first token', 30)
    node = cluster.nodes[0]
    volume = cluster.get('pod', 'keeps')['spec']['volumes'][0]['name']
    uid = cluster.get('pod', 'keeps')['metadata']['uid']
    path = node.home / 'agent/pods' / uid / 'volumes' / volume
    before = (path / 'token').read_text()
    said = claims(before)
    assert said['iss'] == API and said['aud'] == [API] and said['sub'] == 'system:serviceaccount:default:default'
    own = said['kubernetes.io']
    assert own['pod'] == {'name': 'keeps', 'uid': uid} and own['node']['name'] == 'node-1' and own['node']['uid']
    assert own['warnafter'] - said['iat'] == 3607
    assert (path / 'token').stat().st_mode & 0o777 == 0o644
    # The volume never reaches a disk, and nobody writes the token into a log.
    assert any(str(path) in line and ' tmpfs ' in line for line in open('/proc/self/mountinfo'))
    # An agent that starts again asks for a token of its own.
    node.stop()
    node.start()
    cluster.kubectl('annotate', 'pod', 'keeps', 'now=refresh')
    wait_for(lambda: (path / 'token').read_text() != before, 'another token')
    wait_for(lambda: len(cluster.kubectl('logs', 'keeps').stdout.split('\n')) == 3, 'the container to see it')
    log = cluster.kubectl('logs', 'keeps').stdout
    assert 'hole' not in log
    assert cluster.get('pod', 'keeps')['status']['containerStatuses'][0]['restartCount'] == 0
    for text in (node.process.text(), cluster.server.text()):
        assert before.split('.')[2] not in text and 'eyJ' not in text
    # With its pod the token ends.
    assert as_token(cluster, before, 'auth', 'whoami').returncode == 0
    cluster.kubectl('delete', 'pod', 'keeps', '--now')
    assert 'must be logged in' in as_token(cluster, before, 'auth', 'whoami', check=False).stderr


def test_audience_and_mode_of_a_token(cluster):
    vault = pod('vault', ['sh', '-c', 'id -u; cat /t/token; ls -l /t/..data/token'])
    vault['spec']['securityContext'] = {'runAsUser': 1000, 'fsGroup': 2000}
    vault['spec']['automountServiceAccountToken'] = False
    vault['spec']['containers'][0]['volumeMounts'] = [{'name': 't', 'mountPath': '/t'}]
    vault['spec']['volumes'] = [{'name': 't', 'projected': {'sources': [
        {'serviceAccountToken': {'path': 'token', 'audience': 'vault', 'expirationSeconds': 600}}]}}]
    cluster.apply(vault)
    log = finished(cluster, 'vault')
    token = log[log.index('eyJ'):log.index('-rw')].strip()
    said = claims(token)
    assert said['aud'] == ['vault'] and said['exp'] - said['iat'] == 600 and 'warnafter' not in said['kubernetes.io']
    assert '-rw-r-----' in log and ' 1000 ' in log and ' 2000 ' in log
    assert 'must be logged in' in as_token(cluster, token, 'auth', 'whoami', check=False).stderr


# ---- out of pods ----

def test_create_token(cluster):
    cluster.kubectl('create', 'serviceaccount', 'robot')
    uid = cluster.get('serviceaccount', 'robot')['metadata']['uid']
    token = cluster.kubectl('create', 'token', 'robot', '--duration=2h').stdout.strip()
    said = claims(token)
    assert said['exp'] - said['iat'] == 7200 and said['kubernetes.io'] == {
        'namespace': 'default', 'serviceaccount': {'name': 'robot', 'uid': uid}}
    who = json.loads(as_token(cluster, token, 'auth', 'whoami', '-o', 'json').stdout)['status']['userInfo']
    assert who['username'] == 'system:serviceaccount:default:robot' and who['uid'] == uid
    assert who['groups'] == ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']
    assert who['extra'] == {'authentication.kubernetes.io/credential-id': [f'JTI={said["jti"]}']}
    short = cluster.kubectl('create', 'token', 'robot', '--duration=1m', check=False).stderr
    assert 'spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes' in short
    # Signatures are checked by somebody else's code, with the keys that are published.
    keys = json.loads(as_token(cluster, token, 'get', '--raw', '/openid/v1/jwks').stdout)['keys']
    assert verified(token, keys[0]) and not verified(token[:-10] + 'AAAAAAAAAA', keys[0])
    found = json.loads(as_token(cluster, token, 'get', '--raw', '/.well-known/openid-configuration').stdout)
    assert found['issuer'] == API and found['id_token_signing_alg_values_supported'] == ['ES256']
    # A restart of the server keeps the key.
    cluster.stop_server()
    cluster.start_server()
    assert as_token(cluster, token, 'auth', 'whoami').stdout
    assert (cluster.home / 'pki/sa.key').stat().st_mode & 0o777 == 0o600
    cluster.kubectl('delete', 'serviceaccount', 'robot')
    assert 'must be logged in' in as_token(cluster, token, 'auth', 'whoami', check=False).stderr


def test_secret_with_a_token(cluster):
    """What old manuals say: a Secret that is a token; it ends with itself, and goes with its account."""
    cluster.kubectl('create', 'serviceaccount', 'old')
    cluster.apply({'apiVersion': 'v1', 'kind': 'Secret', 'type': 'kubernetes.io/service-account-token',
                   'metadata': {'name': 'old', 'annotations': {'kubernetes.io/service-account.name': 'old'}}})
    data = {name: base64.b64decode(text).decode() for name, text in cluster.get('secret', 'old')['data'].items()}
    assert data['ca.crt'] == (cluster.home / 'pki/ca.crt').read_text() and data['namespace'] == 'default'
    assert 'system:serviceaccount:default:old' in as_token(cluster, data['token'], 'auth', 'whoami').stdout
    assert data['token'][:100] in cluster.kubectl('describe', 'secret', 'old').stdout
    cluster.kubectl('delete', 'serviceaccount', 'old')
    assert 'must be logged in' in as_token(cluster, data['token'], 'auth', 'whoami', check=False).stderr
    wait_for(lambda: cluster.get('secret', 'old') is None, 'the Secret to go with its account')


def verified(token, key):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    def number(text):
        return int.from_bytes(base64.urlsafe_b64decode(text + '=' * (-len(text) % 4)), 'big')
    public = ec.EllipticCurvePublicNumbers(number(key['x']), number(key['y']), ec.SECP256R1()).public_key()
    head, _, raw = token.rpartition('.')
    raw = base64.urlsafe_b64decode(raw + '=' * (-len(raw) % 4))
    halves = [int.from_bytes(raw[at:at + 32], 'big') for at in (0, 32)]
    try:
        public.verify(utils.encode_dss_signature(*halves), head.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def test_token_review(cluster):
    account_exists(cluster, 'default')
    token = cluster.kubectl('create', 'token', 'default', '--audience=vault').stdout.strip()

    def review(**spec):
        made = {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenReview', 'spec': {'token': token, **spec}}
        return json.loads(cluster.kubectl('create', '--raw', '/apis/authentication.k8s.io/v1/tokenreviews', '-f', '-',
                                          input=json.dumps(made)).stdout)['status']
    good = review(audiences=['vault', 'x'])
    assert good['authenticated'] and good['audiences'] == ['vault']
    assert good['user']['username'] == 'system:serviceaccount:default:default'
    assert 'is invalid for the target audiences' in review()['error']
    assert 'authenticated' not in review(audiences=['y'])


# ---- bootstrap tokens ----

def uses(cluster, identifier):
    lines = cluster.knarr('token', 'list').stdout.splitlines()
    assert lines[0].split() == ['ID', 'EXPIRES', 'USES', 'LEFT', 'DESCRIPTION']
    return next((line.split()[2] for line in lines[1:] if line.startswith(identifier)), None)


def test_bootstrap_tokens(cluster):
    token = cluster.knarr('token', 'create', '--ttl', '15m', '--description', 'for the new rack').stdout.strip()
    _, identifier, secret = token.split('.')
    listed = cluster.knarr('token', 'list').stdout
    assert uses(cluster, identifier) == '1' and 'for the new rack' in listed and ' 14m' in listed or ' 15m' in listed
    assert secret not in listed
    forever = cluster.knarr('token', 'create', '--uses', '0').stdout.strip().split('.')[1]
    assert uses(cluster, forever) == 'unlimited'
    assert cluster.knarr('token', 'revoke', forever).stdout.strip() == f'token {forever} revoked'
    assert uses(cluster, forever) is None
    for wrong in (['create', '--ttl', '0'], ['create', '--ttl', '366d'], ['create', '--ttl', 'soon'],
                  ['create', '--uses', '-1'], ['revoke', 'x']):
        refused = cluster.knarr('token', *wrong, check=False)
        assert refused.returncode == 2 and refused.stderr.startswith('knarr token: '), (wrong, refused.stderr)
        assert refused.stderr.count('\n') == 1
    gone = cluster.knarr('token', 'revoke', 'abcdef', check=False)
    assert gone.returncode == 1 and 'there is no token abcdef' in gone.stderr


def bootstrap_secret(cluster, identifier):
    data = cluster.get('secret', f'bootstrap-token-{identifier}', '-n', 'kube-system')['data']
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


def test_one_join_is_one_use(cluster):
    """The token that the node of this cluster joined with is used up; the node did not notice."""
    joined = next(line.split()[0] for line in cluster.knarr('token', 'list').stdout.splitlines()
                  if line.split()[2] == '0')
    ca_hash = cluster.token().split('.')[0]
    again = f'{ca_hash}.{joined}.{bootstrap_secret(cluster, joined)["token-secret"]}'
    refused = cluster.nodes[0].run(KNARR, 'agent', '--home', cluster.folder / 'second', '--run-dir',
                                   cluster.folder / 'second/run', '--log-dir', cluster.folder / 'second/logs',
                                   '--node-name', 'second', '--server', 'https://10.77.0.1:6443', '--token', again,
                                   check=False)
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and f'the bootstrap token {joined} is used up' in said, said
    assert 'knarr token create' in said and cluster.get('node', 'second') is None


def test_uses_are_counted_exactly(cluster):
    """Many machines at once, and room for three."""
    _, identifier, secret = cluster.token('--uses', '3').split('.')
    key = cluster.folder / 'request.key'
    request = run('openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
                  key, '-subj', '/O=system:nodes/CN=system:node:racer').stdout

    def join(number):
        body = {'apiVersion': 'certificates.k8s.io/v1', 'kind': 'CertificateSigningRequest',
                'metadata': {'name': f'racer-{number}'},
                'spec': {'request': base64.b64encode(request.encode()).decode(), 'usages': ['client auth'],
                         'signerName': 'example.com/nobody'}}
        return cluster.curl('/apis/certificates.k8s.io/v1/certificatesigningrequests', '-H',
                            f'Authorization: Bearer {identifier}.{secret}', '-H', 'Content-Type: application/json',
                            user=None, data=json.dumps(body))[0]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        codes = sorted(pool.map(join, range(12)))
    assert codes == [201] * 3 + [403] * 9, codes
    assert uses(cluster, identifier) == '0'


def test_expired_tokens_are_cleaned_up(cluster):
    identifier = cluster.token('--ttl', '1s').split('.')[1]
    lasting = cluster.token().split('.')[1]
    wait_for(lambda: uses(cluster, identifier) is None, 'the expired token to go')
    assert uses(cluster, lasting) == '1'


# ---- nobody ----

def test_what_nobody_may_see(cluster):
    """Every path that the API knows, asked for without credentials: only the list in docs/decisions.md answers."""
    known = {'/healthz', '/livez', '/readyz', '/version', '/version/', '/.well-known/knarr/ca.crt', '/dashboard',
             '/dashboard/', '/dashboard/index.html', '/dashboard/nothing'}
    paths = set(json.loads(cluster.kubectl('get', '--raw', '/').stdout)['paths']) | known
    paths |= {'/', '/metrics', '/api/v1', '/healthz/ping', '/livez/ping', '/readyz/etcd', '/openapi/v3/api/v1',
              '/.well-known/x', '/openid/v1', '/logs', '/debug/pprof', '/dashboards', '/dashboard2/', '/ui', '/favicon.ico', '/index.html'}
    groups = json.loads(cluster.kubectl('get', '--raw', '/apis').stdout)['groups']
    versions = ['/api/v1'] + [f'/apis/{v["groupVersion"]}' for g in groups for v in g['versions']]
    for version in versions:
        paths.add(version)
        for resource in json.loads(cluster.kubectl('get', '--raw', version).stdout)['resources']:
            name, _, sub = resource['name'].partition('/')
            space = '/namespaces/default' if resource['namespaced'] else ''
            paths.add(f'{version}/{name}')
            paths.add(f'{version}{space}/{name}/x' + (f'/{sub}' if sub else ''))
            paths.add(f'{version}/watch/{name}')
    for method in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'):
        config = ''.join(f'url = "https://127.0.0.1:6443{path}"\noutput = /dev/null\n' for path in sorted(paths))
        said = cluster.run('curl', '-s', '--cacert', cluster.home / 'pki/ca.crt', '-X', method, '-w',
                           '%{http_code} %{url_effective}\n', '-K', '-', input=config).stdout
        lines = [line.split(' ') for line in said.splitlines()]
        assert len(lines) == len(paths)
        answered = {url[len('https://127.0.0.1:6443'):] for code, url in lines if code not in ('401', '403')}
        assert answered == (known if method == 'GET' else set()), (method, answered ^ known)


# ---- the server's own parts ----

def test_controllers_have_no_more_than_their_roles(own_server):
    """A controller whose role is taken away can do nothing, and says so; a start brings the default role back."""
    own_server.kubectl('delete', 'clusterrolebinding', 'system:controller:replicaset-controller')
    own_server.kubectl('create', 'deployment', 'web', '--image=x')
    wait_for(lambda: own_server.pods('app=web') == [] and 'refused: pods is forbidden: User "system:serviceaccount:'
             'kube-system:replicaset-controller" cannot create resource "pods"' in own_server.server.text(), 'a refusal')
    assert own_server.get('replicasets')['items'], 'other controllers go on'
    own_server.stop_server()
    own_server.troubles = [t for t in own_server.troubles if 'replicaset-controller' not in t]
    own_server.start_server()
    wait_for(lambda: own_server.pods('app=web'), 'the pod')
