# SPDX-License-Identifier: Apache-2.0
"""Pods that run get other resources: from kubectl to their control groups."""
import json
import pathlib
import signal

from cluster import condition, pod, wait_for

MI = 1 << 20


def make(cluster, name, requests=None, limits=None, command=('sleep', '100000'), sidecar=None, **container):
    manifest = pod(name, list(command), restart='Always')
    if sidecar:
        manifest['spec']['initContainers'] = [{**manifest['spec']['containers'][0], 'name': 'side', 'restartPolicy': 'Always',
                                               'resources': sidecar}]
    manifest['spec']['containers'][0].update(resources={'requests': requests or {}, 'limits': limits or {}}, **container)
    cluster.apply(manifest)
    return wait_for(lambda: (p := cluster.get('pod', name)) and condition(p, 'Ready') == 'True' and p, f'{name} to be ready')


def resize(cluster, name, requests=None, limits=None, check=True, **kwargs):
    resources = {k: v for k, v in (('requests', requests), ('limits', limits)) if v}
    patch = {'spec': {'containers': [{'name': 'main', 'resources': resources}]}}
    return cluster.kubectl('patch', 'pod', name, '--subresource', 'resize', '-p', json.dumps(patch), check=check, **kwargs)


def main_of(p):
    return p['status']['containerStatuses'][0]


def conditions(p):
    return {c['type']: c for c in p['status']['conditions']}


def at_rest(p):
    """Nothing of its resources is under way, by what was seen last."""
    return p['status'].get('observedGeneration') == p['metadata']['generation'] and not any(
        t.startswith('PodResize') for t in conditions(p))


def settled(cluster, name, **resources):
    """The pod, when its status says that this is what its container has, and that nothing is under way."""
    def look():
        p = cluster.get('pod', name)
        told = main_of(p).get('resources', {})
        return 'running' in main_of(p)['state'] and all(told.get(k) == v for k, v in resources.items()) and at_rest(p) and p
    return wait_for(look, f'{name} to have {resources}')


def groups(p):
    """What the kernel says of the pod's group and of its container's: shares, quota in thousandths, bytes."""
    uid, container = p['metadata']['uid'], main_of(p)['containerID'].split('://')[1]
    found = {}
    for root in ('/sys/fs/cgroup', '/sys/fs/cgroup/cpu', '/sys/fs/cgroup/memory'):
        for pod_group in pathlib.Path(root).glob(f'kn*/**/pod{uid}'):
            for level, folder in (('pod', pod_group), ('container', pod_group / container)):
                for name, place in (('cpu.shares', 'cpu'), ('cpu.weight', 'cpu'), ('cpu.cfs_quota_us', 'quota'), ('cpu.max', 'quota'),
                                    ('memory.limit_in_bytes', 'memory'), ('memory.max', 'memory')):
                    if (folder / name).exists():
                        found[level, place] = int((folder / name).read_text().split()[0].replace('max', '-1'))
    return found


def test_a_container_gets_more_and_less_while_it_runs(node):
    before = make(node, 'plain', {'cpu': '100m', 'memory': '32Mi'}, {'cpu': '200m', 'memory': '64Mi'})
    assert main_of(before)['allocatedResources'] == {'cpu': '100m', 'memory': '32Mi'}
    assert main_of(before)['resources']['limits'] == {'cpu': '200m', 'memory': '64Mi'}
    assert groups(before)['container', 'memory'] == 64 * MI
    resize(node, 'plain', {'cpu': '300m'}, {'cpu': '500m', 'memory': '96Mi'})
    after = settled(node, 'plain', limits={'cpu': '500m', 'memory': '96Mi'})
    found = groups(after)
    for level in ('pod', 'container'):
        assert (found[level, 'memory'], found[level, 'quota']) == (96 * MI, 50000), found
        assert found[level, 'cpu'] in (307, 12), found
    assert main_of(after)['allocatedResources'] == {'cpu': '300m', 'memory': '32Mi'}
    assert main_of(after)['restartCount'] == 0 and main_of(after)['containerID'] == main_of(before)['containerID']
    assert after['metadata']['generation'] == 2 and after['status']['observedGeneration'] == 2
    assert condition(after, 'Ready') == 'True'
    wait_for(lambda: {'ResizeStarted', 'ResizeCompleted'} <= {e['reason'] for e in node.events('plain')}, 'its events')
    # Back, and below what it started with.
    resize(node, 'plain', {'cpu': '50m', 'memory': '16Mi'}, {'cpu': '100m', 'memory': '48Mi'})
    less = settled(node, 'plain', limits={'cpu': '100m', 'memory': '48Mi'})
    found = groups(less)
    assert (found['pod', 'memory'], found['container', 'memory'], found['container', 'quota']) == (48 * MI, 48 * MI, 10000)
    # A node that starts again goes on with what it had agreed to.
    node.nodes[0].stop(signal.SIGKILL)
    resize(node, 'plain', {'cpu': '60m'})
    node.nodes[0].start()
    again = settled(node, 'plain', requests={'cpu': '60m', 'memory': '16Mi'})
    assert main_of(again)['containerID'] == main_of(before)['containerID'] and groups(again)['container', 'memory'] == 48 * MI
    assert 'Killing' not in {e['reason'] for e in node.events('plain')}


