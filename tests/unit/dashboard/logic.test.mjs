// SPDX-License-Identifier: Apache-2.0
// The Dashboard's pure functions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

// By its text: older nodes do not take a .js file without a package for a module.
const source = readFileSync(new URL('../../../dashboard/logic.js', import.meta.url));
const logic = await import(`data:text/javascript;base64,${source.toString('base64')}`);

const pod = (status, extra = {}) => ({
  kind: 'Pod', metadata: { name: 'p', namespace: 'd', resourceVersion: '1', ...extra.metadata },
  spec: { containers: [{ name: 'a' }], ...extra.spec }, status,
});
const object = (name, revision, labels) => ({ metadata: { name, namespace: 'd', resourceVersion: String(revision), labels } });

test('quantities are read as upstream reads them', () => {
  for (const [text, value] of [['1', 1], ['250m', 0.25], ['1.5', 1.5], ['64Mi', 67108864], ['2Gi', 2147483648], ['1k', 1000],
    ['1e3', 1000], ['2E', 2e18], ['3E2', 300], ['500m', 0.5], [5, 5], ['-1Ki', -1024]]) assert.equal(logic.parseQuantity(text), value, text);
  for (const text of ['', 'x', '1 Mi', '1mm', null, undefined, 'Ki']) assert.ok(Number.isNaN(logic.parseQuantity(text)), String(text));
});

test('quantities are shown short', () => {
  assert.deepEqual([0, 0.0001, 0.25, 1, 1.5, 12, 128].map(logic.formatCpu), ['0', '1m', '250m', '1', '1.5', '12', '128']);
  assert.deepEqual([0, 512, 1024, 1536, 64 * 2 ** 20, 23.45 * 2 ** 30].map(logic.formatBytes), ['0', '512', '1Ki', '1.5Ki', '64Mi', '23.4Gi']);
  assert.equal(logic.formatBytes(1000 * 1024), '1000Ki');
  assert.equal(logic.formatCpu(NaN), '—');
});

test('ages are kubectl\'s', () => {
  const s = 1000;
  for (const [ms, text] of [[0, '0s'], [119 * s, '119s'], [120 * s, '2m'], [125 * s, '2m5s'], [600 * s, '10m'], [179 * 60 * s, '179m'],
    [180 * 60 * s, '3h'], [200 * 60 * s, '3h20m'], [47 * 3600 * s, '47h'], [50 * 3600 * s, '2d2h'], [9 * 86400 * s, '9d'],
    [800 * 86400 * s, '2y70d'], [3000 * 86400 * s, '8y'], [-5 * s, '0s']]) assert.equal(logic.formatAge(ms), text);
  assert.equal(logic.formatAge(NaN), '—');
});

test('events of a watch are applied in order', () => {
  const c = logic.emptyCollection();
  logic.takeList(c, [object('a', 3), object('b', 4)], '5');
  assert.equal(c.state, 'live');
  assert.equal(logic.takeEvent(c, { type: 'ADDED', object: object('c', 6) }), 'go on');
  assert.equal(logic.takeEvent(c, { type: 'MODIFIED', object: object('a', 7) }), 'go on');
  assert.equal(logic.takeEvent(c, { type: 'DELETED', object: object('b', 8) }), 'go on');
  assert.deepEqual([...c.items.values()].map((o) => `${o.metadata.name}${o.metadata.resourceVersion}`), ['a7', 'c6']);
  assert.equal(c.revision, '8');
  logic.takeEvent(c, { type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } });
  assert.equal(c.revision, '20');
  assert.equal(c.items.size, 2);
  assert.equal(logic.takeEvent(c, { type: 'NEWS', object: {} }), 'go on');
});

