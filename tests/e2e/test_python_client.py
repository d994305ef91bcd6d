# SPDX-License-Identifier: Apache-2.0
"""Debian's python3-kubernetes, unmodified: objects, a watch, exec and port-forward, the dynamic client, all forms of patch."""
import json
import pathlib

import pytest

from cluster import pod, wait_for


@pytest.fixture(scope='module')
def python(node):
    node.apply(pod('box', ['sleep', '100000'], restart='Always'))
    node.apply(pod('web', ['httpd', '-f', '-p', '8080', '-h', '/www'], restart='Always'))
    for name in ('box', 'web'):
        wait_for(lambda n=name: node.get('pod', n)['status'].get('phase') == 'Running', f'{name} to run')
    return node


def test_python_client(python):
    program = pathlib.Path(__file__).parent / 'python_client.py'
    found = json.loads(python.run('/usr/bin/python3', program, python.kubeconfig).stdout)
    assert found == {
        'created': ['from-python', {'a': '1'}],
        'listed': [['from-python', {'a': '1', 'b': '2'}]],
        'conflict': [409, 'AlreadyExists'],
        'watched': [['ADDED', 'from-python'], ['DELETED', 'from-python']],
        'exec': ['err', 'out'],
        'session': ['got a line\n', 3],
        'forwarded': 'HTTP/1.1 200 OK',
        'discovered': ['Deployment'],
        'patched': {'b': '3', 'c': '2', 'd': '4'},
        'merged': ['one', 'two'],
        'replaced by merge': ['two'],
        'scaled': ['Scale', 2],
        'written': {'only': 'this'},
        'stale': 409,
        'listed dynamically': ['dynamic'],
        'watched dynamically': [['ADDED', 'dynamic'], ['DELETED', 'dynamic']],
        'missing': 404,
    }
