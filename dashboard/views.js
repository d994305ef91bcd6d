// SPDX-License-Identifier: Apache-2.0
// The pages that show many objects. A view is {element, refresh(), stop()}; `ctx` is the app: kinds, namespace, filter.
import { cordon } from './actions.js';
import { may } from './access.js';
import { request, requestText } from './api.js';
import { action, age, badge, h, link, meter, muted, notice, stateOf, Table } from './dom.js';
import { look } from './live.js';
import * as logic from './logic.js';

const METRICS_MS = 15000;

/** Looks at collections, draws when any of them changed. `wanted` is {name: kind} or {name: [kind, namespace]}. */
export function gather(ctx, wanted, draw) {
  const seen = {};
  const ends = [];
  let ready = false;
  const refresh = () => ready && draw(seen);
  for (const [name, what] of Object.entries(wanted)) {
    const [kind, namespace] = Array.isArray(what) ? what : [what, ctx.namespace];
    if (kind) ends.push(look(kind, kind.namespaced ? namespace : '', (live) => {
      seen[name] = live;
      refresh();
    }));
  }
  ready = true;
  refresh();
  return { seen, refresh, stop: () => ends.forEach((end) => end()) };
}

/** Actual use where somebody measures it: {nodes, pods} of name -> {cpu, memory}; empty where nobody does. */
export function measure(ctx, draw) {
  const use = { nodes: new Map(), pods: new Map() };
  const group = '/apis/metrics.k8s.io/v1beta1';
  const has = ctx.kinds.some((k) => k.group === 'metrics.k8s.io');
  let timer = 0;
  let over = false;
  const sum = (list) => list.reduce((all, { usage = {} }) => ({
    cpu: all.cpu + logic.parseQuantity(usage.cpu ?? 0), memory: all.memory + logic.parseQuantity(usage.memory ?? 0),
  }), { cpu: 0, memory: 0 });
  const read = async (what, path, value) => {
    const kind = { group: 'metrics.k8s.io', version: 'v1beta1', plural: what, namespaced: what === 'pods' };
    if (!(await may('list', kind, what === 'pods' ? ctx.namespace : '')).allowed) return;
    const { items } = await request(group + path);
    use[what] = new Map(items.map((o) => [logic.keyOf(o), value(o)]));
  };
  const round = async () => {
    const scope = ctx.namespace ? `/namespaces/${encodeURIComponent(ctx.namespace)}/pods` : '/pods';
    await Promise.allSettled([read('nodes', '/nodes', (o) => sum([o])), read('pods', scope, (o) => sum(o.containers))]);
    if (over) return;
    draw();
    timer = setTimeout(round, METRICS_MS);
  };
  if (has) round();
  return { use, stop: () => {
    over = true;
    clearTimeout(timer);
  } };
}

export const nameLink = (kind, object) => {
  const { namespace, name } = object.metadata;
  return link(logic.objectRoute(kind, namespace, name), name);
};

const revision = (o) => o.metadata.resourceVersion;

export const nameColumn = (kind) => ({ title: 'Name', cell: (o) => nameLink(kind, o), sort: (o) => o.metadata.name });
export const namespaceColumn = (ctx) =>
  (ctx.namespace ? [] : [{ title: 'Namespace', cell: (o) => o.metadata.namespace, sort: (o) => o.metadata.namespace, level: 2 }]);
export const ageColumn = {
  title: 'Age', cell: (o) => age(o.metadata.creationTimestamp), number: true, level: 2,
  sort: (o) => -Date.parse(o.metadata.creationTimestamp),
};

/** A table over one collection, with what the filter lets through. */
export function tableOf(ctx, label, columns, { more, version = revision, sort, down } = {}) {
  const table = new Table(label, columns, { key: (o) => o.metadata.uid ?? logic.keyOf(o), version, sort });
  table.down = Boolean(down);
  const state = h('div', { class: 'state' });
  const count = h('p', { class: 'count muted', role: 'status' });
  return {
    element: h('div', {}, state, table.element, count),
    show(live, items = live.values) {
      const hits = items.filter((o) => logic.matchesText(ctx.filter, o, more?.(o)));
      const filtered = ctx.filter && items.length ? `Nothing matches “${ctx.filter}”.` : `There are no ${label.toLowerCase()} here.`;
      const says = stateOf(live, hits.length ? '' : filtered);
      state.replaceChildren(...(says ? [says] : []));
      table.element.hidden = !hits.length;
      table.show(hits);
      const noun = items.length === 1 ? label.toLowerCase().replace(/s$/, '') : label.toLowerCase();
      count.textContent = !hits.length ? '' : `${hits.length === items.length ? '' : `${hits.length} of `}${items.length} ${noun}`;
    },
  };
}

