# SPDX-License-Identifier: Apache-2.0
"""What a program with Debian's python3-kubernetes does; run by test_python_client.py in the server's network. Prints
one JSON object."""
import json
import sys
import threading

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream


def objects(core, found):
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name='from-python', labels={'made': 'here'}), data={'a': '1'})
    made = core.create_namespaced_config_map('default', body)
    found['created'] = [made.metadata.name, made.data]
    core.patch_namespaced_config_map('from-python', 'default', {'data': {'b': '2'}})
    listed = core.list_namespaced_config_map('default', label_selector='made=here')
    found['listed'] = [(i.metadata.name, i.data) for i in listed.items]
    try:
        core.create_namespaced_config_map('default', body)
    except ApiException as failure:
        found['conflict'] = [failure.status, json.loads(failure.body)['reason']]
    seen = []
    timer = threading.Timer(0.2, core.delete_namespaced_config_map, ('from-python', 'default'))
    timer.start()
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_config_map, 'default', label_selector='made=here', timeout_seconds=20):
        seen.append([event['type'], event['object'].metadata.name])
        if event['type'] == 'DELETED':
            watcher.stop()
    timer.join()
    found['watched'] = seen


def streams(core, found):
    def run(command, **kwargs):
        return stream(core.connect_get_namespaced_pod_exec, 'box', 'default', command=command, stderr=True, stdout=True,
                      tty=False, **kwargs)

    # Two channels: which comes first is nobody's promise.
    found['exec'] = sorted(run(['sh', '-c', 'echo out; echo err >&2'], stdin=False).split())
    session = run(['sh', '-c', 'read line; echo "got $line"; exit 3'], stdin=True, _preload_content=False)
    session.write_stdin('a line\n')
    session.run_forever(timeout=20)
    found['session'] = [session.read_stdout(), session.returncode]
    session.close()
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, 'web', 'default', ports='8080')
    socket = forwarded.socket(8080)
    socket.setblocking(True)
    socket.sendall(b'GET / HTTP/1.0\r\n\r\n')
    answer = b''
    while data := socket.recv(65536):
        answer += data
    found['forwarded'] = answer.decode().split('\r\n')[0]


def dynamic_client(found):
    """Kinds found by discovery, and every form of patch."""
    cluster = dynamic.DynamicClient(client.ApiClient())
    maps = cluster.resources.get(api_version='v1', kind='ConfigMap')
    deployments = cluster.resources.get(api_version='apps/v1', kind='Deployment')
    found['discovered'] = sorted({r.kind for r in cluster.resources.search(group='apps', kind='Deployment')})
    maps.create(namespace='default', body={'metadata': {'name': 'dynamic', 'labels': {'made': 'dyn'}}, 'data': {'a': '1', 'b': '1'}})

    def patch(resource, kind, body):
        return resource.patch(name='dynamic', namespace='default', body=body, content_type=f'application/{kind}+json')

    patch(maps, 'merge-patch', {'data': {'a': None, 'c': '2'}})
    patch(maps, 'json-patch', [{'op': 'replace', 'path': '/data/b', 'value': '3'}])
    found['patched'] = patch(maps, 'strategic-merge-patch', {'data': {'d': '4'}}).to_dict()['data']
    container = {'name': 'one', 'image': 'a'}
    deployments.create(namespace='default', body={'metadata': {'name': 'dynamic'}, 'spec': {
        'replicas': 0, 'selector': {'matchLabels': {'a': 'b'}},
        'template': {'metadata': {'labels': {'a': 'b'}}, 'spec': {'containers': [container]}}}})
    body = {'spec': {'template': {'spec': {'containers': [{'name': 'two', 'image': 'b'}]}}}}
    found['merged'] = sorted(c.name for c in patch(deployments, 'strategic-merge-patch', body).spec.template.spec.containers)
    found['replaced by merge'] = [c.name for c in patch(deployments, 'merge-patch', body).spec.template.spec.containers]
    scale = deployments.scale.patch(name='dynamic', namespace='default', body={'spec': {'replicas': 2}},
                                    content_type='application/merge-patch+json')
    found['scaled'] = [scale.kind, scale.spec.replicas]
    one = {**maps.get(name='dynamic', namespace='default').to_dict(), 'data': {'only': 'this'}}
    found['written'] = maps.replace(namespace='default', body=one).to_dict()['data']
    try:
        maps.replace(namespace='default', body=one)
    except dynamic.exceptions.ConflictError as failure:
        found['stale'] = failure.status
    found['listed dynamically'] = [i.metadata.name for i in maps.get(namespace='default', label_selector='made=dyn').items]
    seen = []
    for event in maps.watch(namespace='default', label_selector='made=dyn', timeout=20):
        seen.append([event['type'], event['object'].metadata.name])
        if len(seen) == 2:
            break
        maps.delete(name='dynamic', namespace='default')
    found['watched dynamically'] = seen
    deployments.delete(name='dynamic', namespace='default')
    try:
        maps.get(name='dynamic', namespace='default')
    except dynamic.exceptions.NotFoundError as failure:
        found['missing'] = failure.status


def main():
    config.load_kube_config(sys.argv[1])
    core = client.CoreV1Api()
    found = {}
    objects(core, found)
    streams(core, found)
    dynamic_client(found)
    print(json.dumps(found))


main()
