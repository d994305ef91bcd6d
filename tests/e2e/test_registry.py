# SPDX-License-Identifier: Apache-2.0
"""Images from a real registry (Debian's docker-registry, filled by skopeo), and a blob that was tampered with."""
import pathlib
import subprocess

import pytest

from cluster import ROOT, SERVER_IP, Process, condition, pod, run, wait_for

CONFIG = '''version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "{ip}:5000"}}
'''


@pytest.fixture(scope='module')
def registry(cluster):
    folder = cluster.folder / 'registry'
    folder.mkdir()
    (folder / 'config.yml').write_text(CONFIG.format(root=folder / 'data', ip=SERVER_IP))
    process = Process(cluster.netns, cluster.folder / 'registry.log', 'docker-registry', 'serve', folder / 'config.yml')
    wait_for(lambda: run('nsenter', f'--net=/run/netns/{cluster.netns}', '--', 'curl', '-s', f'http://{SERVER_IP}:5000/v2/',
                         check=False).returncode == 0, 'the registry')
    for name in ('good', 'bad'):
        archive = cluster.folder / f'{name}.tar'
        run(ROOT / 'tools/make-hello-image', archive, f'{name}:v1', f'page of {name}')
        run('nsenter', f'--net=/run/netns/{cluster.netns}', '--', 'skopeo', 'copy', '--insecure-policy',
            '--dest-tls-verify=false', f'oci-archive:{archive}', f'docker://{SERVER_IP}:5000/{name}:v1')
    yield folder / 'data'
    process.kill()


def image(name):
    return f'{SERVER_IP}:5000/{name}:v1'


def allow(cluster):
    for node in cluster.nodes:
        node.stop()
        node.common_before = node.common
        node.common = lambda n=node: n.common_before() + ['--insecure-registry', f'{SERVER_IP}:5000']
        node.start()
    cluster.wait_ready()


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
