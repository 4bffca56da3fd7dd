// What happens in the fleet, as it happens: the newest rows of the history, which can be held for reading.
import { get } from './api.js';
import { draw, h } from './dom.js';
import { eventItem } from './workspace.js';
import { count, person } from './words.js';

const KEPT = 200;
const NAMES_AT_ONCE = 20;

const names = new Map(); // of workspaces, by id

export class Activity {
  title = 'Activity';
  rows = [];
  waiting = [];
  held = false;

  mount(main) {
    this.list = h('ol', { cls: 'events' });
    this.hold = h('button', { type: 'button', 'aria-pressed': 'false', on: { click: () => this.toggle() } }, 'Hold');
    this.filter = h('input', { type: 'search', placeholder: 'Only rows with…', 'aria-label': 'Only rows with', maxlength: 80, on: { input: () => this.show() } });
    this.note = h('p', { cls: 'soft small' });
    main.replaceChildren(h('section', { cls: 'card' }, h('header', null, h('h1', null, 'Activity'), h('div', { cls: 'row' }, h('div', null, this.filter), this.hold)), this.note, this.list));
  }

  unmount() {}

  toggle() {
    this.held = !this.held;
    this.hold.setAttribute('aria-pressed', String(this.held));
    this.hold.textContent = this.held ? 'Go on' : 'Hold';
    if (!this.held) this.take(this.waiting.splice(0));
    this.show();
  }

  // Once, at the start; then rows come by themselves.
  async load(shared) {
    if (this.loaded) return;
    this.loaded = true;
    const after = Math.max(0, shared.overview.last_event - KEPT);
    this.take((await get(`/v1/events?after=${after}`)).events);
    this.show();
  }

  onEvents(events) {
    if (!this.loaded) return;
    if (this.held) this.waiting = [...this.waiting, ...events].slice(-KEPT);
    else this.take(events);
    this.show();
  }

  take(events) {
    const known = new Set(this.rows.map((e) => e.seq));
    this.rows = [...events.filter((e) => e.seq && !known.has(e.seq)).reverse(), ...this.rows].slice(0, KEPT);
  }

  // Whose they are: asked once each, the newest first.
  async learn() {
    const unknown = [...new Set(this.rows.map((e) => e.workspace))].filter((id) => id && !names.has(id)).slice(0, NAMES_AT_ONCE);
    for (const id of unknown) names.set(id, null);
    await Promise.all(unknown.map((id) => get(`/v1/workspaces/${id}`).then((w) => names.set(id, person(w)), () => {})));
    if (unknown.length) this.show();
  }

  show() {
    this.learn();
    const words = this.filter.value.trim().toLowerCase();
    const rows = words ? this.rows.filter((e) => JSON.stringify([...Object.values(e), names.get(e.workspace)]).toLowerCase().includes(words)) : this.rows;
    this.note.textContent = this.held ? `Held; ${count(this.waiting.length)} new` : `The newest ${count(this.rows.length)}. Older ones: wsctl events.`;
    draw(this.list, rows.map((e) => [e.seq, names.get(e.workspace)]), () => (rows.length ? rows.map((e) => eventItem(e, names.get(e.workspace) ?? e.workspace)) : h('li', { cls: 'soft' }, 'Nothing yet.')));
  }
}
