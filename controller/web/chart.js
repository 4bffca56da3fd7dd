// The day as a chart: one small SVG, no library. Lines differ by their dashes too, and a table says the same.
import { h, s, table, tableRow } from './dom.js';
import { clock, count } from './words.js';

const LINES = [['in_use', 'In use'], ['warm', 'Warm'], ['target', 'Target of the pools']];
const LEFT = 36, RIGHT = 12, TOP = 10, BOTTOM = 24, HEIGHT = 240;

const unpack = (day) => day.rows.map((r) => Object.fromEntries(day.columns.map((c, i) => [c, r[i]])));

// Four whole steps up to it.
function niceTop(max) {
  for (let unit = 1; ; unit *= 10) {
    const top = [4, 8, 12, 20].map((k) => k * unit).find((t) => t >= max);
    if (top) return top;
  }
}

class Scale {
  constructor(day, rows, width) {
    this.to = Date.parse(day.at) / 1000;
    // A young controller's hours are not squeezed into the corner of an empty day.
    this.from = Math.max(this.to - 86400, Math.min(rows[0].time, this.to - 3600));
    this.span = this.to - this.from;
    this.step = day.step_s;
    this.width = width;
    this.top = niceTop(Math.max(4, ...rows.map((r) => Math.max(r.in_use, r.warm, r.target))));
  }
  x(t) { return LEFT + ((t - this.from) / this.span) * (this.width - LEFT - RIGHT); }
  y(v) { return TOP + (1 - v / this.top) * (HEIGHT - TOP - BOTTOM); }
}

// Steps, broken where nothing was looked at.
function path(scale, rows, key, closed) {
  let d = '', before = null, start = 0;
  const end = () => { if (closed && before) d += `V${scale.y(0)}H${start}Z`; };
  for (const r of rows) {
    const x0 = scale.x(r.time), x1 = scale.x(Math.min(r.time + scale.step, scale.to)), y = scale.y(r[key]);
    if (!before || r.time - before.time > scale.step * 1.5) {
      end();
      start = x0;
      d += `M${x0.toFixed(1)} ${closed ? `${scale.y(0)}V${y.toFixed(1)}` : y.toFixed(1)}`;
    } else {
      d += `V${y.toFixed(1)}`;
    }
    d += `H${Math.max(x1, x0 + 0.5).toFixed(1)}`;
    before = r;
  }
  end();
  return d;
}

function axes(scale) {
  const out = [];
  for (let i = 0; i <= 4; i++) {
    const v = (scale.top / 4) * i, y = scale.y(v);
    out.push(s('line', { cls: 'grid', x1: LEFT, x2: scale.width - RIGHT, y1: y, y2: y }), s('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, count(v)));
  }
  const first = new Date(scale.from * 1000);
  first.setHours(0, 0, 0, 0);
  const every = [900, 1800, 3600, 7200, 10800, 21600].find((e) => scale.span / e <= scale.width / 80) ?? 43200;
  for (let t = first.getTime(); t <= scale.to * 1000; t += every * 1000) {
    if (t < scale.from * 1000) continue;
    const x = scale.x(t / 1000);
    if (x > LEFT + 12 && x < scale.width - RIGHT - 12) out.push(s('text', { x, y: HEIGHT - 6, 'text-anchor': 'middle' }, clock(t)));
    out.push(s('line', { cls: 'grid', x1: x, x2: x, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }));
  }
  return out;
}

const sample = (key) => s('svg', { viewBox: '0 0 28 12', 'aria-hidden': 'true' }, s('line', { cls: key, x1: 0, x2: 28, y1: 6, y2: 6 }));

function hourly(rows) {
  const columns = [{ name: 'Hour' }, ...LINES.map(([, name]) => ({ name, number: true })), { name: 'Waiting', number: true }, { name: 'Attention', number: true }];
  const hours = new Map();
  for (const r of rows) {
    const key = `${new Date(r.time * 1000).toLocaleDateString('en-GB', { weekday: 'short' })} ${String(new Date(r.time * 1000).getHours()).padStart(2, '0')}:00`;
    const m = hours.get(key) ?? {};
    for (const k of ['in_use', 'warm', 'target', 'waiting', 'attention']) m[k] = Math.max(m[k] ?? 0, r[k]);
    hours.set(key, m);
  }
  return table('The most of each hour', columns, [...hours].reverse().map(([hour, m]) => tableRow(columns, [hour, ...['in_use', 'warm', 'target', 'waiting', 'attention'].map((k) => count(m[k]))])), { cards: false });
}

const say = (r) => `${clock(r.time * 1000)}: ${count(r.in_use)} in use, ${count(r.warm)} warm of ${count(r.target)}${r.waiting ? `, ${count(r.waiting)} waiting` : ''}`;

function summary(rows) {
  const most = rows.reduce((a, r) => (r.in_use > a.in_use ? r : a));
  return `Containers of the last 24 hours. The most in use were ${count(most.in_use)} at ${clock(most.time * 1000)}. Now: ${say(rows.at(-1))}. Arrow keys read the minutes.`;
}

// The pointer or the arrow keys choose a moment; a line of text says it.
function pointing(svg, scale, rows, readout) {
  const cursor = s('line', { cls: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' });
  let at = rows.length - 1;
  const show = (i) => {
    at = Math.max(0, Math.min(rows.length - 1, i));
    const x = scale.x(rows[at].time + scale.step / 2);
    for (const k of ['x1', 'x2']) cursor.setAttribute(k, x);
    cursor.setAttribute('visibility', 'visible');
    readout.textContent = say(rows[at]);
  };
  svg.addEventListener('pointermove', (e) => {
    const box = svg.getBoundingClientRect();
    const t = scale.from + (((e.clientX - box.left) * (scale.width / box.width) - LEFT) / (scale.width - LEFT - RIGHT)) * scale.span;
    show(rows.findLastIndex((r) => r.time <= t));
  });
  svg.addEventListener('keydown', (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -rows.length, End: rows.length }[e.key];
    if (!by) return;
    e.preventDefault();
    show(at + by);
  });
  return cursor;
}

export function dayChart(day, width) {
  const rows = unpack(day);
  if (rows.length === 0) return h('p', { cls: 'soft' }, 'Nothing is known of the day yet: it is counted from the start of the controller on, a row each minute.');
  const scale = new Scale(day, rows, width);
  const readout = h('p', { cls: 'readout soft', 'aria-live': 'polite' }, say(rows.at(-1)));
  const svg = s('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'application', tabindex: '0', 'data-key': 'day-chart', 'aria-label': summary(rows) }, axes(scale),
    s('path', { cls: 'in_use area', d: path(scale, rows, 'in_use', true) }),
    rows.filter((r) => r.waiting > 0).map((r) => s('rect', { cls: 'waiting', x: scale.x(r.time), y: HEIGHT - BOTTOM - 5, width: Math.max(2, scale.x(r.time + scale.step) - scale.x(r.time)), height: 5 })),
    [...LINES].reverse().map(([key]) => s('path', { cls: key, d: path(scale, rows, key, false) })));
  svg.append(pointing(svg, scale, rows, readout));
  return [h('p', { cls: 'legend' }, LINES.map(([key, name]) => h('span', null, sample(key), name)), rows.some((r) => r.waiting) && h('span', null, s('svg', { viewBox: '0 0 28 12', 'aria-hidden': 'true' }, s('rect', { cls: 'waiting', width: 28, height: 6, y: 3 })), 'People waiting')),
    svg, readout, h('details', null, h('summary', { 'data-key': 'day-table' }, 'As a table, by hour'), hourly(rows))];
}
