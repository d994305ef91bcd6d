// SPDX-License-Identifier: Apache-2.0
// What the user may do, as the server says it. It is asked before a button is offered and before a collection is read, so
// that nothing is tried which will be refused; the server decides again each time.
import { request } from './api.js';

const KEPT_MS = 30000;
const known = new Map();

const place = (kind, namespace) => (kind.namespaced ? (namespace ? `in namespace ${namespace}` : 'in all namespaces; choose one') : '');

async function ask(verb, kind, namespace, name, subresource) {
  const body = {
    apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: {
      verb, group: kind.group, version: kind.version, resource: kind.plural, subresource, name,
      namespace: kind.namespaced ? namespace : '',
    } },
  };
  const { status } = await request('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { method: 'POST', body });
  const what = `${verb} ${kind.plural}${subresource ? `/${subresource}` : ''}`;
  return { allowed: Boolean(status.allowed), reason: `You may not ${what} ${place(kind, namespace)}`.trim() };
}

/** {allowed, reason}; asked once in a while. */
export function may(verb, kind, namespace = '', name = '', subresource = '') {
  const key = [verb, kind.group, kind.plural, subresource, namespace, name].join('|');
  const found = known.get(key);
  if (found && performance.now() - found.at < KEPT_MS) return found.answer;
  const answer = ask(verb, kind, namespace, name, subresource);
  known.set(key, { answer, at: performance.now() });
  answer.catch(() => known.delete(key));
  return answer;
}

export const forget = () => known.clear();
