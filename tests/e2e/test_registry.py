# SPDX-License-Identifier: Apache-2.0
"""Images from real registries (Debian's docker-registry, filled by skopeo): one that is open, one that wants a password,
one that wants a token; and a blob that was tampered with."""
import base64
import json
import pathlib
import subprocess
import sys

import pytest

from cluster import ROOT, SERVER_IP, Process, condition, pod, run, wait_for

USER, PASSWORD = 'somebody', 'right-password'
HTPASSWD = '$2b$04$abcdefghijklmnopqrstuuS80hwFD6gSIL20SCUGvmL7S939BjOHW'  # of PASSWORD
OPEN, BASIC, TOKEN, SERVICE, LURE, THIEF = range(5000, 5006)
CONFIG = '''version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "{ip}:{port}"}}
{auth}
'''


@pytest.fixture(scope='module')
def registry(cluster):
    folder = cluster.folder / 'registry'
    folder.mkdir()
    key, certificate = folder / 'key.pem', folder / 'certificate.pem'
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate, '-subj', '/CN=test', '-days', '2')
    (folder / 'htpasswd').write_text(f'{USER}:{HTPASSWD}\n')
    auth = {OPEN: '', BASIC: f'auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}',
            TOKEN: f'auth: {{token: {{realm: "http://{SERVER_IP}:{SERVICE}/token", service: test, issuer: test, '
                   f'rootcertbundle: {certificate}}}}}'}
    commands = [(sys.executable, ROOT / 'tests/e2e/registry_server.py', 'token', SERVER_IP, SERVICE, key, certificate, USER, PASSWORD),
                (sys.executable, ROOT / 'tests/e2e/registry_server.py', 'lure', SERVER_IP, LURE, THIEF)]
    for port, text in auth.items():
        (folder / f'{port}.yml').write_text(CONFIG.format(root=folder / 'data', ip=SERVER_IP, port=port, auth=text))
        commands.append(('docker-registry', 'serve', folder / f'{port}.yml'))
    processes = [Process(cluster.netns, cluster.folder / f'registry-{i}.log', *c) for i, c in enumerate(commands)]
    for port in range(OPEN, THIEF + 1):
        wait_for(lambda p=port: run('nsenter', f'--net=/run/netns/{cluster.netns}', '--', 'curl', '-s', '-o', '/dev/null',
                                    f'http://{SERVER_IP}:{p}/v2/', check=False).returncode == 0, f'the registry on {port}')
    for name in ('good', 'bad', 'private'):
        archive = cluster.folder / f'{name}.tar'
        run(ROOT / 'tools/make-hello-image', archive, f'{name}:v1', f'page of {name}')
        run('nsenter', f'--net=/run/netns/{cluster.netns}', '--', 'skopeo', 'copy', '--insecure-policy',
            '--dest-tls-verify=false', f'oci-archive:{archive}', f'docker://{SERVER_IP}:{OPEN}/{name}:v1')
    yield folder / 'data'
    for process in processes:
        process.kill(clean=(0, -15))


def image(name, port=OPEN):
    return f'{SERVER_IP}:{port}/{name}:v1'


def allow(cluster):
    """The registries are spoken to in the clear; node-2 has a login of its own for one."""
    for node in cluster.nodes:
        node.stop()
        node.common_before = node.common
        node.common = lambda n=node: n.common_before() + ['--insecure-registry', SERVER_IP]
        if node.name == 'node-2':
            (node.home / 'agent/registries.json').write_text(json.dumps(config(BASIC, auth=auth(PASSWORD))))
            (node.home / 'agent/registries.json').chmod(0o600)
        node.start()
    cluster.wait_ready()


def auth(password):
    return base64.b64encode(f'{USER}:{password}'.encode()).decode()


def config(port, **entry):
    return {'auths': {f'http://{SERVER_IP}:{port}': entry}}


def secret(cluster, name, content, kind='dockerconfigjson'):
    cluster.apply({'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': name}, 'type': f'kubernetes.io/{kind}',
                   'stringData': {f'.{kind}': json.dumps(content)}})


def user_of(name, port, *secrets, node='node-1', policy='IfNotPresent'):
    manifest = pod(name, ['cat', '/www/index.html'], image=image('private', port), nodeName=node,
                   imagePullSecrets=[{'name': s} for s in secrets])
    manifest['spec']['containers'][0]['imagePullPolicy'] = policy
    return manifest


def waiting(cluster, name, *reasons):
    return wait_for(lambda: (s := (cluster.get('pod', name)['status'].get('containerStatuses') or [{}])[0].get('state', {})
                             .get('waiting', {})) and s.get('reason') in reasons and s, f'{name} to wait with {reasons}', 60)


def succeeded(cluster, name):
    wait_for(lambda: cluster.get('pod', name)['status'].get('phase') == 'Succeeded', f'{name} to succeed', 60)
    assert cluster.kubectl('logs', name).stdout == 'page of private\n'


