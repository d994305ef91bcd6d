# SPDX-License-Identifier: Apache-2.0
"""kubectl 1.35: every verb that changes, asks or deletes, as far as it needs no node."""
import base64
import json
import threading

import pytest

from steps import Kubectl, certificate, config_map


@pytest.fixture(scope='module')
def k(server):
    return Kubectl(server, 'changed')


def test_apply_by_the_client(k):
    k.file('one', [config_map('one', {'set': 'client'}, a='1'), config_map('two', {'set': 'client'}, a='1')])
    k.says(('diff -f one', r'^\+  a: "1"', 1), ('apply -f one', r'one created\n.*two created'),
           ('apply -f one', r'one unchanged\n.*two unchanged'),
           ('apply view-last-applied cm one', r'^data:\n  a: "1"'))
    k.file('one', [config_map('one', {'set': 'client'}, b='2')])
    k.says(('diff -f one', r'^-  a: "1"\n\+  b: "2"', 1), ('apply -f one --dry-run=server', r'one configured \(server dry run\)'),
           ('apply -f one', 'configured'), ('diff -f one', r'\A\Z'), 'apply set-last-applied -f one')
    k('apply edit-last-applied cm one', 'one edited', KUBE_EDITOR='sed -i s/b:.*2.*/b:\\ x9/')
    k('apply view-last-applied cm one -o json', '"b": "x9"')
    assert k.get('cm one')['data'] == {'b': '2'}
    k('apply -f one --prune -l set=client --prune-allowlist=core/v1/ConfigMap', r'configmap/two pruned')
    assert k.names('cm -l set=client') == ['one']


def test_apply_prunes_what_kubectl_lists(k):
    """Without a list of ours kubectl asks for sixteen kinds of its own, and knows each of them."""
    k.file('pruned', [config_map('stays', {'prune': 'all'}, a='1'), config_map('goes', {'prune': 'all'}, a='1')])
    k('apply -f pruned')
    k.file('pruned', [config_map('stays', {'prune': 'all'}, a='1')])
    k('apply -f pruned --prune -l prune=all', r'stays unchanged\n(.*\n)*configmap/goes pruned')


def test_dump(k):
    k('cluster-info dump --namespaces=changed --output-directory=dump', 'Cluster info dumped to dump')
    written = {place.name for place in (k.folder / 'dump').rglob('*.json')}
    assert {'nodes.json', 'pods.json', 'daemonsets.json', 'deployments.json', 'replication-controllers.json'} <= written


def test_apply_by_the_server(k):
    k.file('mine', [config_map('shared', a='1')])
    k.file('theirs', [config_map('shared', a='2')])
    k.says(('apply --server-side -f mine', 'serverside-applied'), ('diff --server-side -f mine', r'\A\Z'),
           ('apply --server-side --field-manager=other -f theirs', r'conflict with "kubectl".*\.data\.a', 1),
           ('apply --server-side --field-manager=other -f theirs --force-conflicts', 'serverside-applied'),
           ('diff --server-side -f mine', r'conflict', 2),
           ('apply --server-side --dry-run=server --force-conflicts -f mine', 'server dry run'))
    assert k.get('cm shared')['data'] == {'a': '2'}


@pytest.mark.parametrize('parent', ['secret/set', 'configmaps/set'])
def test_apply_sets(k, parent):
    k.file('set', [config_map('in-set', a='1'), config_map('was-in-set', a='1')])
    apply = f'apply -f set --prune --applyset={parent}'
    k(apply, 'was-in-set created', KUBECTL_APPLYSET='true')
    k.file('set', [config_map('in-set', a='2')])
    k(apply, r'in-set configured\nconfigmap/was-in-set pruned', KUBECTL_APPLYSET='true')
    assert k.get(parent)['metadata']['annotations']['applyset.kubernetes.io/contains-group-kinds'] == 'ConfigMap'
    k('delete cm in-set')


