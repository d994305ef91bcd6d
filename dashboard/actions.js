// SPDX-License-Identifier: Apache-2.0
// What changes something: each asks first, names what it is about, and says what came of it.
import { request } from './api.js';
import { confirm, h, say } from './dom.js';
import { pathOf } from './logic.js';

const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';

const full = (kind, o) => `${kind.kind} ${o.metadata.namespace ? `${o.metadata.namespace}/` : ''}${o.metadata.name}`;
const at = (kind, o, sub) => pathOf(kind, o.metadata.namespace, o.metadata.name, sub);

export function scale(kind, object) {
  const input = h('input', {
    type: 'number', id: 'replicas', min: 0, max: 10000, step: 1, required: true, value: object.spec.replicas ?? 1, autofocus: true,
  });
  confirm({
    title: `Scale ${full(kind, object)}`, text: `It has ${object.spec.replicas ?? 1} replicas now.`, button: 'Scale',
    fields: [h('label', { for: 'replicas' }, 'Replicas'), input],
    act: async () => {
      await request(at(kind, object, 'scale'), { method: 'PATCH', type: MERGE, body: { spec: { replicas: input.valueAsNumber } } });
      say(`${full(kind, object)} is scaled to ${input.valueAsNumber}`);
    },
  });
}

/** As `kubectl rollout restart`: another template, so other pods. */
export function restart(kind, object) {
  confirm({
    title: `Restart ${full(kind, object)}`, text: 'All its pods are replaced, as its rollout strategy says.', button: 'Restart',
    act: async () => {
      const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString().replace(/\.\d+Z$/, 'Z') };
      await request(at(kind, object), { method: 'PATCH', type: STRATEGIC, body: { spec: { template: { metadata: { annotations } } } } });
      say(`${full(kind, object)} is restarted`);
    },
  });
}

/** Only what was looked at: an object that was made anew under the same name is left alone. */
export function remove(kind, object, done) {
  confirm({
    title: `Delete ${full(kind, object)}?`, button: 'Delete', danger: true,
    text: 'What belongs to it is deleted too. This cannot be undone.',
    act: async () => {
      await request(at(kind, object), {
        method: 'DELETE',
        body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions: { uid: object.metadata.uid } },
      });
      say(`${full(kind, object)} is being deleted`);
      done?.();
    },
  });
}

export function cordon(kind, node) {
  const off = !node.spec?.unschedulable;
  confirm({
    title: `${off ? 'Cordon' : 'Uncordon'} ${node.metadata.name}`, button: off ? 'Cordon' : 'Uncordon',
    text: off ? 'No new pods come to it; those it has stay.' : 'New pods may come to it again.',
    act: async () => {
      await request(at(kind, node), { method: 'PATCH', type: STRATEGIC, body: { spec: { unschedulable: off || null } } });
      say(`${node.metadata.name} is ${off ? 'cordoned' : 'uncordoned'}`);
    },
  });
}
