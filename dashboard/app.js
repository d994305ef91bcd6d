// SPDX-License-Identifier: Apache-2.0
// The frame around the views: logging in, the address, the namespace, the filter, and how the connection is.
import { forget } from './access.js';
import * as api from './api.js';
import { badge, h, link, notice, say } from './dom.js';
import { dropAll, look, onStatus, overallStatus } from './live.js';
import { cleanToken, compareText, parseRoute } from './logic.js';
import { objectPage } from './object.js';
import { pods } from './pods.js';
import * as views from './views.js';

const PAGES = [
  ['overview', 'Overview', views.overview], ['nodes', 'Nodes', views.nodes], ['workloads', 'Workloads', views.workloads],
  ['pods', 'Pods', pods], ['services', 'Services', views.services], ['events', 'Events', views.events],
  ['kinds', 'All kinds', views.kindList],
];
const NAMESPACE = 'knarr-namespace';
const root = document.getElementById('app');
let leave = () => {}; // ends what is on the page

const ctx = {
  kinds: [], user: null, namespace: sessionStorage.getItem(NAMESPACE) ?? '', filter: '',
  kindOf: (group, plural) => ctx.kinds.find((k) => k.group === group && k.plural === plural),
};

// ---- logging in ----

function loginPage(message = '') {
  leave();
  const error = h('p', { class: 'error', role: 'alert' }, message);
  const input = h('input', {
    type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false', required: true, 'aria-describedby': 'token-help',
  });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Log in');
  const submit = async (event) => {
    event.preventDefault();
    const token = cleanToken(input.value);
    error.textContent = token ? '' : 'This cannot be a token: paste all of it, and nothing else.';
    if (!token) return;
    button.disabled = true;
    api.setToken(token);
    try {
      await begin();
    } catch (failure) {
      api.setToken(null);
      error.textContent = failure.status === 401 ? 'The server does not know this token, or it is no longer valid.'
        : failure.status ? failure.message : 'The server cannot be reached.';
      input.select();
    }
    button.disabled = false;
  };
  root.replaceChildren(h('main', { class: 'login' }, h('form', { onsubmit: submit }, h('h1', {}, 'Knarr'),
    h('label', { for: 'token' }, 'Token'), input,
    h('p', { id: 'token-help', class: 'muted small' }, 'Make one with ', h('code', {}, 'kubectl create token NAME'),
      '. It stays in this tab and is forgotten when the tab is closed.'), error, button)));
  input.focus();
}

function logOut(message) {
  leave();
  dropAll();
  forget();
  api.setToken(null);
  sessionStorage.removeItem(NAMESPACE);
  Object.assign(ctx, { user: null, kinds: [], namespace: '', filter: '' });
  loginPage(message);
}

// ---- the frame ----

function namespacePicker(changed) {
  const kind = ctx.kindOf('', 'namespaces');
  const select = h('select', { id: 'namespace', onchange: () => changed(select.value) });
  const text = h('input', {
    type: 'text', id: 'namespace-name', value: ctx.namespace, placeholder: 'all namespaces', 'aria-label': 'Namespace',
    hidden: true, onchange: () => changed(text.value.trim()),
  });
  const fill = (live) => {
    // Who may not list namespaces writes the name.
    text.hidden = live.state !== 'denied';
    select.hidden = !text.hidden;
    const names = new Set([...live.values.map((n) => n.metadata.name), ...(ctx.namespace ? [ctx.namespace] : [])]);
    const wanted = ['', ...[...names].sort(compareText)];
    if (wanted.join() === [...select.options].map((o) => o.value).join()) return;
    select.replaceChildren(...wanted.map((n) => h('option', { value: n }, n || 'all namespaces')));
    select.value = ctx.namespace;
  };
  const element = h('label', { class: 'field', for: 'namespace' }, h('span', { class: 'away' }, 'Namespace'), select, text);
  return { element, stop: look(kind, '', fill) };
}

