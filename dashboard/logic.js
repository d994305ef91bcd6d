// SPDX-License-Identifier: Apache-2.0
// What can be said about objects without a page or a server: pure functions, tested by tests/unit/dashboard.

// ---- quantities and times ----

const SUFFIX = {
  n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** A quantity as a number of its unit (cores, bytes); NaN when it is none. */
export function parseQuantity(text) {
  const found = /^([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(String(text ?? ''));
  if (!found) return NaN;
  return found[2] ? Number(found[1] + found[2]) : Number(found[1]) * SUFFIX[found[3] ?? ''];
}

const trim = (n) => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)).replace(/\.0+$|(\.\d*[1-9])0+$/, '$1');

/** 0.25 -> "250m", 3 -> "3". */
export function formatCpu(cores) {
  if (!Number.isFinite(cores)) return '—';
  return cores !== 0 && cores < 1 ? `${Math.max(1, Math.round(cores * 1000))}m` : trim(cores);
}

/** Bytes in the unit that keeps the number short: "1.5Gi". */
export function formatBytes(bytes) {
  if (!Number.isFinite(bytes)) return '—';
  let unit = 0;
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];
  for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
  return unit ? trim(bytes) + units[unit] : `${Math.round(bytes)}`;
}

/** A span of time as kubectl writes ages: two units while that says something. */
export function formatAge(ms) {
  const s = Math.floor(ms / 1000);
  if (!Number.isFinite(s)) return '—';
  if (s < 0) return '0s';
  const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  const two = (big, one, small, other) => (small ? `${big}${one}${small}${other}` : `${big}${one}`);
  if (s < 120) return `${s}s`;
  if (m < 10) return two(m, 'm', s % 60, 's');
  if (m < 180) return `${m}m`;
  if (h < 8) return two(h, 'h', m % 60, 'm');
  if (h < 48) return `${h}h`;
  if (d < 8) return two(d, 'd', h % 24, 'h');
  if (d < 730) return `${d}d`;
  return d < 2920 ? two(Math.floor(d / 365), 'y', d % 365, 'd') : `${Math.floor(d / 365)}y`;
}

// ---- the state of a watched collection ----

export const keyOf = (object) => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

export const emptyCollection = () => ({ items: new Map(), revision: '', state: 'loading', error: null });

/** A finished list replaces everything. */
export function takeList(c, objects, revision) {
  c.items = new Map(objects.map((o) => [keyOf(o), o]));
  c.revision = revision;
  c.state = 'live';
  c.error = null;
}

/**
 * One event of a watch. What is to be done next: 'go on', 'list' (the revision is gone: read everything again) or 'fail'.
 */
export function takeEvent(c, event) {
  const { type, object } = event;
  if (type === 'ERROR') {
    c.error = object?.message ?? 'the watch failed';
    return object?.code === 410 ? 'list' : 'fail';
  }
  if (!['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'].includes(type)) return 'go on';
  if (type === 'DELETED') c.items.delete(keyOf(object));
  else if (type !== 'BOOKMARK') c.items.set(keyOf(object), object);
  c.revision = object.metadata.resourceVersion;
  return 'go on';
}

/** How long to wait before the next attempt, in ms; `random` in [0, 1). */
export function backOff(failures, random) {
  const most = Math.min(30000, 500 * 2 ** Math.min(failures, 10));
  return failures ? most / 2 + (random * most) / 2 : 0;
}

/** Cuts text that comes in pieces into whole lines; what is behind the last one waits. */
export function lineSplitter() {
  let rest = '';
  return {
    push(text) {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      return lines;
    },
    end() {
      const last = rest;
      rest = '';
      return last ? [last] : [];
    },
  };
}

// ---- selecting ----

/** matchLabels and matchExpressions; one that selects nothing at all (null) selects nothing. */
export function matchesSelector(selector, labels = {}) {
  if (!selector) return false;
  const equal = Object.entries(selector.matchLabels ?? {}).every(([k, v]) => labels[k] === v);
  return equal && (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const has = Object.hasOwn(labels, key);
    if (operator === 'Exists') return has;
    if (operator === 'DoesNotExist') return !has;
    return operator === 'In' ? has && values.includes(labels[key]) : !has || !values.includes(labels[key]);
  });
}