def test_edit(k):
    k('create deployment edited --image=old --replicas=0')
    k('edit deploy edited', 'deployment.apps/edited edited', KUBE_EDITOR='sed -i s/old/new/')
    k('edit deploy edited -o json', 'Edit cancelled, no changes made', KUBE_EDITOR='true')
    k('edit deploy edited --save-config', 'edited', KUBE_EDITOR='sed -i s/new/newer/')
    k('edit deploy edited', r'deployments.apps "edited" is invalid', 1, KUBE_EDITOR="sed -i 's/replicas: 0/replicas: -1/'")
    k('edit deploy edited --subresource=status', 'edited', KUBE_EDITOR="sed -i 's/observedGeneration: .*/observedGeneration: 1/'")
    assert k.get('deploy edited')['spec']['template']['spec']['containers'][0]['image'] == 'newer'
    k('create -f - --edit', 'by-hand created', input=json.dumps(config_map('by-hans')), KUBE_EDITOR='sed -i s/by-hans/by-hand/')


def test_patch(k):
    k('create deployment patched --image=a --replicas=0')
    k.says(("""patch deploy patched -p '{"spec":{"minReadySeconds":1}}'""", 'patched$'),
           ("""patch deploy patched --type=merge -p 'spec: {minReadySeconds: 2}'""", 'patched$'),
           ("""patch deploy patched --type=json -p '[{"op":"add","path":"/metadata/labels/z","value":"1"}]'""", 'patched$'),
           ("""patch deploy patched -p '{"metadata":{"labels":{"z":"1"}}}'""", r'patched \(no change\)'),
           ("""patch deploy patched --subresource=scale --type=merge -p '{"spec":{"replicas":3}}'""", 'scale.autoscaling/patched patched'),
           ("""patch deploy patched --subresource=status --type=merge -p '{"status":{"collisionCount":7}}'""", 'patched$'),
           ("""patch deploy patched --dry-run=server -p '{"spec":{"replicas":5}}' -o jsonpath={.spec.replicas}""", r'\A5\Z'),
           ("""patch deploy patched -p '{"spec":{"nothing":1}}'""", r'Warning: unknown field "spec.nothing"'),
           ("""patch deploy patched -p '{"spec":{"replicas":"x"}}'""", 'cannot unmarshal string', 1),
           ("""patch deploy patched --type=json -p '[{"op":"test","path":"/spec/replicas","value":9}]'""", 'is invalid', 1),
           ("""patch deploy nothing -p '{}'""", 'NotFound', 1))
    patched = k.get('deploy patched')
    assert (patched['spec']['minReadySeconds'], patched['spec']['replicas'], patched['status']['collisionCount']) == (2, 3, 7)
    k.file('patched', [config_map('by-file', a='1')])
    k.says('create -f patched', ("""patch -f patched -p '{"data":{"b":"2"}}'""", 'by-file patched'),
           ("""patch -f patched --local -o yaml -p '{"data":{"c":"3"}}'""", 'c: "3"'), 'delete deploy patched')


def test_replace(k):
    k('create configmap replaced --from-literal=a=1')
    old = k.get('cm replaced')
    k.file('changed', [{**old, 'data': {'a': '2'}}])
    k.says(('replace -f changed', 'configmap/replaced replaced'), ('replace -f changed', 'the object has been modified', 1),
           ('replace --force -f changed', r'configmap "replaced" deleted.*\nconfigmap/replaced replaced'))
    assert k.get('cm replaced')['metadata']['uid'] != old['metadata']['uid']
    k('replace --raw /api/v1/namespaces/changed/configmaps/replaced -f changed', 'Conflict', 1)
    k('create deployment replaced --image=a --replicas=0')
    deployment = k.get('deploy replaced')
    deployment['status']['collisionCount'] = 4
    del deployment['metadata']['resourceVersion']
    k.file('status', [deployment])
    k('replace --subresource=status -f status', 'deployment.apps/replaced replaced')
    assert k.get('deploy replaced')['status']['collisionCount'] == 4


