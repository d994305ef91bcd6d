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
    'values.yaml': 'replicas: 1\ntext: one\nextra: true\ncode: 0\ntag: v1\n',
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
        image: localhost/knarr/hello:{{ .Values.tag }}
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
  containers: [{name: hook, image: localhost/knarr/hello:v1, command: [/bin/sh, -c, "echo did {{ $hook }}; exit {{ if eq $hook \"pre-install\" }}{{ $.Values.code }}{{ else }}0{{ end }}"]}]
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


def test_what_fails_and_what_is_asked(one):
    c, place = one, chart(one)
    # A hook that fails is a release that failed, and with the option none at all.
    failed = helm(c, 'install', 'bad', place, '--set', 'code=3', '--wait', '--timeout=30s', check=False)
    assert failed.returncode and 'failed pre-install' in failed.stderr, failed.stderr
    assert json.loads(helm(c, 'status', 'bad', '-o', 'json').stdout)['info']['status'] == 'failed' and c.get('deploy', 'bad') is None
    helm(c, 'uninstall', 'bad', '--no-hooks')
    failed = helm(c, 'install', 'bad', place, '--set', 'code=3', '--rollback-on-failure', '--timeout=30s', check=False)
    assert failed.returncode and helm(c, 'list', '-q').stdout == ''
    # What is asked without being done, and of what was done.
    assert 'kind: Deployment' in helm(c, 'upgrade', '--install', 'asked', place, '--dry-run=server').stdout
    assert c.get('deploy', 'asked') is None
    helm(c, 'upgrade', '--install', 'asked', place, '--no-hooks', '--set', 'replicas=0')
    assert 'kind: Deployment' in helm(c, 'get', 'manifest', 'asked').stdout
    assert 'replicas: 0' in helm(c, 'get', 'values', 'asked').stdout and 'asked-post-upgrade' in helm(c, 'get', 'hooks', 'asked').stdout
    assert 'Deployment' in helm(c, 'status', 'asked').stdout
    # An upgrade that comes to nothing leaves what was.
    failed = helm(c, 'upgrade', 'asked', place, '--rollback-on-failure', '--no-hooks', '--wait', '--timeout=3s',
                  '--set', 'replicas=1,text=two,tag=missing', check=False)
    assert failed.returncode and 'rolled back' in failed.stderr, failed.stderr
    assert c.get('deploy', 'asked')['spec']['replicas'] == 0
    helm(c, 'uninstall', 'asked', '--no-hooks', '--cascade=foreground', '--wait')
    assert c.get('deploy', 'asked') is None and helm(c, 'list', '-q').stdout == ''