/** Every word of the filter stands in a name, a namespace, a label or one of the further texts. */
export function matchesText(filter, object, more = []) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const { name = '', namespace = '', labels = {} } = object.metadata;
  const all = [name, namespace, ...Object.entries(labels).map(([k, v]) => `${k}=${v}`), ...more];
  const text = all.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Numbers in names count as numbers: node-2 before node-10. */
const order = new Intl.Collator('en', { numeric: true });
export const compareText = (a, b) => order.compare(a, b);

/** Absent values last, whatever the direction. */
export function compareBy(pick, down) {
  return (a, b) => {
    const [x, y] = [pick(a), pick(b)];
    const [gone, missing] = [x === undefined || x === '' || Number.isNaN(x), y === undefined || y === '' || Number.isNaN(y)];
    if (gone || missing) return gone - missing;
    const by = typeof x === 'number' && typeof y === 'number' ? x - y : compareText(String(x), String(y));
    return down ? -by : by;
  };
}

// ---- pods, nodes, workloads, events ----

export const conditionOf = (object, type) => object.status?.conditions?.find((c) => c.type === type);

const waitingReason = (s) => s.state?.waiting?.reason;

function endReason(s) {
  const t = s.state?.terminated;
  if (!t) return undefined;
  return t.reason || (t.signal ? `Signal:${t.signal}` : `ExitCode:${t.exitCode}`);
}

function initReason(pod) {
  const statuses = pod.status?.initContainerStatuses ?? [];
  const specs = pod.spec.initContainers ?? [];
  for (const [i, s] of statuses.entries()) {
    const sidecar = specs.find((c) => c.name === s.name)?.restartPolicy === 'Always';
    if (s.state?.terminated?.exitCode === 0 || (sidecar && s.started)) continue;
    const why = endReason(s) ?? (waitingReason(s) === 'PodInitializing' ? undefined : waitingReason(s));
    return why ? `Init:${why}` : `Init:${i}/${specs.length}`;
  }
  return undefined;
}

/** What is the matter with a pod, in a word: as `kubectl get pods` says it. */
export function podStatus(pod) {
  const status = pod.status ?? {};
  let text = status.reason || status.phase || 'Unknown';
  const gate = conditionOf(pod, 'PodScheduled');
  if (gate?.reason === 'SchedulingGated') text = gate.reason;
  const init = initReason(pod);
  if (init && !conditionOf(pod, 'Initialized')?.status?.startsWith('True')) text = init;
  else {
    let running = false;
    for (const s of [...(status.containerStatuses ?? [])].reverse()) {
      text = waitingReason(s) || endReason(s) || text;
      running ||= Boolean(s.ready && s.state?.running);
    }
    if (text === 'Completed' && running) text = conditionOf(pod, 'Ready')?.status === 'True' ? 'Running' : 'NotReady';
  }
  if (!pod.metadata.deletionTimestamp) return text;
  return status.reason === 'NodeLost' ? 'Unknown' : 'Terminating';
}

/** 'good', 'busy', 'bad' or 'done': how the word is shown. */
export function podTone(text) {
  if (text === 'Running') return 'good';
  if (text === 'Succeeded' || text === 'Completed') return 'done';
  if (/^(Pending|Terminating|ContainerCreating|PodInitializing|SchedulingGated|Init:\d+\/\d+|NotReady)$/.test(text)) return 'busy';
  return 'bad';
}

export function podReady(pod) {
  const statuses = pod.status?.containerStatuses ?? [];
  return { ready: statuses.filter((s) => s.ready).length, all: pod.spec.containers.length };
}

export const podRestarts = (pod) =>
  (pod.status?.containerStatuses ?? []).reduce((sum, s) => sum + s.restartCount, 0);

const finished = (pod) => ['Succeeded', 'Failed'].includes(pod.status?.phase);

/** What the scheduler counts for a pod: the sum of its containers or its largest init container, and the overhead. */
export function podRequests(pod) {
  const sum = { cpu: 0, memory: 0 };
  for (const what of Object.keys(sum)) {
    const of = (c) => parseQuantity(c.resources?.requests?.[what] ?? 0);
    let [sidecars, largest] = [0, 0];
    for (const c of pod.spec.initContainers ?? []) {
      largest = Math.max(largest, sidecars + of(c));
      if (c.restartPolicy === 'Always') sidecars += of(c);
    }
    const containers = pod.spec.containers.reduce((n, c) => n + of(c), sidecars);
    sum[what] = Math.max(containers, largest) + parseQuantity(pod.spec.overhead?.[what] ?? 0);
  }
  return sum;
}

