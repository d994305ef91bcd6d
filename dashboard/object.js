// SPDX-License-Identifier: Apache-2.0
// The page of one object: what it is and how it is, what happened to it, its text, its logs, and what can be done with it.
import { may } from './access.js';
import * as actions from './actions.js';
import { action, age, badge, h, link, meter, muted, say, stateOf } from './dom.js';
import { look } from './live.js';
import * as logic from './logic.js';
import { logs, podColumns } from './pods.js';
import { endpointList, eventColumns, gather, nameLink, tableOf, workloadColumns } from './views.js';

const RESTARTABLE = ['deployments', 'statefulsets', 'daemonsets'];

const pairs = (entries) => h('dl', { class: 'pairs' }, entries.filter((e) => e[1] !== undefined && e[1] !== null && e[1] !== '')
  .map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));

const chips = (all) => {
  const list = Object.entries(all ?? {});
  return list.length ? h('span', { class: 'chips' }, list.map(([k, v]) => h('code', {}, v ? `${k}=${v}` : k))) : null;
};

/** Annotations are short here; the text has them whole. */
const notes = (o) => chips(Object.fromEntries(Object.entries(logic.forDisplay(o).metadata.annotations ?? {})
  .filter(([k]) => !k.endsWith('last-applied-configuration')).map(([k, v]) => [k, v.length > 80 ? `${v.slice(0, 80)}…` : v])));

function owners(ctx, o) {
  const of = (r) => ctx.kinds.find((k) => k.kind === r.kind && (k.group ? `${k.group}/${k.version}` : k.version) === r.apiVersion);
  const list = (o.metadata.ownerReferences ?? []).map((r) => {
    const text = `${r.kind}/${r.name}`;
    const kind = of(r);
    return kind ? link(logic.objectRoute(kind, kind.namespaced ? o.metadata.namespace : '', r.name), text) : text;
  });
  return list.length ? list : null;
}

const common = (ctx, o) => [
  ['Created', h('span', {}, age(o.metadata.creationTimestamp), ' ago')], ['Belongs to', owners(ctx, o)],
  ['Labels', chips(o.metadata.labels)], ['Annotations', notes(o)],
];

/** What is worth saying about kinds people look at most. */
const facts = {
  pods: (ctx, p) => [
    ['Status', badge(logic.podStatus(p), logic.podTone(logic.podStatus(p)))], ['Why', p.status?.message],
    ['Node', p.spec.nodeName && nameLink(ctx.kindOf('', 'nodes'), { metadata: { name: p.spec.nodeName } })],
    ['IP', p.status?.podIP], ['Service account', p.spec.serviceAccountName], ['QoS class', p.status?.qosClass],
  ],
  nodes: (ctx, n) => [
    ['Status', badge(logic.nodeStatus(n).text, logic.nodeStatus(n).tone)],
    ['Addresses', (n.status?.addresses ?? []).map((a) => `${a.address} (${a.type})`).join(', ')],
    ['Taints', (n.spec?.taints ?? []).map((t) => `${t.key}${t.value ? `=${t.value}` : ''}:${t.effect}`).join(', ')],
    ['System', ['osImage', 'kernelVersion', 'containerRuntimeVersion'].map((part) => n.status?.nodeInfo?.[part]).join(', ')],
    ['Pod network', n.spec?.podCIDR],
  ],
  services: (ctx, s) => [
    ['Type', s.spec.type], ['Cluster IP', s.spec.clusterIP], ['Ports', logic.formatPorts(s.spec.ports)],
    ['Selector', chips(s.spec.selector)],
  ],
};

function workloadFacts(o) {
  const counts = logic.replicasOf(o);
  const state = logic.workloadStatus(o);
  return [
    ['Status', badge(state.text, state.tone)], ['Ready', counts && `${counts.ready} of ${counts.wanted}`],
    ['Strategy', o.spec?.strategy?.type ?? o.spec?.updateStrategy?.type], ['Selector', chips(o.spec?.selector?.matchLabels)],
  ];
}