test('a revision that is gone means listing again, another error is one', () => {
  const c = logic.emptyCollection();
  logic.takeList(c, [object('a', 3)], '5');
  assert.equal(logic.takeEvent(c, { type: 'ERROR', object: { code: 410, message: 'too old' } }), 'list');
  assert.equal(logic.takeEvent(c, { type: 'ERROR', object: { code: 500, message: 'broken' } }), 'fail');
  assert.equal(c.error, 'broken');
  assert.equal(c.items.size, 1); // what was seen stays in sight
  logic.takeList(c, [], '9');
  assert.deepEqual([c.items.size, c.revision, c.error], [0, '9', null]);
});

test('attempts come more and more seldom, and never all at once', () => {
  assert.equal(logic.backOff(0, 0.5), 0);
  assert.equal(logic.backOff(1, 0), 500);
  assert.ok(logic.backOff(1, 0.99) < 1000);
  assert.equal(logic.backOff(1000, 0), 15000);
  assert.ok(logic.backOff(1000, 0.999) <= 30000);
});

test('lines are whole whatever the pieces', () => {
  const s = logic.lineSplitter();
  assert.deepEqual(['ab', 'c\nd', '\n\ne'].flatMap((t) => s.push(t)), ['abc', 'd', '']);
  assert.deepEqual([s.end(), s.end()], [['e'], []]);
});

test('selectors', () => {
  const labels = { app: 'web', tier: 'front' };
  assert.ok(logic.matchesSelector({ matchLabels: { app: 'web' } }, labels));
  assert.ok(!logic.matchesSelector({ matchLabels: { app: 'web', tier: 'back' } }, labels));
  assert.ok(logic.matchesSelector({}, labels));
  assert.ok(!logic.matchesSelector(null, labels));
  const by = (operator, key, values) => logic.matchesSelector({ matchExpressions: [{ key, operator, values }] }, labels);
  assert.deepEqual([by('In', 'app', ['web']), by('In', 'x', ['web']), by('NotIn', 'app', ['web']), by('NotIn', 'x', ['web']),
    by('Exists', 'app'), by('Exists', 'toString'), by('DoesNotExist', 'x')], [true, false, false, true, true, false, true]);
});

test('the filter looks at names, labels and more, word by word', () => {
  const o = object('web-1', 1, { app: 'Shop' });
  for (const text of ['', '  ', 'WEB', 'app=shop', 'shop web-1', 'd']) assert.ok(logic.matchesText(text, o), text);
  assert.ok(!logic.matchesText('web x', o));
  assert.ok(logic.matchesText('running', o, ['Running']));
});

test('sorting: numbers in names, and what is absent last in both directions', () => {
  const names = ['n-10', 'n-2', ''].map((n) => ({ n }));
  assert.deepEqual([...names].sort(logic.compareBy((o) => o.n)).map((o) => o.n), ['n-2', 'n-10', '']);
  assert.deepEqual([...names].sort(logic.compareBy((o) => o.n, true)).map((o) => o.n), ['n-10', 'n-2', '']);
  const numbers = [{ v: 3 }, {}, { v: 20 }];
  assert.deepEqual(numbers.sort(logic.compareBy((o) => o.v, true)).map((o) => o.v), [20, 3, undefined]);
});

