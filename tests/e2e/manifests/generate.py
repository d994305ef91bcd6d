# SPDX-License-Identifier: Apache-2.0
"""Writes a folder of manifests as a monitoring stack ships one: ten definitions of custom resources in setup/, several larger than an
annotation may be, and beside it everything that uses them. What a definition can say is in one of them; of every kind there is an
object with every field of its schema set. Run it by hand to have a look: generate.py FOLDER."""
import pathlib
import sys

import yaml

GROUP = 'watch.example.com'
NAMESPACE = 'watching'
WORDS = ('the value that is used when nothing else says what it should be, as it is read again whenever the object changes, '
         'and kept until the one who asked for it lets go of it; see the manual for how it works together with its neighbours. ')

# Schemas are written down in short: a dictionary is an object, a list with one item an array, a text a type or one of these.
SHORT = {
    'int': {'type': 'integer', 'format': 'int64'},
    'int32': {'type': 'integer', 'format': 'int32', 'minimum': 0, 'maximum': 65535},
    'number': {'type': 'number'},
    'bool': {'type': 'boolean'},
    'text': {'type': 'string'},
    'name': {'type': 'string', 'minLength': 1, 'maxLength': 63, 'pattern': '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'},
    'time': {'type': 'string', 'format': 'date-time'},
    'span': {'type': 'string', 'pattern': '^(0|([0-9]+(ms|s|m|h|d|w|y))+)$'},
    'bytes': {'type': 'string', 'format': 'byte'},
    'level': {'type': 'string', 'enum': ['debug', 'info', 'warn', ''], 'default': 'info'},
    'protocol': {'type': 'string', 'default': 'TCP'},
    'port': {'anyOf': [{'type': 'integer'}, {'type': 'string'}], 'x-kubernetes-int-or-string': True},
    'quantity': {'anyOf': [{'type': 'integer'}, {'type': 'string'}], 'x-kubernetes-int-or-string': True,
                 'pattern': r'^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$'},
    'nullable': {'type': 'string', 'nullable': True},
    'free': {'type': 'object', 'x-kubernetes-preserve-unknown-fields': True},
    'anything': {'x-kubernetes-preserve-unknown-fields': True},
    'resource': {'type': 'object', 'x-kubernetes-embedded-resource': True, 'x-kubernetes-preserve-unknown-fields': True},
    'texts': {'type': 'object', 'additionalProperties': {'type': 'string'}},
    'quantities': {'type': 'object', 'additionalProperties': {
        'anyOf': [{'type': 'integer'}, {'type': 'string'}], 'x-kubernetes-int-or-string': True}},
    'set': {'type': 'array', 'items': {'type': 'string'}, 'x-kubernetes-list-type': 'set'},
    'lists': {'type': 'object', 'additionalProperties': {'type': 'array', 'items': {
        'type': 'object', 'properties': {'from': {'type': 'string'}, 'weight': {'type': 'number'}}, 'required': ['from']}}},
}
KEYED = {'env': ['name'], 'ports': ['containerPort', 'protocol'], 'volumes': ['name'], 'volumeMounts': ['mountPath'],
         'containers': ['name'], 'initContainers': ['name'], 'conditions': ['type'], 'routes': ['name']}

SELECTOR = {'matchLabels': 'texts', 'matchExpressions': [{'key': 'text', 'operator': 'text', 'values': ['text']}]}
TERM = {'labelSelector': SELECTOR, 'namespaceSelector': SELECTOR, 'namespaces': ['text'], 'topologyKey': 'text'}
NODE_TERM = {'matchExpressions': [{'key': 'text', 'operator': 'text', 'values': ['text']}],
             'matchFields': [{'key': 'text', 'operator': 'text', 'values': ['text']}]}
