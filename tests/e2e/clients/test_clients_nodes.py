# SPDX-License-Identifier: Apache-2.0
"""kubectl 1.35: the verbs that need pods that run: rollouts, nodes, logs, debug and what else concerns containers."""
import threading

import pytest

from cluster import Cluster
from conftest import running
from steps import Kubectl

IMAGE = 'localhost/knarr/hello:v1'
# Runs until it is told to end.
WAIT = "sh -c 'trap exit TERM; sleep 100000 & wait'"


@pytest.fixture(scope='module')
def k():
    for cluster in running(Cluster(nodes=1)):
        yield Kubectl(cluster, 'run')


def test_scale_set_and_rollout(k):
    k.says(f'create deployment web --image={IMAGE} --replicas=2 -- {WAIT}',
           'rollout status deploy/web --timeout=30s', ('scale deploy web --replicas=1 --current-replicas=2', 'scaled'),
           ('scale deploy web --replicas=3 --current-replicas=2', 'Expected replicas to be 2, was 1', 1),
           ('scale deploy/web --replicas=2 --timeout=20s', 'scaled'), ('scale --replicas=2 -l app=web deploy', 'scaled'),
           ('scale deploy web --replicas=2 --resource-version=1', 'Expected resource version to be 1', 1),
           ('annotate deploy web kubernetes.io/change-cause=first', 'annotated'), 'create configmap settings --from-literal=C=d',
           ('set env deploy/web A=B', 'env updated'), ('set env deploy/web --from=configmap/settings --prefix=P_', 'env updated'),
           ('set env deploy/web --list', r'^A=B\n# P_C from configmap settings, key C$'),
           ('set env deploy/web A-', 'env updated'),
           ('set resources deploy/web --limits=cpu=1,memory=64Mi --requests=cpu=10m', 'resource requirements updated'),
           'create serviceaccount other', ('set serviceaccount deploy/web other', 'serviceaccount updated'),
           ('set image deploy/web hello=localhost/knarr/nothing:v1', 'image updated'),
           (f'set image deploy/web hello={IMAGE}', 'image updated'),
           ('rollout status deploy/web --timeout=30s', 'successfully rolled out'))
    spec = k.get('deploy web')['spec']['template']['spec']
    assert spec['serviceAccountName'] == 'other' and spec['containers'][0]['resources']['requests']['cpu'] == '10m'
    k.says(('rollout history deploy/web', r'^REVISION +CHANGE-CAUSE\n1'),
           ('rollout history deploy/web --revision=2', r'with revision #2'),
           ('rollout undo deploy/web --to-revision=99', 'unable to find specified revision 99', 1),
           ('rollout undo deploy/web --to-revision=2', 'rolled back'),
           ('rollout undo deploy/web --dry-run=server', 'server dry run'),
           ('rollout pause deploy/web', 'paused'), ('rollout pause deploy/web', 'already paused', 1),
           ('rollout undo deploy/web', 'cannot rollback a paused', 1),
           ('rollout resume deploy/web', 'resumed'), ('rollout restart deploy/web', 'restarted'),
           ('rollout restart deploy nothing', 'NotFound', 1),
           ('rollout status deploy/web --timeout=30s', 'successfully rolled out'),
           ('rollout status deploy/web --watch=false', 'successfully'),
           ("wait deploy/web --for=jsonpath='{.status.readyReplicas}'=2 --timeout=20s", 'met'),
           ('wait deploy/web --for=condition=Available', 'met'))
    assert k.get('deploy web')['spec']['template']['spec']['containers'][0]['env'] == [{'name': 'A', 'value': 'B'}]
    k.says(('delete deploy web --cascade=foreground --timeout=30s', 'deleted'), ('get pods -l app=web', 'No resources found'))


def test_containers(k):
    k.says(f"""run box --image={IMAGE} --restart=Never -- sh -c 'echo one; echo two; trap exit TERM; sleep 100000 & wait'""",
           'wait pod/box --for=condition=Ready --timeout=30s', ('logs box', r'\Aone\ntwo\n\Z'),
           ('logs box --tail=1', r'\Atwo\n\Z'),
           ('logs box --limit-bytes=3', r'\Aone\Z'), ('logs box --timestamps --since=1h', r'^\d{4}-\d\d-\S+Z one$'),
           ('logs -l run=box --prefix --all-containers', r'^\[pod/box/box\] one'),
           ('logs box -p', 'previous terminated container "box" in pod "box" not found', 1),
           ('logs box -c nothing', 'container nothing is not valid', 1), ('logs nothing', 'pods "nothing" not found', 1),
           ('exec box -- sh -c "echo hi; exit 3"', 'hi', 3), ('exec pod/box -c box -- echo hi', 'hi'),
           ('exec box -c nothing -- echo', 'container nothing', 1),
           ('describe pod box', r'Normal +Started'), ('top pod box --containers', r'^box +box +\d+m'),
           ('top pod --sum', r'_____'), ('top node', r'^node-1 +\d+m'))
    assert k('exec -i box -- cat', input='typed') == 'typed'
    k.file('here/file', 'copied\n')
    k.says('cp here box:/tmp/there', ('exec box -- cat /tmp/there/file', 'copied'), 'cp box:/tmp/there back')
    assert (k.folder / 'back/file').read_text() == 'copied\n'
    k.says('expose pod box --port=80', ('exec service/box -- echo by-service', 'by-service'))