def test_pull_and_share(cluster, registry):
    allow(cluster)
    cluster.apply(pod('pulled', ['cat', '/www/index.html'], image=image('good')))
    done = wait_for(lambda: (p := cluster.get('pod', 'pulled')) and p['status'].get('phase') == 'Succeeded' and p,
                    'the pulled image to run', 60)
    assert done['status']['containerStatuses'][0]['imageID'].split('@')[-1].startswith('sha256:')
    assert cluster.kubectl('logs', 'pulled').stdout == 'page of good\n'
    assert cluster.events('pulled', 'Pulling') and cluster.events('pulled', 'Pulled')


def test_tampered_blob_is_refused(cluster, registry):
    blobs = sorted(registry.rglob('blobs/sha256/*/*/data'), key=lambda p: p.stat().st_size)
    for blob in blobs:
        text = blob.read_bytes()
        if b'page of bad' in subprocess.run(['gzip', '-dc'], input=text, capture_output=True, check=False).stdout:
            blob.write_bytes(text[:-20] + b'tampered' + text[-12:])
    cluster.apply(pod('tampered', ['true'], image=image('bad')))
    event = wait_for(lambda: [e for e in cluster.events('tampered', 'Failed') if 'digest' in e['message']],
                     'the digest to be refused', 60)[0]
    assert image('bad') in event['message'] and 'sha256:' in event['message']
    state = cluster.get('pod', 'tampered')['status']['containerStatuses'][0]['state']['waiting']
    assert state['reason'] in ('ErrImagePull', 'ImagePullBackOff')
    assert condition(cluster.get('pod', 'tampered'), 'Ready') == 'False'
    cluster.kubectl('delete', 'pod', 'tampered')


def test_image_that_is_nowhere(cluster, registry):
    cluster.apply(pod('nowhere', ['true'], image=image('none')))
    wait_for(lambda: cluster.events('nowhere', 'Failed'), 'the failure to be told', 60)
    wait_for(lambda: (cluster.get('pod', 'nowhere')['status'].get('containerStatuses') or [{}])[0].get('state', {})
             .get('waiting', {}).get('reason') in ('ErrImagePull', 'ImagePullBackOff'), 'the reason')
    never = pod('never', ['true'], image=image('none'))
    never['spec']['containers'][0]['imagePullPolicy'] = 'Never'
    cluster.apply(never)
    wait_for(lambda: (cluster.get('pod', 'never')['status'].get('containerStatuses') or [{}])[0].get('state', {})
             .get('waiting', {}).get('reason') == 'ErrImageNeverPull', 'ErrImageNeverPull', 60)
    cluster.kubectl('delete', 'pod', 'nowhere', 'never')


def test_blobs_are_stored_once(cluster, registry):
    """Both images differ in one layer only; equal blobs are shared between images."""
    names = [p.name for p in pathlib.Path(cluster.nodes[0].home, 'agent').rglob('*') if p.is_file() and len(p.name) == 64]
    assert len(names) == len(set(names))


def test_wrong_passwords_and_right_ones(cluster, registry):
    c = cluster
    c.kubectl('create', 'secret', 'docker-registry', 'right', f'--docker-server=http://{SERVER_IP}:{BASIC}',
              f'--docker-username={USER}', f'--docker-password={PASSWORD}')
    secret(c, 'wrong', config(BASIC, username=USER, password='wrong-password'))
    secret(c, 'elsewhere', config(OPEN, username=USER, password=PASSWORD))
    secret(c, 'spoilt', config(BASIC, auth='not base64'))
    for name, secrets in {'none': [], 'liar': ['wrong'], 'stranger': ['elsewhere', 'missing'], 'garbled': ['spoilt']}.items():
        c.apply(user_of(name, BASIC, *secrets))
    for name in ('none', 'liar', 'stranger', 'garbled'):
        assert '401' in waiting(c, name, 'ErrImagePull', 'ImagePullBackOff')['message']
        assert [e for e in c.events(name, 'Failed') if e['message'] == 'Error: ErrImagePull']
    assert 'image pull secrets (missing)' in c.events('stranger', 'FailedToRetrieveImagePullSecret')[0]['message']
    assert 'secret spoilt: "auth" of' in c.events('garbled', 'FailedToRetrieveImagePullSecret')[0]['message']
    # Several logins for one place are tried in turn.
    c.apply(user_of('knows', BASIC, 'wrong', 'right'))
    succeeded(c, 'knows')
    assert 'Image size: ' in c.events('knows', 'Pulled')[0]['message']
    c.kubectl('delete', 'pod', 'none', 'liar', 'stranger', 'garbled', 'knows')