AFFINITY = {
    'nodeAffinity': {'preferred': [{'weight': 'int32', 'preference': NODE_TERM}], 'required': {'nodeSelectorTerms': [NODE_TERM]}},
    'podAffinity': {'preferred': [{'weight': 'int32', 'podAffinityTerm': TERM}], 'required': [TERM]},
    'podAntiAffinity': {'preferred': [{'weight': 'int32', 'podAffinityTerm': TERM}], 'required': [TERM]},
}
REFERENCE = {'name': 'text', 'key': 'text', 'optional': 'bool'}
ACTION = {'exec': {'command': ['text']}, 'httpGet': {'host': 'text', 'path': 'text', 'port': 'port', 'scheme': 'text',
                                                     'httpHeaders': [{'name': 'text', 'value': 'text'}]},
          'tcpSocket': {'host': 'text', 'port': 'port'}, 'sleep': {'seconds': 'int'}}
PROBE = {**ACTION, 'initialDelaySeconds': 'int32', 'periodSeconds': 'int32', 'timeoutSeconds': 'int32', 'failureThreshold': 'int32'}
SECURITY = {'runAsUser': 'int', 'runAsNonRoot': 'bool', 'privileged': 'bool', 'capabilities': {'add': 'set', 'drop': 'set'},
            'seccompProfile': {'type': 'text', 'localhostProfile': 'text'}, 'seLinuxOptions': {'user': 'text', 'role': 'text', 'level': 'text'}}
CONTAINER = {
    'name': 'name', 'image': 'text', 'command': ['text'], 'args': ['text'], 'workingDir': 'text', 'tty': 'bool',
    'env': [{'name': 'text', 'value': 'text', 'valueFrom': {'configMapKeyRef': REFERENCE, 'secretKeyRef': REFERENCE, 'fieldRef': {
        'apiVersion': 'text', 'fieldPath': 'text'}, 'resourceFieldRef': {'containerName': 'text', 'divisor': 'quantity', 'resource': 'text'}}}],
    'ports': [{'containerPort': 'int32', 'protocol': 'protocol', 'hostPort': 'int32', 'name': 'text'}],
    'resources': {'limits': 'quantities', 'requests': 'quantities'},
    'livenessProbe': PROBE, 'readinessProbe': PROBE, 'startupProbe': PROBE, 'lifecycle': {'postStart': ACTION, 'preStop': ACTION},
    'securityContext': SECURITY, 'volumeMounts': [{'mountPath': 'text', 'name': 'text', 'readOnly': 'bool', 'subPath': 'text'}],
}
ITEMS = [{'key': 'text', 'path': 'text', 'mode': 'int32'}]
VOLUME = {
    'name': 'name', 'emptyDir': {'medium': 'text', 'sizeLimit': 'quantity'}, 'hostPath': {'path': 'text', 'type': 'text'},
    'configMap': {'name': 'text', 'defaultMode': 'int32', 'items': ITEMS, 'optional': 'bool'},
    'secret': {'secretName': 'text', 'defaultMode': 'int32', 'items': ITEMS, 'optional': 'bool'},
    'nfs': {'path': 'text', 'server': 'text', 'readOnly': 'bool'}, 'persistentVolumeClaim': {'claimName': 'text', 'readOnly': 'bool'},
    'csi': {'driver': 'text', 'fsType': 'text', 'readOnly': 'bool', 'volumeAttributes': 'texts', 'nodePublishSecretRef': {'name': 'text'}},
    'projected': {'defaultMode': 'int32', 'sources': [{
        'configMap': {'name': 'text', 'items': ITEMS}, 'secret': {'name': 'text', 'items': ITEMS},
        'serviceAccountToken': {'audience': 'text', 'expirationSeconds': 'int', 'path': 'text'}}]},
    'ephemeral': {'volumeClaimTemplate': {'metadata': {'labels': 'texts'}, 'spec': {
        'accessModes': ['text'], 'resources': {'requests': 'quantities'}, 'selector': SELECTOR, 'storageClassName': 'text'}}},
}
POD = {'containers': [CONTAINER], 'initContainers': [CONTAINER], 'volumes': [VOLUME], 'affinity': AFFINITY, 'nodeSelector': 'texts',
       'tolerations': [{'key': 'text', 'operator': 'text', 'value': 'text', 'effect': 'text', 'tolerationSeconds': 'int'}],
       'topologySpreadConstraints': [{'maxSkew': 'int32', 'topologyKey': 'text', 'whenUnsatisfiable': 'text', 'labelSelector': SELECTOR}],
       'securityContext': {**SECURITY, 'fsGroup': 'int', 'sysctls': [{'name': 'text', 'value': 'text'}]}, 'priorityClassName': 'text'}
