// All workspaces: searched, filtered, put in order and cut into pages by the controller, so that ten thousand are as
// quick as ten.
import { get } from './api.js';
import { badge, draw, h, table, tableRow } from './dom.js';
import { buttons } from './actions.js';
import { age, count, duration, person, plural, STATES, when } from './words.js';

const PAGE = 50;
const TYPING_MS = 250;

const COLUMNS = [{ name: 'Person', sort: 'user_id' }, { name: 'Type', sort: 'workspace_type' }, { name: 'State', sort: 'state' }, { name: 'Idle', sort: 'idle', number: true },
  { name: 'Unsaved', sort: 'unsaved', number: true }, { name: 'Since', sort: 'since' }, { name: 'Actions', cls: 'acts', quiet: true }];

// Minutes are enough: a row is not drawn anew each second.
const rough = (s) => (s === null || s === undefined ? '–' : s < 60 ? 'under 1 min' : duration(s));

export function stateCell(w) {
  const stop = w.stop?.place ? `waits to be stopped, place ${w.stop.place}` : null;
  const restore = w.restore && w.status !== 'ready' ? `restoring ${Math.round((100 * w.restore.done_bytes) / w.restore.total_bytes)} %` : null;
  const note = w.place ? `place ${w.place} in the queue` : stop ?? restore ?? (w.status === 'ready' ? null : w.reason);
  return [badge(w.status, STATES[w.status]), w.job && badge('warn', `job: ${w.job.name}`), note && h('span', { cls: 'under' }, note)];
}

function row(w) {
  return tableRow(COLUMNS, [[h('a', { href: `#/workspaces/${w.id}`, 'data-key': `row-${w.id}` }, person(w)), h('span', { cls: 'id' }, w.id)], w.workspace_type, stateCell(w), rough(w.idle_s),
    w.unsaved_alarm ? badge('bad', duration(w.unsaved_s)) : w.unsaved_s === 0 ? 'saved' : rough(w.unsaved_s), h('time', { datetime: w.since, title: w.since }, when(w.since)), buttons(w)], { 'data-workspace': w.id });
}

const face = (w) => [w.id, w.status, w.reason, w.place, w.stop?.place, rough(w.idle_s), w.unsaved_alarm, w.unsaved_s === 0, rough(w.unsaved_s), w.since, w.job?.name, w.restore?.done_bytes, Boolean(w.url), age(w.since) > 86400];

export class List {
  title = 'Workspaces';

  constructor(query) {
    this.query = query; // URLSearchParams of the address: what is looked for can be sent to somebody
  }

  mount(main, shared) {
    const q = this.query;
    this.body = h('div');
    this.pages = h('div', { cls: 'pages' });
    this.search = h('input', { type: 'search', id: 'search', value: q.get('q') ?? '', placeholder: 'Name, id, label or reason', maxlength: 80, autocomplete: 'off', spellcheck: 'false',
      on: { input: () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.set({ q: this.search.value, page: null }), TYPING_MS); } } });
    this.states = h('select', { on: { change: () => this.set({ state: this.states.value, page: null }) } });
    this.types = h('select', { on: { change: () => this.set({ type: this.types.value, page: null }) } });
    main.replaceChildren(h('h1', { cls: 'unseen' }, 'Workspaces'), h('section', { cls: 'card stack', 'aria-label': 'Workspaces' },
      h('div', { cls: 'filters' }, h('label', null, h('span', null, 'Search'), this.search), h('label', null, h('span', null, 'State'), this.states), h('label', null, h('span', null, 'Type'), this.types)),
      this.body, this.pages));
    this.filters(shared.overview);
  }

  unmount() { clearTimeout(this.typing); }

  filters(o) {
    const options = (node, chosen, list) => draw(node, [chosen, list], () => list.map(([value, text]) => h('option', { value, selected: value === chosen }, text)));
    options(this.states, this.query.get('state') ?? '', [['', `Every state (${count(o.total)})`], ...['attention', 'running', 'starting', 'saving', 'recovering', 'stopped', 'deleted'].map((s) => [s, `${STATES[s]} (${count(o.workspaces[s])})`])]);
    options(this.types, this.query.get('type') ?? '', [['', 'Every type'], ...o.pools.map((p) => [p.workspace_type, p.workspace_type])]);
  }

  set(changes) {
    for (const [k, v] of Object.entries(changes)) {
      if (v) this.query.set(k, v);
      else this.query.delete(k);
    }
    history.replaceState(null, '', `#/workspaces${this.query.size ? `?${this.query}` : ''}`);
    this.reload();
  }

  reload = () => {};

  address() {
    const q = this.query, out = new URLSearchParams({ limit: PAGE, offset: (this.page() - 1) * PAGE, sort: q.get('sort') ?? 'state' });
    const words = (q.get('q') ?? '').replace(/[^ -~]/g, '').trim();
    if (words) out.set('q', words);
    for (const [from, to] of [['state', 'state'], ['type', 'workspace_type']]) if (q.get(from)) out.set(to, q.get(from));
    return `/v1/workspaces?${out}`;
  }

  page() { return Math.max(1, Number.parseInt(this.query.get('page') ?? '1', 10) || 1); }

  async load(shared) {
    const address = this.address();
    const list = await get(address);
    if (address !== this.address()) return; // something else is looked for by now
    if (list.workspaces.length === 0 && list.total > 0) {
      this.set({ page: null });
      return;
    }
    this.shown = new Set(list.workspaces.map((w) => w.id));
    this.filters(shared.overview);
    draw(this.body, [list.workspaces.map(face), this.query.get('sort'), shared.me.roles], () => this.table(list));
    draw(this.pages, [list.total, this.page()], () => this.pager(list));
  }

  table(list) {
    if (list.total === 0) return h('p', { cls: 'soft' }, this.query.size ? 'No workspace is like that.' : 'There is no workspace yet. Launch one, and it appears here.');
    const order = this.query.get('sort') ?? 'state';
    const columns = COLUMNS.map((c) => (c.sort ? { ...c, sorted: order === c.sort ? 'ascending' : order === `-${c.sort}` ? 'descending' : null,
      head: h('button', { type: 'button', 'data-key': `sort-${c.sort}`, on: { click: () => this.set({ sort: order === c.sort ? `-${c.sort}` : c.sort, page: null }) } }, c.name,
        h('span', { 'aria-hidden': 'true' }, order === c.sort ? '↑' : order === `-${c.sort}` ? '↓' : '')) } : c));
    return table('Workspaces', columns, list.workspaces.map(row));
  }

  pager(list) {
    const at = this.page(), last = Math.max(1, Math.ceil(list.total / PAGE));
    const step = (name, to, ok) => h('button', { type: 'button', cls: 'slim', disabled: !ok, 'data-key': `page-${name}`, on: { click: () => { this.set({ page: to > 1 ? String(to) : null }); scrollTo({ top: 0 }); } } }, name);
    return [h('p', { cls: 'soft', id: 'total' }, list.total ? `${count((at - 1) * PAGE + 1)}–${count(Math.min(at * PAGE, list.total))} of ${plural(list.total, 'workspace')}` : plural(0, 'workspace')),
      last > 1 && h('div', { cls: 'row' }, step('First', 1, at > 1), step('Previous', at - 1, at > 1), h('span', null, `Page ${count(at)} of ${count(last)}`), step('Next', at + 1, at < last), step('Last', last, at < last))];
  }
}
