# SPDX-License-Identifier: Apache-2.0
"""The command line in the box, against real nodes."""
import json

from cluster import deployment, pod, wait_for


def test_help_and_mistakes(cluster):
    assert 'Usage: knarr COMMAND' in cluster.knarr('help').stdout
    assert cluster.knarr('version').stdout.startswith('knarr ')
    for command in (['bogus'], ['get'], ['get', 'pods', '--bogus'], ['apply'], ['delete', 'pod']):
        done = cluster.knarr(*command, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    done = cluster.knarr('get', 'nonsense', check=False)
    assert done.returncode == 1 and 'doesn\'t have a resource type "nonsense"' in done.stderr
    done = cluster.knarr('get', 'pod', 'nobody', check=False)
    assert done.returncode == 1 and done.stderr == 'Error from server (NotFound): pods "nobody" not found\n'
    done = cluster.knarr('get', 'pods', '--kubeconfig', '/nonexistent', check=False)
    assert done.returncode == 1 and '/nonexistent' in done.stderr


def test_apply_get_logs_delete(cluster):
    c = cluster
    path = c.folder / 'manifest.yaml'
    path.write_text(json.dumps(deployment('boxed', 2, command=['sh', '-c', 'echo started; exec httpd -f -p 8080'])) +
                    '\n---\n' + json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'boxed'},
                                            'data': {'a': '1', 'b': '2'}}))
    assert c.knarr('apply', '-f', path).stdout == 'deployment.apps/boxed created\nconfigmap/boxed created\n'
    assert c.knarr('apply', '-f', path).stdout == 'deployment.apps/boxed unchanged\nconfigmap/boxed unchanged\n'
    path.write_text(path.read_text().replace('"b": "2"', '"c": "3"'))
    assert 'configmap/boxed configured' in c.knarr('apply', '-f', path).stdout
    assert c.get('cm', 'boxed')['data'] == {'a': '1', 'c': '3'}
    # kubectl takes over what knarr applied.
    assert 'configmap/boxed unchanged' in c.kubectl('apply', '-f', path).stdout
    assert c.knarr('wait', 'deploy', 'boxed', '--for', 'condition=Available', '--timeout', '60').stdout == \
        'deployment/boxed condition met\n'
    out = c.knarr('get', 'pods', '-l', 'app=boxed').stdout.splitlines()
    assert out[0].split() == ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE'] and len(out) == 3
    name = c.knarr('get', 'pods', '-l', 'app=boxed', '-o', 'jsonpath={.items[0].metadata.name}').stdout
    assert 'NODE' in c.knarr('get', 'pod', name, '-o', 'wide').stdout
    assert c.knarr('get', 'pod', name, '-o', 'name').stdout == f'pod/{name}\n'
    assert json.loads(c.knarr('get', 'pod', name, '-o', 'json').stdout)['kind'] == 'Pod'
    assert 'kind: Pod' in c.knarr('get', 'pod', name, '-o', 'yaml').stdout
    assert c.knarr('logs', name).stdout == 'started\n'
    both = c.knarr('get', 'nodes,pods', '-A').stdout
    assert both.count('Ready') == 2 and 'NAMESPACE' in both.split('\n\n')[1]
    done = c.knarr('delete', '-f', path)
    assert done.stdout.count('deleted') == 2
    assert c.get('deploy', 'boxed') is None


def test_delete_waits(cluster):
    cluster.apply(pod('slow', ['sh', '-c', 'trap "sleep 1; exit 0" TERM; while true; do sleep 0.1; done'],
                      terminationGracePeriodSeconds=20))
    wait_for(lambda: cluster.get('pod', 'slow')['status'].get('phase') == 'Running', 'slow to run', 60)
    cluster.knarr('delete', 'pod', 'slow')
    assert cluster.get('pod', 'slow') is None


def test_token_create(cluster):
    token = cluster.token()
    parts = token.split('.')
    assert [len(p) for p in parts] == [64, 6, 26]
    secret = cluster.get('secret', f'bootstrap-token-{parts[1]}', '-n', 'kube-system')
    assert secret['type'] == 'bootstrap.kubernetes.io/token' and set(secret['data']) >= {'expiration', 'token-secret'}