test('what is the matter with a pod', () => {
  const state = (s, more) => pod({ phase: 'Running', containerStatuses: [{ name: 'a', restartCount: 0, state: s, ...more }] });
  const rows = [
    [pod({ phase: 'Pending' }), 'Pending', 'busy'],
    [state({ running: {} }, { ready: true }), 'Running', 'good'],
    [state({ waiting: { reason: 'CrashLoopBackOff' } }), 'CrashLoopBackOff', 'bad'],
    [state({ terminated: { reason: 'Completed', exitCode: 0 } }), 'Completed', 'done'],
    [state({ terminated: { exitCode: 3 } }), 'ExitCode:3', 'bad'],
    [state({ terminated: { signal: 9, exitCode: 137 } }), 'Signal:9', 'bad'],
    [pod({ phase: 'Failed', reason: 'Evicted' }), 'Evicted', 'bad'],
    [pod({ phase: 'Running' }, { metadata: { deletionTimestamp: 'x' } }), 'Terminating', 'busy'],
    [pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', reason: 'SchedulingGated' }] }), 'SchedulingGated', 'busy'],
  ];
  for (const [p, text, tone] of rows) {
    assert.equal(logic.podStatus(p), text);
    assert.equal(logic.podTone(text), tone, text);
  }
  const init = (statuses) => pod({ phase: 'Pending', initContainerStatuses: statuses },
    { spec: { initContainers: [{ name: 'i' }, { name: 's', restartPolicy: 'Always' }] } });
  const done = { name: 'i', state: { terminated: { exitCode: 0 } } };
  assert.equal(logic.podStatus(init([{ name: 'i', state: { running: {} } }])), 'Init:0/2');
  assert.equal(logic.podStatus(init([{ name: 'i', state: { waiting: { reason: 'ErrImagePull' } } }])), 'Init:ErrImagePull');
  assert.equal(logic.podStatus(init([done, { name: 's', started: false, state: { running: {} } }])), 'Init:1/2');
  assert.equal(logic.podStatus(init([done, { name: 's', started: true, state: { running: {} } }])), 'Pending');
  assert.deepEqual(logic.podReady(state({ running: {} }, { ready: true })), { ready: 1, all: 1 });
});

test('requests are summed as the scheduler does', () => {
  const c = (cpu, memory, more) => ({ name: 'c', resources: { requests: { cpu, memory } }, ...more });
  const p = pod({ phase: 'Running' }, { spec: { nodeName: 'n', containers: [c('100m', '64Mi'), c('200m', '64Mi')], overhead: { cpu: '10m' } } });
  assert.ok(Math.abs(logic.podRequests(p).cpu - 0.31) < 1e-9);
  p.spec.initContainers = [c('1', '1Mi'), c('50m', '0', { restartPolicy: 'Always' })];
  assert.ok(Math.abs(logic.podRequests(p).cpu - 1.01) < 1e-9);
  assert.equal(logic.podRequests(p).memory, 128 * 2 ** 20);
  const over = structuredClone(p);
  over.status.phase = 'Succeeded';
  const nodes = logic.requestsByNode([p, structuredClone(p), over, pod({ phase: 'Pending' })]);
  assert.equal(nodes.get('n').pods, 2);
  assert.equal(nodes.size, 1);
});

test('rollouts in a word', () => {
  const d = (spec, status, metadata = {}) => ({ kind: 'Deployment', metadata: { generation: 2, ...metadata }, spec, status });
  const whole = { observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2 };
  const tone = (o) => logic.workloadStatus(o).text;
  assert.equal(tone(d({ replicas: 2 }, whole)), 'Ready');
  assert.equal(tone(d({ replicas: 2 }, { ...whole, observedGeneration: 1 })), 'Progressing');
  assert.equal(tone(d({ replicas: 2 }, { ...whole, replicas: 3 })), 'Progressing');
  assert.equal(tone(d({ replicas: 2 }, { ...whole, readyReplicas: 1 })), 'Progressing');
  assert.equal(tone(d({ replicas: 0 }, { observedGeneration: 2 })), 'Scaled to 0');
  assert.equal(tone(d({ replicas: 2 }, { ...whole, conditions: [{ type: 'Progressing', status: 'False', reason: 'Late' }] })), 'Late');
  assert.equal(tone(d({ replicas: 2 }, whole, { deletionTimestamp: 'x' })), 'Deleting');
  assert.equal(logic.replicasOf({ kind: 'X', metadata: {} }), null);
});

test('the addresses behind a Service', () => {
  const slice = (service, ...ends) => ({ metadata: { namespace: 'd', labels: { 'kubernetes.io/service-name': service } }, endpoints: ends });
  const end = (address, ready) => ({ addresses: [address], conditions: { ready } });
  const all = logic.endpointsByService([slice('web', end('10.0.0.10', true)), slice('other', end('9.9.9.9', true)), slice('web', end('10.0.0.2', false)),
    { metadata: { namespace: 'd' } }]);
  assert.deepEqual(all.get('d/web').map((e) => [e.address, e.ready]), [['10.0.0.2', false], ['10.0.0.10', true]]);
  assert.equal(logic.formatPorts([{ port: 80 }, { port: 53, protocol: 'UDP', nodePort: 30053 }]), '80/TCP, 53:30053/UDP');
});

test('a Secret is shown without what is secret', () => {
  const secret = {
    kind: 'Secret', metadata: { name: 's', managedFields: [{}], annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'aHVudGVyMg==', a: 'b' } },
    data: { password: 'aHVudGVyMg==' }, stringData: { other: 'aHVudGVyMg==' },
  };
  const shown = logic.forDisplay(secret);
  assert.ok(!JSON.stringify(shown).includes('aHVudGVyMg'));
  assert.match(shown.data.password, /7 bytes/);
  assert.equal(shown.metadata.annotations.a, 'b');
  assert.equal(shown.metadata.managedFields, undefined);
  assert.equal(secret.data.password, 'aHVudGVyMg=='); // a copy
  assert.equal(logic.forDisplay({ kind: 'ConfigMap', metadata: {}, data: { a: 'b' } }).data.a, 'b');
});

