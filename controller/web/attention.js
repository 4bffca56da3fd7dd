// What needs somebody, and what to do about it. First on the page.
import { badge, h, icon } from './dom.js';
import { buttons, setMode } from './actions.js';
import { may } from './api.js';
import { duration, MODES, person, plural } from './words.js';

function advice(w) {
  const reason = w.reason ?? '';
  if (w.state === 'attention') {
    if (/more than the/i.test(reason)) return 'Have the student delete the file or name it in .workspaceignore, or raise storage_max_bytes: it tries again by itself. Its container is kept.';
    if (/full|room|space/i.test(reason)) return 'Make room in the storage: it tries again by itself. Its container is kept, nothing is lost.';
    if (/claim|ready|start/i.test(reason) && !/save/i.test(reason)) return 'Look at its events. Stop it and launch it again; if that repeats, look at the image of its type.';
    return 'Its container is kept and the save is tried again. Look at the reason; give it up only when nothing helps.';
  }
  if (w.fell_back) return 'Tell the student: the newest save is damaged and kept for a look, an older one was restored.';
  return 'Its changes are in no save. Look whether the storage answers; stopping it saves it too.';
}

const reasonOf = (w) => (w.state === 'attention' ? w.reason ?? 'it cannot be saved'
  : w.fell_back ? `restored from ${w.fell_back.restored}: ${w.fell_back.why ?? 'the newest save is damaged'}`
    : `changes of ${duration(w.unsaved_s)} ago are in no save`);

function workspaceItem(w) {
  return h('li', { 'data-workspace': w.id }, icon('attention'),
    h('div', null, h('p', { cls: 'what' }, h('a', { href: `#/workspaces/${w.id}`, 'data-key': `todo-${w.id}` }, person(w)), ' ', badge('attention', w.state === 'attention' ? 'cannot be saved' : w.fell_back ? 'older save restored' : 'not saved')),
      h('p', null, reasonOf(w)), h('p', { cls: 'do' }, advice(w))),
    h('div', { cls: 'row' }, buttons(w)));
}

const plain = (severity, what, detail, todo, ...acts) => h('li', { cls: severity }, icon(severity === 'warn' ? 'warn' : 'attention'),
  h('div', null, h('p', { cls: 'what' }, what), detail && h('p', null, detail), h('p', { cls: 'do' }, todo)), h('div', { cls: 'row' }, acts));

function fleetItems(o) {
  const items = [];
  if (o.role !== 'leader') items.push(plain('warn', 'This controller follows', `The one that leads: ${o.leader?.http ?? 'not known'}.`, 'What is shown may be some seconds old; changes are refused here.'));
  else if (!o.store_writable) items.push(plain('bad', 'Decisions cannot be stored', 'Nothing is launched or stopped until the store is back.', 'Look at the database, its disk and its network. Open workspaces go on.'));
  if (o.draining) items.push(plain('warn', 'The controller is shutting down', 'Everything is being saved and stopped.', 'New launches are refused.'));
  for (const p of o.pools) {
    if (p.paused_s) items.push(plain('bad', `Launches of ${p.workspace_type} pause for ${duration(p.paused_s)}`, 'Containers have failed to start again and again.', 'Look at the activity for the reason: the image, the network, the quota.'));
    else if (p.waiting > 0 && p.warm === 0) items.push(plain('warn', `${plural(p.waiting, 'person waits', 'people wait')} for ${p.workspace_type}`, p.reason, 'The pool was too small for this rush. Set a larger size, or enter the class in the timetable.'));
  }
  for (const m of o.modes) {
    const scope = m.workspace_type ? ` for ${m.workspace_type}` : '';
    items.push(plain('warn', `${MODES[m.mode].name}${m.hard ? ' (hard)' : ''} is on${scope}`, m.why, MODES[m.mode].on,
      may('operate') && h('button', { type: 'button', cls: 'slim', 'data-key': `todo-mode-${m.mode}-${m.workspace_type ?? ''}`, on: { click: () => setMode(m.mode, false, m.workspace_type) } }, 'End it')));
  }
  return items;
}

// {face, build}: for draw().
export function attention(o, trouble) {
  const n = trouble.total;
  const items = fleetItems(o);
  const severe = n > 0 || items.some((i) => i.classList.contains('bad'));
  const face = [trouble.workspaces.map((w) => [w.id, w.state, reasonOf(w), w.status, w.url !== undefined]), n, items.map((i) => i.textContent)];
  return { face, severe, count: n, build: () => (n + items.length === 0
    ? h('p', { cls: 'fine' }, icon('ready'), 'Nothing needs you.')
    : [h('header', null, h('h2', null, 'Needs attention'), h('span', { cls: 'soft small' }, plural(n + items.length, 'item'))),
      h('ul', { cls: 'todo' }, trouble.workspaces.map(workspaceItem), items),
      n > trouble.workspaces.length && h('p', { cls: 'small' }, h('a', { href: '#/workspaces?state=attention' }, `All ${n}`))]) };
}