// ---- overview ----

function tile(title, href, live, value, hint, tone = '') {
  const denied = live?.state === 'denied';
  const body = denied ? '—' : live?.state === 'loading' ? '…' : value;
  return h('a', { class: `tile ${denied ? '' : tone}`, href, title: denied ? live.error : undefined },
    h('span', { class: 'tile-title' }, title), h('span', { class: 'tile-value' }, body),
    h('span', { class: 'tile-hint' }, denied ? 'not allowed' : hint));
}

function tiles(seen) {
  const nodes = seen.nodes?.values ?? [];
  const ready = nodes.filter((n) => logic.conditionOf(n, 'Ready')?.status === 'True').length;
  const pods = seen.pods?.values ?? [];
  const tones = pods.map((p) => logic.podTone(logic.podStatus(p)));
  const count = (tone) => tones.filter((t) => t === tone).length;
  const deployments = seen.deployments?.values ?? [];
  const whole = deployments.filter((d) => ['good', 'done'].includes(logic.workloadStatus(d).tone)).length;
  const bad = count('bad');
  return [
    tile('Nodes', '#/nodes', seen.nodes, `${ready} / ${nodes.length}`, 'ready', ready < nodes.length ? 'bad' : ''),
    tile('Pods', '#/pods', seen.pods, `${count('good')} / ${pods.length}`,
      `running${count('busy') ? `, ${count('busy')} on the way` : ''}${bad ? `, ${bad} in trouble` : ''}`, bad ? 'bad' : ''),
    tile('Deployments', '#/workloads', seen.deployments, `${whole} / ${deployments.length}`, 'as wanted',
      whole < deployments.length ? 'busy' : ''),
    tile('Services', '#/services', seen.services, seen.services?.items.size ?? 0, 'in this view'),
  ];
}

function capacity(seen, use) {
  const nodes = seen.nodes?.values ?? [];
  if (!nodes.length) return null;
  const asked = logic.requestsByNode(seen.allPods?.values ?? []);
  const add = (list, pick) => list.reduce((n, v) => n + pick(v), 0);
  const rows = (title, what, format) => {
    const all = add(nodes, (n) => logic.parseQuantity(n.status?.allocatable?.[what] ?? 0));
    const used = add([...use.nodes.values()], (u) => u[what]);
    const wanted = seen.allPods?.state === 'live' ? add([...asked.values()], (u) => u[what]) : NaN;
    return [h('dt', {}, `${title} requested`), h('dd', {}, meter(`${title} requested`, wanted, all, format)),
      h('dt', {}, `${title} in use`), h('dd', {}, use.nodes.size ? meter(`${title} in use`, used, all, format) : muted('—'))];
  };
  return h('section', {}, h('h2', {}, 'Capacity'), h('dl', { class: 'pairs' },
    rows('CPU', 'cpu', logic.formatCpu), rows('Memory', 'memory', logic.formatBytes)));
}

function troubles(ctx, pods) {
  const bad = pods.filter((p) => logic.podTone(logic.podStatus(p)) === 'bad').slice(0, 10);
  if (!bad.length) return null;
  const kind = ctx.kindOf('', 'pods');
  return h('section', {}, h('h2', {}, 'Pods in trouble'), h('ul', { class: 'plain' }, bad.map((p) =>
    h('li', {}, nameLink(kind, p), ' ', muted(p.metadata.namespace), ' ', badge(logic.podStatus(p), 'bad')))));
}

export function eventLine(ctx, e) {
  const of = e.involvedObject;
  const kind = ctx.kinds.find((k) => k.kind === of.kind && of.apiVersion === (k.group ? `${k.group}/${k.version}` : k.version));
  const name = `${of.kind.toLowerCase()}/${of.name}`;
  return kind ? link(logic.objectRoute(kind, of.namespace, of.name), name) : name;
}

