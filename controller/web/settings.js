// What is this browser's own: light or dark, shortcuts. And who is signed in.
import { me } from './api.js';
import { h } from './dom.js';
import { openDialog } from './dialog.js';

const read = (key, other) => { try { return localStorage.getItem(key) ?? other; } catch { return other; } };
const write = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a browser that keeps nothing */ } };

export const shortcutsOn = () => read('workspaces-shortcuts', 'on') === 'on';

export function applyTheme() {
  const theme = read('workspaces-theme', 'system');
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const KEYS = [['1 2 3', 'Fleet, workspaces, activity'], ['/', 'Search the workspaces'], ['n', 'Launch a workspace'], ['?', 'This window'], ['Esc', 'Close a window']];

function themes() {
  return h('fieldset', { cls: 'seg' }, h('legend', { cls: 'unseen' }, 'Colours'), [['system', 'As the system'], ['light', 'Light'], ['dark', 'Dark']].map(([value, text]) => h('label', null,
    h('input', { type: 'radio', name: 'theme', value, checked: read('workspaces-theme', 'system') === value, on: { change: () => { write('workspaces-theme', value); applyTheme(); } } }), text)));
}

export function openSettings(signOut) {
  return openDialog('Settings', (close) => h('div', { cls: 'stack' },
    h('div', null, h('h3', null, 'Colours'), themes()),
    h('div', null, h('h3', null, 'Keyboard'), h('label', { cls: 'check' }, h('input', { type: 'checkbox', checked: shortcutsOn(), on: { change: (e) => write('workspaces-shortcuts', e.target.checked ? 'on' : 'off') } }), h('span', null, 'Single keys are shortcuts')),
      h('dl', { cls: 'facts' }, KEYS.map(([k, v]) => [h('dt', null, k.split(' ').map((x) => [h('kbd', null, x), ' '])), h('dd', null, v)]))),
    h('div', null, h('h3', null, 'Signed in'), h('p', null, `As ${me.name}, with the roles ${me.roles.join(', ')}.`), h('p', { cls: 'soft small' }, 'The token is kept until this tab is closed.')),
    h('div', { cls: 'row' }, h('button', { type: 'button', on: { click: () => { close(); signOut(); } } }, 'Sign out'), h('button', { type: 'button', cls: 'primary', autofocus: true, on: { click: () => close() } }, 'Done'))));
}