/** Node name -> {cpu, memory, pods}: what the pods that are not over ask for. */
export function requestsByNode(pods) {
  const nodes = new Map();
  for (const pod of pods) {
    if (!pod.spec.nodeName || finished(pod)) continue;
    const sum = nodes.get(pod.spec.nodeName) ?? { cpu: 0, memory: 0, pods: 0 };
    const own = podRequests(pod);
    nodes.set(pod.spec.nodeName, { cpu: sum.cpu + own.cpu, memory: sum.memory + own.memory, pods: sum.pods + 1 });
  }
  return nodes;
}

export function nodeStatus(node) {
  const ready = conditionOf(node, 'Ready')?.status;
  const text = ready === 'True' ? 'Ready' : ready === 'False' ? 'NotReady' : 'Unknown';
  return { text: node.spec?.unschedulable ? `${text}, cordoned` : text,
    tone: text !== 'Ready' ? 'bad' : node.spec?.unschedulable ? 'busy' : 'good' };
}

/** How many replicas are wanted and ready, for anything that has replicas; null for what has none. */
export function replicasOf(object) {
  const wanted = object.spec?.replicas ?? object.status?.desiredNumberScheduled ?? object.spec?.completions;
  if (wanted === undefined) return null;
  const { readyReplicas, numberReady, succeeded } = object.status ?? {};
  return { wanted, ready: readyReplicas ?? numberReady ?? succeeded ?? 0 };
}

/** A rollout in a word. */
export function workloadStatus(object) {
  const counts = replicasOf(object);
  const failed = object.status?.conditions?.find((c) =>
    (c.type === 'ReplicaFailure' && c.status === 'True') || (c.type === 'Progressing' && c.status === 'False') ||
    (c.type === 'Failed' && c.status === 'True'));
  if (object.metadata.deletionTimestamp) return { text: 'Deleting', tone: 'busy' };
  if (failed) return { text: failed.reason || failed.type, tone: 'bad' };
  if (!counts) return { text: '—', tone: 'done' };
  const { updatedReplicas, replicas, observedGeneration } = object.status ?? {};
  const behind = observedGeneration !== undefined && observedGeneration < object.metadata.generation;
  const old = object.kind === 'Deployment' && ((updatedReplicas ?? 0) < counts.wanted || (replicas ?? 0) > counts.wanted);
  if (behind || old || counts.ready < counts.wanted) return { text: 'Progressing', tone: 'busy' };
  return counts.wanted ? { text: 'Ready', tone: 'good' } : { text: 'Scaled to 0', tone: 'done' };
}

export const eventTime = (e) =>
  e.series?.lastObservedTime || e.lastTimestamp || e.eventTime || e.metadata.creationTimestamp;

export const newestFirst = (a, b) => Date.parse(eventTime(b)) - Date.parse(eventTime(a));

/** Key of a Service -> the addresses behind it, by the EndpointSlices. */
export function endpointsByService(slices) {
  const services = new Map();
  for (const s of slices) {
    const key = `${s.metadata.namespace}/${s.metadata.labels?.['kubernetes.io/service-name']}`;
    const all = services.get(key) ?? services.set(key, []).get(key);
    for (const e of s.endpoints ?? [])
      all.push({ address: e.addresses[0], ready: e.conditions?.ready !== false, target: e.targetRef });
  }
  for (const all of services.values()) all.sort((a, b) => compareText(a.address, b.address));
  return services;
}