function conditions(o) {
  const list = o.status?.conditions ?? [];
  if (!list.length || !list[0].type) return null;
  // For most types "True" is well; for these it is not.
  const bad = (c) => (/Pressure|Failure|Unavailable|Failed/.test(c.type) ? c.status === 'True' : c.status !== 'True');
  const titles = [['Condition'], ['Status'], ['Reason'], ['Message', 'level1'], ['Since', 'level2']];
  return h('section', {}, h('h2', {}, 'Conditions'), h('div', { class: 'table' }, h('table', { 'aria-label': 'Conditions' },
    h('thead', {}, h('tr', {}, titles.map(([t, c]) => h('th', { scope: 'col', class: c }, t)))),
    h('tbody', {}, list.map((c) => h('tr', {}, h('th', { scope: 'row' }, c.type),
      h('td', {}, badge(c.status, bad(c) ? 'bad' : 'good')), h('td', {}, c.reason || '—'),
      h('td', { class: 'level1' }, c.message || '—'), h('td', { class: 'level2' }, age(c.lastTransitionTime))))))));
}

function containerState(s, counts) {
  const { running, waiting, terminated } = s?.state ?? {};
  const well = s?.ready || !counts;
  if (running) return badge(well ? 'running' : 'running, not ready', well ? 'good' : 'busy');
  if (terminated) {
    const { reason, exitCode, message } = terminated;
    return badge(reason || `exit code ${exitCode}`, exitCode ? 'bad' : 'done', message);
  }
  return badge(waiting?.reason || 'waiting', /Err|BackOff/.test(waiting?.reason) ? 'bad' : 'busy', waiting?.message);
}

function containers(pod) {
  const kinds = { initContainerStatuses: ' (init)', ephemeralContainerStatuses: ' (ephemeral)' };
  const row = (what) => (c) => {
    const s = pod.status?.[what]?.find((each) => each.name === c.name);
    const end = s?.lastState?.terminated;
    return h('tr', {}, h('th', { scope: 'row' }, c.name, kinds[what] ? muted(kinds[what]) : ''),
      h('td', {}, containerState(s, what !== 'ephemeralContainerStatuses')), h('td', { class: 'number' }, s?.restartCount ?? 0),
      h('td', { class: 'level1' }, end ? [`${end.reason || 'ended'}, code ${end.exitCode}, `, age(end.finishedAt), ' ago'] : '—'),
      h('td', { class: 'level2 mono small' }, c.image),
      h('td', { class: 'level3 mono small' }, (c.ports ?? []).map((p) => `${p.containerPort}/${p.protocol ?? 'TCP'}`).join(', ') || '—'));
  };
  const titles = [['Container'], ['State'], ['Restarts', 'number'], ['Ended before', 'level1'], ['Image', 'level2'], ['Ports', 'level3']];
  return h('section', {}, h('h2', {}, 'Containers'), h('div', { class: 'table' }, h('table', { 'aria-label': 'Containers' },
    h('thead', {}, h('tr', {}, titles.map(([t, c]) => h('th', { scope: 'col', class: c }, t)))),
    h('tbody', {}, (pod.spec.initContainers ?? []).map(row('initContainerStatuses')), pod.spec.containers.map(row('containerStatuses')),
      (pod.spec.ephemeralContainers ?? []).map(row('ephemeralContainerStatuses'))))));
}

function nodeUse(node, pods) {
  const sum = logic.requestsByNode(pods).get(node.metadata.name) ?? { cpu: 0, memory: 0, pods: 0 };
  const all = (what) => logic.parseQuantity(node.status?.allocatable?.[what]);
  return h('section', {}, h('h2', {}, 'Requested of allocatable'), pairs([
    ['CPU', meter('CPU requested', sum.cpu, all('cpu'), logic.formatCpu)],
    ['Memory', meter('Memory requested', sum.memory, all('memory'), logic.formatBytes)],
    ['Pods', meter('Pods', sum.pods, all('pods'), String)],
  ]));
}

