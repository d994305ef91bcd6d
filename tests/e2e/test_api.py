# SPDX-License-Identifier: Apache-2.0
"""kubectl 1.35 against the API server alone: verbs, output forms, patches, discovery."""
import json
import time

from cluster import deployment, wait_for


def test_version_and_health(server):
    out = server.kubectl('version').stdout
    assert 'Server Version: v1.35' in out
    for path in ('/healthz', '/livez', '/readyz'):
        assert server.kubectl('get', '--raw', path).stdout == 'ok'
        assert server.curl(path, user=None) == (200, b'ok')


def test_discovery(server):
    names = server.kubectl('api-resources', '-o', 'name').stdout.split()
    for name in ('pods', 'namespaces', 'nodes', 'services', 'secrets', 'configmaps', 'serviceaccounts', 'events',
                 'deployments.apps', 'replicasets.apps', 'leases.coordination.k8s.io', 'endpointslices.discovery.k8s.io',
                 'certificatesigningrequests.certificates.k8s.io'):
        assert name in names
    assert 'apps/v1' in server.kubectl('api-versions').stdout.split()


def test_first_objects(server):
    assert {'default', 'kube-system', 'kube-public', 'kube-node-lease'} <= set(
        server.kubectl('get', 'ns', '-o', 'jsonpath={.items[*].metadata.name}').stdout.split())
    service = server.get('service', 'kubernetes')
    assert service['spec']['clusterIP'] == '10.96.0.1'
    wait_for(lambda: server.get('serviceaccount', 'default'), 'the default ServiceAccount')
    wait_for(lambda: server.get('configmap', 'kube-root-ca.crt'), 'the root CA ConfigMap')


def test_typed_creates_are_protobuf_and_work(server):
    server.kubectl('create', 'namespace', 'typed')
    server.kubectl('-n', 'typed', 'create', 'configmap', 'c', '--from-literal=a=1', '--from-literal=b=two')
    server.kubectl('-n', 'typed', 'create', 'secret', 'generic', 's', '--from-literal=k=v')
    server.kubectl('-n', 'typed', 'create', 'serviceaccount', 'sa')
    server.kubectl('-n', 'typed', 'create', 'deployment', 'd', '--image=x', '--replicas=0', '--port=80')
    server.kubectl('-n', 'typed', 'create', 'service', 'clusterip', 'svc', '--tcp=80:8080')
    assert server.get('cm', 'c', '-n', 'typed')['data'] == {'a': '1', 'b': 'two'}
    assert server.get('secret', 's', '-n', 'typed')['data'] == {'k': 'dg=='}
    got = server.get('deploy', 'd', '-n', 'typed')
    assert got['spec']['replicas'] == 0
    assert got['spec']['strategy']['rollingUpdate'] == {'maxSurge': '25%', 'maxUnavailable': '25%'}
    assert got['spec']['template']['spec']['restartPolicy'] == 'Always'
    assert server.get('svc', 'svc', '-n', 'typed')['spec']['clusterIP'].startswith('10.96.')
    again = server.kubectl('create', 'namespace', 'typed', check=False)
    assert again.returncode == 1
    assert 'Error from server (AlreadyExists): namespaces "typed" already exists' in again.stderr


def test_apply_twice_and_change(server):
    manifest = deployment('applied', 0)
    assert 'created' in server.apply(manifest).stdout
    before = server.get('deploy', 'applied')
    assert 'unchanged' in server.apply(manifest).stdout
    assert server.get('deploy', 'applied')['metadata']['resourceVersion'] == before['metadata']['resourceVersion']
    manifest['spec']['template']['spec']['containers'][0]['env'] = [{'name': 'A', 'value': '1'}]
    assert 'configured' in server.apply(manifest).stdout
    assert server.get('deploy', 'applied')['metadata']['generation'] > before['metadata']['generation']
    del manifest['spec']['template']['spec']['containers'][0]['env']
    server.apply(manifest)
    assert 'env' not in server.get('deploy', 'applied')['spec']['template']['spec']['containers'][0]


def test_diff(server):
    manifest = deployment('differs', 0)
    server.apply(manifest)
    assert server.kubectl('diff', '-f', '-', input=json.dumps(manifest)).stdout == ''
    manifest['spec']['minReadySeconds'] = 7
    done = server.kubectl('diff', '-f', '-', input=json.dumps(manifest), check=False)
    assert done.returncode == 1 and '+  minReadySeconds: 7' in done.stdout


