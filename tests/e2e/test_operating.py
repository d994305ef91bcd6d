# SPDX-License-Identifier: Apache-2.0
"""What who operates a cluster sees: metrics, usage, logs, options, units."""
import re

import pytest
from cluster import Cluster, pod, wait_for
from conftest import running

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse(text):
    """A text exposition as [(name, labels, value)]; fails on anything that is not one."""
    samples, types = [], {}
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            assert name not in types, f'{name} twice'
            types[name] = kind
        elif not line.startswith('# HELP '):
            found = SAMPLE.match(line)
            assert found, line
            name, labels, value = found.groups()
            family = re.sub(r'_(bucket|sum|count)$', '', name)
            assert name in types or types.get(family) == 'histogram', f'{name} has no type'
            assert not labels or LABEL.sub('', labels) == '', line
            samples.append((name, dict(LABEL.findall(labels or '')), float(value)))
    assert text.endswith('\n')
    return samples


def total(samples, metric, **labels):
    return sum(value for name, found, value in samples if name == metric and labels.items() <= found.items())


@pytest.fixture(scope='module')
def one():
    """One node; a user without rights (ann) and one who watches over the cluster (mon)."""
    cluster = Cluster(nodes=1, server_arguments=['--log-format', 'json'])
    tokens = cluster.folder / 'tokens.csv'
    tokens.touch(mode=0o600)
    tokens.write_text('ann-token,ann,1\nmon-token,mon,2\n')
    cluster.server_arguments += ['--token-auth-file', tokens]
    yield from running(cluster)


def server_metrics(cluster):
    return parse(cluster.kubectl('get', '--raw', '/metrics').stdout)


def as_user(cluster, name, path):
    return cluster.curl(path, '-H', f'Authorization: Bearer {name}-token', user=None)


def test_metrics_of_the_server(one):
    before = server_metrics(one)
    one.kubectl('create', 'configmap', 'counted')
    one.kubectl('get', 'configmap', 'counted')
    now = server_metrics(one)
    created = {'verb': 'POST', 'resource': 'configmaps', 'version': 'v1', 'code': '201'}
    assert total(now, 'apiserver_request_total', **created) == total(before, 'apiserver_request_total', **created) + 1
    for name in ('apiserver_request_duration_seconds_count', 'knarr_store_commit_duration_seconds_count',
                 'knarr_store_revision', 'process_cpu_seconds_total'):
        assert total(now, name) > total(before, name), name
    objects = {'resource': 'configmaps'}
    assert total(now, 'apiserver_storage_objects', **objects) == total(before, 'apiserver_storage_objects', **objects) + 1
    assert total(now, 'apiserver_longrunning_requests', verb='WATCH', resource='pods') >= 2
    assert total(now, 'workqueue_adds_total', name='node-controller') > 0
    assert total(now, 'kubernetes_build_info', major='1', minor='35') == 1
    assert total(now, 'rest_client_requests_total', code='200', method='GET') > 0
    assert total(now, 'apiserver_request_total', subresource='/metrics', code='200') > 0


def test_metrics_count_the_scheduler(one):
    before = server_metrics(one)
    one.apply(pod('placed', ['sleep', '600']))
    one.apply(pod('waits', ['true'], nodeSelector={'no': 'where'}))
    wait_for(lambda: one.events('waits', 'FailedScheduling'), 'the pod to be unschedulable')
    wait_for(lambda: one.get('pod', 'placed')['status'].get('phase') == 'Running', 'the pod to run')
    now = server_metrics(one)
    for result in ('scheduled', 'unschedulable'):
        assert total(now, 'scheduler_schedule_attempts_total', result=result) > \
            total(before, 'scheduler_schedule_attempts_total', result=result)
    assert total(now, 'scheduler_pending_pods', queue='unschedulable') == 1
    one.kubectl('delete', 'pod', 'waits', 'placed', '--wait=false')


def test_metrics_need_a_right(one):
    assert as_user(one, 'ann', '/metrics')[0] == 403
    assert one.curl('/metrics', user=None)[0] in (401, 403)
    one.kubectl('create', 'clusterrolebinding', 'mon', '--clusterrole=system:monitoring', '--user=mon')
    code, body = as_user(one, 'mon', '/metrics')
    assert code == 200 and parse(body.decode())


def test_strange_requests_make_no_series(one):
    for i in range(20):
        one.curl(f'/apis/made.up{i}/v1/things{i}')
        one.curl(f'/made-up-{i}', method=f'MADEUP{i}')
    assert not [labels for _, labels, _ in server_metrics(one) if any('made' in v.lower() for v in labels.values())]
