// The fleet at a glance: what needs somebody, how many of what, pools, the day, costs, switches.
import { get, may } from './api.js';
import { badge, draw, h, icon, table, tableRow } from './dom.js';
import { attention } from './attention.js';
import { dayChart } from './chart.js';
import { setMode, setPool } from './actions.js';
import { count, duration, MODES, money, plural, when } from './words.js';

const DAY_MS = 60000;
const TODO_MAX = 8;

function tile(name, value, note, { href, alarm, glyph } = {}) {
  return h(href ? 'a' : 'div', { cls: alarm ? 'tile alarm' : 'tile', href, 'data-tile': name, 'data-key': href && `tile-${name}` },
    h('span', { cls: 'name' }, glyph && icon(glyph), name), h('span', { cls: 'value' }, value), h('span', { cls: 'note' }, note));
}

function tiles(o) {
  const w = o.workspaces;
  const sum = (k) => o.pools.reduce((a, p) => a + p[k], 0);
  const attentive = w.attention;
  return [
    tile('Attention', count(attentive), attentive ? 'cannot be saved' : 'nobody is stuck', { href: '#/workspaces?state=attention', alarm: attentive > 0, glyph: 'attention' }),
    tile('Running', count(w.running), `of ${plural(o.total, 'workspace')}`, { href: '#/workspaces?state=running&sort=idle', glyph: 'ready' }),
    tile('Idle', count(o.idle), 'nobody for 5 min', { href: '#/workspaces?state=running&sort=-idle', glyph: 'idle' }),
    tile('Starting', count(w.starting), sum('waiting') ? `${count(sum('waiting'))} waiting` : 'nobody waits', { href: '#/workspaces?state=starting', glyph: 'starting' }),
    tile('Saving', count(w.saving + w.recovering), o.stops.waiting ? `${count(o.stops.waiting)} wait, ${duration(o.stops.eta_s)}` : 'none waits', { href: '#/workspaces?state=saving', glyph: 'saving' }),
    tile('Warm', [count(sum('warm')), h('small', null, ` of ${count(sum('target'))}`)], sum('launching') ? `${count(sum('launching'))} launching` : 'containers ready', { glyph: 'warm' }),
  ];
}

const POOL_COLUMNS = [{ name: 'Type' }, { name: 'Warm / target' }, { name: 'Launching', number: true }, { name: 'In use', number: true }, { name: 'Waiting', number: true }, { name: 'Found warm', number: true },
  { name: 'Why this target' }, { name: 'Change', cls: 'acts', quiet: true }];

const share = (p) => (p.hits + p.misses ? `${Math.round((100 * p.hits) / (p.hits + p.misses))} %` : '–');

const bar = (value, max, cls) => { const i = h('i'); i.style.width = `${max > 0 ? Math.min(100, (100 * value) / max) : 0}%`; return h('span', { cls: `bar ${cls ?? ''}`, 'aria-hidden': 'true' }, i); };

function poolRow(p) {
  const small = [p.next_change && `next change ${when(p.next_change)}`, p.outdated && `${p.outdated} of an older version`, p.lead_s && `${duration(p.lead_s)} to warm`].filter(Boolean).join(' · ');
  return tableRow(POOL_COLUMNS, [p.workspace_type, [`${count(p.warm)} of ${count(p.target)}`, bar(p.warm, p.target)], count(p.launching), count(p.claimed),
    p.waiting ? badge('warn', count(p.waiting)) : '0', share(p), [p.reason ?? '–', h('span', { cls: 'under' }, [p.policy === 'set' ? 'set by hand' : `policy ${p.policy}`, small].filter(Boolean).join(' · '))],
    may('operate') ? h('button', { type: 'button', cls: 'slim', 'data-key': `pool-${p.workspace_type}`, 'aria-label': `Set the pool of ${p.workspace_type}`, on: { click: () => setPool(p) } }, 'Set…') : null], { 'data-pool': p.workspace_type });
}

function compare(now, always, show) {
  const max = Math.max(now, always);
  return h('div', { cls: 'pair' }, h('span', null, 'This fleet'), bar(now, max, 'use'), h('span', null, show(now)), h('span', null, 'Always on'), bar(always, max, 'always'), h('span', null, show(always)));
}

function spent(name, p, priced) {
  const [now, always, show] = priced ? [p.dollars, p.always_on_dollars, money] : [p.task_hours, p.always_on_task_hours, (v) => (v < 1 ? `${Math.round(v * 60)} min` : `${v.toLocaleString('en-US', { maximumFractionDigits: 1 })} h`)];
  const less = always > now ? `${Math.round(100 * (1 - now / always))} % less than always on` : 'more than always on would: full pools for few workspaces';
  return h('div', null, h('h3', { cls: 'soft' }, name), h('p', { cls: 'big' }, show(now)), compare(now, always, show), h('p', { cls: 'soft small' }, `${less} · counted since ${when(p.since)}`));
}