CREDENTIALS = {'basicAuth': {'username': REFERENCE, 'password': REFERENCE}, 'authorization': {'type': 'text', 'credentials': REFERENCE},
               'tlsConfig': {'ca': {'secret': REFERENCE, 'configMap': REFERENCE}, 'insecureSkipVerify': 'bool', 'serverName': 'text'},
               'oauth2': {'clientId': REFERENCE, 'clientSecret': REFERENCE, 'tokenUrl': 'text', 'scopes': 'set', 'endpointParams': 'texts'}}
RECEIVER = {'name': 'text', 'sendResolved': 'bool', 'url': REFERENCE, 'httpConfig': CREDENTIALS, 'message': 'text', 'labels': 'texts'}
RECEIVERS = ('chat', 'mail', 'page', 'phone', 'push', 'queue', 'ticket', 'webhook', 'wiki')

# Plural, kind, in one namespace or in none, the specification, how many words a description has.
DEFINITIONS = [
    ('collectors', 'Collector', True, {**POD, 'replicas': 'int32', 'retention': 'span', 'logLevel': 'level', 'external': 'texts'}, 900),
    ('agents', 'Agent', True, {**POD, 'replicas': 'int32', 'scrapeInterval': 'span', 'mode': 'level', 'remote': [{'url': 'text', **CREDENTIALS}]}, 700),
    ('routers', 'Router', True, {**POD, 'replicas': 'int32', 'clusterPeers': 'set', 'forceEnable': 'bool'}, 600),
    ('rulers', 'Ruler', True, {**POD, 'replicas': 'int32', 'queryEndpoints': 'set', 'objectStorage': REFERENCE}, 600),
    ('routings', 'Routing', True, {'receivers': [{'name': 'text', **{r: [RECEIVER] for r in RECEIVERS}}], 'routes': [{
        'name': 'name', 'matchers': 'lists', 'groupWait': 'span', 'nested': ['anything']}]}, 700),
    ('scrapes', 'Scrape', True, {**CREDENTIALS, 'files': [{'files': 'set', 'refresh': 'span'}], 'relabel': [{
        'sourceLabels': 'set', 'regex': 'text', 'modulus': 'int', 'action': 'level'}]}, 100),
    ('targets', 'Target', True, {'selector': SELECTOR, 'port': 'port', 'endpoints': [{'port': 'port', 'path': 'text', **CREDENTIALS}]}, 40),
    ('probes', 'Probe', False, {'prober': {'url': 'text', 'path': 'text'}, 'targets': 'lists', 'since': 'time', 'nothing': 'nullable'}, 40),
    ('rules', 'Rule', True, {'groups': [{'name': 'text', 'interval': 'span', 'rules': [{
        'alert': 'text', 'expr': 'port', 'for': 'span', 'labels': 'texts', 'annotations': 'texts'}]}]}, 40),
    ('things', 'Thing', False, {'free': 'free', 'anything': 'anything', 'resource': 'resource', 'resources': ['resource'], 'number': 'number',
                                'bytes': 'bytes', 'nullable': 'nullable', 'lists': 'lists'}, 40),
]


def schema(short, name='', words=40):
    """The OpenAPI schema of what is written in short."""
    if isinstance(short, str):
        made = dict(SHORT[short])
    elif isinstance(short, list):
        made = {'type': 'array', 'items': schema(short[0], '', words)}
        if name in KEYED:
            made['x-kubernetes-list-type'] = 'map'
            made['x-kubernetes-list-map-keys'] = KEYED[name]
            made['items']['required'] = [key for key in KEYED[name] if 'default' not in made['items']['properties'][key]]
        else:
            made['x-kubernetes-list-type'] = 'atomic'
    else:
        made = {'type': 'object', 'properties': {key: schema(value, key, words) for key, value in short.items()}}
        if short is SELECTOR:
            made['x-kubernetes-map-type'] = 'atomic'
    if words and name:
        made['description'] = f'{name}: {WORDS * 4}'[:words].strip()
    return made


