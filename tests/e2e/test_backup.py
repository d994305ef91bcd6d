# SPDX-License-Identifier: Apache-2.0
"""Backups: a cluster that is lost comes back with its objects, its nodes and its tokens; schedule; damage."""
import os
import re
import shutil
import signal

import pytest
from cluster import Cluster, condition, deployment, pod, run, wait_for
from conftest import running

NAME = re.compile(r'knarr-\d{8}T\d{6}Z\.backup')


@pytest.fixture(scope='module')
def one():
    cluster = Cluster(nodes=2)
    cluster.backups = cluster.folder / 'backups'
    cluster.server_arguments = ['--backup-every', '1', '--backup-keep', '2', '--backup-folder', cluster.backups]
    yield from running(cluster)


def files(cluster):
    return sorted(p.name for p in cluster.backups.iterdir() if NAME.fullmatch(p.name))


def metric(cluster, name):
    text = cluster.kubectl('get', '--raw', '/metrics').stdout
    return float(re.search(rf'^{name} (\S+)$', text, re.M).group(1))


def test_backups_by_schedule(one):
    other = one.backups / 'knarr-2020.backup'
    wait_for(lambda: len(files(one)) == 2, 'two backups')
    other.write_text('not ours')
    first = files(one)
    wait_for(lambda: len(files(one)) == 2 and not set(first) & set(files(one)), 'the first two to go')
    assert other.exists() and metric(one, 'knarr_backup_failures_total') == 0
    assert metric(one, 'knarr_backup_last_size_bytes') > 1000
    newest = one.backups / files(one)[-1]
    assert newest.stat().st_mode & 0o777 == 0o600
    assert 'with the cluster' in one.knarr('backup', '--check', newest).stdout
    # A folder that is away is told, and the next one is taken when it is back.
    away = one.folder / 'away'
    one.backups.rename(away)
    wait_for(lambda: metric(one, 'knarr_backup_failures_total') > 0, 'a failure')
    assert 'the backup by schedule failed' in one.server.text()
    before = metric(one, 'knarr_backup_last_success_timestamp_seconds')
    away.rename(one.backups)
    wait_for(lambda: metric(one, 'knarr_backup_last_success_timestamp_seconds') > before, 'a backup again')
    # It does not take the last space of a disk, and leaves nothing there.
    run('mount', '-t', 'tmpfs', '-o', 'size=128m,mode=700', 'small', one.backups)
    try:
        wait_for(lambda: 'less than 256 MiB would be left' in one.server.text(), 'a full disk to be noticed')
        assert not files(one)
    finally:
        wait_for(lambda: run('umount', one.backups, check=False).returncode == 0, 'the disk to be free')


def test_a_backup_needs_the_right(one):
    target = one.folder / 'refused'
    token = one.kubectl('create', 'token', 'default').stdout.strip()
    config = one.folder / 'poor.kubeconfig'
    shutil.copy(one.kubeconfig, config)
    one.kubectl('config', f'--kubeconfig={config}', 'set-credentials', 'poor', f'--token={token}')
    one.kubectl('config', f'--kubeconfig={config}', 'set-context', 'knarr', '--user=poor')
    done = one.knarr('backup', target, '--kubeconfig', config, check=False)
    assert done.returncode == 1 and 'forbidden' in done.stderr and '/knarr/backup' in done.stderr, done.stderr
    assert not target.exists() and not list(one.folder.glob('refused*'))


def state_of(cluster):
    """What must be the same afterwards, by kind and name."""
    def of(kind, *arguments):
        return {o['metadata']['name']: (o['metadata']['uid'], o.get('data')) for o in cluster.get(kind, *arguments)['items']}
    return {kind: of(kind) for kind in ('configmap', 'secret', 'deployment', 'service', 'serviceaccount')}


def containers(cluster):
    return {p['metadata']['uid']: [(c['containerID'], c['restartCount']) for c in p['status']['containerStatuses']]
            for p in cluster.pods()}


def is_ready(cluster, node):
    return condition(cluster.get('node', node) or {}, 'Ready') == 'True'


def running_pods(cluster, count):
    pods = cluster.pods()
    return len(pods) == count and all(condition(p, 'Ready') == 'True' for p in pods)


def traces(cluster, uid):
    """What the node has of a pod, its logs aside."""
    home = cluster.nodes[0].home
    # Files go while it looks.
    return run('find', home, '-path', home / 'logs', '-prune', '-o', '-name', f'*{uid}*', '-print', check=False).stdout