function warnings(ctx, live) {
  const list = live.values.filter((e) => e.type === 'Warning').sort(logic.newestFirst).slice(0, 8);
  const says = stateOf(live) ?? (list.length ? null : notice('empty', 'No warnings.'));
  return h('section', {}, h('h2', {}, 'Recent warnings'), says, h('ul', { class: 'plain' }, list.map((e) =>
    h('li', {}, age(logic.eventTime(e)), ' ', badge(e.reason, 'bad'), ' ', eventLine(ctx, e), ' ',
      h('span', { class: 'message' }, e.message)))));
}

export function overview(ctx) {
  const health = h('p', { class: 'health muted' }, 'Asking the server…');
  const grid = h('div', { class: 'tiles' });
  const rest = h('div', {});
  Promise.all([requestText('/readyz'), request('/version')])
    .then(([, v]) => health.replaceChildren(badge('healthy', 'good'), ` ${v.gitVersion} on ${v.platform}`))
    .catch((error) => health.replaceChildren(badge('not ready', 'bad'), ` ${error.message}`));
  const draw = (seen) => {
    grid.replaceChildren(...tiles(seen));
    const parts = [capacity(seen, metrics?.use ?? { nodes: new Map() }), troubles(ctx, seen.pods?.values ?? []),
      seen.events && warnings(ctx, seen.events)];
    rest.replaceChildren(...parts.filter(Boolean));
  };
  let metrics = null;
  const all = gather(ctx, {
    nodes: ctx.kindOf('', 'nodes'), pods: ctx.kindOf('', 'pods'), allPods: [ctx.kindOf('', 'pods'), ''],
    deployments: ctx.kindOf('apps', 'deployments'), services: ctx.kindOf('', 'services'), events: ctx.kindOf('', 'events'),
  }, draw);
  metrics = measure(ctx, all.refresh);
  const stop = () => [all, metrics].forEach((part) => part.stop());
  return { element: h('div', {}, h('h1', {}, 'Overview'), health, grid, rest), refresh: all.refresh, stop };
}

// ---- nodes ----

function nodeColumns(kind, per, use, mayPatch) {
  const resource = (title, what, format) => ({
    title,
    cell: (n) => {
      const all = logic.parseQuantity(n.status?.allocatable?.[what]);
      const known = use.nodes.get(`/${n.metadata.name}`);
      return h('div', { class: 'stack' }, meter(`${title} requested`, per(n)[what], all, format),
        h('span', { class: 'muted small' }, `in use ${known ? format(known[what]) : '—'}`));
    },
    sort: (n) => per(n)[what] / logic.parseQuantity(n.status?.allocatable?.[what]),
  });
  const status = (n) => {
    const { text, tone } = logic.nodeStatus(n);
    const odd = (n.status?.conditions ?? []).filter((c) => c.type !== 'Ready' && c.status === 'True');
    return h('span', {}, badge(text, tone), odd.map((c) => [' ', badge(c.type, 'bad', c.message)]));
  };
  const taints = (n) => (n.spec?.taints ?? []).map((t) => `${t.key}${t.value ? `=${t.value}` : ''}:${t.effect}`);
  return [
    nameColumn(kind), { title: 'Status', cell: status, sort: (n) => logic.nodeStatus(n).text },
    resource('CPU', 'cpu', logic.formatCpu), resource('Memory', 'memory', logic.formatBytes),
    { title: 'Pods', level: 2, number: true, sort: (n) => per(n).pods,
      cell: (n) => `${per(n).pods} / ${n.status?.allocatable?.pods ?? '—'}` },
    { title: 'Taints', level: 3, cell: (n) => (taints(n).length ? taints(n).map((t) => h('div', { class: 'mono small' }, t)) : null) },
    { title: 'Version', level: 3, cell: (n) => n.status?.nodeInfo?.kubeletVersion }, ageColumn,
    { title: 'Actions', level: 1, cell: (n) => action(n.spec?.unschedulable ? 'Uncordon' : 'Cordon', mayPatch(), () => cordon(kind, n)) },
  ];
}