export const formatPorts = (ports = []) =>
  ports.map((p) => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol ?? 'TCP'}`).join(', ') || '—';

// ---- showing an object ----

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** A copy for the eye: without managedFields, and a Secret without what is secret, also where kubectl repeats it. */
export function forDisplay(object) {
  const copy = structuredClone(object);
  delete copy.metadata?.managedFields;
  if (copy.kind !== 'Secret') return copy;
  for (const part of ['data', 'stringData'])
    for (const [key, value] of Object.entries(copy[part] ?? {})) copy[part][key] = `••• (${base64Length(value)} bytes)`;
  if (copy.metadata?.annotations?.[LAST_APPLIED]) copy.metadata.annotations[LAST_APPLIED] = '•••';
  return copy;
}

const base64Length = (text) => Math.floor((text.replace(/=+$/, '').length * 3) / 4);

const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./@()-]*( [A-Za-z0-9_./@()-]+)*$/;
const WORDS = /^(true|false|null|yes|no|on|off|y|n|~)$/i;

const yamlScalar = (v) => (typeof v === 'string' && (!PLAIN.test(v) || WORDS.test(v)) ? JSON.stringify(v) : String(v));

const isEmpty = (v) => (Array.isArray(v) ? !v.length : v && typeof v === 'object' && !Object.keys(v).length);

function yamlLines(v, indent, out, first) {
  const pad = ' '.repeat(indent);
  const items = Array.isArray(v) ? v.map((e) => ['-', e]) : Object.entries(v).map(([k, e]) => [`${yamlScalar(k)}:`, e]);
  items.forEach(([head, e], i) => {
    const start = (i === 0 && first !== undefined ? first : pad) + head;
    if (e === null || typeof e !== 'object') yamlText(e, start, indent, out);
    else if (isEmpty(e)) out.push(`${start} ${Array.isArray(e) ? '[]' : '{}'}`);
    else if (head === '-') yamlLines(e, indent + 2, out, `${start} `);
    else {
      out.push(start);
      yamlLines(e, Array.isArray(e) ? indent : indent + 2, out);
    }
  });
}

/** Several lines are a block, where a block can carry them. */
function yamlText(v, start, indent, out) {
  const block = typeof v === 'string' && v.includes('\n') && /^\S[^\r\t\0-\x08]*$/.test(v) && !/\n\n$|[ ]\n/.test(v);
  if (!block) {
    out.push(`${start} ${yamlScalar(v)}`);
    return;
  }
  out.push(`${start} |${v.endsWith('\n') ? '' : '-'}`);
  for (const line of v.replace(/\n$/, '').split('\n')) out.push(line ? ' '.repeat(indent + 2) + line : '');
}

export function toYaml(value) {
  const out = [];
  yamlLines(value, 0, out);
  return out.join('\n') + '\n';
}

// ---- discovery and addresses ----

/** Aggregated discovery documents -> [{group, version, plural, kind, namespaced, verbs, categories, subresources}]. */
export function readDiscovery(documents) {
  const kinds = [];
  for (const group of documents.flatMap((d) => d.items ?? [])) {
    const version = group.versions?.[0];
    for (const r of version?.resources ?? [])
      kinds.push({
        group: group.metadata?.name ?? '', version: version.version, plural: r.resource, kind: r.responseKind.kind,
        namespaced: r.scope === 'Namespaced', verbs: r.verbs ?? [], categories: r.categories ?? [],
        subresources: (r.subresources ?? []).map((s) => s.subresource),
      });
  }
  return kinds;
}

const part = encodeURIComponent;

/** The path of a collection or, with a name, of an object. */
export function pathOf(kind, namespace, name, subresource) {
  const root = kind.group ? `/apis/${part(kind.group)}/${part(kind.version)}` : `/api/${part(kind.version)}`;
  return root + (kind.namespaced && namespace ? `/namespaces/${part(namespace)}` : '') + `/${part(kind.plural)}` +
    (name ? `/${part(name)}` : '') + (subresource ? `/${part(subresource)}` : '');
}

/** "#/pods/work/web?tab=logs" -> {parts, query}. */
export function parseRoute(hash) {
  const [path, query = ''] = hash.replace(/^#?\/?/, '').split('?');
  const decode = (s) => {
    try {
      return decodeURIComponent(s);
    } catch {
      return s;
    }
  };
  return { parts: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

/** The address of an object's page; "-" stands for the core group and for no namespace. */
export const objectRoute = (kind, namespace, name, query = '') =>
  `#/object/${part(kind.group || '-')}/${part(kind.plural)}/${part(namespace || '-')}/${part(name)}${query}`;

// ---- tokens ----

/** As the WebSocket subprotocol that carries a token wants it. */
export function base64url(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** What was pasted: without white space, without "Bearer". Null when it cannot be a token. */
export function cleanToken(text) {
  const token = text.trim().replace(/^(authorization:\s*)?bearer\s+/i, '').replace(/\s+/g, '');
  return /^[\x21-\x7e]{1,16384}$/.test(token) ? token : null;
}
