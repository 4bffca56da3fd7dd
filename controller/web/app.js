// The dashboard: signs in, shows the page that the address names, keeps it up to date.
//
// Events say that something changed, not what to draw: many at once are answered by one look, and looks keep a
// distance that grows with what a look takes, so that a busy fleet costs a page no more than a quiet one.
import { ApiError, get, may, me, token } from './api.js';
import { announce, byId, h } from './dom.js';
import { Activity } from './activity.js';
import { clock } from './words.js';
import { Fleet } from './fleet.js';
import { launchNew, whenChanged } from './actions.js';
import { List } from './list.js';
import { Live } from './live.js';
import { applyTheme, openSettings, shortcutsOn } from './settings.js';
import { missing, Workspace } from './workspace.js';

const SOON_MS = 150;
const APART_MS = 1000;
const POLL_MS = 15000;

const shared = { overview: null, me };
let view = null, timer = 0, looking = false, again = false, lastLook = 0, took = 0, attentive = 0, pollLost = null;

// ---- who ----

function signIn(message) {
  live.stop();
  clearTimeout(timer);
  view?.unmount();
  view = null;
  for (const id of ['nav', 'live', 'launch', 'menu', 'lost']) byId(id).hidden = true;
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  byId('main').replaceChildren(h('section', { cls: 'card sign-in' }, h('h1', null, 'Sign in'),
    h('p', { cls: 'soft' }, 'With a token of the API. The first one stands in the file ', h('code', null, 'api.token'), ' of the controller’s state folder; others are in its ', h('code', null, 'token_file'), '. ',
      h('code', null, 'images/local/run'), ' prints a link that signs in by itself.'),
    h('form', { on: { submit: (e) => { e.preventDefault(); token.set(input.value.trim()); begin(); } } }, h('label', null, h('span', null, 'Token'), input),
      message && h('p', { cls: 'error', role: 'alert' }, message), h('button', { type: 'submit', cls: 'primary' }, 'Sign in'))));
  document.title = 'Sign in – Workspaces';
  input.focus();
}

function signOut() {
  token.forget();
  signIn(null);
}

async function begin() {
  if (!token.get()) return signIn(null);
  try {
    Object.assign(me, await get('/v1/whoami'));
    shared.overview = await overview();
  } catch (e) {
    if (e instanceof ApiError && e.status === 401) {
      token.forget();
      return signIn('This controller does not know this token. Was it copied whole, and is it of this controller?');
    }
    return signIn(`The controller cannot be reached: ${e.message}`);
  }
  for (const id of ['nav', 'live', 'menu']) byId(id).hidden = false;
  byId('launch').hidden = !may('launch');
  attentive = shared.overview.workspaces.attention;
  live.start(shared.overview.last_event);
  return route();
}

// ---- where ----