export function nodes(ctx) {
  const kind = ctx.kindOf('', 'nodes');
  let verdict = null;
  let all = {};
  let asked = new Map();
  const metrics = measure(ctx, () => all.refresh?.());
  const per = (n) => asked.get(n.metadata.name) ?? { cpu: 0, memory: 0, pods: 0 };
  const version = (n) => JSON.stringify([revision(n), per(n), metrics.use.nodes.get(`/${n.metadata.name}`), verdict?.allowed]);
  const table = tableOf(ctx, 'Nodes', nodeColumns(kind, per, metrics.use, () => verdict), { version });
  const draw = (seen) => {
    asked = logic.requestsByNode(seen.pods?.values ?? []);
    if (seen.nodes) table.show(seen.nodes);
  };
  may('patch', kind).then((v) => {
    verdict = v;
    all.refresh?.();
  });
  all = gather(ctx, { nodes: kind, pods: [ctx.kindOf('', 'pods'), ''] }, draw);
  const stop = () => [all, metrics].forEach((part) => part.stop());
  return { element: h('div', {}, h('h1', {}, 'Nodes'), table.element), refresh: all.refresh, stop };
}

// ---- workloads ----

export function workloadColumns(ctx, kind) {
  const counts = (o) => logic.replicasOf(o);
  const images = (o) => (o.spec?.template?.spec?.containers ?? []).map((c) => c.image).join(', ');
  const tone = (o) => logic.workloadStatus(o);
  return [
    nameColumn(kind), ...namespaceColumn(ctx),
    { title: 'Status', cell: (o) => badge(tone(o).text, tone(o).tone), sort: (o) => tone(o).text },
    { title: 'Ready', number: true, sort: (o) => counts(o)?.ready,
      cell: (o) => (counts(o) ? `${counts(o).ready}/${counts(o).wanted}` : null) },
    { title: 'Images', level: 3, cell: (o) => h('span', { class: 'mono small' }, images(o) || '—'), sort: images },
    ageColumn,
  ];
}

/** All kinds of the category "all" which have no page of their own; old ReplicaSets only on demand. */
export function workloads(ctx) {
  const own = ['pods', 'services'];
  const kinds = ctx.kinds.filter((k) => k.categories.includes('all') && !own.includes(k.plural) && k.verbs.includes('watch'))
    .sort((a, b) => (b.plural === 'deployments') - (a.plural === 'deployments') || logic.compareText(a.plural, b.plural));
  const old = h('input', { type: 'checkbox', id: 'old-sets', onchange: () => parts.forEach((p) => p.refresh()) });
  const shown = (kind, o) => old.checked || kind.plural !== 'replicasets' || o.spec.replicas > 0 || o.status?.replicas > 0;
  const sections = [];
  const parts = kinds.map((kind) => {
    const table = tableOf(ctx, `${kind.kind}s`, workloadColumns(ctx, kind));
    sections.push(h('section', {}, h('h2', {}, `${kind.kind}s`), table.element));
    return gather(ctx, { all: kind }, ({ all }) => all && table.show(all, all.values.filter((o) => shown(kind, o))));
  });
  return {
    element: h('div', {}, h('div', { class: 'head' }, h('h1', {}, 'Workloads'),
      h('label', { class: 'check', for: 'old-sets' }, old, 'with old ReplicaSets')), sections),
    refresh: () => parts.forEach((p) => p.refresh()), stop: () => parts.forEach((p) => p.stop()),
  };
}

// ---- services ----

export function endpointList(ctx, list) {
  const pods = ctx.kindOf('', 'pods');
  if (!list.length) return badge('none', 'busy');
  const show = (e) => {
    const { kind, namespace, name } = e.target ?? {};
    const text = kind === 'Pod' ? link(logic.objectRoute(pods, namespace, name), e.address, name) : e.address;
    return h('span', { class: e.ready ? 'mono small' : 'mono small muted', title: e.ready ? undefined : 'not ready' }, text);
  };
  const more = list.length > 4 ? [' ', muted(`and ${list.length - 4} more`)] : [];
  return h('span', {}, list.slice(0, 4).map((e, i) => [i ? ' ' : '', show(e)]), more);
}

export function services(ctx) {
  const kind = ctx.kindOf('', 'services');
  let known = new Map();
  const ends = (s) => known.get(logic.keyOf(s)) ?? [];
  const columns = [
    nameColumn(kind), ...namespaceColumn(ctx), { title: 'Type', cell: (s) => s.spec.type, sort: (s) => s.spec.type, level: 2 },
    { title: 'Cluster IP', sort: (s) => s.spec.clusterIP,
      cell: (s) => h('span', { class: 'mono small' }, s.spec.clusterIP || s.spec.externalName || '—') },
    { title: 'Ports', cell: (s) => h('span', { class: 'mono small' }, logic.formatPorts(s.spec.ports)), level: 2 },
    { title: 'Endpoints', cell: (s) => endpointList(ctx, ends(s)), sort: (s) => ends(s).length, level: 1 }, ageColumn,
  ];
  const table = tableOf(ctx, 'Services', columns, { version: (s) => JSON.stringify([revision(s), ends(s)]) });
  const all = gather(ctx, { services: kind, slices: ctx.kindOf('discovery.k8s.io', 'endpointslices') }, (seen) => {
    known = logic.endpointsByService(seen.slices?.values ?? []);
    if (seen.services) table.show(seen.services);
  });
  return { element: h('div', {}, h('h1', {}, 'Services'), table.element), refresh: all.refresh, stop: all.stop };
}