/** Tables of what belongs to the object, each live: [title, kind, columns, namespace, the choice]. */
function related(ctx, kind, o) {
  const pods = ctx.kindOf('', 'pods');
  const sets = ctx.kindOf('apps', 'replicasets');
  const own = (child) => child.metadata.ownerReferences?.some((r) => r.uid === o.metadata.uid);
  const inside = { ...ctx, namespace: o.metadata.namespace };
  const rows = [];
  const chosen = (selector) => (p) => logic.matchesSelector(selector, p.metadata.labels);
  const podsOf = (selector) => rows.push(['Pods', pods, podColumns(inside), o.metadata.namespace, chosen(selector)]);
  if (kind.plural === 'nodes')
    rows.push(['Pods', pods, podColumns({ ...ctx, namespace: '' }), '', (p) => p.spec.nodeName === o.metadata.name]);
  else if (kind.plural === 'services' && o.spec.selector) podsOf({ matchLabels: o.spec.selector });
  else if (o.spec?.selector && o.spec?.template) podsOf(o.spec.selector);
  if (kind.plural === 'deployments' && sets) rows.push(['ReplicaSets', sets, workloadColumns(inside, sets), o.metadata.namespace, own]);
  return rows;
}

function relatedSections(ctx, kind, o) {
  const parts = related(ctx, kind, o).map(([title, of, columns, namespace, choose]) => {
    const table = tableOf({ ...ctx, filter: '' }, title, columns);
    const part = gather(ctx, { all: [of, namespace] }, ({ all }) => all && table.show(all, all.values.filter(choose)));
    return { section: h('section', {}, h('h2', {}, title), table.element), stop: part.stop };
  });
  return { element: h('div', {}, parts.map((p) => p.section)), stop: () => parts.forEach((p) => p.stop()) };
}

function eventsOf(ctx, o) {
  const table = tableOf({ ...ctx, filter: '' }, 'Events', eventColumns({ ...ctx, namespace: 'x' }, false));
  const part = gather(ctx, { all: [ctx.kindOf('', 'events'), o.metadata.namespace ?? ''] }, ({ all }) =>
    all && table.show(all, all.values.filter((e) => e.involvedObject.uid === o.metadata.uid ||
      (e.involvedObject.kind === o.kind && e.involvedObject.name === o.metadata.name && o.kind === 'Node'))));
  return { section: h('section', {}, h('h2', {}, 'Events'), table.element), stop: part.stop };
}

/** Summary: the parts that follow the object, then the tables that live on their own. */
function summary(ctx, kind, first) {
  const top = h('div', {});
  const tables = relatedSections(ctx, kind, first);
  const events = eventsOf(ctx, first);
  let other = { pods: [], slices: [] };
  let current = first;
  const show = (o) => {
    current = o;
    const own = facts[kind.plural]?.(ctx, o) ?? (logic.replicasOf(o) ? workloadFacts(o) : []);
    const behind = kind.plural === 'services' && (logic.endpointsByService(other.slices).get(logic.keyOf(o)) ?? []);
    if (behind) own.push(['Endpoints', endpointList(ctx, behind)]);
    top.replaceChildren(...[pairs([...own, ...common(ctx, o)]), kind.plural === 'pods' && containers(o),
      kind.plural === 'nodes' && nodeUse(o, other.pods), conditions(o)].filter(Boolean));
  };
  const wanted = kind.plural === 'nodes' ? { pods: [ctx.kindOf('', 'pods'), ''] }
    : kind.plural === 'services' ? { slices: [ctx.kindOf('discovery.k8s.io', 'endpointslices'), first.metadata.namespace] } : {};
  const extra = gather(ctx, wanted, (seen) => {
    other = { pods: seen.pods?.values ?? [], slices: seen.slices?.values ?? [] };
    show(current);
  });
  return {
    element: h('div', {}, top, tables.element, events.section), show,
    stop: () => [tables, events, extra].forEach((p) => p.stop()),
  };
}