function connection() {
  const words = { live: ['live', 'good'], loading: ['loading', 'busy'], lost: ['reconnecting', 'bad'] };
  const element = h('span', { id: 'connection', role: 'status' });
  const draw = () => {
    const [text, tone] = words[overallStatus()];
    if (element.textContent !== text) element.replaceChildren(badge(text, tone, 'The connection to the server'));
  };
  draw();
  onStatus(draw);
  return element;
}

const skipTo = (main) => h('a', { class: 'skip', href: '#main', onclick: (event) => {
  event.preventDefault();
  main.focus();
} }, 'To the content');

function frame() {
  const main = h('main', { id: 'main', tabindex: '-1' });
  const nav = h('nav', { 'aria-label': 'Pages' }, PAGES.map(([id, title]) => link(`#/${id}`, title)));
  const filter = h('input', {
    type: 'search', id: 'filter', placeholder: 'Filter', 'aria-label': 'Filter by text', value: ctx.filter,
    oninput: () => {
      ctx.filter = filter.value;
      view?.refresh();
    },
  });
  let view = null;
  const show = () => {
    view?.stop();
    view = open(parseRoute(location.hash));
    main.replaceChildren(view.element);
    for (const a of nav.children) {
      if (a.getAttribute('href') === `#/${pageOf()}`) a.setAttribute('aria-current', 'page');
      else a.removeAttribute('aria-current');
    }
    window.scrollTo(0, 0);
  };
  const picker = namespacePicker((namespace) => {
    ctx.namespace = namespace;
    sessionStorage.setItem(NAMESPACE, namespace);
    show();
  });
  const who = h('span', { class: 'who', title: (ctx.user.groups ?? []).join('\n') }, ctx.user.username);
  const out = h('button', { type: 'button', onclick: () => logOut('') }, 'Log out');
  root.replaceChildren(skipTo(main), h('header', {}, link('#/overview', 'Knarr'), nav,
    h('div', { class: 'right' }, picker.element, filter, connection(), who, out)), main);
  window.addEventListener('hashchange', show);
  leave = () => {
    view?.stop();
    picker.stop();
    window.removeEventListener('hashchange', show);
    leave = () => {};
  };
  show();
}

const groupName = (part) => (part === '-' ? '' : part);

/** The page an address stands under in the navigation. */
function pageOf() {
  const { parts: [page, group, plural] } = parseRoute(location.hash);
  if (page !== 'object' && page !== 'kind') return page || 'overview';
  if (PAGES.some(([id]) => id === plural)) return plural;
  return ctx.kindOf(groupName(group), plural)?.categories.includes('all') ? 'workloads' : 'kinds';
}

function open({ parts, query }) {
  const [page = 'overview', group, plural, namespace, name] = parts;
  const kind = group && ctx.kindOf(groupName(group), plural);
  document.title = `${name ?? plural ?? page} · Knarr`;
  if (page === 'object' && kind && name) return objectPage(ctx, kind, groupName(namespace), name, query);
  if (page === 'kind' && kind) return views.anyKind(ctx, kind);
  const found = PAGES.find(([id]) => id === page);
  if (found) return found[2](ctx);
  return { element: notice('bad', 'There is no such page', location.hash), refresh: () => {}, stop: () => {} };
}

// ---- beginning ----

async function begin() {
  ctx.user = await api.whoAmI();
  ctx.kinds = await api.discover();
  frame();
}

api.onRefused(() => ctx.user && api.hasToken() && logOut('The server does not take the token any more. Log in again.'));
window.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  if (event.reason?.name !== 'AbortError') say(event.reason?.message ?? 'something went wrong', 'bad');
});

// A token outlives a server that cannot be reached just now.
if (api.hasToken()) begin().catch((error) => (error.status === 401 ? logOut('') : loginPage(`${error.message}. Reload the page to try again.`)));
else loginPage();
