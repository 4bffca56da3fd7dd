// One workspace: its state and why, its states over time, the evidence, its saves, its history.
import { get, may } from './api.js';
import { badge, draw, h, s, table, tableRow } from './dom.js';
import { buttons, restore } from './actions.js';
import { stateCell } from './list.js';
import { bytes, count, duration, eventDetail, eventName, kindName, person, plural, sourceName, when } from './words.js';

// What the history's words make of its state.
const STATE_OF = { claimed: 'starting', ready: 'ready', stopping: 'saving', 'stop-cancelled': 'ready', declined: 'ready', resumed: 'ready', resuming: 'starting', stopped: 'stopped', attention: 'attention',
  lost: 'recovering', recovered: 'stopped', deleted: 'stopped', abandoned: 'stopped' };

function segments(events, now) {
  const out = [];
  for (const e of events) {
    const state = STATE_OF[e.what];
    if (!state || out.at(-1)?.state === state) continue;
    if (out.length) out.at(-1).to = Date.parse(e.at);
    out.push({ state, from: Date.parse(e.at), to: now });
  }
  return out;
}

function timeline(events) {
  const now = Date.now();
  const list = segments(events, now).filter((p) => now - p.to < 86400000);
  if (!list.length) return h('p', { cls: 'soft' }, 'Nothing happened in the last 24 hours.');
  const from = Math.max(list[0].from, now - 86400000), span = Math.max(now - from, 1000);
  const x = (t) => (1000 * (Math.max(t, from) - from)) / span;
  return [s('svg', { cls: 'strip', viewBox: '0 0 1000 28', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, list.map((p) => s('rect', { cls: p.state, x: x(p.from), width: Math.max(2, x(p.to) - x(p.from)), height: 28 }, s('title', null, p.state)))),
    h('p', { cls: 'head soft small' }, h('span', null, when(new Date(from).toISOString())), h('span', null, 'now')),
    h('ol', { cls: 'events' }, list.slice(-6).reverse().map((p) => h('li', null, h('time', { datetime: new Date(p.from).toISOString() }, when(new Date(p.from).toISOString(), true)),
      h('p', null, badge(p.state), ' ', h('span', { cls: 'soft small' }, `for ${duration((p.to - p.from) / 1000)}`)))))];
}

// The kind is of the newest: an end of activity comes behind what was a person's.
const kindOf = (g, y) => (g.source === y.person_by && g.kind === 'machine' ? 'a person, then a machine' : kindName(g.kind));

const EVIDENCE = [{ name: 'Source' }, { name: 'Counts as' }, { name: 'Last', number: true }, { name: 'Times', number: true }];

function why(y) {
  const limits = y.limits ? Object.entries(y.limits).filter(([k, v]) => k.endsWith('_s') && v !== null).map(([k, v]) => `${k.slice(0, -2).replaceAll('_', ' ')} ${duration(v)}`).join(' · ') : null;
  return [h('p', null, y.rule),
    y.stops_at && h('p', null, h('strong', null, `Stops at ${when(y.stops_at)} if nobody comes`), ` (limit: ${y.stop_rule})`),
    limits && h('p', { cls: 'soft small' }, `Limits: ${limits}`),
    y.hints.map((t) => h('p', { cls: 'soft small' }, t)),
    y.signals.length > 0 && table('Evidence', EVIDENCE, y.signals.map((g) => tableRow(EVIDENCE, [[g.source, sourceName(g.source) && h('span', { cls: 'under' }, sourceName(g.source))], kindOf(g, y), g.age_s === null ? 'never' : `${duration(g.age_s)} ago`, count(g.count)])))];
}

function facts(w) {
  const rows = [['Person', w.user_id], ['Type', w.workspace_type], ['Name', w.name], w.tenant !== 'default' && ['Tenant', w.tenant], ...Object.entries(w.labels).map(([k, v]) => [k, String(v)]),
    ['Idle', duration(w.idle_s)], ['Unsaved', w.unsaved_s === 0 ? 'everything is saved' : duration(w.unsaved_s)], w.save && ['Last save', `${w.save.generation}-${w.save.seq}, ${when(w.save.at)}`],
    w.job && ['Job', `${w.job.name}, may hold it for ${duration(w.job.holds_s)}`], w.claim_to_ready_s !== null && ['Started in', `${w.claim_to_ready_s.toFixed(1)} s`],
    w.task && ['Container', w.task], ['Starts', count(w.generation)], ['Created', when(w.created_at)], w.erase_at && ['Erased at', when(w.erase_at)], w.agent_error && ['Agent says', w.agent_error]];
  return h('dl', { cls: 'facts' }, rows.filter(Boolean).map(([k, v]) => [h('dt', null, k), h('dd', null, v)]));
}

const SAVES = [{ name: 'Save' }, { name: 'Made' }, { name: 'Files', number: true }, { name: 'Size', number: true }, { name: 'New', number: true }, { name: 'Marks' }, { name: 'Actions', cls: 'acts', quiet: true }];

function saves(w, list) {
  if (list.error) return h('p', { cls: 'error' }, list.error);
  if (!list.saves.length) return h('p', { cls: 'soft' }, 'Nothing is saved yet.');
  const back = may('operate') && w.state === 'stopped';
  return [table('Saves', SAVES, list.saves.map((x) => tableRow(SAVES, [x.save, when(x.at), count(x.entries), bytes(x.bytes), bytes(x.new_bytes),
    [x.head && badge('ready', 'next start'), x.previous && badge('stopped', 'the one before'), x.pinned && badge('warn', 'pinned'), x.aside && badge('warn', 'aside')].filter(Boolean),
    back && !x.head ? h('button', { type: 'button', cls: 'slim', 'data-key': `save-${x.save}`, 'aria-label': `Go back to the save ${x.save}`, on: { click: () => restore(w, x, when(x.at)) } }, 'Go back…') : null]))),
  may('operate') && !back && w.state !== 'deleted' && h('p', { cls: 'soft small' }, 'Going back to an older save is possible while it is stopped.')];
}

// `of`: whose it is, where that is not plain from the page.
export const eventItem = (e, of) => h('li', { 'data-seq': e.seq }, h('time', { datetime: e.at }, when(e.at, true)),
  h('div', null, h('p', null, h('strong', null, eventName(e.what)), of && e.workspace && [' ', h('a', { href: `#/workspaces/${e.workspace}`, title: e.workspace, 'data-key': `event-${e.seq}` }, of)],
    e.actor && e.actor !== 'core' && h('span', { cls: 'soft' }, ` by ${e.actor}`)), e.detail && h('p', { cls: 'detail small' }, eventDetail(e))));

const section = (title, node) => h('section', { cls: 'card' }, h('header', null, h('h2', null, title)), node);

export class Workspace {
  title = 'Workspace';
  parts = { head: h('div', { cls: 'card' }), why: h('div', { cls: 'stack' }), time: h('div'), facts: h('div'), saves: h('div'), events: h('ol', { cls: 'events' }) };

  constructor(id) {
    this.id = id;
    this.stale = true;
  }

  mount(main) {
    const p = this.parts;
    main.replaceChildren(h('div', { cls: 'stack' }, h('p', null, h('a', { href: '#/workspaces' }, '← All workspaces')), p.head,
      h('div', { cls: 'split' }, h('div', { cls: 'stack' }, section('Why it is as it is', p.why), section('Saves', p.saves), section('History', p.events)),
        h('div', { cls: 'stack' }, section('The last 24 hours', p.time), section('Details', p.facts)))));
  }

  unmount() {}

  // The list of saves is asked of the storage only when something happened.
  onEvents(events) { if (events.some((e) => e.workspace === this.id || !e.seq)) this.stale = true; }

  async load() {
    const stale = this.stale;
    this.stale = false;
    const base = `/v1/workspaces/${this.id}`;
    const [y, history, list] = await Promise.all([get(`${base}/why`), get(`${base}/events?limit=100`), stale || !this.list ? get(`${base}/saves`).catch((e) => ({ error: e.message, saves: [] })) : this.list]);
    this.list = list;
    this.show(y, history.events);
  }

  show(y, events) {
    const p = this.parts, w = y.workspace;
    document.title = `${person(w)} – Workspaces`;
    draw(p.head, [w.status, w.reason, w.place, w.stop?.place, w.job?.name, w.restore, Boolean(w.url), person(w), may('launch')], () => [h('div', { cls: 'head' }, h('div', null, h('h1', null, person(w)), h('p', { cls: 'id soft' }, w.id)), h('div', { cls: 'row' }, buttons(w, { all: true, slim: false }))),
      h('p', { cls: 'row', id: 'state' }, stateCell(w))]);
    draw(p.why, [y.rule.replace(/\d+ s\b/g, ''), y.stop_rule, when(y.stops_at), y.limits, y.hints, y.signals.map((g) => [g.source, duration(Math.floor((g.age_s ?? 0) / 10) * 10), g.count])], () => why(y));
    draw(p.facts, [w, null].map((x) => x && { ...x, heard_s: 0, url: 0, idle_s: duration(w.idle_s), unsaved_s: duration(w.unsaved_s) }), () => facts(w));
    draw(p.saves, [this.list, w.state, may('operate')], () => saves(w, this.list));
    draw(p.events, events.at(-1)?.seq ?? 0, () => (events.length ? [...events].reverse().map((e) => eventItem(e)) : h('li', null, 'Nothing happened yet.')));
    draw(p.time, [events.at(-1)?.seq, Math.floor(Date.now() / 60000)], () => timeline(events));
  }
}

export const missing = (id) => h('section', { cls: 'card' }, h('h1', null, 'There is no such workspace'), h('p', { cls: 'soft' }, plural(0, 'workspace'), ` has the id ${id}. It may have been erased.`), h('p', null, h('a', { href: '#/workspaces' }, 'All workspaces')));
