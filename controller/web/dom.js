// Elements are made by these functions alone: text never becomes markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'on') for (const [type, fn] of Object.entries(value)) node.addEventListener(type, fn);
    else if (key === 'value' || key === 'checked' || key === 'selected') node[key] = value;
    else node.setAttribute(key === 'cls' ? 'class' : key, value === true ? '' : value);
  }
  node.append(...children.flat(2).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);
export const byId = (id) => document.getElementById(id);

// Draw a part anew only when what it shows (`face`, any JSON) is another; the focus stays where it was,
// on the element with the same data-key.
export function draw(node, face, build) {
  const text = JSON.stringify(face);
  if (node.face === text) return false;
  node.face = text;
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  node.replaceChildren(...[build()].flat(2).filter((c) => c !== null && c !== undefined && c !== false));
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  return true;
}

const PATHS = {
  ready: ['M5 12.5l4.5 4.5L19 7.5'],
  starting: ['M12 4v4', 'M12 16v4', 'M4 12h4', 'M16 12h4', 'M6.5 6.5l2.5 2.5', 'M15 15l2.5 2.5'],
  saving: ['M12 4v10', 'M7.5 10l4.5 4.5L16.5 10', 'M5 19.5h14'],
  attention: ['M12 3.5L22 20.5H2z', 'M12 10v5', 'M12 17.7v.1'],
  recovering: ['M19 12a7 7 0 1 1-2.2-5.1', 'M19 3.5v4.5h-4.5'],
  stopped: ['M7 7h10v10H7z'],
  deleted: ['M6 6l12 12', 'M18 6L6 18'],
  idle: ['M12 3a9 9 0 1 0 .01 0', 'M12 7v5l3.5 2'],
  warm: ['M12 3.5l8.5 4.5L12 12.5 3.5 8z', 'M3.5 12.5L12 17l8.5-4.5', 'M3.5 16.5L12 21l8.5-4.5'],
  warn: ['M12 3a9 9 0 1 0 .01 0', 'M12 8v5', 'M12 16v.1'],
};

export const icon = (name) => s('svg', { cls: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, ...(PATHS[name] ?? PATHS.warn).map((d) => s('path', { d })));

export const badge = (name, text) => h('span', { cls: `badge ${name}` }, icon(name), text ?? name);

// columns: {name, number, label, head}. Roles are written out because narrow screens show rows as cards.
export function table(caption, columns, rows, { cards = true } = {}) {
  return h('div', { cls: cards ? 'table cards' : 'table', tabindex: cards ? null : '0', role: 'region', 'aria-label': `${caption}, table` },
    h('table', { role: 'table' },
      h('caption', { cls: 'unseen' }, caption),
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((c) => h('th', { scope: 'col', role: 'columnheader', cls: c.cls ?? (c.number && 'number'), 'aria-sort': c.sorted },
        c.head ?? c.name)))),
      h('tbody', { role: 'rowgroup' }, rows)));
}

// One row: cells are texts or nodes, in the order of the columns; the first is the row's header.
export function tableRow(columns, cells, props) {
  return h('tr', { role: 'row', ...props }, cells.map((cell, i) => (i === 0
    ? h('th', { scope: 'row', role: 'rowheader' }, cell)
    : h('td', { role: 'cell', cls: columns[i].cls ?? (columns[i].number && 'number'), 'data-label': columns[i].quiet ? null : columns[i].name },
      cell === '' || cell === null ? null : h('span', null, cell)))));
}

let said = 0;
// Told to screen readers, once; not for what merely moves.
export function announce(text) {
  clearTimeout(said);
  byId('announce').textContent = '';
  said = setTimeout(() => { byId('announce').textContent = text; }, 100);
}

export function toast(text, bad = false) {
  const t = h('div', { cls: bad ? 'toast bad' : 'toast' }, h('p', null, text),
    h('button', { type: 'button', cls: 'slim quiet', 'aria-label': 'Close this message', on: { click: () => t.remove() } }, 'Close'));
  byId('toasts').append(t);
  while (byId('toasts').children.length > 4) byId('toasts').firstChild.remove();
  announce(text);
  if (!bad) setTimeout(() => { if (!t.contains(document.activeElement)) t.remove(); }, 8000);
}