function viewOf(hash) {
  const [path, query] = hash.replace(/^#\/?/, '').split('?');
  const [page, id] = path.split('/');
  if (page === 'workspaces' && id) return ['list', new Workspace(decodeURIComponent(id))];
  if (page === 'workspaces') return ['list', new List(new URLSearchParams(query))];
  if (page === 'activity') return ['activity', new Activity()];
  return ['fleet', new Fleet()];
}

function route() {
  if (!shared.overview) return;
  const moved = view !== null;
  view?.unmount();
  const [page, next] = viewOf(location.hash);
  view = next;
  for (const a of document.querySelectorAll('#nav a')) {
    if (a.dataset.page === page) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  document.title = `${view.title} – Workspaces`;
  view.reload = () => look();
  view.mount(byId('main'), shared);
  if (moved) {
    scrollTo(0, 0);
    byId('main').focus({ preventScroll: true });
    announce(view.title);
  }
  look();
}

// ---- up to date ----

async function overview() {
  const o = await get('/v1/overview');
  o.total = Object.entries(o.workspaces).reduce((n, [state, k]) => n + (state === 'deleted' ? 0 : k), 0);
  return o;
}

function soon() {
  if (looking) {
    again = true;
    return;
  }
  clearTimeout(timer);
  const apart = Math.max(APART_MS, 4 * took);
  timer = setTimeout(look, Math.max(SOON_MS, lastLook + apart - Date.now()));
}

async function look() {
  if (looking) {
    again = true;
    return;
  }
  clearTimeout(timer);
  looking = true;
  again = false;
  lastLook = Date.now();
  const of = view;
  try {
    shared.overview = await overview();
    if (of === view) await view?.load(shared);
    pollLost = null;
    tellAttention();
  } catch (e) {
    if (!failed(e, of)) return;
  } finally {
    took = Date.now() - lastLook;
    looking = false;
  }
  showLive();
  if (again || of !== view) soon();
  else if (!document.hidden && view) timer = setTimeout(look, POLL_MS);
}

// False: there is no page any more that could be looked at.
function failed(e, of) {
  if (e instanceof ApiError && e.status === 401) {
    token.forget();
    signIn('The token is not good any more.');
    return false;
  }
  if (of === view && of instanceof Workspace && e.code === 'unknown-workspace') {
    byId('main').replaceChildren(missing(of.id));
    view.load = async () => {};
  } else {
    pollLost = { since: pollLost?.since ?? new Date(), text: e.name === 'TimeoutError' ? 'no answer in time' : e instanceof ApiError ? e.message : 'the controller cannot be reached' };
  }
  return true;
}

function tellAttention() {
  const n = shared.overview.workspaces.attention;
  if (n > attentive) announce(n === 1 ? 'A workspace needs attention.' : `${n} workspaces need attention.`);
  attentive = n;
}

let pending = [];
const live = new Live({
  onEvent: (event) => {
    pending.push(event);
    if (pending.length === 1) setTimeout(() => { view?.onEvents?.(pending); pending = []; soon(); }, SOON_MS);
  },
  onState: (state) => { showLive(state); if (state.state === 'on' && shared.overview) soon(); },
});

let liveState = { state: 'off' };

function showLive(state = liveState) {
  const was = liveState.state;
  liveState = state;
  const node = byId('live'), banner = byId('lost');
  const lost = state.state !== 'on' && state.since;
  node.dataset.live = pollLost || lost ? 'off' : state.state;
  node.textContent = pollLost || lost ? 'Not live' : state.state === 'on' ? 'Live' : 'Connecting…';
  const since = pollLost?.since ?? state.since;
  banner.hidden = !(pollLost || lost) || !view;
  if (!banner.hidden) banner.textContent = `Not live since ${clock(since, true)}${pollLost ? `: ${pollLost.text}` : ''}. What is shown is of then; it is tried again by itself.`;
  if (lost && was === 'on') announce('The connection to the controller is lost.');
  if (state.state === 'on' && was !== 'on' && was !== 'wait') announce('Live again.');
}

// ---- what is pressed ----

function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || !shortcutsOn() || !view || document.querySelector('dialog[open]') || e.target.closest('input, select, textarea')) return;
  const go = { 1: '#/', 2: '#/workspaces', 3: '#/activity' }[e.key];
  if (go) location.hash = go;
  else if (e.key === '/') search();
  else if (e.key === 'n' && may('launch')) launch();
  else if (e.key === '?') openSettings(signOut);
  else return;
  e.preventDefault();
}

function search() {
  if (!(view instanceof List)) {
    history.pushState(null, '', '#/workspaces');
    route();
  }
  byId('search').focus();
}

const launch = () => launchNew(shared.overview.pools.map((p) => p.workspace_type));

applyTheme();
whenChanged(() => { view?.onEvents?.([{}]); look(); });
byId('launch').addEventListener('click', launch);
byId('menu').addEventListener('click', () => openSettings(signOut));
byId('skip').addEventListener('click', (e) => { e.preventDefault(); byId('main').focus(); });
document.addEventListener('keydown', onKey);
document.addEventListener('visibilitychange', () => { if (!document.hidden && view) { live.again(); look(); } });
window.addEventListener('online', () => live.again());
window.addEventListener('hashchange', () => { if (token.fromAddress()) begin(); else route(); });

token.fromAddress();
begin();
