# SPDX-License-Identifier: Apache-2.0
"""kubectl 1.35: everything that it makes by itself, without a file, and every form in which it shows things."""
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from steps import Kubectl, certificate


@pytest.fixture(scope='module')
def k(server):
    k = Kubectl(server, 'made')
    k.file('greeting', 'hello\n')
    k.file('settings', 'A=1\nB=two\n')
    k.file('bytes', bytes(range(256)))
    certificate(k.folder, 'tls.crt')
    return k


def test_config_maps(k):
    k.says(('create configmap literal --from-literal=a=1 --from-literal=b=', 'configmap/literal created'),
           'create configmap files --from-file=greeting --from-file=other=bytes',
           'create configmap env --from-env-file=settings',
           'create configmap hashed --from-file=greeting --append-hash',
           ('create configmap literal', r'configmaps "literal" already exists', 1),
           ('create configmap Bad_Name', r'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value', 1))
    assert k.get('cm literal')['data'] == {'a': '1', 'b': ''}
    files = k.get('cm files')
    assert files['data'] == {'greeting': 'hello\n'} and list(files['binaryData']) == ['other']
    assert k.get('cm env')['data'] == {'A': '1', 'B': 'two'}
    assert [n for n in k.names('cm') if re.fullmatch('hashed-[a-z0-9]{10}', n)]


def test_secrets_and_accounts(k):
    k.says('create secret generic generic --from-literal=x=y --type=a.b/c',
           'create secret docker-registry login --docker-server=a.b --docker-username=u --docker-password=p',
           'create secret tls pair --cert=tls.crt --key=tls.key',
           'create serviceaccount robot',
           ('create token robot --duration=1h', r'^[\w-]+\.[\w-]+\.[\w-]+$'),
           ('create token nobody', 'serviceaccounts "nobody" not found', 1),
           ('get secret', r'^generic +a.b/c +1 .*\n(.*\n)*login +kubernetes.io/dockerconfigjson +1 .*\npair +kubernetes.io/tls +2 '),
           ('describe secret pair', r'tls.key: +\d+ bytes'))
    given = json.loads(k('create token robot --audience=a --bound-object-kind=Secret --bound-object-name=pair -o json'))
    assert given['kind'] == 'TokenRequest' and given['status']['token'] and given['spec']['audiences'] == ['a']


def test_roles(k):
    k.says('create role reader --verb=get,list --resource=pods,pods/log,deployments.apps --resource-name=a',
           'create rolebinding readers --role=reader --serviceaccount=made:robot --user=u --group=g',
           'create clusterrole logs --verb=get --non-resource-url=/logs/*',
           'create clusterrole all-of-it --aggregation-rule=made=yes',
           'create clusterrolebinding loggers --clusterrole=logs --group=g',
           ('create role bad --verb=get --resource=nothing', "doesn't have a resource type", 1),
           ('get rolebinding readers -o wide', r'readers +Role/reader +\S+ +u +g +made/robot'),
           ('describe role reader', r'pods/log +\[\] +\[a\] +\[get list\]'),
           ('set subject rolebinding readers --user=v --serviceaccount=made:default', 'subjects updated'))
    assert [s['name'] for s in k.get('rolebinding readers')['subjects']] == ['u', 'g', 'robot', 'v', 'default']
    assert k.get('clusterrole logs')['rules'] == [{'nonResourceURLs': ['/logs/*'], 'verbs': ['get']}]
    k('delete clusterrolebinding loggers')
    k('delete clusterrole logs all-of-it')


