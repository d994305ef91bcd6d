# SPDX-License-Identifier: Apache-2.0
"""A full disk, as far as the server's home is concerned: who would fill it further is turned down, everybody else goes
on, nothing that was acknowledged is lost, and there is room again once something is deleted."""
import json
import signal
import time

import pytest

from cluster import Cluster, run, wait_for

SIZE_MIB = 144
MAPS = '/api/v1/namespaces/default/configmaps'
LEASE = '/apis/coordination.k8s.io/v1/namespaces/default/leases/holder'
JSON = ('-H', 'Content-Type: application/json')


@pytest.fixture
def small_disk():
    """A cluster without nodes, its home on a disk of its own."""
    c = Cluster()
    c.home.mkdir()
    run('mount', '-t', 'tmpfs', '-o', f'size={SIZE_MIB}m,mode=0700', c.id, c.home)
    try:
        c.start()
        yield c
    finally:
        if c.server:
            c.stop_server()
        run('umount', c.home)
        left = c.stop()
    assert not left, left


def put_map(c, number, kib=900):
    body = {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': f'm-{number}', 'labels': {'fill': 'yes'}},
            'data': {'text': chr(97 + number % 26) * (kib << 10)}}
    return c.curl(MAPS, *JSON, method='POST', data=json.dumps(body))


def fill(c, first=0):
    """Creates until the disk is full; the number of the first that was refused."""
    number = first
    while True:
        code, body = put_map(c, number)
        if code != 201:
            break
        number += 1
    status = json.loads(body)
    assert (code, status['code'], status['reason']) == (507, 507, 'InsufficientStorage'), body
    assert 'database space exceeded' in status['message']
    return number


def is_full(c):
    return 'knarr_store_full 1' in c.kubectl('get', '--raw', '/metrics').stdout.splitlines()


def names(c):
    code, body = c.curl(f'{MAPS}?labelSelector=fill', '-H',
                        'Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1')
    assert code == 200, body
    return {item['metadata']['name'] for item in json.loads(body)['items'] or ()}


def renew(c, second):
    code, body = c.curl(LEASE, '-H', 'Content-Type: application/merge-patch+json', method='PATCH',
                        data=json.dumps({'spec': {'renewTime': f'2026-01-01T00:00:{second:02}.000000Z'}}))
    assert code == 200, body


def test_full_disk(small_disk):
    c = small_disk
    c.apply({'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease', 'metadata': {'name': 'holder'},
             'spec': {'holderIdentity': 'me', 'leaseDurationSeconds': 40}})
    c.apply({'apiVersion': 'v1', 'kind': 'ConfigMap',
             'metadata': {'name': 'kept', 'labels': {'fill': 'no'}, 'finalizers': ['example.com/later']}})
    count = fill(c)
    for _ in range(20):  # as long as there is history left, it gives way
        time.sleep(0.2)
        count = fill(c, count)
        if is_full(c):
            break
    there = {f'm-{i}' for i in range(count)} | {'kept'}
    assert count > 10
    assert c.kubectl('get', '--raw', '/readyz').stdout == 'ok'
    assert names(c) == there
    renew(c, 1)
    c.kubectl('delete', 'configmap', 'm-0')
    # One that is not gone at once: the mark and what takes it off are written like any other.
    c.kubectl('delete', 'configmap', 'kept', '--wait=false')
    assert c.get('configmap', 'kept')['metadata']['deletionTimestamp']

    # It opens as it is, with all that was acknowledged.
    c.stop_server(signal.SIGKILL)
    c.start_server()
    assert names(c) == there - {'m-0'}
    assert c.get('lease', 'holder')['spec']['renewTime'] == '2026-01-01T00:00:01.000000Z'
    renew(c, 2)
    c.kubectl('patch', 'configmap', 'kept', '--type=json', '-p', '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert put_map(c, 0)[0] == 507

    for i in range(1, count):
        assert c.curl(f'{MAPS}/m-{i}', method='DELETE')[0] == 200
    wait_for(lambda: put_map(c, 0)[0] == 201, 'room for another')
    # Most of it can be used again; now and then history has to give way first.
    for i in range(1, count // 2):
        wait_for(lambda i=i: put_map(c, i)[0] == 201, 'room for more')
    c.stop_server(signal.SIGKILL)
    c.start_server()
    assert names(c) == {f'm-{i}' for i in range(count // 2)}


@pytest.fixture
def small_quota():
    """The same on a large disk, with a small quota."""
    c = Cluster(server_arguments=['--quota-mib', '16'])
    try:
        c.start()
        yield c
    finally:
        left = c.stop()
    assert not left, left


def test_quota(small_quota):
    c = small_quota
    c.apply({'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease', 'metadata': {'name': 'holder'},
             'spec': {'renewTime': '2026-01-01T00:00:00.000000Z'}})
    count = fill(c)
    assert 10 <= count <= 18 and not is_full(c)
    assert 'knarr_store_quota_bytes 16777216' in c.kubectl('get', '--raw', '/metrics').stdout.splitlines()
    assert names(c) == {f'm-{n}' for n in range(count)}
    renew(c, 1)
    # Changing one, larger: refused. The same size or smaller: not.
    small = json.dumps({'data': {'text': 'x'}})
    assert c.curl(f'{MAPS}/m-0', '-H', 'Content-Type: application/merge-patch+json', method='PATCH', data=small)[0] == 200
    assert put_map(c, 900, 1)[0] == 201
    assert put_map(c, count)[0] in (201, 507)
    c.stop_server(signal.SIGKILL)
    c.start_server()
    c.kubectl('delete', 'configmap', '-l', 'fill=yes', '--wait=false')
    assert names(c) == set()
    assert fill(c, 2000) == 2000 + count
