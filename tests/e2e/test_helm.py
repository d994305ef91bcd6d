# SPDX-License-Identifier: Apache-2.0
"""helm 4, unmodified: a chart with hooks, waited for, over its whole life. helm applies by server-side apply."""
import json
import os

import pytest

from cluster import Cluster, run, wait_for
from conftest import running

HELM = os.environ.get('HELM', 'helm')

CHART = {
    'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 0.1.0\n',
    'values.yaml': 'replicas: 1\ntext: one\nextra: true\n',
    'templates/web.yaml': '''
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: localhost/knarr/hello:v1
        env: [{name: TEXT, value: {{ .Values.text | quote }}}]
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80, targetPort: 8080}]}
{{- if .Values.extra }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-extra}
data: {text: {{ .Values.text | quote }}}
{{- end }}
''',
    'templates/hooks.yaml': '''
{{- range $hook := list "pre-install" "post-upgrade" "test" "pre-delete" }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ $.Release.Name }}-{{ $hook }}
  annotations: {helm.sh/hook: {{ $hook }}, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers: [{name: hook, image: localhost/knarr/hello:v1, command: [/bin/sh, -c, "echo did {{ $hook }}"]}]
{{- end }}
''',
}


@pytest.fixture(scope='module')
def one():
    yield from running(Cluster(nodes=1))


def helm(c, *arguments, check=True):
    return run('nsenter', f'--net=/run/netns/{c.netns}', '--', HELM, *arguments, check=check, timeout=120,
               env={**c.environment(), 'HELM_CACHE_HOME': str(c.folder / 'helm'), 'HELM_CONFIG_HOME': str(c.folder / 'helm'),
                    'HELM_DATA_HOME': str(c.folder / 'helm')})


def chart(c):
    for name, text in CHART.items():
        place = c.folder / 'chart' / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return str(c.folder / 'chart')


def ready(c):
    return c.get('deploy', 'rel')['status'].get('readyReplicas', 0)


def test_life_of_a_release(one):
    c, place = one, chart(one)
    assert 'deployed' in helm(c, 'install', 'rel', place, '--wait', '--timeout=60s').stdout
    assert ready(c) == 1 and c.kubectl('logs', 'rel-pre-install').stdout == 'did pre-install\n'
    managers = {e['manager']: e['operation'] for e in json.loads(c.kubectl(
        'get', 'deploy', 'rel', '-o', 'json', '--show-managed-fields').stdout)['metadata']['managedFields']}
    assert managers['helm'] == 'Apply'
    helm(c, 'upgrade', 'rel', place, '--wait', '--timeout=60s', '--set', 'replicas=2,text=two,extra=false')
    assert ready(c) == 2 and c.get('cm', 'rel-extra') is None
    assert c.get('deploy', 'rel')['spec']['template']['spec']['containers'][0]['env'] == [{'name': 'TEXT', 'value': 'two'}]
    assert c.kubectl('logs', 'rel-post-upgrade').stdout == 'did post-upgrade\n'
    # Somebody else's change of the same field is a conflict that helm reports.
    c.kubectl('scale', 'deploy', 'rel', '--replicas=1')
    refused = helm(c, 'upgrade', 'rel', place, '--set', 'replicas=3', check=False)
    assert refused.returncode and '.spec.replicas' in refused.stderr, refused.stderr
    helm(c, 'rollback', 'rel', '1', '--wait', '--timeout=60s', '--force-conflicts')
    wait_for(lambda: ready(c) == 1, 'the rollback')
    assert c.get('cm', 'rel-extra')['data'] == {'text': 'one'}
    assert 'did test' in helm(c, 'test', 'rel', '--logs').stdout
    assert helm(c, 'history', 'rel').stdout.count('web-0.1.0') == 4
    helm(c, 'uninstall', 'rel', '--wait', '--timeout=60s')
    assert c.get('deploy', 'rel') is None and c.get('svc', 'rel') is None and c.get('cm', 'rel-extra') is None
    assert helm(c, 'list', '-q').stdout == ''