def definition(plural, kind, namespaced, spec, words):
    status = {'replicas': 'int32', 'selector': 'text', 'conditions': [{'type': 'text', 'status': 'text', 'lastTransitionTime': 'time'}]}
    whole = {'type': 'object', 'required': ['spec'], 'description': f'A {kind}.', 'properties': {
        'apiVersion': {'type': 'string', 'description': WORDS}, 'kind': {'type': 'string', 'description': WORDS},
        'metadata': {'type': 'object'}, 'spec': schema(spec, 'spec', words), 'status': schema(status, 'status', words)}}
    version = {
        'name': 'v1', 'served': True, 'storage': True, 'schema': {'openAPIV3Schema': whole}, 'subresources': {'status': {}},
        'additionalPrinterColumns': [
            {'name': 'Ready', 'type': 'string', 'jsonPath': '.status.conditions[?(@.type=="Ready")].status', 'description': 'Whether it is.'},
            {'name': 'Paused', 'type': 'boolean', 'jsonPath': '.status.paused', 'priority': 1},
            {'name': 'Age', 'type': 'date', 'jsonPath': '.metadata.creationTimestamp'}]}
    if 'replicas' in spec:
        version['subresources']['scale'] = {'specReplicasPath': '.spec.replicas', 'statusReplicasPath': '.status.replicas',
                                            'labelSelectorPath': '.status.selector'}
        version['additionalPrinterColumns'].insert(0, {'name': 'Replicas', 'type': 'integer', 'jsonPath': '.spec.replicas'})
    versions = [version]
    if words <= 100:  # the others are large enough
        versions += [{'name': 'v1beta1', 'served': True, 'storage': False, 'deprecated': True, 'schema': {'openAPIV3Schema': whole}},
                     {'name': 'v1alpha1', 'served': False, 'storage': False, 'schema': {'openAPIV3Schema': whole}}]
    return {'apiVersion': 'apiextensions.k8s.io/v1', 'kind': 'CustomResourceDefinition',
            'metadata': {'name': f'{plural}.{GROUP}', 'annotations': {'made.example.com/by': 'generate.py'}},
            'spec': {'group': GROUP, 'scope': 'Namespaced' if namespaced else 'Cluster', 'versions': versions,
                     'names': {'plural': plural, 'singular': kind.lower(), 'kind': kind, 'listKind': f'{kind}List',
                               'shortNames': [f'x{plural[:5]}'], 'categories': ['watch-everything']}}}


FREE = {'any': {'thing': [1, None, {'a': []}], 'e': {}}, 'large': 9007199254740993, 'small': 1.5e-7, 'text': '= ~ yes: "no"\n\ttab',
        'dollar': '$(x)', 'no': False, 'empty': '', 'letters': 'äöü € 𝄞', 'name': 'null'}
EXAMPLES = {
    'int': 1 << 40, 'int32': 8080, 'number': 0.25, 'bool': False, 'text': 'a: text, with "quotes" and {braces}', 'time': '2026-01-02T03:04:05Z',
    'span': '1h30m', 'bytes': 'AAECAwQ=', 'level': '', 'protocol': 'UDP', 'quantity': '1.5Gi', 'nullable': None, 'free': FREE,
    'anything': [FREE, 'x', 0], 'texts': {'app.example.com/name': 'x', 'empty': ''}, 'quantities': {'cpu': 2, 'memory': '64Mi'}, 'set': ['b', 'a'],
    'resource': {'apiVersion': 'example.com/v1', 'kind': 'Any', 'metadata': {'name': 'inner', 'labels': {'a': 'b'}}, 'spec': FREE},
    'lists': {'one': [{'from': 'x', 'weight': 0.5}, {'from': 'z'}], 'none': []},
}


