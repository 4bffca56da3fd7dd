'use strict';
// The plain page: lists workspaces and pools once a second while it is visible, launches, stops.
// The API token stays in this tab's sessionStorage and goes nowhere but into the header.

const $ = (id) => document.getElementById(id);
const KEY = 'workspaces-api-token';
const POLL_MS = 1000;
let timer = 0;
let busy = false;

function takeTokenFromAddress() {
  const m = /^#token=(.+)$/.exec(location.hash);
  if (!m) return;
  sessionStorage.setItem(KEY, decodeURIComponent(m[1]));
  history.replaceState(null, '', location.pathname + location.search);
}

class ApiError extends Error {
  constructor(status, error) {
    super(error ? `${error.message}${error.hint ? ` (${error.hint})` : ''}` : `status ${status}`);
    this.status = status;
  }
}

async function api(method, path, body, headers) {
  const response = await fetch(path, {
    method,
    cache: 'no-store',
    credentials: 'omit',
    headers: {
      Authorization: `Bearer ${sessionStorage.getItem(KEY) || ''}`,
      ...(body ? { 'Content-Type': 'application/json' } : {}),
      ...headers,
    },
    body: body ? JSON.stringify(body) : undefined,
  });
  const text = await response.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { /* a proxy's own page */ }
  if (!response.ok) throw new ApiError(response.status, json && json.error);
  return json;
}

function showError(error) {
  $('error').hidden = !error;
  $('error').textContent = error ? String(error.message || error) : '';
}

function element(tag, text, props) {
  const e = Object.assign(document.createElement(tag), props);
  if (text !== undefined && text !== null) e.textContent = text;
  return e;
}

function duration(s) {
  if (s === null || s === undefined) return '–';
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d`;
}

function actionButton(label, w, run) {
  const b = element('button', label, { type: 'button' });
  b.setAttribute('aria-label', `${label} ${w.id} of ${w.user_id}`);
  b.addEventListener('click', async () => {
    b.disabled = true;
    try { await run(); showError(null); } catch (e) { showError(e); }
    poll();
  });
  return b;
}

function actions(w) {
  const cell = element('td');
  if (w.url) cell.append(element('a', 'Open', { href: w.url, target: '_blank', rel: 'noopener' }));
  if (['starting', 'running', 'attention'].includes(w.state)) {
    cell.append(actionButton('Stop', w, () => api('POST', `/v1/workspaces/${w.id}/stop`)));
  }
  if (w.state === 'stopped') {
    cell.append(actionButton('Resume', w, () => api('POST', `/v1/workspaces/${w.id}/launch`)));
  }
  return cell;
}

function workspaceRow(w) {
  const tr = element('tr');
  const state = element('td');
  state.append(element('span', w.status, { className: `state ${w.status}` }));
  if (w.reason) state.append(element('small', w.reason));
  const since = w.since ? new Date(w.since).toLocaleString() : '–';
  tr.append(element('td', w.id, { className: 'id' }),
    element('td', w.name === 'default' ? w.user_id : `${w.user_id} / ${w.name}`),
    element('td', w.workspace_type), state, element('td', duration(w.idle_s)),
    element('td', duration(w.unsaved_s)), element('td', since), actions(w));
  return tr;
}

// Rows are replaced only when they changed, so that a focused button keeps its focus.
const shown = new Map();

function showWorkspaces(list) {
  const body = $('rows');
  const ids = new Set(list.map((w) => w.id));
  for (const [id, row] of shown) {
    if (!ids.has(id)) { row.tr.remove(); shown.delete(id); }
  }
  for (const w of list) {
    const face = JSON.stringify({ ...w, url: null, heard_s: null, idle: duration(w.idle_s),
      idle_s: null, unsaved: duration(w.unsaved_s), unsaved_s: null });
    const old = shown.get(w.id);
    if (old && old.face === face) continue;
    const tr = workspaceRow(w);
    if (old) old.tr.replaceWith(tr); else body.append(tr);
    shown.set(w.id, { tr, face });
  }
  $('none').hidden = list.length > 0;
}

function showPools(pools) {
  $('pools').replaceChildren(...pools.map((p) => {
    const tr = element('tr');
    for (const v of [p.workspace_type, p.warm, p.target, p.launching, p.claimed, p.waiting, p.reason]) {
      tr.append(element('td', v));
    }
    return tr;
  }));
  const select = $('launch').elements.workspace_type;
  const types = pools.map((p) => p.workspace_type);
  if (types.join() !== [...select.options].map((o) => o.value).join()) {
    select.replaceChildren(...types.map((t) => element('option', t, { value: t })));
  }
}

function askForToken(message) {
  clearTimeout(timer);
  $('app').hidden = true;
  $('login').hidden = false;
  $('live').textContent = '';
  showError(message);
  $('token').focus();
}

async function poll() {
  clearTimeout(timer);
  if (busy) return;
  busy = true;
  try {
    const [list, pools] = await Promise.all([api('GET', '/v1/workspaces'), api('GET', '/v1/pools')]);
    $('login').hidden = true;
    $('app').hidden = false;
    showWorkspaces(list.workspaces);
    showPools(pools.pools);
    $('live').textContent = `${list.total} ${list.total === 1 ? 'workspace' : 'workspaces'}, live`;
  } catch (e) {
    if (e.status === 401) {
      sessionStorage.removeItem(KEY);
      busy = false;
      askForToken('The API token was not accepted.');
      return;
    }
    $('live').textContent = `not up to date: ${e.message}`;
  }
  busy = false;
  if (!document.hidden) timer = setTimeout(poll, POLL_MS);
}

$('login').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $('token').value.trim());
  $('token').value = '';
  showError(null);
  poll();
});

$('launch').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector('button');
  const request = { user_id: form.elements.user_id.value, workspace_type: form.elements.workspace_type.value };
  if (form.elements.name.value) request.name = form.elements.name.value;
  button.disabled = true;
  $('launched').textContent = 'Starting…';
  showError(null);
  try {
    const w = await api('POST', '/v1/workspaces', request, { Prefer: 'wait=30' });
    $('launched').replaceChildren(
      w.status === 'ready' ? `Ready in ${w.startup_time.toFixed(1)} s: ` : 'It is still starting: ',
      element('a', w.id, { href: w.url, target: '_blank', rel: 'noopener' }));
  } catch (e) {
    $('launched').textContent = '';
    showError(e);
  }
  button.disabled = false;
  poll();
});

$('logout').addEventListener('click', () => {
  sessionStorage.removeItem(KEY);
  askForToken(null);
});

document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
window.addEventListener('hashchange', () => { takeTokenFromAddress(); poll(); });

takeTokenFromAddress();
if (sessionStorage.getItem(KEY)) poll(); else askForToken(null);
