# SPDX-License-Identifier: Apache-2.0
"""Clients that keep a copy of what the server has: an informer that is cut off a thousand times, and one that speaks protobuf only."""
import json
import os
import pathlib

import pytest

from cluster import KUBECTL

HERE = pathlib.Path(__file__).parent
CUTS = int(os.environ.get('KNARR_TEST_CUTS', '1000'))


def program(server, name, *arguments):
    """What a program of this folder printed that ran in the server's network."""
    return json.loads(server.run('/usr/bin/python3', HERE / name, server.kubeconfig, *arguments, timeout=300).stdout)


def test_client_node_misses_nothing(server):
    modules = next(pathlib.Path(KUBECTL).parent.glob('client-node-*'), None)
    if not modules:
        pytest.skip('@kubernetes/client-node is missing: tools/fetch-client-node brings it')
    server.kubectl('create', 'namespace', 'cut')
    found = program(server, 'informer_run.py', 'cut', modules, CUTS)
    # In order, each once; of a deletion nobody was told the revision.
    seen = [[kind, name, None if kind == 'delete' else revision] for kind, name, revision in found['seen']]
    assert seen == found['done'] and len(seen) > CUTS / 2
    assert found['cache'] == found['truth']


def test_protobuf_only(server):
    server.kubectl('create', 'namespace', 'proto')
    found = program(server, 'protobuf_client.py', 'proto')
    assert found == {
        'listed': ['ConfigMapList', ['p0', 'p1', 'p2', 'p3', 'p4'], '3'],
        'watched': [['ADDED', 'p5', {}], ['MODIFIED', 'p1', {'i': 'new'}], ['DELETED', 'p0', {'i': '0'}]],
        'burst': ['p1', 'p2', 'p3', 'p4', 'p5'], 'bookmark': {'k8s.io/initial-events-end': 'true'},
        'counted': '50', 'conflicts': True, 'status': [200, 'Running', 'by protobuf', True],
        'deleted': [200, 'Status'], 'pod': [200, 'Pod'],
        'missing': [404, 'Status', 'NotFound', 'pod'], 'invalid': [422, 'Status', 'Invalid'],
    }