def test_patches(server):
    server.kubectl('create', 'configmap', 'patched', '--from-literal=a=1')
    server.kubectl('patch', 'cm', 'patched', '--type=merge', '-p', '{"data":{"b":"2"}}')
    server.kubectl('patch', 'cm', 'patched', '--type=json', '-p', '[{"op":"replace","path":"/data/a","value":"9"}]')
    assert server.get('cm', 'patched')['data'] == {'a': '9', 'b': '2'}
    server.apply(deployment('patched', 0))
    server.kubectl('patch', 'deploy', 'patched', '-p',
                   '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"other"},{"name":"two","image":"x"}]}}}}')
    images = [c['image'] for c in server.get('deploy', 'patched')['spec']['template']['spec']['containers']]
    assert sorted(images) == ['other', 'x']
    bad = server.kubectl('patch', 'cm', 'patched', '--type=json', '-p', '[{"op":"test","path":"/data/a","value":"0"}]',
                         check=False)
    assert bad.returncode == 1 and 'patched' in bad.stderr


def test_edit(server):
    server.kubectl('create', 'configmap', 'edited', '--from-literal=a=old')
    server.kubectl('edit', 'cm', 'edited', env={'EDITOR': 'sed -i s/old/new/'})
    assert server.get('cm', 'edited')['data'] == {'a': 'new'}


def test_label_annotate_and_selectors(server):
    for name, tier in (('l1', 'front'), ('l2', 'back'), ('l3', 'back')):
        server.kubectl('create', 'configmap', name)
        server.kubectl('label', 'cm', name, f'tier={tier}')

    def names(selector):
        return server.kubectl('get', 'cm', '-l', selector, '-o', 'jsonpath={.items[*].metadata.name}').stdout.split()

    assert names('tier=back') == ['l2', 'l3']
    assert names('tier in (front)') == ['l1']
    assert names('tier,tier!=back') == ['l1']
    server.kubectl('annotate', 'cm', 'l1', 'note=hello')
    assert server.get('cm', 'l1')['metadata']['annotations'] == {'note': 'hello'}
    refused = server.kubectl('label', 'cm', 'l1', 'tier=other', check=False)
    assert refused.returncode == 1
    server.kubectl('label', 'cm', 'l1', 'tier-')
    assert names('tier') == ['l2', 'l3']
    assert server.kubectl('get', 'cm', '--field-selector', 'metadata.name=l2', '-o', 'name').stdout == 'configmap/l2\n'


def test_output_forms(server):
    server.kubectl('create', 'configmap', 'shown', '--from-literal=k=v')
    table = server.kubectl('get', 'cm', 'shown').stdout.splitlines()
    assert table[0].split() == ['NAME', 'DATA', 'AGE'] and table[1].split()[:2] == ['shown', '1']
    assert server.kubectl('get', 'cm', 'shown', '-o', 'name').stdout == 'configmap/shown\n'
    assert server.kubectl('get', 'cm', 'shown', '-o', 'jsonpath={.data.k}').stdout == 'v'
    assert 'kind: ConfigMap' in server.kubectl('get', 'cm', 'shown', '-o', 'yaml').stdout
    assert server.kubectl('get', 'cm', 'shown', '-o', 'custom-columns=N:.metadata.name').stdout == 'N\nshown\n'
    assert 'NAMESPACE' in server.kubectl('get', 'cm', '-A').stdout
    assert server.kubectl('get', 'cm', 'shown', '-o', 'go-template={{.data.k}}').stdout == 'v'
    everything = server.kubectl('get', 'cm', '-A', '--chunk-size=2', '-o', 'name').stdout.split()
    assert everything == server.kubectl('get', 'cm', '-A', '--chunk-size=0', '-o', 'name').stdout.split()


def test_watch(server):
    watcher = server.spawn_kubectl('get', 'cm', '-w', '-o', 'name', '--field-selector', 'metadata.name=watched')
    try:
        server.kubectl('create', 'configmap', 'watched')
        assert watcher.stdout.readline() == 'configmap/watched\n'
        server.kubectl('label', 'cm', 'watched', 'a=b')
        assert watcher.stdout.readline() == 'configmap/watched\n'
    finally:
        watcher.kill()
        watcher.wait()