function costs(c) {
  if (!c) return h('p', { cls: 'soft' }, 'Costs are counted by the controller that leads.');
  return h('div', { cls: 'money' }, spent('Today (UTC)', c.today, c.priced), spent('This month', c.month, c.priced),
    h('p', { cls: 'soft small' }, c.priced ? `Now ${money(c.dollars_per_hour)} an hour; always on would be ${money(c.always_on_dollars_per_hour)}: a container for every workspace, day and night.`
      : 'Container hours. Set task_price of each type in the configuration to see dollars. Always on is a container for every workspace, day and night.'));
}

function switches(o) {
  const types = o.pools.map((p) => p.workspace_type);
  return h('ul', { cls: 'switches' }, Object.entries(MODES).map(([mode, m]) => {
    const on = o.modes.filter((x) => x.mode === mode);
    const state = on.length ? on.map((x) => `${x.workspace_type ?? 'every type'}: ${x.why}`).join('; ') : m.off;
    const everywhere = on.find((x) => !x.workspace_type);
    return h('li', { 'data-mode': mode }, h('div', null, h('p', null, h('strong', null, m.name), ' ', on.length ? badge('warn', 'on') : h('span', { cls: 'soft' }, 'off')), h('p', { cls: 'soft small' }, state)),
      may('operate') && h('button', { type: 'button', role: 'switch', 'aria-checked': String(Boolean(on.length)), cls: 'slim', 'data-key': `mode-${mode}`, 'aria-label': `${m.name} mode`,
        on: { click: () => (on.length ? setMode(mode, false, (everywhere ?? on[0]).workspace_type) : setMode(mode, true, null, types)) } }, on.length ? 'End…' : 'Begin…'));
  }));
}

const section = (title, node, note) => h('section', { cls: 'card' }, h('header', null, h('h2', null, title), note && h('span', { cls: 'soft small' }, note)), node);

export class Fleet {
  title = 'Fleet';
  parts = { todo: h('section', { cls: 'card', id: 'attention', 'aria-label': 'Needs attention' }), tiles: h('div', { cls: 'tiles' }), pools: h('div'), chart: h('div', { cls: 'chart' }), costs: h('div'), switches: h('div') };
  dayAt = 0;

  mount(main) {
    const p = this.parts;
    main.replaceChildren(h('h1', { cls: 'unseen' }, 'Fleet'), h('div', { cls: 'stack' }, p.todo, p.tiles, section('Pools', p.pools),
      h('div', { cls: 'split even' }, section('The last 24 hours', p.chart), section('Cost', p.costs)), section('Switches', p.switches)));
    this.observer = new ResizeObserver(() => this.drawDay());
    this.observer.observe(p.chart);
  }

  unmount() { this.observer.disconnect(); }

  async load(shared) {
    const wantsDay = Date.now() - this.dayAt > DAY_MS;
    const [trouble, day] = await Promise.all([get(`/v1/workspaces?trouble=true&sort=since&limit=${TODO_MAX}`), wantsDay && shared.overview.role === 'leader' ? get('/v1/day?step=5') : this.day]);
    if (wantsDay) this.dayAt = Date.now();
    this.day = day;
    this.show(shared.overview, trouble);
  }

  show(o, trouble) {
    const p = this.parts;
    const a = attention(o, trouble);
    p.todo.className = a.severe ? 'card alarm' : a.face[2].length ? 'card alarm mild' : 'card';
    draw(p.todo, a.face, a.build);
    draw(p.tiles, [o.workspaces, o.idle, o.total, o.stops.waiting, Math.round(o.stops.eta_s ?? 0), o.pools.map((x) => [x.warm, x.target, x.launching, x.waiting])], () => tiles(o));
    draw(p.pools, o.pools.map((x) => ({ ...x, spent_today: 0, paused_s: 0, lead_s: Math.round(x.lead_s ?? 0) })), () => table('Pools', POOL_COLUMNS, o.pools.map(poolRow)));
    draw(p.costs, o.cost && [o.cost.today, o.cost.month].map((x) => [x.since, Math.round((x.dollars ?? x.task_hours) * 1000), Math.round((x.always_on_dollars ?? x.always_on_task_hours) * 1000)]), () => costs(o.cost));
    draw(p.switches, o.modes, () => switches(o));
    this.drawDay();
  }

  drawDay() {
    if (!this.day) return;
    const width = Math.round(this.parts.chart.clientWidth);
    if (width > 0) draw(this.parts.chart, [this.day.at, width], () => dayChart(this.day, width));
  }
}