def test_debug(k):
    k.file('user.json', [{'securityContext': {'runAsUser': 1000}}])
    k.says(f'run broken --image={IMAGE} -- {WAIT}', 'wait pod/broken --for=condition=Ready --timeout=30s',
           (f'debug broken --image={IMAGE} --copy-to=copy --profile=general -c extra -- {WAIT}', 'shareProcessNamespace is stored'),
           'wait pod/copy --for=condition=Ready --timeout=30s', ('exec copy -c extra -- echo extra', 'extra'),
           (f'debug node/node-1 --image={IMAGE} --profile=sysadmin -- ls /host', 'Creating debugging pod'),
           (f'debug broken --copy-to=other --set-image=*={IMAGE} --profile=general', ''), ('get pod other -o name', 'pod/other'),
           (f'debug broken -i --image={IMAGE} --profile=restricted -c guest --custom=user.json -- id', '^uid=1000'),
           ('logs broken -c guest', '^uid=1000'), ('describe pod broken', '^Ephemeral Containers:\n +guest:'))
    ran = next(n for n in k.names('pods') if n.startswith('node-debugger-node-1-'))
    k.says(f"wait pod/{ran} --for=jsonpath='{{.status.phase}}'=Succeeded --timeout=30s", (f'logs {ran}', '^etc$'),
           f'delete pod {ran} copy other broken --now')


def test_taints_cordon_and_drain(k):
    k.says(('taint node node-1 a=b:NoSchedule', 'tainted'), ('taint node node-1 a=c:NoSchedule', 'already has', 1),
           ('taint node node-1 a=c:NoSchedule --overwrite', 'modified'), ('taint nodes --all a-', 'untainted'),
           ('taint node node-1 a-', 'not found', 1),
           ('cordon node-1', 'cordoned'), ('cordon node-1', 'already cordoned'), ('get node node-1', 'Ready,SchedulingDisabled'),
           ('describe node node-1', r'Unschedulable: +true'), ('uncordon -l kubernetes.io/hostname=node-1', 'uncordoned'))
    k.says(f'create deployment kept --image={IMAGE} --replicas=1 -- {WAIT}', f'run alone --image={IMAGE} -- {WAIT}',
           ('drain node-1 --force --dry-run=server', r'evicting pod run/kept-'),
           'create pdb kept --selector=app=kept --min-available=1', 'wait pod --all --for=condition=Ready --timeout=30s',
           ("wait pdb/kept --for=jsonpath='{.status.currentHealthy}'=1 --timeout=20s", 'met'),
           ('drain node-1', 'cannot delete.* that declare no controller', 1),
           ('drain node-1 --force --grace-period=1 --timeout=1s',
           "violate the pod's disruption budget", 1), ('get pod alone', 'NotFound', 1))
    k.says(('drain node-1 --force --disable-eviction --grace-period=1 --timeout=30s', r'node/node-1 drained'),
           ('uncordon node-1', 'uncordoned'),
           'rollout status deploy/kept --timeout=30s', 'delete deploy kept', 'delete pdb kept')


def test_deleting_pods(k):
    for name in ('now', 'forced', 'slow'):
        k(f"run {name} --image={IMAGE} --labels=x=y -- {WAIT}")
    k.says('wait pod -l x=y --for=condition=Ready --timeout=30s', ('delete pod forced --force --grace-period=0', 'force deleted'),
           ('get pod forced', 'NotFound', 1), ('delete pod now --now', '"now" deleted'),
           ('delete pod slow --grace-period=1 --wait=false', '"slow" deleted'), ('wait pod/slow --for=delete --timeout=20s', ''))


def test_events_and_the_dump(k):
    waiting = threading.Timer(0.3, k, (f'run seen --image={IMAGE} -- {WAIT}',))
    waiting.start()
    k('wait event --for=create --field-selector=involvedObject.name=seen,reason=Started --timeout=20s', 'met')
    waiting.join()
    k.says(('events --for=pod/seen', r'Normal +Started +Pod/seen'),
           ('get events --field-selector=type=Normal,involvedObject.name=seen', 'Scheduled'),
           'delete pod seen --now')
