# SPDX-License-Identifier: Apache-2.0
"""Requests of a test's own program to the API server, over one connection, as the kubeconfig's user."""
import base64
import http.client
import json
import ssl
import tempfile
import urllib.parse

import yaml


class Wire:
    def __init__(self, kubeconfig):
        text = yaml.safe_load(open(kubeconfig))
        cluster, user = text['clusters'][0]['cluster'], text['users'][0]['user']
        self.place = urllib.parse.urlparse(cluster['server'])
        self.context = ssl.create_default_context(cadata=base64.b64decode(cluster['certificate-authority-data']).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user['client-certificate-data']) + base64.b64decode(user['client-key-data']))
            pair.flush()
            self.context.load_cert_chain(pair.name)
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPSConnection(self.place.hostname, self.place.port, context=self.context, timeout=60)

    def ask(self, method, path, body=None, **headers):
        """(code, body) of a request; headers are named with _ for -."""
        self.connection.request(method, path, body, {k.replace('_', '-'): v for k, v in headers.items()})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def json(self, method, path, body=None):
        code, answer = self.ask(method, path, None if body is None else json.dumps(body), Content_Type='application/json')
        assert code < 300, (method, path, code, answer)
        return json.loads(answer)
