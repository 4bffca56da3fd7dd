// One scenario's stage: real code-server in a cage of its own, the real gate, nginx, a real Chromium in a window (Xvfb),
// and what a scenario may ask for beside its page. FORMAT.md lists the verbs.
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Recorder, nowMs } from './recorder.mjs';
import { sleep, until, freePorts, chromiumArgs, usable, command, openTerminal } from '../system/lib.mjs';

const here = import.meta.dirname;
const UID = 20901;

// SIGTERM ends every wait and with it the scenario, so that what was recorded so far is kept whole.
export class Enough extends Error {}
let enough = false;
const onEnough = Promise.withResolvers();
process.on('SIGTERM', () => { enough = true; onEnough.resolve(); });

async function wait(ms) {
  await Promise.race([sleep(ms), onEnough.promise]);
  if (enough) throw new Enough('SIGTERM');
}

export class Stage {
  constructor(dir, scenario) {
    Object.assign(this, { dir, scenario, children: [], work: fs.mkdtempSync(path.join(os.tmpdir(), 'presence.')) });
    this.marks = fs.createWriteStream(`${dir}/marks.jsonl`);
    fs.chmodSync(this.work, 0o755);
  }

  mark = (kind, note) => {
    if (!['act', 'job', 'job_end', 'phase'].includes(kind)) throw new Error(`mark: kind ${kind} is none of act, job, job_end, phase`);
    this.marks.write(`${JSON.stringify({ t: nowMs(), e: 'mark', k: kind, note: note ?? '' })}\n`);
  };