function text(write) {
  const pre = h('pre', { class: 'text', tabindex: 0 });
  const copy = h('button', { type: 'button', onclick: async () => {
    await navigator.clipboard.writeText(pre.textContent);
    say('Copied');
  } }, 'Copy');
  return {
    element: h('div', {}, h('div', { class: 'toolbar' }, copy), pre), stop: () => {},
    show: (o) => {
      const now = write(logic.forDisplay(o));
      if (pre.textContent !== now) pre.textContent = now;
    },
  };
}

const TABS = {
  summary: ['Summary', () => true, summary],
  yaml: ['YAML', () => true, () => text(logic.toYaml)],
  json: ['JSON', () => true, () => text((o) => JSON.stringify(o, null, 2))],
  logs: ['Logs', (kind) => kind.plural === 'pods' && !kind.group, logs],
};

/** Asked once a page; the server is asked again by the request itself. */
async function rights(kind, namespace, name) {
  const ask = (verb, sub) => may(verb, kind, namespace, name, sub);
  const [patch, scale, remove] = await Promise.all([ask('patch'), ask('patch', 'scale'), ask('delete')]);
  return { patch, scale, remove };
}

function buttons(kind, o, can, leave) {
  const list = [];
  if (kind.subresources.includes('scale')) list.push(action('Scale', can.scale, () => actions.scale(kind, o())));
  if (RESTARTABLE.includes(kind.plural)) list.push(action('Restart', can.patch, () => actions.restart(kind, o())));
  const cordon = o().spec?.unschedulable ? 'Uncordon' : 'Cordon';
  if (kind.plural === 'nodes') list.push(action(cordon, can.patch, () => actions.cordon(kind, o())));
  if (kind.verbs.includes('delete')) list.push(action('Delete', can.remove, () => actions.remove(kind, o(), leave), true));
  const denied = [...new Set(list.filter((b) => b.getAttribute('aria-disabled')).map((b) => b.title))];
  return [h('div', { class: 'buttons' }, list), ...(denied.length ? [h('p', { class: 'denied small' }, `${denied.join('. ')}.`)] : [])];
}

export function objectPage(ctx, kind, namespace, name, query) {
  const tab = TABS[query.get('tab')]?.[1](kind) ? query.get('tab') : 'summary';
  const state = h('div', {});
  const body = h('div', {});
  const tools = h('div', { class: 'tools' });
  const address = (id) => logic.objectRoute(kind, namespace, name, id === 'summary' ? '' : `?tab=${id}`);
  const tabs = h('nav', { class: 'tabs', 'aria-label': 'Parts of the page' },
    Object.entries(TABS).filter(([, [, fits]]) => fits(kind)).map(([id, [title]]) =>
      h('a', { href: address(id), 'aria-current': id === tab ? 'page' : undefined }, title)));
  let [part, object, can, drawn] = [null, null, null, ''];
  const draw = (live) => {
    const found = live.values[0];
    const gone = object ? 'It is not there any more.' : 'There is no such object.';
    state.replaceChildren(...[stateOf(live, found ? '' : gone)].filter(Boolean));
    object = found ?? object;
    if (!object) return;
    if (!part) body.append((part = TABS[tab][2](ctx, kind, object)).element);
    part.show(object);
    const wanted = `${Boolean(found)} ${object.spec?.unschedulable} ${Boolean(can)}`;
    if (can && wanted !== drawn) tools.replaceChildren(...(found ? buttons(kind, () => object, can, () => {}) : []));
    drawn = wanted;
  };
  let last = null;
  rights(kind, namespace, name).then((answer) => {
    can = answer;
    if (last) draw(last);
  }).catch((error) => say(error.message, 'bad'));
  const end = look(kind, namespace, (live) => draw((last = live)), { name });
  return {
    element: h('div', {}, h('div', { class: 'head' }, h('div', {},
      h('p', { class: 'muted small' }, link(kind.plural === 'pods' ? '#/pods' : `#/kind/${kind.group || '-'}/${kind.plural}`, kind.kind),
        kind.namespaced ? ` in ${namespace}` : ''), h('h1', {}, name)), tools), tabs, state, body),
    refresh: () => {}, stop: () => {
      end();
      part?.stop();
    },
  };
}