def test_a_lost_cluster_comes_back(one):
    file = one.folder / 'cluster.backup'
    # The second node is one that joins after the backup.
    late = one.nodes[1]
    late.stop()
    one.kubectl('delete', 'node', late.name)
    one.apply(deployment('web', replicas=2))
    one.apply(pod('holder', ['sleep', '600']))
    one.kubectl('create', 'configmap', 'kept', '--from-literal=a=b')
    one.kubectl('create', 'secret', 'generic', 'kept', '--from-literal=c=d')
    wait_for(lambda: running_pods(one, 3), 'the pods to run', 60)
    token = one.kubectl('exec', 'holder', '--', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/token').stdout
    kept = one.get('configmap', 'kept')
    objects, before = state_of(one), containers(one)
    done = one.knarr('backup', file)
    revision = int(re.search(r'revision (\d+) of ', done.stdout).group(1))
    assert 'with the cluster' in done.stdout and file.stat().st_mode & 0o777 == 0o600
    assert b'KNARRBAK' in file.read_bytes()[:8] and not list(one.folder.glob('cluster.backup.*'))
    # What comes after it is lost: a node, an object, a deletion, a pod.
    late.start()
    wait_for(lambda: is_ready(one, late.name), 'the second node to join')
    one.kubectl('create', 'configmap', 'lost')
    one.kubectl('delete', 'configmap', 'kept')
    one.apply(pod('lost', ['sleep', '600'], nodeName='node-1'))
    wait_for(lambda: running_pods(one, 4), 'the pod that will be lost to run', 60)
    lost = one.get('pod', 'lost')['metadata']['uid']
    assert traces(one, lost)
    done = one.knarr('restore', file, check=False)
    assert done.returncode == 1 and 'a server runs on' in done.stderr
    one.stop_server(signal.SIGKILL)
    for name in ('store', 'pki'):
        shutil.rmtree(one.home / name)
    one.kubeconfig.unlink()
    done = one.knarr('restore', file)
    assert f'revision {revision} of ' in done.stdout and sorted(os.listdir(one.home)) == ['pki', 'store'], done.stdout
    one.start_server()
    assert state_of(one) == objects
    assert one.get('configmap', 'kept') == kept  # its resourceVersion, too
    assert one.get('configmap', 'lost') is None and one.get('pod', 'lost') is None
    # The token of before is accepted, the node goes on, its containers were not touched.
    who = one.run('curl', '-s', '--cacert', one.home / 'pki/ca.crt', '-H', f'Authorization: Bearer {token}',
                  '-H', 'Content-Type: application/json', '-d', '{}',
                  'https://127.0.0.1:6443/apis/authentication.k8s.io/v1/selfsubjectreviews').stdout
    assert 'system:serviceaccount:default:default' in who
    one.kubectl('scale', 'deployment', 'web', '--replicas=3')
    wait_for(lambda: running_pods(one, 4), 'another pod', 60)
    after = containers(one)
    assert before.items() <= after.items()
    assert is_ready(one, 'node-1')
    # A node that the cluster does not know any more makes itself known.
    wait_for(lambda: is_ready(one, late.name), 'the second node to be back', 60)
    one.apply(pod('second', ['true'], nodeName=late.name))
    wait_for(lambda: one.get('pod', 'second')['status'].get('phase') == 'Succeeded', 'a pod to run there')
    assert 'lost' not in {p['metadata']['name'] for p in one.pods()}
    done = one.kubectl('create', 'configmap', 'new', '-o', 'jsonpath={.metadata.resourceVersion}')
    assert int(done.stdout) > revision + 1_000_000_000
    # The node ended what the cluster does not know any more.
    wait_for(lambda: not traces(one, lost), 'the lost pod to be ended')


def test_damage_is_told_with_its_place(one):
    file, home = one.folder / 'damaged', one.folder / 'other'
    one.knarr('backup', file)
    whole = file.read_bytes()
    for bad, what in ((whole[:900] + bytes([whole[900] ^ 1]) + whole[901:], r'damaged at byte \d+'),
                      (whole[:-10], rf'cut off: it ends at byte {len(whole) - 10}')):
        file.write_bytes(bad)
        for command in (('backup', '--check', file), ('restore', file, '--home', home)):
            done = one.knarr(*command, check=False)
            assert done.returncode == 1 and re.search(what, done.stderr), done.stderr
    assert not home.exists()
    file.write_bytes(whole)
    assert one.knarr('restore', file, '--home', home).returncode == 0
    assert 'move it away first' in one.knarr('restore', file, '--home', home, check=False).stderr
