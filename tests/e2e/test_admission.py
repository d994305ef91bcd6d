# SPDX-License-Identifier: Apache-2.0
"""Quotas and limits of a namespace, as people with kubectl meet them."""
import collections
import json

from cluster import PORT, deployment, pod, wait_for


def namespace(cluster, name, *objects):
    cluster.kubectl('create', 'namespace', name)
    for o in objects:
        cluster.apply(o, '-n', name)
    return name


def quota(name='q', **spec):
    return {'apiVersion': 'v1', 'kind': 'ResourceQuota', 'metadata': {'name': name}, 'spec': spec}


def used(cluster, ns, name='q'):
    return cluster.get('resourcequota', name, '-n', ns).get('status', {}).get('used', {})


def create_at_once(cluster, path, objects):
    """POSTs all of them at the same time; how often there was which answer."""
    certificate, key = cluster.client_files()
    config = []
    for o in objects:
        config += [f'url = "https://127.0.0.1:{PORT}{path}"', 'output = "/dev/null"', 'write-out = "%{http_code}\\n"',
                   f'cacert = "{cluster.home}/pki/ca.crt"', f'cert = "{certificate}"', f'key = "{key}"',
                   'header = "Content-Type: application/json"', f'data = {json.dumps(json.dumps(o))}', 'next']
    done = cluster.run('curl', '-sS', '--parallel', '--parallel-immediate', '--parallel-max', '50', '--config', '-',
                       input='\n'.join(config[:-1]), check=False)
    return collections.Counter(done.stdout.split())


def test_fifty_at_once_get_what_the_quota_has_and_no_more(cluster):
    ns = namespace(cluster, 'crowd', quota(hard={'pods': '20', 'requests.cpu': '2'}))
    path = f'/api/v1/namespaces/{ns}/pods'

    def pods(prefix):
        # Nobody runs them: they name a scheduler that is not there.
        return [{'metadata': {'name': f'{prefix}{i}'},
                 'spec': {'schedulerName': 'nobody', 'containers': [
                     {'name': 'c', 'image': 'i', 'resources': {'requests': {'cpu': '100m'}}}]}} for i in range(50)]

    assert create_at_once(cluster, path, pods('a')) == {'201': 20, '403': 30}
    assert used(cluster, ns) == {'pods': '20', 'requests.cpu': '2'}
    assert len(cluster.pods(namespace=ns)) == 20
    gone = [p['metadata']['name'] for p in cluster.pods(namespace=ns)[:5]]
    cluster.kubectl('delete', 'pod', '-n', ns, *gone)
    assert used(cluster, ns) == {'pods': '15', 'requests.cpu': '1500m'}
    assert create_at_once(cluster, path, pods('b')) == {'201': 5, '403': 45}
    assert used(cluster, ns)['pods'] == '20'
    cluster.kubectl('delete', 'pods', '--all', '-n', ns)
    assert used(cluster, ns) == {'pods': '0', 'requests.cpu': '0'}


def test_what_is_refused_and_why(cluster):
    ns = namespace(cluster, 'strict', quota(hard={'pods': '1', 'limits.cpu': '1', 'count/deployments.apps': '1',
                                                  'services.nodeports': '0'}))

    def refused(o):
        done = cluster.kubectl('create', '-f', '-', '-n', ns, input=json.dumps(o), check=False)
        assert done.returncode == 1, done.stdout
        return done.stderr.strip()

    small = pod('a', ['sleep', '60'])
    assert refused(small).endswith('pods "a" is forbidden: failed quota: q: must specify limits.cpu for: main')
    small['spec']['containers'][0]['resources'] = {'limits': {'cpu': '2'}}
    assert refused(small).endswith(
        'pods "a" is forbidden: exceeded quota: q, requested: limits.cpu=2, used: limits.cpu=0, limited: limits.cpu=1')
    small['spec']['containers'][0]['resources'] = {'limits': {'cpu': '100m'}}
    done = cluster.kubectl('create', '-f', '-', '-n', ns, '--dry-run=server', input=json.dumps(small))
    assert used(cluster, ns)['pods'] == '0' and 'Warning' not in done.stderr
    cluster.kubectl('create', '-f', '-', '-n', ns, input=json.dumps(small))
    small['metadata']['name'] = 'b'
    assert refused(small).endswith('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1')
    cluster.kubectl('create', 'deployment', 'd1', '--image=i', '--replicas=0', '-n', ns)
    assert 'requested: count/deployments.apps=1, used: count/deployments.apps=1' in refused(deployment('d2', 0))
    service = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 's'}, 'spec': {'ports': [{'port': 80}]}}
    cluster.apply(service, '-n', ns)
    done = cluster.kubectl('patch', 'service', 's', '-n', ns, '-p', '{"spec":{"type":"NodePort"}}', check=False)
    assert 'requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0' in done.stderr
    assert 'count/deployments.apps  1     1' in cluster.kubectl('describe', 'quota', 'q', '-n', ns).stdout


