# SPDX-License-Identifier: Apache-2.0
"""The main verbs with older kubectls, of which each asks in its own way: 1.20 knows only the plain discovery and OpenAPI v2 and
speaks SPDY, 1.27 has the beta of the aggregated discovery and wants OpenAPI v2 too, 1.30 uses WebSockets, 1.32 protobuf."""
import json
import pathlib

import pytest

from cluster import KUBECTL, Cluster, pod
from conftest import running
from steps import Kubectl, config_map

IMAGE = 'localhost/knarr/hello:v1'
WAIT = "sh -c 'echo said; trap exit TERM; sleep 100000 & wait'"


@pytest.fixture(scope='module')
def one():
    yield from running(Cluster(nodes=1))


@pytest.fixture(scope='module', params=[20, 27, 30, 32], ids=lambda minor: f'1.{minor}')
def k(request, one):
    program = pathlib.Path(KUBECTL).parent / f'kubectl-1.{request.param}'
    if not program.exists():
        pytest.skip(f'{program} is missing: tools/fetch-kubectl {request.param} brings it')
    k = Kubectl(one, f'v{request.param}', program)
    k.minor = request.param
    yield k
    one.kubectl('delete', 'namespace', k.namespace, '--wait=false')


def test_objects(k):
    k.says('create configmap made --from-literal=a=1', 'create secret generic made --from-literal=a=1', 'create serviceaccount made',
           'create role made --verb=get --resource=pods', 'create rolebinding made --role=made --user=joe',
           'create service clusterip made --tcp=80', ('create ingress made --rule=a.example/x=made:80', 'made created'),
           ('create configmap made', 'already exists', 1),
           ('get cm,secret,sa,role,rolebinding,svc,ingress', r'^configmap/made +1 '),
           ('get cm made -o jsonpath={.data.a}', r'\A1\Z'), ('get cm -o wide', r'^NAME +DATA +AGE'),
           ('get cm nothing', 'NotFound', 1),
           ('auth can-i get pods', '^yes'), ('auth can-i get pods --as=joe', '^yes'),
           ('auth can-i --list --as=joe', r'^pods +\[\] +\[\] +\[get\]'))
    k.file('x', [config_map('applied', a='1')])
    k.says(('apply -f x', 'applied created'), ('apply -f x', 'applied unchanged'), ('diff -f x', r'\A\Z'))
    k.file('x', [config_map('applied', a='2')])
    k.says(('diff -f x', r'^\+  a: "2"', 1), ('apply -f x', 'applied configured'),
           ('apply --server-side --force-conflicts -f x', 'serverside-applied'),
           ("""patch cm applied --type=merge -p '{"data":{"b":"2"}}'""", 'patched'), ('label cm applied l=m', 'labeled'),
           ('annotate cm applied n=o', 'annotate'), ('get cm -l l=m -o name', r'\Aconfigmap/applied\n\Z'))
    k('edit cm applied', 'edited', KUBE_EDITOR='sed -i s/b:.*2.*/b:\\ x3/')
    assert k.get('cm applied')['data'] == {'a': '2', 'b': 'x3'}
    k.file('bad', [{**config_map('bad'), 'nothing': 1}])
    k.says(('create -f bad', r'unknown field "nothing"', 1), ('delete -f x', 'deleted'), ('get -f x', 'NotFound', 1))


def test_what_it_knows(k):
    k.says(('version', r'1\.?"?,? ?(Minor:)?"?35'), ('api-resources -o name', r'^deployments.apps$'),
           ('api-versions', r'^apps/v1$'),
           ('explain pods.spec.containers', r'imagePullPolicy'), ('explain deployment --recursive', 'maxUnavailable'),
           ('get nodes', r'^node-1 +Ready'), ('describe node node-1', r'Kubelet Version: +v1.35'), ('top node', r'^node-1 +\d+m'))


def test_workloads(k):
    k.says(f'create deployment web --image={IMAGE} -- {WAIT}',
           ('rollout status deploy/web --timeout=30s', 'successfully rolled out'),
           ('get all', r'^deployment.apps/web +1/1'), ('describe deploy web', r'Normal +ScalingReplicaSet'),
           'set env deploy/web A=B',
           'rollout status deploy/web --timeout=30s', ('rollout history deploy/web', r'^2 '),
           ('rollout undo deploy/web', 'rolled back'),
           ('rollout status deploy/web --timeout=30s', 'successfully'), ('scale deploy web --replicas=2', 'scaled'),
           ('rollout restart deploy/web', 'restarted'), ('rollout status deploy/web --timeout=30s', 'successfully'),
           ('expose deploy web --port=80', 'exposed'), 'scale deploy web --replicas=0')


def test_containers_and_drain(k):
    k.file('box', [pod('box', ['sh', '-c', 'echo said; trap exit TERM; sleep 100000 & wait'])])
    k.says('apply -f box', 'wait pod/box --for=condition=Ready --timeout=30s', ('logs box', r'\Asaid\n\Z'),
           ('exec box -- sh -c "echo hi; exit 3"', 'hi', 3),
           ('describe pod box', r'Normal +Started'), 'cp box box:/tmp/box', ('exec box -- grep -c kind /tmp/box', '1'))
    assert k('exec -i box -- cat', input='typed') == 'typed'
    assert json.loads(k('get pod box -o json'))['status']['phase'] == 'Running'
    k.says(('cordon node-1', 'cordoned'),
           ('drain node-1 --force --grace-period=1 --timeout=30s --ignore-daemonsets', r'evicting pod v\d+/box'),
           ('get pod box', 'NotFound', 1), ('uncordon node-1', 'uncordoned'), ('delete deploy --all', 'web.* deleted'))