def example(short, turn=0):
    """A value with all fields set; turns differ in what tells items of a list apart."""
    if isinstance(short, list):
        return [example(short[0], 1), example(short[0], 2)]
    if isinstance(short, dict):
        return {key: f'/{turn}' if key == 'mountPath' else turn if key == 'containerPort' else f'n{turn}' if key == 'name' else example(value, turn)
                for key, value in short.items()}
    if short in ('port', 'quantity'):
        return EXAMPLES.get(short, '50%') if turn == 2 else 80
    return f'n{turn}' if short == 'name' else EXAMPLES[short]


def thing(api, kind, name, namespace=NAMESPACE, **parts):
    metadata = {'name': name, 'labels': {'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'watch'}}
    if namespace:
        metadata['namespace'] = namespace
    return {'apiVersion': api, 'kind': kind, 'metadata': metadata, **parts}


def pod_spec(name):
    probe = {'httpGet': {'path': '/ready', 'port': 'web', 'scheme': 'HTTPS'}, 'periodSeconds': 5, 'failureThreshold': 3,
             'successThreshold': 1, 'timeoutSeconds': 1}
    return {
        'serviceAccountName': name, 'nodeSelector': {'kubernetes.io/os': 'linux'}, 'priorityClassName': 'system-cluster-critical',
        'securityContext': {'runAsNonRoot': True, 'runAsUser': 65534, 'fsGroup': 65534, 'seccompProfile': {'type': 'RuntimeDefault'}},
        'tolerations': [{'operator': 'Exists', 'effect': 'NoSchedule'}],
        'containers': [{
            'name': name, 'image': f'registry.example.com/{name}:v1.2.3', 'args': ['--web.listen-address=:9090', '--x=$(NODE)'],
            'env': [{'name': 'NODE', 'valueFrom': {'fieldRef': {'apiVersion': 'v1', 'fieldPath': 'spec.nodeName'}}}],
            'ports': [{'name': 'web', 'containerPort': 9090, 'protocol': 'TCP'}, {'name': 'web-udp', 'containerPort': 9090, 'protocol': 'UDP'}],
            'resources': {'limits': {'cpu': '250m', 'memory': '180Mi'}, 'requests': {'cpu': '100m', 'memory': '100Mi'}},
            'securityContext': {'allowPrivilegeEscalation': False, 'capabilities': {'drop': ['ALL']}, 'readOnlyRootFilesystem': True},
            'readinessProbe': probe, 'volumeMounts': [{'mountPath': '/boards', 'name': 'boards', 'readOnly': True}, {'mountPath': '/tmp', 'name': 'tmp'}]}],
        'volumes': [{'name': 'boards', 'configMap': {'name': 'boards-0', 'items': [{'key': 'nodes.json', 'path': 'nodes.json'}]}},
                    {'name': 'tmp', 'emptyDir': {'sizeLimit': '64Mi'}}]}


def workload(kind, name, **spec):
    labels = {'app.kubernetes.io/name': name}
    return thing('apps/v1', kind, name, spec={'selector': {'matchLabels': labels}, 'template': {
        'metadata': {'labels': {**labels, 'more': 'of-them'}, 'annotations': {'default-container': name}}, 'spec': pod_spec(name)}, **spec})


def component(name, workload_):
    """What each part of such a stack has."""
    labels = {'app.kubernetes.io/name': name}
    rbac = 'rbac.authorization.k8s.io'
    rules = [{'apiGroups': ['', 'apps'], 'resources': ['nodes', 'pods', 'deployments'], 'verbs': ['list', 'watch']},
             {'apiGroups': [GROUP], 'resources': ['*'], 'verbs': ['get', 'list', 'watch', 'update']},
             {'nonResourceURLs': ['/metrics'], 'verbs': ['get']}]
    role = {'apiGroup': rbac, 'kind': 'ClusterRole', 'name': f'watch-{name}'}
    subject = {'kind': 'ServiceAccount', 'name': name, 'namespace': NAMESPACE}
    return [
        thing('v1', 'ServiceAccount', name, automountServiceAccountToken=False),
        thing(f'{rbac}/v1', 'ClusterRole', f'watch-{name}', None, rules=rules),
        thing(f'{rbac}/v1', 'ClusterRoleBinding', f'watch-{name}', None, roleRef=role, subjects=[subject]),
        thing(f'{rbac}/v1', 'Role', name, rules=rules[:2]),
        thing(f'{rbac}/v1', 'RoleBinding', name, roleRef={**role, 'kind': 'Role', 'name': name}, subjects=[subject]),
        thing('v1', 'Service', name, spec={'selector': labels, 'clusterIP': 'None', 'ports': [
            {'name': 'web', 'port': 443, 'targetPort': 'web'}, {'name': 'udp', 'port': 53, 'protocol': 'UDP', 'targetPort': 5353}]}),
        thing('policy/v1', 'PodDisruptionBudget', name, spec={'maxUnavailable': '50%', 'selector': {'matchLabels': labels}}),
        thing('networking.k8s.io/v1', 'NetworkPolicy', name, spec={
            'podSelector': {'matchLabels': labels}, 'policyTypes': ['Egress', 'Ingress'], 'egress': [{}],
            'ingress': [{'from': [{'podSelector': {'matchLabels': labels}}], 'ports': [{'port': 'web', 'protocol': 'TCP'}]}]}),
        workload_]


def boards(number, size):
    row = ('{"type": "graph", "title": "\\u00fc %s", "targets": [{"expr": "sum(rate(x{job=\\"$job\\"}[5m])) / 100 > 0.5", '
           '"legendFormat": "{{instance}}\\n"}]}')
    text = ',\n'.join(row % i for i in range(size // 150))
    return thing('v1', 'ConfigMap', f'boards-{number}', data={'nodes.json': f'{{"panels": [{text}]}}\n', 'empty': ''})


def customs():
    """Of every kind two objects: one with everything, one with as little as possible."""
    for plural, kind, namespaced, spec, _ in DEFINITIONS:
        for name, value in ((f'{plural}-all', example(spec)), (f'{plural}-least', {})):
            yield thing(f'{GROUP}/v1', kind, name, NAMESPACE if namespaced else None, spec=value)


def folder():
    """Files by their names."""
    files = {f'setup/{d[0]}.yaml': [definition(*d)] for d in DEFINITIONS}
    files['setup/0-namespace.yaml'] = [thing('v1', 'Namespace', NAMESPACE, None)]
    files['collector.yaml'] = component('collector', workload('Deployment', 'collector', replicas=2, strategy={
        'type': 'RollingUpdate', 'rollingUpdate': {'maxSurge': '25%', 'maxUnavailable': 1}}))
    files['pages.yaml'] = component('pages', workload('Deployment', 'pages', replicas=1, revisionHistoryLimit=3))
    files['exporter.yaml'] = component('exporter', workload('DaemonSet', 'exporter', updateStrategy={
        'type': 'RollingUpdate', 'rollingUpdate': {'maxUnavailable': '10%'}}))
    files['boards.yaml'] = [{'apiVersion': 'v1', 'kind': 'List', 'items': [boards(i, 150000 << i) for i in range(3)]}]
    files['secret.yaml'] = [thing('v1', 'Secret', 'settings', type='Opaque', data={'a.yaml': 'YTogYgo='})]
    files['api.yaml'] = [thing('apiregistration.k8s.io/v1', 'APIService', 'v1beta1.adapter.example.com', None, spec={
        'group': 'adapter.example.com', 'version': 'v1beta1', 'groupPriorityMinimum': 100, 'versionPriority': 100, 'insecureSkipTLSVerify': True,
        'service': {'name': 'collector', 'namespace': NAMESPACE, 'port': 443}})]
    files['customs.yaml'] = list(customs())
    return files


class Dumper(yaml.CSafeDumper):
    """Texts of several lines as people write them, nothing by reference."""
    def ignore_aliases(self, data):
        return True


Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar('tag:yaml.org,2002:str', text, style='|' if '\n' in text else None))


def write(place):
    for name, objects in folder().items():
        file = pathlib.Path(place) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000))


if __name__ == '__main__':
    write(sys.argv[1])