def test_a_container_that_wants_it_is_started_anew(node):
    policy = [{'resourceName': 'memory', 'restartPolicy': 'RestartContainer'}, {'resourceName': 'cpu', 'restartPolicy': 'NotRequired'}]
    before = make(node, 'anew', {'cpu': '50m', 'memory': '32Mi'}, {'memory': '64Mi'}, resizePolicy=policy)
    resize(node, 'anew', {'cpu': '70m'})
    kept = settled(node, 'anew', requests={'cpu': '70m', 'memory': '32Mi'})
    assert main_of(kept)['restartCount'] == 0
    resize(node, 'anew', {'memory': '40Mi'}, {'memory': '80Mi'})
    after = settled(node, 'anew', limits={'memory': '80Mi'})
    assert main_of(after)['restartCount'] == 1 and main_of(after)['containerID'] != main_of(before)['containerID']
    assert after['metadata']['uid'] == before['metadata']['uid'] and after['status']['podIP'] == before['status']['podIP']
    found = groups(after)
    assert found['pod', 'memory'] == found['container', 'memory'] == 80 * MI
    assert any('main resize requires restart' in e['message'] for e in node.events('anew', 'Killing'))


def test_what_a_node_cannot_give(node):
    allocatable = node.get('node', 'node-1')['status']['allocatable']
    cpus = int(allocatable['cpu'])
    begin = make(node, 'greedy', {'cpu': '100m'})
    resize(node, 'greedy', {'cpu': str(cpus + 1)})
    told = wait_for(lambda: conditions(node.get('pod', 'greedy')).get('PodResizePending'), 'the refusal')
    assert (told['status'], told['reason'], told['observedGeneration']) == ('True', 'Infeasible', 2)
    assert told['message'] == f"Node didn't have enough capacity: cpu, requested: {cpus + 1}000, capacity: {cpus}000"
    # Nor does a new run of the agent take what is asked for.
    node.nodes[0].stop(signal.SIGKILL)
    node.nodes[0].start()
    # Nor what others have; it waits until they have gone.
    make(node, 'holder', {'cpu': f'{cpus - 1}000m'})
    assert main_of(node.get('pod', 'greedy'))['allocatedResources'] == {'cpu': '100m'}
    assert conditions(node.get('pod', 'greedy'))['PodResizePending'] == told and groups(begin)['container', 'cpu'] in (102, 4)
    resize(node, 'greedy', {'cpu': '1500m'})
    told = wait_for(lambda: (c := conditions(node.get('pod', 'greedy')).get('PodResizePending')) and
                    c['reason'] == 'Deferred' and c, 'it to wait')
    assert told['message'].startswith("Node didn't have enough resource: cpu, requested: 1500, used: ")
    # What it asked for counts for the scheduler: nobody else comes.
    node.apply(pod('late', ['sleep', '1000'], containers=[{'name': 'main', 'image': 'localhost/knarr/hello:v1', 'resources': {
        'requests': {'cpu': '300m'}}, 'command': ['sleep', '1000']}]))
    wait_for(lambda: condition(node.get('pod', 'late'), 'PodScheduled') == 'False', 'nobody else to come')
    node.kubectl('delete', 'pod', 'holder', 'late', '--timeout=20s')
    assert main_of(settled(node, 'greedy', requests={'cpu': '1500m'}))['containerID'] == main_of(begin)['containerID']
    node.kubectl('delete', 'pod', 'greedy', '--timeout=20s')