test('YAML', () => {
  const value = {
    kind: 'Pod', count: 3, yes: true, none: null, text: 'two words', odd: 'a: b', word: 'true', number: '012', empty: {}, nothing: [],
    list: [1, { a: 'x', b: [{ c: 'y' }] }, [2, 3]], block: 'one\ntwo\n', cut: 'one\ntwo', blank: '', dash: '- x', spaced: ' x\ny', date: '2026-01-01T00:00:00Z',
  };
  assert.equal(logic.toYaml(value), `kind: Pod
count: 3
"yes": true
none: null
text: two words
odd: "a: b"
word: "true"
number: "012"
empty: {}
nothing: []
list:
- 1
- a: x
  b:
  - c: "y"
- - 2
  - 3
block: |
  one
  two
cut: |-
  one
  two
blank: ""
dash: "- x"
spaced: " x\\ny"
date: "2026-01-01T00:00:00Z"
`);
});

test('discovery and paths', () => {
  const resource = { resource: 'deployments', scope: 'Namespaced', responseKind: { kind: 'Deployment' }, verbs: ['list'], categories: ['all'], subresources: [{ subresource: 'scale' }] };
  const [kind] = logic.readDiscovery([{ items: [] }, { items: [{ metadata: { name: 'apps' }, versions: [{ version: 'v1', resources: [resource] }] }] }]);
  assert.deepEqual(kind.subresources, ['scale']);
  assert.equal(logic.pathOf(kind, 'work', 'web', 'scale'), '/apis/apps/v1/namespaces/work/deployments/web/scale');
  assert.equal(logic.pathOf(kind, ''), '/apis/apps/v1/deployments');
  assert.equal(logic.pathOf({ group: '', version: 'v1', plural: 'nodes', namespaced: false }, 'x', '../a'), '/api/v1/nodes/..%2Fa');
  const { parts, query } = logic.parseRoute(logic.objectRoute(kind, 'work', 'system:a/b', '?tab=yaml'));
  assert.deepEqual([parts, query.get('tab')], [['object', 'apps', 'deployments', 'work', 'system:a/b'], 'yaml']);
  assert.deepEqual(logic.parseRoute('#/%zz').parts, ['%zz']);
});

test('tokens as they are pasted and sent', () => {
  assert.equal(logic.base64url('abc?>~é'), 'YWJjPz5-w6k');
  assert.equal(logic.cleanToken('  abc.def\n'), 'abc.def');
  assert.equal(logic.cleanToken('Authorization: Bearer abc'), 'abc');
  assert.equal(logic.cleanToken('abc\n  def'), 'abcdef');
  assert.equal(logic.cleanToken('tökén'), null);
  assert.equal(logic.cleanToken(''), null);
});
