// SPDX-License-Identifier: Apache-2.0
// Pods, and what they write.
import { may } from './access.js';
import { streamText } from './api.js';
import { badge, h, link, muted, notice } from './dom.js';
import * as logic from './logic.js';
import { ageColumn, gather, measure, nameColumn, namespaceColumn, nameLink, tableOf } from './views.js';

export function podColumns(ctx, use) {
  const kind = ctx.kindOf('', 'pods');
  const nodes = ctx.kindOf('', 'nodes');
  const ready = (p) => logic.podReady(p);
  const used = (what, format) => (p) => (use?.pods.has(logic.keyOf(p)) ? format(use.pods.get(logic.keyOf(p))[what]) : null);
  const value = (what) => (p) => use?.pods.get(logic.keyOf(p))?.[what];
  const measured = use ? [
    { title: 'CPU', cell: used('cpu', logic.formatCpu), sort: value('cpu'), number: true, level: 3 },
    { title: 'Memory', cell: used('memory', logic.formatBytes), sort: value('memory'), number: true, level: 3 },
  ] : [];
  return [
    nameColumn(kind), ...namespaceColumn(ctx),
    { title: 'Status', sort: logic.podStatus,
      cell: (p) => badge(logic.podStatus(p), logic.podTone(logic.podStatus(p)), p.status?.message) },
    { title: 'Ready', cell: (p) => `${ready(p).ready}/${ready(p).all}`, sort: (p) => ready(p).ready, number: true },
    { title: 'Restarts', cell: (p) => logic.podRestarts(p), sort: logic.podRestarts, number: true, level: 1 }, ...measured,
    { title: 'Node', level: 2, sort: (p) => p.spec.nodeName,
      cell: (p) => (p.spec.nodeName ? nameLink(nodes, { metadata: { name: p.spec.nodeName } }) : null) },
    { title: 'IP', cell: (p) => h('span', { class: 'mono small' }, p.status?.podIP ?? '—'), sort: (p) => p.status?.podIP, level: 3 },
    { title: 'Logs', level: 1, cell: ({ metadata: { namespace, name } }) =>
      link(logic.objectRoute(kind, namespace, name, '?tab=logs'), 'logs', `Logs of ${name}`) },
    ageColumn,
  ];
}

export function pods(ctx) {
  let all = {};
  const metrics = measure(ctx, () => all.refresh?.());
  const version = (p) => JSON.stringify([p.metadata.resourceVersion, metrics.use.pods.get(logic.keyOf(p))]);
  const table = tableOf(ctx, 'Pods', podColumns(ctx, metrics.use),
    { version, more: (p) => [logic.podStatus(p), p.spec.nodeName ?? '', p.status?.podIP ?? ''] });
  all = gather(ctx, { pods: ctx.kindOf('', 'pods') }, (seen) => seen.pods && table.show(seen.pods));
  const stop = () => [all, metrics].forEach((part) => part.stop());
  return { element: h('div', {}, h('h1', {}, 'Pods'), table.element), refresh: all.refresh, stop };
}

// ---- logs ----

const LINES_MAX = 5000;

/** Shows lines, the newest LINES_MAX of them, and stays at the end while its reader is there. */
function screen() {
  const pre = h('pre', { class: 'text log wrap', tabindex: 0, role: 'log', 'aria-label': 'Log' });
  let waiting = [];
  let timer = 0;
  const draw = () => {
    timer = 0;
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
    const lines = document.createDocumentFragment();
    for (const line of waiting.slice(-LINES_MAX)) lines.append(h('span', {}, `${line}\n`));
    waiting = [];
    pre.append(lines);
    while (pre.childElementCount > LINES_MAX) pre.firstElementChild.remove();
    if (atEnd) pre.scrollTop = pre.scrollHeight;
  };
  return {
    element: pre,
    add(lines) {
      if (!lines.length) return;
      waiting.push(...lines);
      timer ||= setTimeout(draw, 50);
    },
    clear() {
      clearTimeout(timer);
      timer = 0;
      waiting = [];
      pre.replaceChildren();
    },
  };
}

function controls(pod, pre, changed) {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  const names = [...containers, ...initContainers, ...ephemeralContainers].map((c) => c.name);
  const check = (id, text, on) => {
    const box = h('input', { type: 'checkbox', id, checked: on, onchange: id === 'log-wrap' ? undefined : changed });
    return [box, h('label', { class: 'check', for: id }, box, text)];
  };
  const choose = (id, text, options, chosen) => {
    const box = h('select', { id, onchange: changed }, options.map(([v, t]) => h('option', { value: v, selected: v === chosen }, t)));
    return [box, h('label', { class: 'check', for: id }, text, box)];
  };
  const [container, containerLabel] = choose('log-container', 'Container', names.map((n) => [n, n]), names[0]);
  const lengths = [['100', '100 lines'], ['500', '500 lines'], ['2000', '2000 lines'], ['', 'everything']];
  const [tail, tailLabel] = choose('log-tail', 'Last', lengths, '500');
  const [follow, followLabel] = check('log-follow', 'Follow', true);
  const [previous, previousLabel] = check('log-previous', 'Previous run', false);
  const [times, timesLabel] = check('log-times', 'Times', false);
  const [wrap, wrapLabel] = check('log-wrap', 'Wrap', true);
  wrap.onchange = () => pre.classList.toggle('wrap', wrap.checked);
  return { container, tail, follow, previous, times,
    element: h('div', { class: 'toolbar' }, containerLabel, tailLabel, followLabel, previousLabel, timesLabel, wrapLabel) };
}

function logQuery(c) {
  const query = { container: c.container.value };
  if (c.tail.value) query.tailLines = c.tail.value;
  if (c.follow.checked && !c.previous.checked) query.follow = 'true';
  if (c.previous.checked) query.previous = 'true';
  if (c.times.checked) query.timestamps = 'true';
  return new URLSearchParams(query);
}

/** The logs of a pod: a tab of its page. Each choice begins a new reading. */
export function logs(ctx, kind, pod) {
  const { namespace, name } = pod.metadata;
  const state = h('div', { class: 'state', role: 'status' });
  const view = screen();
  let reading = new AbortController();
  const say = (...nodes) => state.replaceChildren(...nodes);
  const read = async () => {
    reading.abort();
    const own = (reading = new AbortController());
    const splitter = logic.lineSplitter();
    view.clear();
    say(badge('reading', 'busy'));
    try {
      const verdict = await may('get', kind, namespace, name, 'log');
      if (!verdict.allowed) {
        say(notice('denied', 'Not allowed', verdict.reason));
        return;
      }
      say(badge(c.follow.checked && !c.previous.checked ? 'following' : 'reading', 'good'));
      const path = `${logic.pathOf(kind, namespace, name, 'log')}?${logQuery(c)}`;
      for await (const text of streamText(path, own.signal)) view.add(splitter.push(text));
      view.add(splitter.end());
      say(badge('end of the log', 'done'), ' ', muted('at '), new Date().toLocaleTimeString());
    } catch (error) {
      if (!own.signal.aborted) say(notice('bad', error.status ? 'No log' : 'Connection lost', error.message));
    }
  };
  const c = controls(pod, view.element, read);
  read();
  return { element: h('div', {}, c.element, state, view.element), show: () => {}, stop: () => reading.abort() };
}
