# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, the answer is a Status, nothing is stored, and the server lives."""
import json

import pytest

def short(value):
    """A readable name of a case."""
    return value[:20].encode('unicode_escape').decode() or 'empty'


CONFIGMAPS = '/api/v1/namespaces/default/configmaps'
JSON = 'Content-Type: application/json'


def status(server, path, code, *arguments, **kwargs):
    got, body = server.curl(path, *arguments, **kwargs)
    assert got == code, body
    answer = json.loads(body)
    assert answer['kind'] == 'Status' and answer['status'] == 'Failure' and answer['code'] == code
    return answer


@pytest.mark.parametrize('content_type,body', [
    ('application/json', '{"kind":'),
    ('application/json', ''),
    ('application/json', '[]'),
    ('application/json', '{"a":1}{"b":2}'),
    ('application/json', '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":7}}'),
    ('application/json', '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":["a"]}'),
    ('application/json', '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}'),
    ('application/json', '[' * 100000),
    ('application/yaml', 'a: [1, 2'),
    ('application/yaml', 'a: &a [*a, *a]'),
    ('application/vnd.kubernetes.protobuf', 'k8s\0garbage'),
    ('application/vnd.kubernetes.protobuf', 'nonsense'),
    ('application/vnd.kubernetes.protobuf', 'k8s\0\x0a\xff\xff\xff\xff\x0f'),
], ids=short)
def test_malformed_bodies(server, content_type, body):
    answer = status(server, CONFIGMAPS, 400, '-H', f'Content-Type: {content_type}', method='POST',
                    data=body.encode('latin-1'))
    assert answer['reason'] == 'BadRequest'


def test_unknown_media_type(server):
    assert status(server, CONFIGMAPS, 415, '-H', 'Content-Type: text/plain', method='POST',
                  data='x')['reason'] == 'UnsupportedMediaType'


def test_unknown_and_duplicate_fields(server):
    body = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"strict","bogus":1},"data":{"a":"1"},"data":{"a":"2"}}'
    answer = status(server, CONFIGMAPS + '?fieldValidation=Strict', 400, '-H', JSON, method='POST', data=body)
    assert 'strict decoding error' in answer['message']
    assert 'unknown field "metadata.bogus"' in answer['message'] and 'duplicate field "data"' in answer['message']
    assert status(server, CONFIGMAPS + '/strict', 404)
    code, head = server.curl(CONFIGMAPS, '-i', '-H', JSON, method='POST', data=body)
    assert code == 201 and b'299 - "unknown field \\"metadata.bogus\\""' in head
    assert server.curl(CONFIGMAPS + '/strict', method='DELETE')[0] == 200


@pytest.mark.parametrize('name', ['UPPER', 'has space', '-dash', 'a' * 254, '', 'a..b', 'under_score'], ids=short)
def test_names_that_break_the_rules(server, name):
    body = json.dumps({'kind': 'ConfigMap', 'apiVersion': 'v1', 'metadata': {'name': name}})
    answer = status(server, CONFIGMAPS, 422, '-H', JSON, method='POST', data=body)
    assert answer['reason'] == 'Invalid' and answer['details']['causes'][0]['field'] in ('metadata.name', 'name')


@pytest.mark.parametrize('path', [
    '/api/v1/namespaces/%2e%2e/secrets',
    '/api/v1/namespaces/default/configmaps/a%2fb',
    '/api/v1/namespaces/default/configmaps/..%2f..%2fsecrets',
    '/api/v1/namespaces/default/configmaps/a%00b',
    '/api/v1/namespaces/../secrets',
    '/api/v1/namespaces/default/configmaps/.',
    '/api/v1/namespaces/default/configmaps/%',
    '/api/v1/namespaces/default/configmaps/%zz',
])
def test_path_tricks(server, path):
    code, body = server.curl(path)
    assert code in (400, 404), body
    assert json.loads(body)['kind'] == 'Status'


def test_too_large_a_body(server):
    body = json.dumps({'kind': 'ConfigMap', 'apiVersion': 'v1', 'metadata': {'name': 'big'},
                       'data': {'a': 'x' * (4 << 20)}})
    answer = status(server, CONFIGMAPS, 413, '-H', JSON, '-H', 'Expect:', method='POST', data=body)
    assert answer['reason'] == 'RequestEntityTooLarge'


def test_unknown_paths_and_methods(server):
    assert status(server, '/api/v1/nonsense', 404)['reason'] == 'NotFound'
    for path in ('/nonsense', '/apis/nonsense.io', '/apis/nonsense.io/v1/things', '/healthz/nonsense'):
        assert server.curl(path) == (404, b'404 page not found\n')
    assert status(server, '/apis/apps/v9/deployments', 404)['reason'] == 'NotFound'
    assert status(server, CONFIGMAPS, 405, method='PUT', data='{}')['reason'] == 'MethodNotAllowed'


def test_nobody_and_impostors(server):
    answer = status(server, CONFIGMAPS, 403, user=None)
    assert answer['message'].startswith('configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps"')
    assert status(server, CONFIGMAPS, 401, '-H', 'Authorization: Bearer wrong', user=None)['message'] == 'Unauthorized'


def test_selectors_and_options(server):
    for query in ('labelSelector=a%20in', 'labelSelector=!!', 'fieldSelector=spec.nonsense%3Dx', 'limit=x',
                  'resourceVersion=abc', 'continue=zzzz'):
        assert status(server, f'{CONFIGMAPS}?{query}', 400)['reason'] == 'BadRequest'


def test_server_lives(server):
    assert server.curl('/readyz', user=None) == (200, b'ok')
    assert server.server.alive()
    assert server.get('cm', 'x') is None and server.get('cm', 'big') is None
