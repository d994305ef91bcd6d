# SPDX-License-Identifier: Apache-2.0
"""Two small servers beside a registry: `token` gives tokens to who knows the password, `lure` is a registry that sends
those who ask on to another address, and writes down what they show there.

Usage: registry_server.py token ADDRESS PORT KEY CERTIFICATE USER PASSWORD
       registry_server.py lure ADDRESS PORT OTHER-PORT
"""
import base64
import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.parse


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def make_token(key, certificate, service, scopes):
    der = subprocess.run(['openssl', 'x509', '-in', certificate, '-outform', 'DER'], check=True, capture_output=True).stdout
    now = int(time.time())
    access = [dict(zip(('type', 'name', 'actions'), (t, n, a.split(',')))) for t, n, a in (s.split(':') for s in scopes)]
    head = {'typ': 'JWT', 'alg': 'RS256', 'x5c': [base64.b64encode(der).decode()]}
    claims = {'iss': 'test', 'sub': 'u', 'aud': service, 'exp': now + 300, 'nbf': now - 10, 'iat': now, 'jti': str(now), 'access': access}
    text = '.'.join(b64url(json.dumps(part).encode()) for part in (head, claims))
    signature = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', key], input=text.encode(), check=True, capture_output=True).stdout
    return f'{text}.{b64url(signature)}'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, code, body, **headers):
        data = json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


def token(address, port, key, certificate, user, password):
    known = 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()

    class Token(Handler):
        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
            if self.headers.get('Authorization') != known:
                self.answer(401, {'errors': [{'message': 'who are you'}]})
            else:
                self.answer(200, {'token': make_token(key, certificate, query['service'][0], query['scope'])})

        def do_POST(self):
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())
            if form.get('grant_type') != ['refresh_token'] or form.get('refresh_token') != [password]:
                self.answer(401, {'errors': [{'message': 'who are you'}]})
            else:
                self.answer(200, {'access_token': make_token(key, certificate, form['service'][0], form['scope'])})

    http.server.ThreadingHTTPServer((address, int(port)), Token).serve_forever()


def lure(address, port, other):
    elsewhere = f'http://{address}:{other}'

    class Registry(Handler):
        def do_GET(self):
            self.answer(307, {}, Location=elsewhere + self.path)

    class Thief(Handler):
        def do_GET(self):
            print('asked', self.path.split('?')[0], 'shown', self.headers.get('Authorization'), flush=True)
            self.answer(401, {}, WWW_Authenticate=f'Bearer realm="{elsewhere}/token",service="s"')
        do_POST = do_GET

    threading.Thread(target=http.server.ThreadingHTTPServer((address, int(other)), Thief).serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer((address, int(port)), Registry).serve_forever()


if __name__ == '__main__':
    {'token': token, 'lure': lure}[sys.argv[1]](*sys.argv[2:])