// ---- events ----

export function eventColumns(ctx, withObject = true) {
  const time = (e) => -Date.parse(logic.eventTime(e));
  const count = (e) => e.series?.count ?? e.count ?? 1;
  return [
    { title: 'Last seen', cell: (e) => age(logic.eventTime(e)), sort: time },
    { title: 'Reason', cell: (e) => badge(e.reason, e.type === 'Warning' ? 'bad' : 'done', e.type), sort: (e) => e.reason },
    ...(withObject ? [{ title: 'Object', cell: (e) => eventLine(ctx, e), sort: (e) => e.involvedObject.name, level: 1 },
      ...namespaceColumn(ctx)] : []),
    { title: 'Message', cell: (e) => h('span', { class: 'message' }, e.message) },
    { title: 'Count', cell: (e) => (count(e) > 1 ? count(e) : ''), sort: count, number: true, level: 3 },
    { title: 'From', cell: (e) => e.source?.component || e.reportingComponent, level: 3 },
  ];
}

export function events(ctx) {
  const only = h('input', { type: 'checkbox', id: 'only-warnings', onchange: () => all.refresh() });
  const table = tableOf(ctx, 'Events', eventColumns(ctx),
    { more: (e) => [e.reason, e.message, e.involvedObject.name, e.involvedObject.kind, e.type] });
  const all = gather(ctx, { events: ctx.kindOf('', 'events') }, ({ events: live }) =>
    live && table.show(live, live.values.filter((e) => !only.checked || e.type === 'Warning')));
  return {
    element: h('div', {}, h('div', { class: 'head' }, h('h1', {}, 'Events'),
      h('label', { class: 'check', for: 'only-warnings' }, only, 'only warnings')), table.element),
    refresh: all.refresh, stop: all.stop,
  };
}

// ---- any other kind ----

export function kindList(ctx) {
  const kinds = ctx.kinds.filter((k) => k.verbs.includes('list') && k.verbs.includes('watch'))
    .sort((a, b) => logic.compareText(a.group, b.group) || logic.compareText(a.plural, b.plural));
  const body = h('tbody');
  const refresh = () => body.replaceChildren(...kinds
    .filter((k) => logic.matchesText(ctx.filter, { metadata: { name: k.kind, namespace: k.plural } }, [k.group]))
    .map((k) => h('tr', {}, h('th', { scope: 'row' }, link(`#/kind/${k.group || '-'}/${k.plural}`, k.kind)),
      h('td', {}, k.group || 'core'), h('td', { class: 'level1' }, k.version),
      h('td', { class: 'level1' }, k.namespaced ? 'namespace' : 'cluster'))));
  refresh();
  const titles = [['Kind'], ['Group'], ['Version', 'level1'], ['Belongs to', 'level1']];
  return {
    element: h('div', {}, h('h1', {}, 'All kinds'), h('div', { class: 'table' }, h('table', { 'aria-label': 'Kinds' },
      h('thead', {}, h('tr', {}, titles.map(([t, c]) => h('th', { scope: 'col', class: c }, t)))), body))),
    refresh, stop: () => {},
  };
}

export function anyKind(ctx, kind) {
  const labels = (o) => Object.entries(o.metadata.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(' ');
  const table = tableOf(ctx, `${kind.kind} objects`, [
    nameColumn(kind), ...(kind.namespaced ? namespaceColumn(ctx) : []),
    { title: 'Labels', cell: (o) => h('span', { class: 'mono small' }, labels(o) || '—'), level: 3 }, ageColumn,
  ]);
  const all = gather(ctx, { all: kind }, (seen) => seen.all && table.show(seen.all));
  return { element: h('div', {}, h('h1', {}, kind.kind), table.element), refresh: all.refresh, stop: all.stop };
}