def test_an_image_that_is_here_is_not_for_everybody(cluster, registry):
    c = cluster
    c.apply(user_of('again', BASIC, 'right'))
    c.apply(user_of('outsider', BASIC))
    c.apply(user_of('impostor', BASIC, 'wrong'))
    c.apply(user_of('never', BASIC, policy='Never'))
    c.apply(user_of('may', BASIC, 'right', policy='Never'))
    succeeded(c, 'again')
    assert 'already present on machine' in c.events('again', 'Pulled')[0]['message'] and not c.events('again', 'Pulling')
    succeeded(c, 'may')
    for name in ('outsider', 'impostor'):
        waiting(c, name, 'ErrImagePull', 'ImagePullBackOff')
    waiting(c, 'never', 'ErrImageNeverPull')
    # What was known is known after a restart.
    c.nodes[0].stop()
    c.nodes[0].start()
    c.wait_ready()
    c.apply(user_of('later', BASIC, policy='Never'))
    waiting(c, 'later', 'ErrImageNeverPull')
    c.kubectl('delete', 'pod', 'again', 'outsider', 'impostor', 'never', 'may', 'later')


def test_the_login_of_a_node(cluster, registry):
    cluster.apply(user_of('guest', BASIC, node='node-2'))
    succeeded(cluster, 'guest')
    cluster.kubectl('delete', 'pod', 'guest')


def test_tokens(cluster, registry):
    c = cluster
    secret(c, 'token', {f'{SERVER_IP}:{TOKEN}': {'auth': auth(PASSWORD)}}, kind='dockercfg')
    secret(c, 'refresh', config(TOKEN, identitytoken=PASSWORD))
    secret(c, 'badtoken', config(TOKEN, auth=auth('wrong-password')))
    c.apply(user_of('refused', TOKEN, 'badtoken'))
    c.apply(user_of('token', TOKEN, 'badtoken', 'token'))
    c.apply(user_of('refresh', TOKEN, 'refresh', node='node-2'))
    succeeded(c, 'token')
    succeeded(c, 'refresh')
    assert 'reading the token: the registry answered 401' in waiting(c, 'refused', 'ErrImagePull', 'ImagePullBackOff')['message']
    c.kubectl('delete', 'pod', 'refused', 'token', 'refresh')


def test_no_login_leaves_for_another_host(cluster, registry):
    c = cluster
    secret(c, 'lured', config(LURE, auth=auth(PASSWORD)))
    c.apply(user_of('lured', LURE, 'lured'))
    waiting(c, 'lured', 'ErrImagePull', 'ImagePullBackOff')
    seen = (c.folder / 'registry-1.log').read_text()
    assert '/v2/private/manifests/v1' in seen and 'Basic' not in seen and 'Bearer' not in seen and '/token' not in seen
    c.kubectl('delete', 'pod', 'lured')


def test_policies_and_what_is_said_of_them(cluster, registry):
    c = cluster
    always = user_of('always', OPEN, policy='Always')
    once = user_of('once', OPEN)
    for manifest in (always, once):
        c.apply(manifest)
        succeeded(c, manifest['metadata']['name'])
    # Always asks again although the image is here; what the other one finds was everybody's.
    assert c.events('always', 'Pulling') and 'Successfully pulled image' in c.events('always', 'Pulled')[0]['message']
    assert 'can be accessed by the pod' in c.events('once', 'Pulled')[0]['message']
    untagged = user_of('untagged', OPEN)
    untagged['spec']['containers'][0].update(image=f'{SERVER_IP}:{OPEN}/private')
    tagged = user_of('tagged', OPEN)
    odd = user_of('odd', OPEN)
    odd['spec']['containers'][0].update(image='Not/An:Image:Name')
    for manifest in (untagged, tagged, odd):
        manifest['spec']['containers'][0].pop('imagePullPolicy')
        c.apply(manifest)
    assert {n: c.get('pod', n)['spec']['containers'][0]['imagePullPolicy'] for n in ('untagged', 'tagged')} == {
        'untagged': 'Always', 'tagged': 'IfNotPresent'}
    assert 'invalid reference format' in waiting(c, 'odd', 'InvalidImageName')['message']
    assert 'Failed to apply default image tag' in c.events('odd', 'InspectFailed')[0]['message']
    assert f'Back-off pulling image "{SERVER_IP}:{OPEN}/private"' in waiting(c, 'untagged', 'ImagePullBackOff')['message']
    assert c.events('untagged', 'BackOff') and 'not found' in c.events('untagged', 'Failed')[0]['message']
    c.kubectl('delete', 'pod', 'always', 'once', 'untagged', 'tagged', 'odd')


def test_no_password_is_written_down(cluster, registry):
    texts = [p.read_text(errors='replace') for p in cluster.folder.glob('*.log')] + [cluster.kubectl('get', 'events', '-A', '-o', 'yaml').stdout]
    for text in texts:
        assert PASSWORD not in text and auth(PASSWORD) not in text and 'wrong-password' not in text