def test_label_and_annotate(k):
    k.says('create configmap marked', 'create configmap marked-too', ('label cm marked a=1', 'labeled'),
           ('label cm marked a=1', 'not labeled'),
           ('label cm marked a=2', "'a' already has a value", 1), ('label cm marked a=2 --overwrite', 'labeled'),
           ('label cm marked a=3 --overwrite --resource-version=1', 'the object has been modified', 1),
           ('label cm marked "bad key=1"', 'name part must consist of', 1), ('label cm marked --list', '^a=2$'),
           ('label cm --all all=yes', r'marked labeled\n.*marked-too labeled'),
           ('label cm -l all=yes a- --field-selector=metadata.name=marked', 'unlabeled'),
           ('annotate cm marked note="two words" --overwrite', 'annotated'), ('annotate cm marked --list', '^note=two words$'),
           ('annotate cm -l all=yes note-', 'annotated'), ('annotate cm marked x=y --dry-run=server -o name', 'configmap/marked'))
    marked = k.get('cm marked')['metadata']
    assert marked['labels'] == {'all': 'yes'} and 'annotations' not in marked


def test_deletion(k):
    k.file('some', [config_map(f'gone-{i}', {'gone': str(i % 2)}) for i in range(6)])
    k.says('create -f some', ('delete cm gone-0', r'configmap "gone-0" deleted'), ('delete cm gone-0', 'NotFound', 1),
           ('delete cm gone-0 --ignore-not-found', r'\A\Z'), ('delete cm -l gone=1 --dry-run=server', 'server dry run'),
           ('delete cm -l gone=1 -o name', r'configmap/gone-1\nconfigmap/gone-3\nconfigmap/gone-5'),
           ('delete --raw /api/v1/namespaces/changed/configmaps/gone-2', '"status":"Success"'),
           ('delete -f some', 'configmap "gone-4" deleted', 1), ('delete -f some --ignore-not-found', r'\A\Z'))
    k.says('create -f some', ('delete cm gone-1 -i', 'deletion is cancelled'), ('delete cm gone-1 --now', 'deleted'),
           ('delete cm gone-2 --grace-period=0 --force', 'force deleted'), ('delete cm,secret -l gone=1', 'gone-3'),
           ('delete cm --field-selector=metadata.name=gone-4', 'gone-4'))
    assert k.names('cm -l gone') == ['gone-0']
    k('delete cm --all --wait=false')
    assert not k.get('cm gone-0')


def test_cascades(k):
    for how in ('background', 'foreground', 'orphan'):
        k(f'create deployment {how} --image=a --replicas=1')
        k(f'wait --for=create pod -l app={how} --timeout=20s')
        k(f'delete deployment {how} --cascade={how} --timeout=30s', 'deleted')
    k.says('wait --for=delete rs -l app=background --timeout=20s', ('get rs,pod -l app=foreground', 'No resources found'),
           ('get rs -l app=orphan', 'orphan-'), ('delete rs -l app=orphan', 'deleted'))


def test_wait(k):
    k.says('create configmap waited --from-literal=a=1', ("wait cm/waited --for=jsonpath='{.data.a}'=1", 'condition met'),
           ("wait cm/waited --for=jsonpath='{.data.a}' --timeout=1s", 'condition met'),
           ("wait cm/waited --for=jsonpath='{.data.a}'=2 --timeout=1s", 'timed out waiting', 1),
           ('wait cm/waited --for=condition=Ready --timeout=1s', 'timed out', 1),
           ('wait cm/nothing --for=condition=Ready', 'NotFound', 1),
           ('wait ns/changed --for=jsonpath="{.status.phase}"=Active', 'condition met'))
    for steps in (('create cm late', 'wait cm/late --for=create --timeout=20s'), ('delete cm late', 'wait cm/late --for=delete --timeout=20s')):
        timer = threading.Timer(0.3, k, (steps[0],))
        timer.start()
        k(steps[1], 'condition met')
        timer.join()


