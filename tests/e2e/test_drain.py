# SPDX-License-Identifier: Apache-2.0
"""kubectl drain: evictions within a budget, the grace of a pod, and what overrides them."""
import json
import time

from cluster import deployment, pod, wait_for
from test_failures import settled


def budget(name, **spec):
    return {'apiVersion': 'policy/v1', 'kind': 'PodDisruptionBudget', 'metadata': {'name': name},
            'spec': {'selector': {'matchLabels': {'app': name}}, **spec}}


def put_on(cluster, node, name, replicas, **kwargs):
    """A Deployment whose pods are all on that node, all ready."""
    others = [n.name for n in cluster.nodes if n.name != node.name]
    cluster.kubectl('cordon', *others)
    cluster.apply(deployment(name, replicas, **kwargs))
    pods = settled(cluster, name, replicas)
    assert {p['spec']['nodeName'] for p in pods} == {node.name}
    cluster.kubectl('uncordon', *others)
    return pods


def allowed(cluster, name):
    status = cluster.get('pdb', name).get('status', {})
    return status.get('disruptionsAllowed'), status.get('currentHealthy'), status.get('expectedPods')


def test_drain_keeps_the_budget_and_goes_on(cluster):
    c = cluster
    put_on(c, c.nodes[0], 'web', 2)
    c.apply(budget('web', minAvailable=1))
    wait_for(lambda: allowed(c, 'web') == (1, 2, 2), 'the budget to be counted')
    assert c.kubectl('get', 'pdb', 'web', '--no-headers').stdout.split()[:4] == ['web', '1', 'N/A', '1']
    drain = c.spawn_kubectl('drain', 'node-1', '--timeout=40s')
    least = 2
    while drain.poll() is None:
        ready = [p for p in c.pods('app=web') if any(s['type'] == 'Ready' and s['status'] == 'True' for s in p['status'].get('conditions', []))]
        least = min(least, len(ready))
        time.sleep(0.05)  # a sample, nothing waits for it
    text = drain.stdout.read()
    assert drain.returncode == 0, text
    assert 'will retry after 5s' in text and 'Cannot evict pod' in text, text
    assert text.count('evicted') >= 2 and least == 1, (least, text)
    assert {p['spec']['nodeName'] for p in settled(c, 'web', 2)} == {'node-2'}
    c.kubectl('uncordon', 'node-1')
    c.kubectl('delete', 'deploy,pdb', 'web')


def test_drain_waits_for_the_grace(cluster):
    c = cluster
    slow = ['sh', '-c', 'trap "sleep 2; exit 0" TERM; while :; do sleep 0.1; done']
    manifest = deployment('slow', 1, command=slow)
    manifest['spec']['template']['spec']['terminationGracePeriodSeconds'] = 20
    c.kubectl('cordon', 'node-2')
    c.apply(manifest)
    settled(c, 'slow', 1)
    c.kubectl('uncordon', 'node-2')
    # What would happen is told and nothing does.
    assert 'drained (server dry run)' in c.kubectl('drain', 'node-1', '--dry-run=server').stdout
    assert not c.get('node', 'node-1')['spec'].get('unschedulable')
    began = time.monotonic()
    done = c.kubectl('drain', 'node-1', '--timeout=40s')
    assert 'evicted' in done.stdout and 2 <= time.monotonic() - began < 15
    c.kubectl('uncordon', 'node-1')
    c.kubectl('delete', 'deploy', 'slow', '--grace-period=1')


def test_what_overrides_a_budget(cluster):
    c = cluster
    put_on(c, c.nodes[0], 'held', 1)
    c.apply(budget('held', maxUnavailable=0))
    c.apply(pod('bare', ['sleep', '1000'], nodeName='node-1'))
    wait_for(lambda: c.get('pod', 'bare')['status'].get('phase') == 'Running', 'the bare pod to run', 30)
    wait_for(lambda: allowed(c, 'held') == (0, 1, 1), 'the budget to be counted')
    name = c.pods('app=held')[0]['metadata']['name']
    code, body = c.curl(f'/api/v1/namespaces/default/pods/{name}/eviction', '-H', 'Content-Type: application/json',
                        data=json.dumps({'apiVersion': 'policy/v1', 'kind': 'Eviction', 'metadata': {'name': name}}))
    status = json.loads(body)
    assert (code, status['reason'], status['details']['causes'][0]['reason']) == (429, 'TooManyRequests', 'DisruptionBudget')
    refused = c.kubectl('drain', 'node-1', '--timeout=10s', check=False)
    assert refused.returncode == 1 and 'bare' in refused.stderr and '--force' in refused.stderr
    done = c.kubectl('drain', 'node-1', '--force', '--disable-eviction', '--timeout=30s')
    assert 'pod/bare deleted' in done.stdout and f'pod/{name} deleted' in done.stdout
    assert c.get('pod', 'bare') is None
    wait_for(lambda: allowed(c, 'held') == (0, 1, 1), 'the budget to follow the new pod', 30)
    c.kubectl('uncordon', 'node-1')
    c.kubectl('delete', 'deploy,pdb', 'held')