def test_pods_that_end_give_back(cluster):
    best_effort = quota('be', hard={'pods': '1'}, scopes=['BestEffort'])
    ns = namespace(cluster, 'ending', quota(hard={'pods': '1', 'count/pods': '3'}), best_effort)
    cluster.apply(pod('short', ['true']), '-n', ns)
    wait_for(lambda: used(cluster, ns) == {'pods': '0', 'count/pods': '1'}, 'the end of the pod to be counted')
    wait_for(lambda: used(cluster, ns, 'be') == {'pods': '0'}, 'the other quota, too')
    cluster.apply(pod('long', ['sleep', '600']), '-n', ns)
    assert (used(cluster, ns), used(cluster, ns, 'be')) == ({'pods': '1', 'count/pods': '2'}, {'pods': '1'})
    cluster.kubectl('delete', 'pod', 'long', '-n', ns)
    assert used(cluster, ns) == {'pods': '0', 'count/pods': '1'}


def test_a_deployment_goes_on_when_there_is_room_again(cluster):
    ns = namespace(cluster, 'tight', quota(hard={'pods': '2'}))
    cluster.apply(deployment('web', 3), '-n', ns)
    wait_for(lambda: used(cluster, ns).get('pods') == '2', 'two pods')
    assert len(cluster.pods(namespace=ns)) == 2
    cluster.kubectl('patch', 'quota', 'q', '-n', ns, '--type=merge', '-p', '{"spec":{"hard":{"pods":"3"}}}')
    wait_for(lambda: len(cluster.pods(namespace=ns)) == 3, 'the third pod', seconds=60)
    wait_for(lambda: cluster.get('quota', 'q', '-n', ns)['status'] == {'hard': {'pods': '3'}, 'used': {'pods': '3'}},
             'the status to say so')


def test_a_quota_counts_what_was_there_before(cluster):
    ns = namespace(cluster, 'late')
    for i in range(3):
        cluster.kubectl('create', 'configmap', f'c{i}', '-n', ns)
    there = len(cluster.get('configmaps', '-n', ns)['items'])
    cluster.apply(quota(hard={'configmaps': str(there)}), '-n', ns)
    wait_for(lambda: used(cluster, ns) == {'configmaps': str(there)}, 'what was there to be counted')
    done = cluster.kubectl('create', 'configmap', 'more', '-n', ns, check=False)
    assert f'exceeded quota: q, requested: configmaps=1, used: configmaps={there}, limited: configmaps={there}' \
        in done.stderr


def test_limits_are_seen_in_pods(cluster):
    ns = namespace(cluster, 'limits', {
        'apiVersion': 'v1', 'kind': 'LimitRange', 'metadata': {'name': 'l'},
        'spec': {'limits': [{'type': 'Container', 'default': {'memory': '64Mi'}, 'max': {'memory': '128Mi'}}]}})
    cluster.apply(pod('a', ['sh', '-c', 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes']),
                  '-n', ns)
    made = cluster.get('pod', 'a', '-n', ns)
    assert made['spec']['containers'][0]['resources'] == {'limits': {'memory': '64Mi'}, 'requests': {'memory': '64Mi'}}
    assert made['metadata']['annotations']['kubernetes.io/limit-ranger'] == \
        'LimitRanger plugin set: memory request for container main; memory limit for container main'
    big = pod('b', ['true'])
    big['spec']['containers'][0]['resources'] = {'limits': {'memory': '1Gi'}}
    done = cluster.kubectl('create', '-f', '-', '-n', ns, input=json.dumps(big), check=False)
    assert done.stderr.strip().endswith(
        'pods "b" is forbidden: maximum memory usage per Container is 128Mi, but limit is 1Gi')


def test_custom_objects_count(cluster):
    schema = {'openAPIV3Schema': {'type': 'object', 'x-kubernetes-preserve-unknown-fields': True}}
    cluster.apply({'apiVersion': 'apiextensions.k8s.io/v1', 'kind': 'CustomResourceDefinition',
                   'metadata': {'name': 'sails.ships.example'},
                   'spec': {'group': 'ships.example', 'scope': 'Namespaced', 'names': {'plural': 'sails', 'kind': 'Sail'},
                            'versions': [{'name': 'v1', 'served': True, 'storage': True, 'schema': schema}]}})
    cluster.kubectl('wait', '--for=condition=Established', 'crd/sails.ships.example')
    ns = namespace(cluster, 'harbour', quota(hard={'count/sails.ships.example': '1'}))
    sail = {'apiVersion': 'ships.example/v1', 'kind': 'Sail', 'metadata': {'name': 'a'}}
    cluster.apply(sail, '-n', ns)
    done = cluster.kubectl('create', '-f', '-', '-n', ns, input=json.dumps({**sail, 'metadata': {'name': 'b'}}),
                           check=False)
    assert 'requested: count/sails.ships.example=1, used: count/sails.ships.example=1' in done.stderr
    cluster.kubectl('delete', 'sail', 'a', '-n', ns)
    assert used(cluster, ns) == {'count/sails.ships.example': '0'}
