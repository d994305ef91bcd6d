// SPDX-License-Identifier: Apache-2.0
// Requests to the API server. Each carries the token itself; cookies and client certificates are never used, so what a
// page of another site makes the browser send can do nothing in its user's name.
import { base64url, lineSplitter, readDiscovery } from './logic.js';

const KEY = 'knarr-token';
let token = sessionStorage.getItem(KEY);
let session = new AbortController(); // of this token: what is under way ends with it, and nothing goes out in another's name
let refused = () => {};

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || `the server answered ${status}`);
    this.status = status;
    this.reason = body?.reason ?? '';
  }
}

export const hasToken = () => Boolean(token);

/** Kept for this tab until it is closed or its user logs out. */
export function setToken(value) {
  session.abort();
  session = new AbortController();
  token = value;
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** What happens when the server does not take the token any more. */
export const onRefused = (fn) => (refused = fn);

async function failure(response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = { message: text.slice(0, 300) };
  }
  return new ApiError(response.status, body);
}

async function send(path, { method = 'GET', body, type = 'application/json', accept = 'application/json', signal } = {}) {
  if (!token) throw new DOMException('nobody is logged in', 'AbortError');
  const headers = { Authorization: `Bearer ${token}`, Accept: accept };
  if (body !== undefined) headers['Content-Type'] = type;
  const ends = AbortSignal.any([session.signal, ...(signal ? [signal] : [])]);
  const response = await fetch(path, {
    method, headers, signal: ends, body: body === undefined ? undefined : JSON.stringify(body),
    credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer',
  });
  if (response.ok) return response;
  const error = await failure(response);
  if (error.status === 401) refused(error);
  throw error;
}

export const request = async (path, options) => (await send(path, options)).json();
export const requestText = async (path, options) => (await send(path, options)).text();

/** Everything in a collection, page by page: {items, revision}. */
export async function list(path, query, signal) {
  const items = [];
  for (let next = ''; ;) {
    const q = new URLSearchParams({ ...query, limit: '500', ...(next && { continue: next }) });
    const page = await request(`${path}?${q}`, { signal });
    // The items of a list do not say what they are.
    const kind = page.kind.replace(/List$/, '');
    for (const item of page.items ?? []) items.push({ apiVersion: page.apiVersion, kind, ...item });
    next = page.metadata.continue;
    if (!next) return { items, revision: page.metadata.resourceVersion };
  }
}

/** The pieces of a text as they come, until it ends or the signal says so; `opened` is called when it begins. */
export async function* streamText(path, signal, opened = () => {}) {
  const response = await send(path, { accept: '*/*', signal });
  opened();
  const decoder = new TextDecoder();
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    yield decoder.decode(value, { stream: !done });
    if (done) return;
  }
}

/** Who the token's owner is. */
export async function whoAmI() {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const review = await request('/apis/authentication.k8s.io/v1/selfsubjectreviews', { method: 'POST', body });
  return review.status.userInfo;
}

/** All kinds the server has. */
export async function discover() {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  return readDiscovery(await Promise.all(['/api', '/apis'].map((path) => request(path, { accept }))));
}

// ---- watches ----
//
// A browser opens six plain connections to a server, and any number of WebSockets. So a watch is a WebSocket; where those
// do not get through, it is a streamed answer, and watches take turns on TURNS connections.

const TURNS = 3;
const TURN_MS = 3000;
let sockets = true;

const turns = { free: TURNS, held: [], waiting: [] };

function passTurn() {
  const oldest = turns.held[0];
  if (!turns.waiting.length || !oldest) return;
  const left = oldest.since + TURN_MS - performance.now();
  if (left > 0) setTimeout(passTurn, left);
  else oldest.stop();
}

function leaveTurn(turn) {
  turns.held = turns.held.filter((t) => t !== turn);
  const next = turns.waiting.shift();
  if (next) next();
  else turns.free++;
}

async function takeTurn(stop) {
  const turn = { stop };
  if (turns.free) turns.free--;
  else {
    await new Promise((resolve) => {
      turns.waiting.push(resolve);
      passTurn();
    });
  }
  turn.since = performance.now();
  turns.held.push(turn);
  passTurn();
  return turn;
}

async function watchByFetch(path, signal, opened, onEvent) {
  const own = new AbortController();
  const stop = () => own.abort();
  signal.addEventListener('abort', stop);
  const turn = await takeTurn(stop);
  try {
    if (signal.aborted) return;
    const splitter = lineSplitter();
    for await (const text of streamText(path, own.signal, opened))
      for (const line of splitter.push(text)) if (line) onEvent(JSON.parse(line));
  } catch (error) {
    if (!own.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    leaveTurn(turn);
  }
}

/** Resolves when the stream ends; rejects with `unopened` when it never began. */
function watchBySocket(path, signal, opened, onEvent) {
  return new Promise((resolve, reject) => {
    const protocols = [`base64url.bearer.authorization.k8s.io.${base64url(token)}`, 'binary.k8s.io'];
    const socket = new WebSocket(`wss://${location.host}${path}`, protocols);
    // Closing one that is not open yet makes the browser complain.
    const stop = () => {
      if (socket.readyState !== WebSocket.CONNECTING) socket.close();
      resolve(); // a connection that is dead takes its time to close
    };
    let open = false;
    socket.binaryType = 'arraybuffer';
    signal.addEventListener('abort', stop);
    socket.onopen = () => {
      open = true;
      if (signal.aborted) socket.close();
      else opened();
    };
    socket.onmessage = ({ data }) => {
      const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
      if (signal.aborted) return;
      for (const line of text.split('\n')) if (line) onEvent(JSON.parse(line));
    };
    socket.onclose = () => {
      signal.removeEventListener('abort', stop);
      if (open || signal.aborted) resolve();
      else reject(Object.assign(new Error('the connection could not be opened'), { unopened: true }));
    };
  });
}

/** Calls `opened` once and `onEvent` for each event, until the stream ends. */
export async function watch(path, query, signal, opened, onEvent) {
  const full = `${path}?${new URLSearchParams({ ...query, watch: 'true', allowWatchBookmarks: 'true' })}`;
  if (!sockets) return watchByFetch(full, signal, opened, onEvent);
  try {
    return await watchBySocket(full, signal, opened, onEvent);
  } catch (error) {
    if (!error.unopened) throw error;
    // A browser does not say why. The same by a plain request does; and when that begins, it is WebSockets that do not pass.
    return watchByFetch(full, signal, () => {
      sockets = false;
      opened();
    }, onEvent);
  }
}
