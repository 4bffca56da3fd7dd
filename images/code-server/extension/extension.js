// Warns of the stop of an idle workspace, and says what happened to the files. It asks the gate on its Unix socket, so that asking is no
// traffic of the page and no evidence of a person; only a pressed "Keep working" is.
'use strict';

const http = require('node:http');
const vscode = require('vscode');

const POLL_S = 15;
const NEAR_POLL_S = 5; // in the last five minutes
const NEAR_S = 300;
const AWAY_POLL_S = 120; // at most, while the socket is away
const LAST_S = 60; // the second message; with short limits half the time of the first
const KEPT_S = 15; // so long the new time may need from the controller to here
const ANSWER_MS = 5000;
const ANSWER_MAX = 65536;
const KEEP = 'Keep working';
const TOLD = 'workspaces.told';

// One exchange on the socket; the parsed JSON, or null where there is none.
function ask(socketPath, method, path) {
  return new Promise((resolve, reject) => {
    const req = http.request({ socketPath, method, path, agent: false, timeout: ANSWER_MS, headers: { Connection: 'close' } }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (part) => {
        text += part;
        if (text.length > ANSWER_MAX) req.destroy(new Error('the answer is too long'));
      });
      res.on('error', reject);
      res.on('end', () => {
        try {
          if (res.statusCode < 200 || res.statusCode > 299) throw new Error(`status ${res.statusCode}`);
          resolve(text ? JSON.parse(text) : null);
        } catch (e) {
          reject(e);
        }
      });
    });
    req.on('timeout', () => req.destroy(new Error('no answer in time')));
    req.on('error', reject);
    req.end();
  });
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function inWords(seconds) {
  if (seconds < 90) return `${seconds} seconds`;
  return `${Math.round(seconds / 60)} minutes`;
}

class Notice {
  constructor(socketPath, memento) {
    this.socketPath = socketPath;
    this.memento = memento; // outlives a reload of the page
    this.stopAt = null; // on Date's clock, in ms
    this.shown = 0; // messages in this approach of the stop: 0, 1, 2
    this.failures = 0;
    this.keptAt = -Infinity;
    this.item = vscode.window.createStatusBarItem('workspaces.notice', vscode.StatusBarAlignment.Left, 1000);
    this.item.name = 'Workspace Stop';
    this.item.command = 'workspaces.keepWorking';
    this.item.tooltip = 'Nobody seems to be working here. Press to keep the workspace running.';
    this.item.backgroundColor = new vscode.ThemeColor('statusBarItem.warningBackground');
    this.poll();
  }

  dispose() {
    this.gone = true;
    clearTimeout(this.timer);
    clearInterval(this.ticker);
    this.item.dispose();
  }

  left() {
    return Math.max(0, Math.round((this.stopAt - Date.now()) / 1000));
  }

  async poll() {
    clearTimeout(this.timer);
    let next = POLL_S;
    try {
      const state = await ask(this.socketPath, 'GET', '/_workspace/status');
      this.failures = 0;
      next = this.take(state);
      this.tell(state);
    } catch {
      // The gate is being started again, or this is no workspace of ours. What is not known is not shown.
      this.failures++;
      this.hide();
      next = Math.min(POLL_S * 2 ** (this.failures - 1), AWAY_POLL_S);
    }
    if (this.gone) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), next * 1000);
  }

  // Seconds until the next look.
  take(state) {
    const left = state && state.stop_in_s;
    if (this.gone || typeof left !== 'number') {
      this.clear();
      return POLL_S;
    }
    const warn = typeof state.warn_s === 'number' ? state.warn_s : NEAR_S;
    const justKept = Date.now() - this.keptAt < KEPT_S * 1000;
    if (left > warn || justKept) this.clear();
    else this.show(left, warn);
    // Not to be late for the first message.
    const until = Math.max(1, left - warn);
    return Math.min(left <= NEAR_S || justKept ? NEAR_POLL_S : POLL_S, left > warn ? until : POLL_S);
  }

  show(left, warn) {
    this.stopAt = Date.now() + left * 1000;
    if (!this.ticker) this.ticker = setInterval(() => this.tick(), 1000);
    this.tick();
    this.item.show();
    const level = left <= Math.min(LAST_S, warn / 2) ? 2 : 1;
    if (level > this.shown) this.warn(left);
    this.shown = level; // back at 1: somebody came, and is told again when the end comes near again
  }

  tick() {
    const left = this.left();
    // What is shown at the end stays in the page: nobody is left here to change it. A phone has room for no more.
    this.item.text = left > 0 ? `$(watch) Stops in ${clock(left)} · Keep working` : '$(watch) Stopping · reload';
    this.item.accessibilityInformation = { label: `This workspace stops in ${inWords(left)}. Press to keep working.`, role: 'button' };
  }

  hide() {
    clearInterval(this.ticker);
    this.ticker = undefined;
    this.item.hide();
  }

  clear() {
    this.hide();
    this.shown = 0;
  }

  // Each sentence once, however often it is said; again when it had been taken back meanwhile.
  tell(state) {
    if (this.gone || !state || !Array.isArray(state.notices)) return;
    const texts = state.notices.filter((t) => typeof t === 'string' && t);
    const told = this.memento.get(TOLD, {});
    const before = told.generation === state.generation && Array.isArray(told.texts) ? told.texts : [];
    if (told.generation === state.generation && texts.join('\n') === before.join('\n')) return;
    this.memento.update(TOLD, { generation: state.generation, texts });
    for (const text of texts) if (!before.includes(text)) vscode.window.showWarningMessage(text);
  }

  async warn(left) {
    const text = `Nobody seems to be working here: in ${inWords(left)} your work is saved and this workspace is stopped.`;
    if (await vscode.window.showWarningMessage(text, KEEP) === KEEP) await this.keep();
  }

  async keep() {
    try {
      await ask(this.socketPath, 'POST', '/_workspace/keep');
    } catch (e) {
      vscode.window.showErrorMessage(`The workspace could not be told that you are here (${e.message}). Typing in the editor says the same.`);
      return;
    }
    this.keptAt = Date.now();
    this.clear();
    vscode.window.setStatusBarMessage('The workspace keeps running', 5000);
    await this.poll();
  }
}

exports.activate = (context) => {
  const socketPath = process.env.WS_NOTICE_SOCKET;
  if (!socketPath) return;
  const notice = new Notice(socketPath, context.globalState);
  context.subscriptions.push(notice, vscode.commands.registerCommand('workspaces.keepWorking', () => notice.keep()));
  vscode.commands.executeCommand('setContext', 'workspaces.notice', true);
};