def test_memory_that_is_in_use_is_not_taken(node):
    make(node, 'full', {'memory': '64Mi'}, {'memory': '64Mi'}, command=(
        'sh', '-c', 'head -c 30000000 /dev/zero > /dev/shm/x; sleep 100000'))
    p = node.get('pod', 'full')
    wait_for(lambda: sum(int(f.read_text()) for r in ('/sys/fs/cgroup', '/sys/fs/cgroup/memory') for n in (
        'memory.current', 'memory.usage_in_bytes') for f in pathlib.Path(r).glob(f'kn*/**/pod{p["metadata"]["uid"]}/{n}')) >
             30000000, 'it to use its memory')
    resize(node, 'full', {'memory': '8Mi'}, {'memory': '8Mi'})
    told = wait_for(lambda: (c := conditions(node.get('pod', 'full')).get('PodResizeInProgress')) and c.get('reason') == 'Error' and c,
                    'the error')
    assert 'memory limit (8388608) below current usage (' in told['message'], told
    assert groups(p)['container', 'memory'] == 64 * MI
    assert main_of(node.get('pod', 'full'))['resources']['limits'] == {'memory': '64Mi'}
    resize(node, 'full', {'memory': '64Mi'}, {'memory': '64Mi'})
    assert main_of(settled(node, 'full', limits={'memory': '64Mi'}))['restartCount'] == 0


def test_a_sidecar_gets_more(node):
    make(node, 'served', {'cpu': '100m'}, sidecar={'requests': {'memory': '16Mi'}, 'limits': {'memory': '32Mi'}})
    patch = {'spec': {'initContainers': [{'name': 'side', 'resources': {'limits': {'memory': '48Mi'}}}]}}
    node.kubectl('patch', 'pod', 'served', '--subresource', 'resize', '-p', json.dumps(patch))
    told = wait_for(lambda: (s := node.get('pod', 'served')['status']['initContainerStatuses'][0]) and
                    s['resources']['limits'] == {'memory': '48Mi'} and s, 'the sidecar to have more')
    assert told['restartCount'] == 0 and 'running' in told['state']
    uid, container = node.get('pod', 'served')['metadata']['uid'], told['containerID'].split('://')[1]
    assert {int(f.read_text()) for f in pathlib.Path('/sys/fs/cgroup').glob(f'memory/kn*/**/pod{uid}/{container}/memory.limit*bytes')} | {
        int(f.read_text()) for f in pathlib.Path('/sys/fs/cgroup').glob(f'kn*/**/pod{uid}/{container}/memory.max')} >= {48 * MI}


def test_several_at_once_and_again_and_again(node):
    before = {'one': {'requests': {'cpu': '20m'}}, 'two': {'requests': {'memory': '32Mi'}}, 'three': {'requests': {'cpu': '20m', 'memory': '32Mi'}}}
    after = {'one': {'requests': {'cpu': '25m'}, 'limits': {'cpu': '35m'}}, 'two': {'requests': {'memory': '24Mi'}, 'limits': {'memory': '48Mi'}},
             'three': {'requests': {'cpu': '15m', 'memory': '16Mi'}}}
    manifest = pod('many', [], restart='Always')
    manifest['spec']['containers'] = [{'name': n, 'image': 'localhost/knarr/hello:v1', 'command': ['sleep', '100000'], 'resources': r}
                                      for n, r in before.items()]
    node.apply(manifest)
    wait_for(lambda: condition(node.get('pod', 'many'), 'Ready') == 'True', 'it to be ready')
    for to in (after, {**after, 'three': before['three']}) * 4 + (after,):
        patch = {'spec': {'containers': [{'name': n, 'resources': r} for n, r in to.items()]}}
        node.kubectl('patch', 'pod', 'many', '--subresource', 'resize', '-p', json.dumps(patch))
    p = wait_for(lambda: (p := node.get('pod', 'many')) and at_rest(p) and p, 'the last of them')
    assert p['metadata']['generation'] == 10
    assert {s['name']: s['resources'] for s in p['status']['containerStatuses']} == after
    assert {s['name']: s['allocatedResources'] for s in p['status']['containerStatuses']} == {n: r['requests'] for n, r in after.items()}
    assert all(s['restartCount'] == 0 for s in p['status']['containerStatuses'])


def test_what_is_refused(node):
    make(node, 'same', {'cpu': '100m'}, {'cpu': '200m'})
    done = resize(node, 'same', {'memory': '1Gi', 'cpu': '200m'}, {'memory': '1Gi'}, check=False)
    assert done.returncode and 'Pod QOS Class may not change as a result of resizing' in done.stderr
    done = node.kubectl('patch', 'pod', 'same', '-p', '{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"150m"}}}]}}',
                        check=False)
    assert done.returncode and 'pod updates may not change fields other than' in done.stderr
    # An editor that changes one number.
    node.kubectl('edit', 'pod', 'same', '--subresource', 'resize', env={'KUBE_EDITOR': 'sed -i s/100m/150m/'})
    settled(node, 'same', requests={'cpu': '150m'})