  child(file, argv, options = {}) {
    const p = spawn(file, argv, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
    this.children.push(p);
    return p;
  }

  prepareHome() {
    const home = path.join(this.work, 'home');
    const files = { '.local/share/code-server/User/settings.json': JSON.stringify({ 'telemetry.telemetryLevel': 'off', 'update.mode': 'none',
      'extensions.autoCheckUpdates': false, 'security.workspace.trust.enabled': false, 'workbench.startupEditor': 'none',
      ...this.scenario.settings }), 'workspace/hello.py': 'print("hello")\n'.repeat(200), ...this.scenario.files };
    for (const [name, text] of Object.entries(files)) {
      const at = path.join(home, name);
      fs.mkdirSync(path.dirname(at), { recursive: true });
      fs.writeFileSync(at, text, { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
    }
    fs.mkdirSync(path.join(this.work, 'run'));
    execFileSync('chown', ['-R', `${UID}:${UID}`, home, path.join(this.work, 'run')]);
  }

  async startWorkspace({ codeServer }, worker, period) {
    this.prepareHome();
    this.cage = this.child('unshare', ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc', 'bash', '-c',
      'ip link set lo up; exec bash ./cage'], { cwd: here, env: { ...process.env, CAGE_DIR: this.work, CAGE_CODE_SERVER: codeServer,
      CAGE_NODE_FOLDER: here, CAGE_UID: String(UID), CAGE_PERIOD_S: String(period) } });
    this.appSocket = path.join(this.work, 'run/app.sock');
    await until('code-server listens', 60, () => fs.existsSync(this.appSocket));
    [this.port] = await freePorts(1);
    this.gate = this.child('python3', [path.join(here, 'gate_stand.py'), worker, this.appSocket, `ws-a.localhost:${this.port}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    const gatePort = await new Promise((resolve, reject) => {
      let text = '';
      this.gate.stdout.on('data', (d) => { text += d; if (text.includes('\n')) resolve(Number(text)); });
      this.gate.on('exit', (code) => reject(new Error(`gate_stand.py ended with ${code}`)));
    });
    this.recorder = await Recorder.start(gatePort, this.dir);
    fs.writeFileSync(path.join(this.work, 'nginx.conf'), `
daemon off; pid ${this.work}/nginx.pid; error_log ${this.work}/nginx.log; worker_processes 1;
events { worker_connections 256; }
http { access_log off; client_body_temp_path ${this.work}/b; proxy_temp_path ${this.work}/p; fastcgi_temp_path ${this.work}/f;
  uwsgi_temp_path ${this.work}/u; scgi_temp_path ${this.work}/s; client_max_body_size 0;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server { listen 127.0.0.1:${this.port}; location / { proxy_pass http://127.0.0.1:${this.recorder.port};
    proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade; proxy_set_header X-Workspace-Key 0123456789abcdef;
    # tests/gate/gate.py: access("cookie")
    proxy_set_header Cookie "ws_access=1.4102444800.00000000000000000000000000000000.9239a32e7dec8ba03d9e61a7881bcbe9758832fe135e6b7da701c6b6ddf8f1d8; $http_cookie";
    proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1d; proxy_send_timeout 1d; } } }\n`);
    this.child('nginx', ['-p', this.work, '-c', path.join(this.work, 'nginx.conf')]);
    this.url = `http://ws-a.localhost:${this.port}/`;
  }

  async startBrowser({ playwright }, display) {
    this.chromium = createRequire(path.join(playwright, 'node_modules/x.js'))('playwright-core').chromium;
    this.display = display;
    await this.launch('about:blank');
    await this.attach();
  }

  launch = async (...argv) => {
    const profile = path.join(this.work, 'browser'), portFile = path.join(profile, 'DevToolsActivePort');
    fs.rmSync(portFile, { force: true }); // that of a browser before this one
    // None of the flags by which a test runner keeps hidden tabs awake: a student's browser has none.
    this.browserProcess = this.child('/usr/bin/chromium', [...chromiumArgs, `--user-data-dir=${profile}`, '--remote-debugging-port=0',
      '--no-default-browser-check', '--window-size=1280,800', '--force-color-profile=srgb', ...argv],
    { env: { ...process.env, DISPLAY: this.display }, stdio: 'ignore', detached: true });
    await until('Chromium listens', 60, () => fs.existsSync(portFile) && fs.readFileSync(portFile, 'utf8').includes('\n'));
    this.debugPort = Number(fs.readFileSync(portFile, 'utf8').split('\n')[0]);
  };

  // While a debugger is attached the page believes that it has the focus; detached, the window is a student's.
  attach = async () => {
    this.browser = await this.chromium.connectOverCDP(`http://127.0.0.1:${this.debugPort}`);
    this.context = this.browser.contexts()[0];
    this.context.setDefaultTimeout(60000);
    this.page = this.context.pages().find((p) => p.url().startsWith(this.url)) ?? this.context.pages()[0];
    return this.page;
  };

  detach = async () => {
    await this.browser?.close().catch(() => {});
    this.browser = null;
  };

  // ---- what a scenario may ask for beside its page ----

  // So many minutes pass. A debugger stays attached, so the page believes that it has the focus.
  minutes = (n) => wait(n * 60000 * this.scale);

  // The same with no debugger and no focus emulation: nothing is typed meanwhile. `page = await attach()` to act again.
  away = async (n) => {
    await this.detach();
    await this.minutes(n);
  };

  open = async () => {
    await this.page.goto(this.url, { waitUntil: 'commit' });
    await usable(this.page);
    return this.page;
  };

  // The usual beginning: a person opens the page, opens a file and clicks into it.
  begin = async (file = 'hello.py') => {
    this.mark('act', 'opens the page');
    await this.open();
    await sleep(5000); // looks around, while the page finishes to load
    await this.openFile(file);
    return this.page;
  };

  openFile = async (file, page = this.page) => {
    await page.locator('.explorer-folders-view').getByText(file, { exact: true }).first().dblclick();
    this.mark('act', `opens ${file}`);
    await this.click(page);
  };

  // A click on a line of the editor: the n-th that is drawn.
  click = async (page = this.page, n = 3) => {
    await page.locator('.editor-instance .view-line').nth(n).click();
    this.mark('act', 'clicks into the editor');
  };

  // Typing at a person's speed; '\n' is Enter. One mark every few seconds and one at the last key.
  type = async (text, page = this.page) => {
    let marked = -Infinity;
    for (const key of text) {
      await page.keyboard.type(key);
      if (nowMs() - marked > 3000) {
        this.mark('act', 'types');
        marked = nowMs();
      }
      await sleep(110);
    }
    this.mark('act', 'types the last key');
  };

  terminal = async (page = this.page) => {
    await openTerminal(page);
    this.mark('act', 'opens a terminal');
  };

  command = async (name, page = this.page) => {
    await command(page, name);
    this.mark('act', name);
  };

  // Another tab in front of the editor's.
  hide = async () => {
    await this.context.newPage();
    this.mark('act', 'puts another tab in front');
  };

  secondTab = async (url = this.url) => {
    const page = await this.context.newPage();
    await page.goto(url, { waitUntil: 'commit' });
    this.mark('act', 'opens a second tab');
    if (url === this.url) await usable(page);
    return page;
  };

  // As by its cross; an empty tab stays, so that the browser stays too.
  closeTab = async () => {
    const rest = await this.context.newPage();
    const closed = this.page.waitForEvent('close');
    await this.page.close({ runBeforeUnload: true });
    this.mark('act', 'closes the tab');
    await closed;
    this.page = rest;
  };

  // The lid is closed: every process of the browser stands still. What the kernel has taken for it waits there.
  lid = async (n) => {
    await this.detach();
    this.mark('phase', 'the lid is closed');
    process.kill(-this.browserProcess.pid, 'SIGSTOP');
    try {
      await this.minutes(n);
    } finally {
      process.kill(-this.browserProcess.pid, 'SIGCONT');
    }
    this.mark('phase', 'the lid is opened');
  };

  // The browser ends, as when the computer is shut down, and starts again by itself with the tabs that were open. That they
  // are there and connect is asked without a debugger, which would wake them.
  restart = async (n) => {
    await this.detach();
    const { browserProcess } = this, ended = once(browserProcess, 'exit');
    this.mark('phase', 'the browser ends');
    browserProcess.kill('SIGTERM');
    await ended;
    await this.minutes(n);
    const first = this.recorder.next; // a connection of the old browser may linger
    this.mark('phase', 'the browser starts by itself');
    await this.launch('--restore-last-session');
    await until('the tab is restored and connects', 120, async () => {
      const tabs = await (await fetch(`http://127.0.0.1:${this.debugPort}/json/list`)).json();
      return tabs.some((t) => t.type === 'page' && t.url.startsWith(this.url)) && this.webSockets(first) >= 2;
    }, 500);
  };

  // How many WebSockets are open of the connections from this number on: a page that is connected has two.
  webSockets = (first = 1) => fs.readFileSync(path.join(this.dir, 'relay.jsonl'), 'utf8').split('\n')
    .filter((l) => l.includes('"head":"HTTP/1.1 101 ') && l.endsWith('}')).map((l) => JSON.parse(l).c)
    .filter((c) => c >= first && this.recorder.pairs.has(c)).length;

  cut = () => {
    this.recorder.cut();
    this.mark('phase', 'the network is gone');
  };

  restore = () => {
    this.recorder.restore();
    this.mark('phase', 'the network is back');
  };

  // The place, seen from here, of a file below the student's home.
  home = (name) => path.join(this.work, 'home', name);

  // Wait until a program in the workspace has written this file.
  written = async (name) => {
    while (!fs.existsSync(this.home(name))) await wait(100);
  };

  // A process in the container that no page started, as by `docker exec`; ends with the recording.
  exec = (argv, options = {}) => {
    const inner = execFileSync('pgrep', ['-P', String(this.cage.pid)], { encoding: 'utf8' }).trim().split('\n')[0];
    return this.child('nsenter', ['-t', inner, '-m', '-p', '-n', 'env', '-i', 'HOME=/home/student', 'TERM=xterm-256color', 'LANG=C.UTF-8',
      'PATH=/srv/code-server/bin:/usr/local/bin:/usr/bin:/bin', 'setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups',
      'sh', '-c', 'cd /home/student/workspace; exec "$0" "$@"', ...argv], { stdio: ['pipe', 'ignore', 'inherit'], ...options });
  };

  async close() {
    await this.detach();
    try { process.kill(-this.browserProcess.pid, 'SIGKILL'); } catch { /* gone, or never there */ }
    await this.recorder?.stop();
    await new Promise((resolve) => this.marks.end(resolve));
    for (const p of this.children) if (p !== this.gate) p.kill(p === this.cage ? 'SIGKILL' : 'SIGTERM');
    if (this.gate && this.gate.exitCode === null) {
      this.gate.stdin.end(); // and it ends the real gate
      await Promise.race([once(this.gate, 'exit'), sleep(10000)]);
    }
    for (const f of ['sampler.jsonl', 'sampler.err']) {
      const from = path.join(this.work, f);
      if (fs.existsSync(from)) fs.copyFileSync(from, path.join(this.dir, f));
    }
  }
}
