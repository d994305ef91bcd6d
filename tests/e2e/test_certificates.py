# SPDX-License-Identifier: Apache-2.0
"""Certificates of nodes and of the server are renewed while both run, and nobody notices."""
import json
import re

import pytest

from cluster import Cluster, condition, pod, run, wait_for
from conftest import running

LIFE = 6  # seconds


@pytest.fixture(scope='module')
def hasty():
    """Certificates live for seconds, and nodes renew theirs as soon as they have them."""
    yield from running(Cluster(nodes=2, server_arguments=['--certificate-life', str(LIFE)],
                               agent_arguments=['--certificate-renewal', '10']))


def renewals(c):
    """How often the certificates of both nodes were renewed, and the server's."""
    nodes = [(n.process.text().count('client certificate was renewed'),
              n.process.text().count('node server was renewed')) for n in c.nodes]
    return min(min(pair) for pair in nodes), c.server.text().count("server's certificates were renewed")


def lease(c, node):
    return c.get('lease', node.name, '-n', 'kube-node-lease')['spec']['renewTime']


def test_rotation_is_not_noticed(hasty):
    c = hasty
    c.apply(pod('speaks', ['sh', '-c', 'while :; do date; sleep 0.2; done'], nodeName='node-1'))
    wait_for(lambda: c.get('pod', 'speaks')['status'].get('phase') == 'Running', 'the pod to run', 30)
    before = {n.name: (c.get('node', n.name), lease(c, n)) for n in c.nodes}
    began = {n.name: len(n.process.text()) for n in c.nodes}
    watch = c.spawn_kubectl('get', 'configmaps', '-w', '-o', 'name')
    follow = c.spawn_kubectl('logs', '-f', 'speaks')
    first = renewals(c)
    wait_for(lambda: (now := renewals(c)) and now[0] - first[0] >= 25 and now[1] - first[1] >= 3
             and all(lease(c, n) != before[n.name][1] for n in c.nodes), 'hundred renewals and the heartbeats', 90)
    # Watches and logs that were open before are open still, and the new certificates serve new ones.
    assert watch.poll() is None and follow.poll() is None
    c.kubectl('create', 'configmap', 'late')
    c.kubectl('logs', 'speaks', '--tail=1')
    c.kubectl('wait', '--for=condition=Ready', 'pod/speaks', '--timeout=5s')
    for process in (watch, follow):
        process.terminate()
    assert 'configmap/late' in watch.stdout.read()
    assert len(follow.stdout.read().splitlines()) > 20
    for n in c.nodes:
        ready = [[x for x in node['status']['conditions'] if x['type'] == 'Ready'][0]
                 for node in (before[n.name][0], c.get('node', n.name))]
        assert ready[0]['lastTransitionTime'] == ready[1]['lastTransitionTime'] and ready[1]['status'] == 'True'
        said = n.process.text(began[n.name])
        assert not re.search(r' (warning|error) ', said), said
    served = json.loads(c.kubectl('get', '--raw', '/api/v1/nodes').stdout)
    assert len(served['items']) == 2
    c.kubectl('delete', 'pod', 'speaks')


def test_an_agent_starts_with_its_newest_certificate(hasty):
    c = hasty
    node = c.nodes[1]
    at = renewals(c)[0]
    wait_for(lambda: renewals(c)[0] > at, 'a renewal', 30)
    node.stop()
    at = node.log.read_text(errors='replace').count('was renewed')
    node.start()
    wait_for(lambda: node.process.text().count('was renewed') > at + 2, 'renewals by the new process', 30)
    assert condition(c.get('node', node.name), 'Ready') == 'True'
    mode = (node.home / 'agent/pki/client.pem').stat().st_mode
    assert mode & 0o777 == 0o600


def test_the_server_shows_its_newest_certificate(hasty):
    c = hasty

    def serial():
        done = c.run('sh', '-c', 'openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial -enddate')
        return done.stdout
    first = serial()
    assert 'serial=' in first
    wait_for(lambda: serial() != first, 'another certificate', 20)


def test_a_ca_near_its_end_is_told():
    """What ends with the CA is not renewed again and again; the log says what to do."""
    c = Cluster(nodes=1)
    pki = c.home / 'pki'
    pki.mkdir(parents=True)
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '90', '-subj', '/CN=old',
        '-keyout', pki / 'ca.key', '-out', pki / 'ca.crt')
    (pki / 'ca.key').chmod(0o600)
    for _ in running(c):
        ends = run('openssl', 'x509', '-noout', '-enddate', '-in', pki / 'ca.crt').stdout
        assert "the cluster's CA ends at" in c.server.text() and f'{c.home}/pki/ca.crt' in c.server.text()
        wait_for(lambda: 'the client certificate ends with the cluster\'s CA' in c.nodes[0].process.text(), 'the node to say so', 10)
        node = run('openssl', 'x509', '-noout', '-enddate', '-in', c.nodes[0].home / 'agent/pki/client.pem').stdout
        assert node == ends
        assert c.nodes[0].process.text().count('was renewed') == 0 and 'were renewed' not in c.server.text()