def test_describe_explain_events(server):
    server.apply(deployment('described', 0))
    out = server.kubectl('describe', 'deploy', 'described').stdout
    assert 'RollingUpdateStrategy:  25% max unavailable, 25% max surge' in out
    out = server.kubectl('explain', 'pods.spec.containers').stdout
    assert 'FIELDS:' in out and 'imagePullPolicy' in out and '-required-' in out
    out = server.kubectl('explain', 'deployments', '--recursive').stdout
    assert 'maxUnavailable' in out
    assert server.kubectl('events').returncode == 0


def test_scale_and_wait(server):
    server.apply(deployment('scaled', 0))
    server.kubectl('scale', 'deploy', 'scaled', '--replicas=2')
    assert server.get('deploy', 'scaled')['spec']['replicas'] == 2
    scale = json.loads(server.kubectl('get', '--raw', '/apis/apps/v1/namespaces/default/deployments/scaled/scale').stdout)
    assert scale['kind'] == 'Scale' and scale['spec']['replicas'] == 2
    server.kubectl('scale', 'deploy', 'scaled', '--replicas=0')
    server.kubectl('create', 'cm', 'waited')
    server.kubectl('wait', 'cm/waited', '--for=jsonpath={.metadata.name}=waited', '--timeout=20s')


def test_replace_conflict_and_dry_run(server):
    server.kubectl('create', 'cm', 'replaced', '--from-literal=a=1')
    stale = server.get('cm', 'replaced')
    server.kubectl('label', 'cm', 'replaced', 'x=y')
    done = server.kubectl('replace', '-f', '-', input=json.dumps(stale), check=False)
    assert done.returncode == 1 and 'Error from server (Conflict)' in done.stderr
    server.kubectl('create', 'cm', 'dry', '--dry-run=server')
    assert server.get('cm', 'dry') is None
    server.kubectl('delete', 'cm', 'replaced', '--dry-run=server')
    assert server.get('cm', 'replaced')


def test_delete_forms(server):
    for i in range(3):
        server.kubectl('create', 'cm', f'gone-{i}')
        server.kubectl('label', 'cm', f'gone-{i}', 'gone=yes')
    server.kubectl('delete', 'cm', 'gone-0')
    assert server.get('cm', 'gone-0') is None
    server.kubectl('delete', 'cm', '-l', 'gone=yes')
    assert server.get('cm', '-l', 'gone=yes')['items'] == []
    missing = server.kubectl('delete', 'cm', 'gone-0', check=False)
    assert 'Error from server (NotFound): configmaps "gone-0" not found' in missing.stderr
    server.kubectl('delete', 'cm', 'gone-0', '--ignore-not-found')


def test_finalizers_hold_an_object(server):
    server.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'held', 'finalizers': ['test.io/hold']}})
    server.kubectl('delete', 'cm', 'held', '--wait=false')
    assert server.get('cm', 'held')['metadata']['deletionTimestamp']
    server.kubectl('patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    assert server.get('cm', 'held') is None


def test_namespace_deletion_empties_it(server):
    server.kubectl('create', 'ns', 'doomed')
    server.kubectl('-n', 'doomed', 'create', 'cm', 'inside')
    server.kubectl('delete', 'ns', 'doomed', timeout=60)
    assert server.get('ns', 'doomed') is None
    server.kubectl('create', 'ns', 'doomed')
    assert server.get('cm', 'inside', '-n', 'doomed') is None


def test_restart_keeps_everything_and_watches_go_on(own_server):
    s = own_server
    s.kubectl('create', 'cm', 'kept', '--from-literal=a=1')
    revision = s.get('cm', 'kept')['metadata']['resourceVersion']
    s.stop_server(9)
    began = time.monotonic()
    s.start_server()
    assert time.monotonic() - began < 20
    kept = s.get('cm', 'kept')
    assert kept['data'] == {'a': '1'} and kept['metadata']['resourceVersion'] == revision
    s.kubectl('create', 'cm', 'after')
    assert int(s.get('cm', 'after')['metadata']['resourceVersion']) > int(revision)