def test_who_may(k):
    k.says(('auth can-i get pods', '^yes'), ('auth can-i "*" "*"', '^yes'),
           ('auth can-i get pods --subresource=log --as=joe', '^no', 1),
           ('auth can-i get /healthz', '^yes'), ('auth can-i --list', r'^\*\.\* +\[\] +\[\] +\[\*\]'),
           ('auth can-i --list --as=joe', r'^selfsubjectreviews.authentication.k8s.io +\[\] +\[\] +\[create\]'),
           ('auth whoami', r'^Username +kubernetes-admin'), ('auth whoami --as=joe --as-group=g -o json', '"username": "joe"'),
           ('get pods --as=joe', r'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "changed"', 1))
    group = 'rbac.authorization.k8s.io'
    k.file('rights', [{'apiVersion': f'{group}/v1', 'kind': 'Role', 'metadata': {'name': 'r', 'namespace': 'changed'},
                       'rules': [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['get']}]},
                      {'apiVersion': f'{group}/v1', 'kind': 'RoleBinding', 'metadata': {'name': 'r', 'namespace': 'changed'},
                       'roleRef': {'apiGroup': group, 'kind': 'Role', 'name': 'r'}, 'subjects': [{'apiGroup': group, 'kind': 'User', 'name': 'joe'}]}])
    k.says(('auth reconcile -f rights', r'r reconciled(.*\n)+\s+reconciliation required create'),
           ('auth reconcile -f rights', r'\Arole\S+ reconciled\nrole\S+ reconciled\n\Z'),
           ('auth can-i get pods --as=joe', '^yes'))


def test_certificates(k):
    request = certificate(k.folder, 'anna.csr').read_bytes()
    k.file('csr', [{'apiVersion': 'certificates.k8s.io/v1', 'kind': 'CertificateSigningRequest', 'metadata': {'name': name}, 'spec': {
        'request': base64.b64encode(request).decode(),
        'signerName': 'kubernetes.io/kube-apiserver-client', 'usages': ['client auth']}} for name in ('yes', 'no')])
    k.says('create -f csr', ('certificate approve yes', 'approved'), ('certificate deny no', 'denied'),
           ('certificate approve no', 'is already Denied', 1),
           ('get csr', r'^no .* Denied\nyes .* Approved'), ('describe csr yes', r'Common Name: +anna'), 'delete -f csr')


def test_kustomize(k):
    k.file('k/kustomization.yaml', 'namePrefix: k-\nresources: [cm.yaml]\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n')
    k.file('k/cm.yaml', json.dumps(config_map('base', a='1')))
    k.says(('kustomize k', r'name: k-made-\w+'), ('apply -k k', 'k-base created'), ('get -k k -o name', 'configmap/k-made'),
           ('diff -k k', r'\A\Z'),
           ('delete -k k', '"k-base" deleted'))


def test_about_the_server(k):
    k.says(('version', r'Server Version: v1\.35'), ('version -o json', '"minor": "35"'),
           ('cluster-info', 'control plane is running at'),
           ('api-versions', r'^apps/v1$'), ('api-resources --api-group=apps', r'^deployments +deploy +apps/v1 +true +Deployment'),
           ('api-resources --categories=all -o name', r'^pods$'),
           ('api-resources --namespaced=false --verbs=list,watch --sort-by=name -o wide', r'^namespaces +ns +v1 .*create,delete'),
           ('get --raw /readyz?verbose', 'readyz check passed'), ('config current-context', 'knarr'),
           ('config view --minify -o jsonpath={.clusters[0].name}', 'knarr'),
           ('get --raw /openapi/v3', '"api/v1"'), ('explain pods.spec.containers', r'^  image\t<string>'),
           ('explain deployment.spec --api-version=apps/v1', '-required-'))