def test_services(k):
    k.says('create service clusterip inner --tcp=80:8080 --tcp=443:8443',
           'create service clusterip headless --clusterip=None',
           'create service nodeport node --tcp=80:8080 --node-port=30123',
           'create service externalname outer --external-name=a.example',
           'create service loadbalancer balanced --tcp=80:8080',
           ('create service nodeport again --tcp=80 --node-port=30123', 'provided port is already allocated', 1),
           ('set selector service inner app=web', 'selector updated'),
           ('get service', r'headless +ClusterIP +None +<none> +<none>'),
           ('get service outer', r'outer +ExternalName +<none> +a.example +<none>'),
           ('get service balanced', r'balanced +LoadBalancer +10\.96\.\S+ +<pending> +80:\d+/TCP'),
           ('get service node', r'node +NodePort +10\.96\.\S+ +<none> +80:30123/TCP'),
           ('describe service inner', r'Selector: +app=web(.*\n)+Port: +80-8080 +80/TCP'))


def test_other_kinds(k):
    k.says('create ingress web --class=c --rule=a.example/x*=inner:80,tls=pair --default-backend=inner:80 --annotation=a=b',
           'create poddisruptionbudget few --selector=app=web --min-available=1',
           'create poddisruptionbudget part --selector=app=web --max-unavailable=50%',
           'create priorityclass weighty --value=1000 --description=heavy --preemption-policy=Never',
           'create quota limits --hard=pods=10 --scopes=BestEffort',
           ('get ingress', r'web +c +a.example +80, 443'),
           ('describe ingress web', r'a.example *\n +/x +inner:80'),
           ('get pdb', r'few +1 +N/A +0 +\S+\npart +N/A +50% +0'),
           ('get priorityclass weighty', r'weighty +1000 +false'),
           'delete priorityclass weighty', 'delete quota limits')


def test_deployments_pods_and_what_exposes_them(k):
    k.says('create deployment web --image=a --image=b:1 --replicas=0 --port=80',
           'create deployment cmd --image=a --replicas=0 -- sleep 10',
           ('expose deployment web --port=80 --target-port=8080', 'service/web exposed'),
           'expose service web --name=web-2 --port=81 --type=NodePort',
           'run pod --image=a --labels=x=y --port=8080 --env=A=B --restart=Never --command -- sleep 1',
           'run with-service --image=a --port=80 --expose',
           'expose pod pod --name=pod-service --port=80 --external-ip=192.0.2.1',
           ('run dry --image=a --dry-run=server -o name', '^pod/dry$'),
           ('run dry --image=a --dry-run=client -o yaml', r'image: a'),
           ('run --image=a', 'NAME is required for run', 1))
    assert [c['name'] for c in k.get('deploy web')['spec']['template']['spec']['containers']] == ['a', 'b']
    assert k.get('deploy cmd')['spec']['template']['spec']['containers'][0]['command'] == ['sleep', '10']
    assert k.get('service web-2')['spec']['ports'][0]['port'] == 81 and k.get('pod dry') is None
    pod = k.get('pod pod')
    assert pod['spec']['containers'][0]['command'] == ['sleep', '1'] and pod['metadata']['labels'] == {'x': 'y'}
    assert k.get('service with-service')['spec']['selector'] == {'run': 'with-service'}
    k('delete pod --all --now')


def test_jobs_and_autoscalers(k):
    k.says(('create job once --image=a -- true', 'job.batch/once created'),
           'create cronjob often --image=a --schedule="0 0 1 1 *" -- true',
           ('create job by-hand --from=cronjob/often', 'job.batch/by-hand created'), ('get jobs', r'^by-hand +\S+ +0/1'),
           ('get cronjob often', r'^often +0 0 1 1 \* +<none> +False +0 +<none>'), ('describe job once', r'Parallelism: +1'),
           ('autoscale deployment web --min=1 --max=3 --cpu=50%', 'web autoscaled'),
           ('get hpa', r'^web +Deployment/web +cpu: <unknown>/50% +1 +3'), ('describe hpa web', r'Max replicas: +3'),
           ('get horizontalpodautoscalers.v1.autoscaling web -o jsonpath={.spec.targetCPUUtilizationPercentage}', r'\A50\Z'),
           'delete job once by-hand', 'delete cronjob often', 'delete hpa web')


