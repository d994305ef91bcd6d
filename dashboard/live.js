// SPDX-License-Identifier: Apache-2.0
// Live collections: one list and one watch per kind and namespace, shared by all views that show it.
//
//      loading -- list --> live -- stream ends --> live (again from the last revision)
//         ^ ^                | `-- 410 ----------> loading (everything again; what was seen stays in sight)
//         | `-- wait --- lost <-- no connection, or an error of the server
//         `--------------- denied: not allowed to list or watch; asked again when somebody looks anew
//
// A collection nobody looks at is let go after a while.
import { may } from './access.js';
import * as api from './api.js';
import { backOff, emptyCollection, pathOf, takeEvent, takeList } from './logic.js';

const LINGER_MS = 20000;
const SILENCE_MS = 150000; // the server sends a bookmark a minute: who hears nothing is not connected any more
const collections = new Map();
const statusListeners = new Set();

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    resolve();
  }, { once: true });
});

class Live {
  constructor(kind, namespace, query) {
    Object.assign(this, emptyCollection(), { kind, namespace, query });
    this.path = pathOf(kind, namespace);
    this.listeners = new Set();
    this.end = new AbortController();
    this.failures = 0;
    this.rest = 60;
    this.run();
  }

  /** Many events make one drawing, and drawing takes a fifth of the time at most. */
  changed() {
    statusListeners.forEach((fn) => fn());
    if (this.pending) return;
    this.pending = setTimeout(() => {
      const began = performance.now();
      this.pending = 0;
      this.listeners.forEach((fn) => fn(this));
      this.rest = Math.max(60, 4 * (performance.now() - began));
    }, this.rest);
  }

  set(state, error = null) {
    this.state = state;
    this.error = error;
    this.changed();
  }

  async run() {
    const name = this.query.fieldSelector?.split('=')[1] ?? '';
    const verdicts = await Promise.all(['list', 'watch'].map((verb) => may(verb, this.kind, this.namespace, name)))
      .catch((error) => [{ allowed: true, error }]);
    const refused = verdicts.find((v) => !v.allowed);
    if (refused) {
      this.set('denied', refused.reason);
      return;
    }
    while (!this.end.signal.aborted) {
      try {
        await this.follow();
      } catch (error) {
        if (this.end.signal.aborted) return;
        this.failures++;
        this.revision = error.status === 410 ? '' : this.revision;
        if (error.status === 401 || error.status === 403 || error.status === 404) {
          this.set('denied', error.message);
          return;
        }
        this.set('lost', error.status ? error.message : 'no connection to the server');
      }
      await pause(backOff(this.failures, Math.random()), this.end.signal);
    }
  }

  /** One list when there is no revision to go on from, then one watch. */
  async follow() {
    const { signal } = this.end;
    if (!this.revision) {
      const { items, revision } = await api.list(this.path, this.query, signal);
      takeList(this, items, revision);
      this.changed();
    }
    const began = performance.now();
    const verdict = await this.watch({ ...this.query, resourceVersion: this.revision });
    if (verdict === 'list') this.revision = '';
    if (verdict === 'fail') throw new Error(this.error);
    // A stream that ends at once, again and again, must not become a storm.
    this.failures = performance.now() - began < 1000 ? this.failures + 1 : 0;
  }

  /** Until the stream ends or is silent for too long; what the last event asks for. */
  async watch(query) {
    const own = new AbortController();
    const stop = () => own.abort();
    let verdict = 'go on';
    let silence = 0;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
    };
    this.end.signal.addEventListener('abort', stop);
    try {
      await api.watch(this.path, query, own.signal, () => {
        heard();
        if (this.state !== 'live') this.set('live');
      }, (event) => {
        heard();
        if (verdict !== 'go on') return;
        verdict = takeEvent(this, event);
        this.failures = 0;
        if (event.type !== 'BOOKMARK') this.changed();
      });
    } finally {
      clearTimeout(silence);
      this.end.signal.removeEventListener('abort', stop);
    }
    return verdict;
  }

  get values() {
    return [...this.items.values()];
  }

  stop() {
    clearTimeout(this.pending);
    this.end.abort();
  }
}

/**
 * Shows `fn` the collection now and whenever it changed; returns what ends that. `options.name` = only the object of that
 * name.
 */
export function look(kind, namespace, fn, { name } = {}) {
  const query = name ? { fieldSelector: `metadata.name=${name}` } : {};
  const key = `${pathOf(kind, namespace)}?${name ?? ''}`;
  let live = collections.get(key);
  if (live?.state === 'denied' && !live.listeners.size) {
    live.stop();
    live = null;
  }
  if (!live) collections.set(key, (live = new Live(kind, kind.namespaced ? namespace : '', query)));
  clearTimeout(live.linger);
  live.listeners.add(fn);
  fn(live);
  return () => {
    live.listeners.delete(fn);
    if (live.listeners.size) return;
    live.linger = setTimeout(() => {
      live.stop();
      if (collections.get(key) === live) collections.delete(key);
      statusListeners.forEach((f) => f());
    }, LINGER_MS);
  };
}

export const onStatus = (fn) => statusListeners.add(fn);

/** 'live', 'loading' or 'lost': the worst of what is looked at. */
export function overallStatus() {
  const states = [...collections.values()].filter((c) => c.listeners.size).map((c) => c.state);
  return states.includes('lost') ? 'lost' : states.includes('loading') ? 'loading' : 'live';
}

export function dropAll() {
  for (const live of collections.values()) {
    clearTimeout(live.linger);
    live.stop();
  }
  collections.clear();
  statusListeners.clear();
}