def test_events(k):
    k.says('run lonely --image=a', 'wait pod lonely --for=condition=PodScheduled=False --timeout=20s')
    k.says(('wait --for=create event --field-selector=involvedObject.name=lonely --timeout=20s', 'condition met'),
           ('events --for=pod/lonely', r'Warning +FailedScheduling +Pod/lonely'),
           ('events --types=Warning -o json', '"reason": "FailedScheduling"'),
           ('events --types=Normal --for=pod/lonely', 'No events found'),
           ('get events --sort-by=.lastTimestamp', 'FailedScheduling'),
           ('describe pod lonely', r'Warning +FailedScheduling'), ('delete pod lonely --now', 'deleted'))


def test_folders_and_templates_in_files(k):
    """What kubectl takes from files besides objects, and several files at once."""
    for name in ('a', 'b/c', 'b/d'):
        k.file(f'tree/{name}.json', json.dumps(config_map(f'tree-{name[-1]}', {'tree': 'yes'}, text=name)))
    k.file('names.jsonpath', '{range .items[*]}{.metadata.name}={.data.text} {end}')
    k.file('names.gotemplate', '{{range .items}}{{.metadata.name}}/{{len .data}} {{end}}')
    k.file('names.columns', 'WHO WHAT\nmetadata.name data.text\n')
    k.says(('apply -f tree', r'\Aconfigmap/tree-a created\n\Z'), ('apply -R -f tree', r'tree-a unchanged\n(.*\n)*configmap/tree-d created'),
           ('apply -R -f tree --dry-run=client', r'tree-a unchanged \(dry run\)|tree-a configured \(dry run\)'),
           ('get cm -l tree -o jsonpath-file=names.jsonpath', r'\Atree-a=a tree-c=b/c tree-d=b/d \Z'),
           ('get cm -l tree -o go-template-file=names.gotemplate', r'\Atree-a/1 tree-c/1 tree-d/1 \Z'),
           ('get cm -l tree --template "{{len .items}}"', r'\A3\Z'),
           ('get cm -l tree -o custom-columns-file=names.columns', r'\AWHO +WHAT\ntree-a +a\n'),
           ('get -R -f tree -o name', r'\Aconfigmap/tree-a\n'))
    k.file('tree/a.json', json.dumps(config_map('tree-a', {'tree': 'yes'}, text='new')))
    k.says(('diff -R -f tree --prune -l tree=yes --prune-allowlist=core/v1/ConfigMap', r'^\+  text: new', 1),
           ('apply -f tree --prune -l tree=yes --prune-allowlist=core/v1/ConfigMap', r'tree-a configured\n(.*pruned\n){2}'))


def test_several_at_once(k):
    k.says('create deployment both --image=a --replicas=1', 'wait --for=create rs,pod -l app=both --timeout=20s',
           ('get deploy,rs,pod -l app=both', r'^deployment.apps/both +0/1'), ('scale deploy/both --replicas=0', 'scaled'),
           ("wait rs -l app=both --for=jsonpath='{.status.replicas}'=0 --timeout=20s", 'met'))
    name = k.names('rs -l app=both')[0]
    k.says((f'expose rs {name} --port=80 --name=exposed', 'service/exposed exposed'), (f'scale rs {name} --replicas=0', 'scaled'),
           ('label deploy,svc both exposed both=yes', "not found", 1), ('annotate deploy/both svc/exposed a=b', r'both annotated\nservice/exposed annotated'),
           ('get deploy,svc -o jsonpath={.items[*].metadata.annotations.a}', r'\bb b\b'),
           ('get all -l app=both --no-headers', 'both'),
           ('delete deploy/both svc/exposed', r'"both" deleted(.*\n)+.*"exposed" deleted'), ('wait --for=delete rs -l app=both --timeout=20s', ''))
