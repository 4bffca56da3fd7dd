// Numbers, times and names of the controller in words for people.

export function duration(s) {
  if (s === null || s === undefined) return '–';
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h${s % 3600 < 60 ? '' : ` ${Math.floor((s % 3600) / 60)} min`}`;
  return `${Math.floor(s / 86400)} days`;
}

export const count = (n) => (n ?? 0).toLocaleString('en-US');
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export function money(d) {
  const digits = d > 0 && d < 1 ? (d < 0.01 ? 4 : 3) : 2;
  return d.toLocaleString('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function bytes(n) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

const CLOCK = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
export const clock = (d, seconds) => new Date(d).toLocaleTimeString('en-GB', seconds ? { ...CLOCK, second: '2-digit' } : CLOCK);

// The time alone when it was today.
export function when(iso, seconds = false) {
  if (!iso) return '–';
  const d = new Date(iso);
  if (d.toDateString() === new Date().toDateString()) return clock(d, seconds);
  return `${d.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: d.getFullYear() === new Date().getFullYear() ? undefined : 'numeric' })}, ${clock(d)}`;
}

export const age = (iso) => (iso ? Math.max(0, (Date.now() - new Date(iso)) / 1000) : null);

export const STATES = { attention: 'needs attention', recovering: 'recovering', saving: 'saving', starting: 'starting', running: 'running', ready: 'ready', stopped: 'stopped', deleted: 'deleted' };

export const person = (w) => (w.name === 'default' ? w.user_id : `${w.user_id} / ${w.name}`);

const EVENTS = { requested: 'launch asked for', 'stop-requested': 'stop asked for', launched: 'container asked for', warm: 'container is warm', claimed: 'container given', ready: 'ready', stopping: 'stop began', saved: 'saved', stopped: 'stopped',
  attention: 'needs attention', unsaved: 'changes not saved for long', 'unsaved-ended': 'changes saved again', 'fell-back': 'an older save was restored', lost: 'container lost',
  gone: 'container gone', declined: 'stop declined: somebody is there', 'stop-cancelled': 'stop cancelled: somebody came back', resuming: 'going on', resumed: 'went on', recovered: 'recovered', kept: 'kept, not saved',
  restored: 'taken back to a save', abandoned: 'given up by an operator', deleted: 'deleted', failed: 'failed', 'agent-silent': 'agent is silent', 'agent-back': 'agent is back' };
export const eventName = (what) => EVENTS[what] ?? what.replaceAll('-', ' ');

const SIGNALS = { person: 'a person', weak: 'weak evidence of a person', hint: 'a hint', machine: 'a machine', job: 'a job' };
export const kindName = (kind) => SIGNALS[kind] ?? kind ?? '–';
const SOURCES = { claim: 'the start itself', keep: '“Keep working” was pressed', input: 'keys and clicks in the page', active: 'the editor’s activity tracker', scroll: 'scrolling, the window’s focus', typed: 'keys for a terminal',
  request: 'requests of the page', event: 'the page’s event log', terminal: 'a terminal outside the page', 'app-terminal': 'output of a terminal', file: 'changed files', connection: 'an open page',
  undecoded: 'a connection that cannot be read', job: 'a running job', api: 'the platform said so' };
export const sourceName = (source) => SOURCES[source];

// The history's milliseconds in seconds, and what they are counted from.
const SINCE = { warm: (t) => `${t} after it was asked for`, claimed: (t) => `it was warm for ${t}` };
export function eventDetail(e) {
  const seconds = (ms) => (ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : duration(ms / 1000));
  const after = SINCE[e.what] && /^after (\d+) ms$/.exec(e.detail);
  return after ? SINCE[e.what](seconds(Number(after[1]))) : e.detail.replace(/\b(\d+) ms\b/g, (all, ms) => seconds(Number(ms)));
}

export const MODES = {
  maintenance: { name: 'Maintenance', on: 'Nothing is stopped for idleness.', off: 'Idle workspaces are saved and stopped.', act: 'Stop nothing for idleness until it ends. People can launch and stop.' },
  pause: { name: 'Pause', on: 'No warm container is launched.', off: 'Pools are kept filled.', act: 'Launch no warm containers until it ends. People who ask are served.',
    hard: 'Let people wait too, but for what is warm already' },
  drain: { name: 'Drain', on: 'Nobody new is let in.', off: 'Launches are accepted.', act: 'Refuse new launches and keep no pool until it ends. What runs goes on until it is idle.',
    hard: 'Save and stop what runs now' },
};