def test_forms_of_get(k):
    for name, order in (('f1', 'b'), ('f2', 'c'), ('f3', 'a')):
        k(f'create configmap {name} --from-literal=order={order}')
        k(f'label configmap {name} form=yes order={order}')
    form = 'get cm -l form=yes'
    k.says((form, r'^NAME +DATA +AGE\nf1 +1 +\S+\nf2'),
           (f'{form} --no-headers', r'\Af1 +1'),
           (f'{form} -o wide', r'^NAME +DATA +AGE\nf1'),
           (f'{form} -o name', r'\Aconfigmap/f1\nconfigmap/f2\nconfigmap/f3\n\Z'),
           (f'{form} -o json', r'"kind": "List"'), (f'{form} -o yaml', r'^kind: List$'), (f'{form} -o kyaml', r'kind: "List"'),
           (f"{form} -o 'jsonpath={{.items[*].data.order}}'", r'\Ab c a\Z'),
           (f"{form} -o 'jsonpath={{range .items[?(@.data.order==\"c\")]}}{{.metadata.name}}{{end}}'", r'\Af2\Z'),
           (f"{form} -o jsonpath-as-json='{{.items[*].data.order}}'", r'"c"'),
           (f"{form} -o go-template='{{{{range .items}}}}{{{{.metadata.name}}}};{{{{end}}}}'", r'\Af1;f2;f3;\Z'),
           (f'{form} -o custom-columns=N:.metadata.name,O:.data.order,X:.data.x', r'\AN +O +X\nf1 +b +<none>'),
           (f'{form} --sort-by=.data.order', r'f3(.*\n)+f1(.*\n)+f2'),
           (f'{form} --sort-by=.data.order -o name', r'\Aconfigmap/f3\nconfigmap/f1\nconfigmap/f2\n'),
           (f'{form} -L order,none', r'^NAME +DATA +AGE +ORDER +NONE\nf1 +1 +\S+ +b'),
           (f'{form} --show-labels', r'form=yes,order=b$'), (f'{form} --show-kind', r'^configmap/f1'),
           (f'{form} -A', r'^NAMESPACE +NAME(.*\n)made +f1'), (f'{form},order!=b -o name', r'\Aconfigmap/f2\n'),
           ('get cm,secret f1 pair', r'configmaps "pair" not found', 1),
           ('get cm/f1 secret/pair', r'^configmap/f1(.*\n)+secret/pair'),
           ('get cm f1 --show-managed-fields -o yaml', r'manager: kubectl-create'),
           ('get cm f1 f9 --ignore-not-found -o name', r'\Aconfigmap/f1\n\Z'),
           ('get deploy web --subresource=scale -o yaml', r'kind: Scale'),
           ('get deploy web --subresource=status -o name', r'^deployment.apps/web'),
           ('get pods nothing', r'NotFound.*pods "nothing" not found', 1), ('get nothing', "doesn't have a resource type", 1),
           ('get cm --field-selector=data.a=1', '"data.a" is not a known field selector', 1),
           ('get cm -l a=b=c', 'found .=., expected', 1), ('get pods -A -o name', r''),
           ('get all', r'deployment.apps/web'), ('get --raw /api/v1/namespaces/made/configmaps/f1', r'"name":"f1"'))
    for size in (1, 2, 500, 0):
        assert k(f'{form} --chunk-size={size} -o name') == k(f'{form} -o name')


def test_forms_of_watching(k):
    k('create configmap seen --from-literal=a=1')
    steps = [('get cm seen -w -o name', r'configmap/seen'), ('get cm -w --output-watch-events', r'^EVENT +NAME(.*\n)ADDED +env'),
             ('get cm -w -o json', '"kind": "ConfigMap"'), ('get cm -w --watch-only', r'\A\Z'),
             ("get cm -w -o 'jsonpath={.metadata.name} '", r'\bseen ')]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda step: k(f'{step[0]} --request-timeout=1s', step[1]), steps))
