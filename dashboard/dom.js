// SPDX-License-Identifier: Apache-2.0
// Building the page. Text comes in as text nodes only: no string ever becomes markup.
import { compareBy, formatAge } from './logic.js';

const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

/** An element: properties that begin with "on" are listeners, `class` and what has a dash are attributes. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map(asNode));
  return element;
}

export const badge = (text, tone, title) => h('span', { class: `badge ${tone}`, title }, text);
export const link = (href, text, title) => h('a', { href, title }, text);
export const muted = (text) => h('span', { class: 'muted' }, text);

/** An age that goes on by itself. */
export function age(time) {
  if (!time) return muted('—');
  const at = Date.parse(time);
  return h('time', { datetime: time, title: new Date(at).toLocaleString(), 'data-at': at }, formatAge(Date.now() - at));
}

setInterval(() => {
  for (const element of document.querySelectorAll('time[data-at]')) {
    const text = formatAge(Date.now() - Number(element.dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}, 1000);

/** Used of all as a bar; `asked` is marked in it. */
export function meter(label, used, all, format) {
  const share = all > 0 && Number.isFinite(used) ? Math.min(1, used / all) : 0;
  const text = `${format(used)} of ${format(all)}`;
  return h('span', { class: 'use', title: `${label}: ${text}` },
    h('meter', { min: 0, max: 1, high: 0.9, low: 0.75, optimum: 0, value: share.toFixed(3), 'aria-label': `${label}: ${text}` }),
    h('span', {}, `${format(used)} / ${format(all)}`));
}

// ---- messages ----

/** One line that goes by itself; read out by a screen reader. */
export function say(text, tone = 'good') {
  const line = h('p', { class: `toast ${tone}` }, text);
  document.getElementById('messages').append(line);
  setTimeout(() => line.remove(), tone === 'bad' ? 9000 : 4500);
}

export function notice(tone, title, text) {
  return h('div', { class: `notice ${tone}` }, h('strong', {}, title), text ? h('span', {}, text) : null);
}

/** Says how a collection is doing where that is not simply fine; null where it is. */
export function stateOf(live, none) {
  if (live.state === 'denied') return notice('denied', 'Not allowed', live.error);
  if (live.state === 'lost') return notice('bad', 'Connection lost', `${live.error}; trying again`);
  if (live.state === 'loading' && !live.items.size) return notice('busy', 'Loading…');
  return none && live.state === 'live' ? notice('empty', none) : null;
}

/**
 * A question in a dialog. `fields` are elements between text and buttons; `act` runs on confirmation, and what it throws is
 * shown in the dialog, which stays.
 */
export function confirm({ title, text, button, danger, fields = [], act }) {
  const error = h('p', { class: 'error', role: 'alert' });
  const go = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, button);
  const form = h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      go.disabled = true;
      error.textContent = '';
      try {
        await act();
        dialog.close();
      } catch (failure) {
        error.textContent = failure.message;
      }
      go.disabled = false;
    },
  }, h('h2', { id: 'dialog-title' }, title), h('p', {}, text), fields, error,
  h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), go));
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();
}

/** A button that says why it cannot be used instead of vanishing. */
export function action(text, verdict, onclick, danger) {
  const denied = verdict && !verdict.allowed;
  return h('button', {
    type: 'button', class: danger && 'danger', 'aria-disabled': denied ? 'true' : undefined,
    title: denied ? verdict.reason : undefined,
    onclick: () => (denied ? say(verdict.reason, 'bad') : onclick()),
  }, text);
}

// ---- tables ----

const ROWS = 300;

/**
 * A table whose rows are kept by key: only what changed is made anew, so focus and selection stay.
 * Columns: {title, cell(row), sort(row), level, number}; level 2 and 3 go on narrow pages.
 */
export class Table {
  constructor(label, columns, { key, version, sort = 0 }) {
    Object.assign(this, { columns, key, version, by: sort, down: false, rows: new Map(), data: [], limit: ROWS });
    this.heads = columns.map((c, i) => h('th', { scope: 'col', class: this.classOf(c) },
      c.sort ? h('button', { type: 'button', onclick: () => this.sortBy(i) }, c.title) : c.title));
    this.body = h('tbody');
    this.more = h('button', { type: 'button', class: 'more', hidden: true, onclick: () => this.show(this.data, (this.limit += ROWS)) });
    this.element = h('div', { class: 'table' },
      h('table', { 'aria-label': label }, h('thead', {}, h('tr', {}, this.heads)), this.body), this.more);
  }

  classOf(column) {
    return [column.level && `level${column.level}`, column.number && 'number'].filter(Boolean).join(' ') || undefined;
  }

  sortBy(index) {
    this.down = this.by === index && !this.down;
    this.by = index;
    this.show(this.data);
  }

  row(item) {
    return h('tr', {}, this.columns.map((c, i) => {
      const content = c.cell(item) ?? muted('—');
      return h(i ? 'td' : 'th', { scope: i ? undefined : 'row', class: this.classOf(c) }, content);
    }));
  }

  show(data) {
    this.data = data;
    const { sort } = this.columns[this.by];
    const sorted = sort ? [...data].sort(compareBy(sort, this.down)) : data;
    const kept = new Map();
    for (const item of sorted.slice(0, this.limit)) {
      const version = this.version(item);
      const known = this.rows.get(this.key(item));
      kept.set(this.key(item), known?.version === version ? known : { version, tr: this.row(item), old: known?.tr });
    }
    this.place(kept);
    this.rows = kept;
    this.heads.forEach((th, i) => this.columns[i].sort &&
      th.setAttribute('aria-sort', i !== this.by ? 'none' : this.down ? 'descending' : 'ascending'));
    this.more.hidden = data.length <= this.limit;
    this.more.textContent = `Show more (${data.length - this.limit} left)`;
  }

  /** Puts the rows in order with as few moves as the common cases need. */
  place(kept) {
    for (const [key, { tr }] of this.rows) if (!kept.has(key)) tr.remove();
    let at = this.body.firstChild;
    for (const entry of kept.values()) {
      if (entry.old?.isConnected) {
        if (entry.old === at) at = entry.tr;
        const focused = entry.old.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
        entry.old.replaceWith(entry.tr);
        if (focused) [...entry.tr.querySelectorAll('a')].find((a) => a.getAttribute('href') === focused)?.focus();
      }
      entry.old = null;
      if (entry.tr === at) at = at.nextSibling;
      else this.body.insertBefore(entry.tr, at);
    }
  }
}
