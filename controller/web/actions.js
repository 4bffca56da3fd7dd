// What an operator can do: each asks first, says what will happen, and tells the outcome.
import { api, get, may } from './api.js';
import { h, toast } from './dom.js';
import { ask } from './dialog.js';
import { MODES, person } from './words.js';

let changed = () => {};
export const whenChanged = (fn) => { changed = fn; };

async function act(question, done) {
  const result = await ask(question);
  if (result === undefined) return false;
  if (done) toast(typeof done === 'function' ? done(result) : done);
  changed();
  return true;
}

const path = (w, verb = '') => `/v1/workspaces/${w.id}${verb && `/${verb}`}`;

// A link opens once: a new one is asked for when it is wanted. The tab is opened by the press itself, else it would be a pop-up.
async function openTab(w) {
  const tab = window.open('', '_blank');
  if (tab) tab.opener = null;
  try {
    const { url } = await get(path(w));
    if (tab) tab.location.replace(url);
    else toast('The browser did not open a tab.', true);
  } catch (e) {
    tab?.close();
    toast(e.message, true);
  }
}

const one = {
  open: { label: 'Open', roles: ['launch'], can: (w) => w.status === 'ready', run: openTab },
  stop: { label: 'Stop', roles: ['launch', 'operate'], can: (w) => ['starting', 'running', 'attention'].includes(w.state),
    run: (w) => act({ title: `Save and stop ${person(w)}?`, action: 'Save and stop', danger: true,
      text: [`The workspace of ${person(w)} is saved, and only then its container is ended. If the save fails, it is kept.`,
        w.idle_s !== null && w.idle_s < 300 ? 'Somebody was there within the last five minutes, and will be interrupted.' : 'The next launch brings everything back.'],
      run: () => api('POST', path(w, 'stop')) }, (r) => (r.state === 'stopped' ? `${person(w)} is stopped.` : `${person(w)} is being saved.`)) },
  launch: { label: 'Launch', roles: ['launch'], can: (w) => w.state === 'stopped',
    run: (w) => act({ title: `Launch the workspace of ${person(w)}?`, action: 'Launch', text: ['It starts with its last save.'],
      run: () => api('POST', path(w, 'launch')) }, `${person(w)} is starting.`) },
  restart: { label: 'Restart', roles: ['launch', 'operate'], rare: true, can: (w) => w.state === 'running',
    run: (w) => act({ title: `Restart ${person(w)}?`, action: 'Save and restart', danger: true, text: ['It is saved, stopped and launched again. Whoever works in it waits meanwhile.'],
      run: () => api('POST', path(w, 'restart')) }, `${person(w)} is being restarted.`) },
  keep: { label: 'Keep alive', roles: ['launch'], rare: true, can: (w) => w.state === 'running',
    run: (w) => act({ title: `Keep ${person(w)} alive?`, action: 'Keep alive', text: ['It counts as if somebody were there now: the idle time begins anew.'],
      run: () => api('POST', path(w, 'keep-alive')) }, `${person(w)} is kept alive.`) },
  abandon: { label: 'Give up…', roles: ['operate'], rare: true, can: (w) => w.state === 'attention',
    run: (w) => act({ title: `Give up what ${person(w)} has not saved?`, action: 'End it without a save', danger: true,
      text: ['Its container is ended although it cannot be saved. Changes since the last good save are lost for good.', 'Look at the reason first: with room or storage back, it saves by itself.'],
      fields: { reason: { label: 'Reason (kept in the history)', required: true, max: 150 } }, run: (v) => api('POST', path(w, 'abandon'), v) }, `${person(w)} is given up.`) },
  remove: { label: 'Delete…', roles: ['operate'], rare: true, can: (w) => w.state !== 'deleted',
    run: (w) => act({ title: `Delete the workspace of ${person(w)}?`, action: 'Delete', danger: true, text: ['It stops, and its files are erased after the delay that is configured. Until then nobody can launch it.'],
      run: () => api('DELETE', path(w)) }, `${person(w)} is deleted.`) },
};

// Buttons for what this token may do with it now.
export function buttons(w, { all = false, slim = true } = {}) {
  return Object.entries(one).filter(([, a]) => (all || !a.rare) && a.can(w) && may(...a.roles)).map(([name, a]) => h('button',
    { type: 'button', cls: slim ? 'slim' : null, 'aria-label': `${a.label} ${person(w)}${name === 'open' ? ' in a new tab' : ''}`, 'data-key': `${name}-${w.id}`, on: { click: () => a.run(w) } }, a.label));
}

export function launchNew(types) {
  return act({ title: 'Launch a workspace', action: 'Launch', text: ['The same person, type and name is the same workspace, with its files.'],
    fields: { user_id: { label: 'Person', required: true, max: 128, placeholder: 'student-1' }, workspace_type: { label: 'Type', options: types },
      name: { label: 'Name', max: 64, placeholder: 'default' } },
    run: ({ name, ...v }) => api('POST', '/v1/workspaces', name ? { ...v, name } : v, { wait: 0 }) },
  (w) => (w.status === 'ready' ? `${person(w)} is ready.` : `${person(w)} is starting.`));
}

export const restore = (w, save, at) => act({ title: `Go back to the save of ${at}?`, action: 'Go back', danger: true,
  text: [`The next launch of ${person(w)} begins from the save ${save.save}. What is newest now is kept as the one before.`],
  run: () => api('POST', path(w, 'restore'), { at: save.save }) }, `The next launch of ${person(w)} begins from ${save.save}.`);

export function setMode(mode, on, type, types) {
  const m = MODES[mode];
  if (!on) {
    return act({ title: `End ${m.name.toLowerCase()}${type ? ` for ${type}` : ''}?`, action: `End ${m.name.toLowerCase()}`, text: [m.off],
      run: () => api('PUT', `/v1/modes/${mode}`, { on: false, ...(type ? { workspace_type: type } : {}) }) }, `${m.name} has ended.`);
  }
  return act({ title: `Begin ${m.name.toLowerCase()}?`, action: `Begin ${m.name.toLowerCase()}`, danger: mode === 'drain', text: [m.act],
    fields: { reason: { label: 'Reason (kept in the history)', required: true, max: 100 }, ...(types.length > 1 ? { workspace_type: { label: 'For', options: ['every type', ...types] } } : {}),
      ...(m.hard ? { hard: { label: m.hard, type: 'checkbox' } } : {}) },
    run: ({ workspace_type: t, ...v }) => api('PUT', `/v1/modes/${mode}`, { on: true, ...v, ...(t && t !== 'every type' ? { workspace_type: t } : {}) }) }, `${m.name} is on.`);
}

export function setPool(p) {
  return act({ title: `Warm containers of ${p.workspace_type}`, action: 'Set', text: ['Keep so many warm whatever the policy says, until it is ended. Leave the number empty to go by the policy again.'],
    fields: { size: { label: 'Containers to keep warm', type: 'number', min: '0', value: p.policy === 'set' ? String(p.target) : '' }, reason: { label: 'Reason', max: 100 } },
    run: ({ size, reason }) => api('PUT', `/v1/pools/${encodeURIComponent(p.workspace_type)}`, size === '' ? { size: null } : { size: Number(size), reason: reason || 'set in the dashboard' }) },
  `The pool of ${p.workspace_type} is set.`);
}
