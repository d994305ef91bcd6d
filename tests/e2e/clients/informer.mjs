// SPDX-License-Identifier: Apache-2.0
// An informer of @kubernetes/client-node, unmodified, on the ConfigMaps of a namespace; run by informer_run.py. Prints a line
// of JSON per event, and at the line "list" on its standard input what its cache holds.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [modules, kubeconfig, server, namespace] = process.argv.slice(2);
const place = createRequire(`${modules}/`).resolve('@kubernetes/client-node');
const k8s = await import(pathToFileURL(place));

const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
config.clusters = config.clusters.map((c) => ({ ...c, server }));
const core = config.makeApiClient(k8s.CoreV1Api);
const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`,
    () => core.listNamespacedConfigMap({ namespace }));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const facts = (o) => [o.metadata.name, o.metadata.resourceVersion];
let due = false;
// As its documentation says: after an error the program starts it again.
function again() {
    if (due) return;
    due = true;
    setTimeout(() => { due = false; informer.start().catch(again); }, 1);
}
for (const type of ['add', 'update', 'delete']) informer.on(type, (o) => say([type, ...facts(o)]));
informer.on('error', again);
createInterface(process.stdin).on('line', () => say(['list', informer.list().map(facts)]));
await informer.start();
