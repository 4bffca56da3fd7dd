// The editor's extension, with a gate and an editor of a few lines each and time that does not last: what it shows for
// what the gate says. tests/system/warning has the real ones.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(import.meta.url);
const source = fs.readFileSync(new URL('../../images/code-server/extension/extension.js', import.meta.url), 'utf8');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'notice-'));
const socket = path.join(dir, 'notice.sock');

// Answers looks one by one with what `states` holds (null: hangs up); the last one stands. done() when all were asked for.
class Gate {
  constructor(states) {
    this.states = [...states];
    this.kept = 0;
    this.asked = new Promise((resolve) => { this.done = resolve; });
    this.server = http.createServer((req, res) => this.answer(req, res));
  }

  listen() {
    return new Promise((resolve) => this.server.listen(socket, resolve));
  }

  answer(req, res) {
    if (req.method === 'POST' && req.url === '/_workspace/keep') {
      this.kept++;
      res.end('{}');
      return;
    }
    if (this.states.length === 1) this.done();
    const state = this.states.length > 1 ? this.states.shift() : this.states[0];
    if (state === null) req.socket.destroy();
    else res.end(typeof state === 'string' ? state : JSON.stringify(state));
  }
}

// The extension in an editor that notes what it is told. A wait lasts a thousandth of its time, and is noted too.
function start(press = () => undefined) {
  const editor = { messages: [], errors: [], waits: [], shown: false, commands: {}, subscriptions: [] };
  const item = { show: () => { editor.shown = true; }, hide: () => { editor.shown = false; }, dispose: () => {} };
  const vscode = {
    StatusBarAlignment: { Left: 1 },
    ThemeColor: class {},
    window: {
      createStatusBarItem: () => item,
      showWarningMessage: async (text, button) => (editor.messages.push(text), press(editor.messages.length) ? button : undefined),
      showErrorMessage: (text) => editor.errors.push(text),
      setStatusBarMessage: () => {},
    },
    commands: { registerCommand: (name, f) => { editor.commands[name] = f; return { dispose() {} }; }, executeCommand: () => {} },
  };
  const exports = {};
  const wait = (f, ms) => (editor.waits.push(ms / 1000), setTimeout(f, ms / 1000));
  const names = { exports, process: { env: { WS_NOTICE_SOCKET: socket } }, setTimeout: wait,
    require: (name) => (name === 'vscode' ? vscode : require(name)) };
  new Function(...Object.keys(names), source)(...Object.values(names));
  exports.activate(editor);
  editor.item = item;
  return editor;
}

async function play(states, press) {
  const gate = new Gate(states);
  fs.rmSync(socket, { force: true });
  await gate.listen();
  const editor = start(press);
  await gate.asked;
  await new Promise((resolve) => setTimeout(resolve, 50)); // the last answer's way
  for (const s of editor.subscriptions) s.dispose();
  gate.server.close();
  return { gate, editor };
}

const at = (stop_in_s, warn_s = 300) => ({ stop_in_s, warn_s });
const quiet = at(null);

const tests = {
  'nothing is shown while the stop is far': async () => {
    const { editor } = await play([at(1800), at(301), quiet, quiet]);
    return editor.messages.length === 0 && !editor.shown && editor.waits[1] === 1;
  },
  'two messages in one approach': async () => {
    const { editor } = await play([at(299), at(200), at(59), at(30), at(5)]);
    return editor.messages.length === 2 && editor.shown && editor.messages[1].includes('59 seconds');
  },
  'after the stop has moved away all begins anew': async () => {
    const { editor } = await play([at(50), at(1800), at(50), at(40)]);
    return editor.messages.length === 2;
  },
  'a limit that is always near says the last minute each time': async () => {
    const { editor } = await play([at(290), at(50), at(299), at(290), at(50), at(299), at(299)]);
    return editor.messages.length === 3 && editor.messages.filter((m) => m.includes('50 seconds')).length === 2;
  },
  'a look that fails hides the countdown and repeats no message': async () => {
    const { editor } = await play([at(250), null, at(240), 'junk', at(230), at(220)]);
    return editor.messages.length === 1 && editor.shown;
  },
  'what is away is asked less and less often': async () => {
    const { editor } = await play([null, null, null, null, null, null, null]);
    return !editor.shown && editor.waits.slice(0, 6).join() === '15,30,60,120,120,120';
  },
  'the button keeps, and the countdown is gone': async () => {
    const { gate, editor } = await play([at(100), at(1800), at(1800)], () => true);
    return gate.kept === 1 && !editor.shown && editor.errors.length === 0;
  },
  'nothing but the button keeps': async () => {
    const { gate } = await play([at(100), at(50), at(10), at(0), quiet]);
    return gate.kept === 0;
  },
  'answers that make no sense show nothing': async () => {
    const { editor } = await play(['[]', '1', 'null', '{"stop_in_s":"5"}', `"${'x'.repeat(100000)}"`, quiet, quiet]);
    return editor.messages.length === 0 && !editor.shown;
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  const ok = await test().catch((e) => console.log(e));
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`);
  failed += ok ? 0 : 1;
}
fs.rmSync(dir, { recursive: true });
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
