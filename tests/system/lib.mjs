// What the system tests share: a world of real programs in a folder of its own, and ways to look at it.
import { spawn, execFile, execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const run = promisify(execFile);
const here = import.meta.dirname;
export const root = path.resolve(here, '../..');

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const now = () => performance.now();

export class Failure extends Error {}

export function check(condition, what) {
  if (!condition) throw new Failure(what);
}

// Poll until fn() gives something true; the tests' only way to wait.
// Limits tell what hangs from what is slow on a busy machine: none is shorter than half a minute.
export async function until(what, limit, fn, everyMs = 50) {
  const seconds = Math.max(limit, 30);
  const end = now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const value = await fn();
      if (value) return value;
    } catch (e) {
      last = e;
    }
    if (now() > end) throw new Failure(`not within ${seconds} s: ${what}${last ? ` (${last.message})` : ''}`);
    await sleep(everyMs);
  }
}

// The times of the steps, printed as they come.
export class Steps {
  rows = [];
  async take(name, fn) {
    const from = now();
    const value = await fn();
    this.note(name, now() - from);
    return value;
  }
  note(name, ms) {
    this.rows.push([name, ms]);
    console.log(`  time ${(ms / 1000).toFixed(2).padStart(7)} s  ${name}`);
  }
}

// Small, seeded, the same everywhere (mulberry32).
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function installed() {
  const where = execFileSync(path.join(root, 'images/local/install'), ['--where'], { encoding: 'utf8' });
  const [codeServer, playwright, , axe] = where.trim().split('\n');
  return { codeServer, playwright, axe };
}

export function binaries() {
  const given = process.env.WS_TEST_BUILD;
  const folders = given ? [given] : ['build-dev', 'build-release'];
  for (const f of folders) {
    const bin = path.resolve(root, f, 'bin');
    if (fs.existsSync(path.join(bin, 'wscontroller'))) return bin;
  }
  throw new Failure(`no wscontroller in ${folders.join(', ')}: build first, or set WS_TEST_BUILD`);
}

export async function freePorts(n) {
  const servers = [];
  for (let i = 0; i < n; i++) {
    const s = net.createServer();
    await new Promise((resolve, reject) => s.on('error', reject).listen(0, '127.0.0.1', resolve));
    servers.push(s);
  }
  const ports = servers.map((s) => s.address().port);
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}

// One HTTP exchange with the loopback, whatever name the Host header says.
export function request(port, { method = 'GET', host = `localhost:${port}`, path: p = '/', headers = {}, body, timeout = 60000 } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, method, path: p, timeout,
      headers: { Host: host, ...(body ? { 'Content-Length': Buffer.byteLength(body) } : {}), ...headers } }, (res) => {
      const chunks = [];
      res.on('data', (c) => chunks.push(c));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text: Buffer.concat(chunks).toString() }));
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error(`${method} ${p}: no answer in ${timeout} ms`)));
    req.on('error', reject);
    req.end(body);
  });
}

// A controller, its storage, nginx and the tasks below one temporary folder.
export class World {
  static async make({ pool = 2, idle = '30m', disconnected = '0', saveAfter, name = 'system', quiet = '2s', heartbeat = '1s' } = {}) {
    const w = new this();
    Object.assign(w, installed(), { bin: binaries(), pool, idle, disconnected, quiet, heartbeat });
    w.dir = fs.mkdtempSync(path.join(os.tmpdir(), `ws-${name}.`));
    fs.chmodSync(w.dir, 0o755); // nginx's workers are another user
    w.state = path.join(w.dir, 'state');
    w.log = path.join(w.dir, 'controller.log');
    fs.mkdirSync(w.state, { mode: 0o700 });
    // Uids of our own, so that what is left over can be told from any other instance's.
    w.uidBase = 400000 + (process.pid % 4000) * 400;
    [w.port, w.agents, w.http, w.storage] = await freePorts(4);
    w.profile = path.join(w.dir, 'profile.json');
    const profile = JSON.parse(fs.readFileSync(path.join(root, 'images/code-server/profile.json'), 'utf8'));
    if (saveAfter) profile.save_after = saveAfter;
    fs.writeFileSync(w.profile, JSON.stringify(profile));
    fs.copyFileSync(path.join(root, 'images/code-server/presence.json'), path.join(w.dir, 'presence.json'));
    w.saveAfter = saveAfter;
    await w.prepare();
    w.writeConfig();
    return w;
  }

  // Before the configuration is written.
  async prepare() {}

  // Where agents find the controller and the storage.
  inner = '127.0.0.1';

  // How tasks are run, and what a type's tasks are made from; see docker.mjs for the other way.
  providerLines() {
    return `agent = ${this.bin}/wsagent\nuid_base = ${this.uidBase}`;
  }

  typeLines(profile = this.profile, app = this.codeServer) {
    return `profile = ${profile}\nbind = ${app}:/run/ws/dist`;
  }

  // What is the same for every type, and in every kind of world, and then `types`.
  writeConfigOf(types, { quiet = this.quiet, heartbeat = this.heartbeat } = {}) {
    this.config = path.join(this.dir, 'controller.conf');
    fs.writeFileSync(this.config, `
state_dir = ${this.state}
listen_agents = tcp://${this.inner}:${this.agents}
listen_http = 127.0.0.1:${this.http}
listen_storage = ${this.inner}:${this.storage}
public_host = localhost:${this.port}
quiet = ${quiet}
heartbeat = ${heartbeat}
${this.providerLines()}
${types}`);
  }

  // The stand-in: an app of a few lines, for worlds in which many lives are short. Its folder.
  standin() {
    const app = path.join(this.dir, 'standin');
    fs.mkdirSync(app, { recursive: true });
    fs.copyFileSync(path.join(root, 'tests/system/standin.py'), path.join(app, 'standin.py'));
    return app;
  }

  writeConfig() {
    this.writeConfigOf(`

[type vscode]
${this.typeLines()}
pool = ${this.pool}
idle = ${this.idle}
disconnected = ${this.disconnected}
`);
  }

  spawnController() {
    const log = fs.openSync(this.log, 'a');
    const child = spawn(path.join(this.bin, 'wscontroller'), ['--config', this.config], { stdio: ['ignore', log, log], detached: true });
    fs.closeSync(log);
    this.controller = child;
    child.ended = new Promise((resolve) => child.on('exit', (code, signal) => { child.gone = true; resolve(signal ?? code); }));
    return child;
  }

  async startController() {
    const child = this.spawnController();
    await until('the controller answers', 20, async () => {
      check(!child.gone, `the controller ended: ${this.logTail()}`);
      return (await request(this.http, { path: '/readyz', timeout: 2000 })).status === 200;
    });
    this.token = fs.readFileSync(path.join(this.state, 'api.token'), 'utf8').trim();
  }

  async startNginx() {
    const dir = path.join(this.dir, 'nginx');
    fs.mkdirSync(dir, { recursive: true });
    const text = await this.wsctl('nginx-config', '--port', String(this.port), '--run-dir', dir);
    fs.writeFileSync(path.join(dir, 'nginx.conf'), text, { mode: 0o600 });
    this.nginx = spawn('/usr/sbin/nginx', ['-p', dir, '-c', path.join(dir, 'nginx.conf')], { stdio: 'ignore', detached: true });
    this.nginx.ended = new Promise((resolve) => this.nginx.on('exit', resolve));
    await until('nginx answers', 10, async () => (await request(this.port, { timeout: 2000 })).status < 500);
  }

  async start() {
    await this.startController();
    await this.startNginx();
  }

  async wsctl(...args) {
    return (await run(path.join(this.bin, 'wsctl'), ['--state-dir', this.state, ...args], { maxBuffer: 1 << 24 })).stdout;
  }

  async api(method, p, body, headers = {}) {
    const res = await request(this.http, { method, path: p, host: `127.0.0.1:${this.http}`,
      headers: { Authorization: `Bearer ${this.token}`, ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body: body && JSON.stringify(body) });
    let json = null;
    try { json = JSON.parse(res.text); } catch { /* an empty body */ }
    return { ...res, json };
  }

  async launch(user) {
    const from = now();
    const res = await this.api('POST', '/v1/workspaces', { user_id: user, workspace_type: 'vscode' }, { Prefer: 'wait=30' });
    check(res.status === 200 && res.json.status === 'ready', `launch of ${user}: ${res.status} ${res.text}`);
    const ws = await this.workspace(res.json.id);
    return { ...ws, url: res.json.url, ms: now() - from };
  }

  async workspace(id) {
    const res = await this.api('GET', `/v1/workspaces/${id}`);
    check(res.status === 200, `workspace ${id}: ${res.status} ${res.text}`);
    return res.json;
  }

  async stop(id) {
    const res = await this.api('POST', `/v1/workspaces/${id}/stop`);
    check(res.status < 300, `stop of ${id}: ${res.status} ${res.text}`);
    return this.stopped(id, 60);
  }

  stopped(id, seconds) {
    return until(`${id} is stopped`, seconds, async () => {
      const ws = await this.workspace(id);
      check(ws.state !== 'attention', `${id} needs attention: ${ws.reason}`);
      return ws.state === 'stopped' && ws;
    });
  }

  async pools() {
    return (await this.api('GET', '/v1/pools')).json.pools[0];
  }

  warm(n = this.pool, seconds = 240) { // for what hangs: a busy machine starts code-server in a minute
    return until(`${n} tasks are warm`, seconds, async () => (await this.pools()).warm >= n);
  }

  async tasks() {
    return (await this.api('GET', '/v1/tasks')).json.tasks;
  }

  taskDir(task) {
    return path.join(this.state, 'tasks', task);
  }

  // What the task's agent has said.
  agentLog(task) {
    return fs.readFileSync(path.join(this.taskDir(task), 'agent.log'), 'utf8');
  }

  // The warm tasks of a type have loaded their app ahead of a claim, as its profile wants.
  async loadedAhead(type) {
    const tasks = (await this.tasks()).filter((t) => t.state === 'warm' && (!type || t.workspace_type === type));
    check(tasks.length > 0, 'no task is warm');
    await until('the app is loaded ahead', 300, () => tasks.every((t) => this.agentLog(t.id).includes('msg="app has loaded ahead"')));
  }

  // Whether the student's app is what was loaded ahead.
  startedAhead(task) {
    return /msg="app started" pid=\d+ prime=0 ahead=1/.test(this.agentLog(task));
  }

  // Throws when it is dead: its number may be another process's by now, which must not be killed.
  taskPid(task) {
    const [pid, start] = fs.readFileSync(path.join(this.taskDir(task), 'pid'), 'utf8').trim().split(' ');
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    check(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] === start, `the task ${task} is dead`);
    return Number(pid);
  }

  taskUid(task) {
    return this.uidBase + 4 * Number(fs.readFileSync(path.join(this.taskDir(task), 'slot'), 'utf8'));
  }

  // The path on the host of a path in the task: below /home/student, /run/ws or /tmp.
  inside(task, p) {
    for (const [there, here] of [['/home/student', 'home'], ['/run/ws', 'run'], ['/tmp', 'tmp']])
      if (p === there || p.startsWith(`${there}/`)) return path.join(this.taskDir(task), here, p.slice(there.length));
    throw new Failure(`${p} is not the task's own`);
  }

  // Nothing of it is left once it is gone.
  exists(task) {
    return fs.existsSync(this.taskDir(task));
  }

  aliveTasks() {
    const dir = path.join(this.state, 'tasks');
    return (fs.existsSync(dir) ? fs.readdirSync(dir) : []).filter((t) => {
      try { fs.readlinkSync(`/proc/${this.taskPid(t)}/ns/pid`); return true; } catch { return false; }
    });
  }

  // The path on the host of a file in the student's home.
  home(task, ...names) {
    return this.inside(task, path.join('/home/student', ...names));
  }

  // Every process of a task of ours, and every one that such a task may have left.
  ours() {
    return this.processes().filter((p) => p.uid >= this.uidBase && p.uid < this.uidBase + 400);
  }

  // argv in the task's namespaces, as the student.
  asStudent(task, ...argv) {
    const uid = String(this.taskUid(task));
    return ['nsenter', ['-t', String(this.taskPid(task)), '-m', '-p', 'setpriv', '--reuid', uid, '--regid', uid, '--clear-groups',
      'env', '-i', 'HOME=/home/student', 'PATH=/usr/bin:/bin', ...argv]];
  }

  // Every process on the machine: {pid, ppid, uid, comm, cmd, ns}.
  processes() {
    const out = [];
    for (const pid of fs.readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
        const field = (k) => status.match(new RegExp(`^${k}:\\s*(\\S+)`, 'm'))?.[1];
        if (field('State') === 'Z') continue;
        out.push({ pid: Number(pid), ppid: Number(field('PPid')), uid: Number(field('Uid')), comm: field('Name'),
          cmd: fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
          ns: fs.readlinkSync(`/proc/${pid}/ns/pid`) });
      } catch { /* it ended meanwhile */ }
    }
    return out;
  }

  inTask(task) {
    const ns = fs.readlinkSync(`/proc/${this.taskPid(task)}/ns/pid`);
    return this.processes().filter((p) => p.ns === ns);
  }

  // The process of a role: link, gate, sense.
  role(task, name) {
    return this.inTask(task).find((p) => p.cmd.startsWith('/run/ws/bin/wsagent-worker') && p.cmd.split(' ')[1] === name) ??
      this.inTask(task).find((p) => p.cmd.includes('wsagent') && p.cmd.split(' ')[1] === name);
  }

  // The app's first process: the oldest that runs code-server's entry.
  app(task) {
    const all = this.inTask(task).filter((p) => p.cmd.includes('code-server/out/node/entry.js'));
    return all.find((p) => !all.some((q) => q.pid === p.ppid));
  }

  // Processes with one of our uids, or an agent of ours, that belong to no living task.
  orphans() {
    const alive = new Set();
    for (const t of this.aliveTasks()) {
      try { alive.add(fs.readlinkSync(`/proc/${this.taskPid(t)}/ns/pid`)); } catch { /* it died meanwhile */ }
    }
    return this.ours().filter((p) => !alive.has(p.ns));
  }

  logTail(n = 15) {
    try { return '\n' + fs.readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-n).join('\n'); } catch { return '(no log)'; }
  }

  // Save and stop everything, end the programs; what is left over is a failure.
  async shutdown() {
    await this.wsctl('shutdown', '--wait');
    await this.endPrograms();
    await until('no process of a task is left', 20, () => this.orphans().length === 0 && this.ours().length === 0);
  }

  async endPrograms() {
    for (const child of [this.nginx, this.controller]) {
      if (!child || child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      const end = await Promise.race([child.ended, sleep(10000).then(() => 'still there')]);
      if (end === 'still there') child.kill('SIGKILL');
    }
  }

  killTasks() {
    for (const t of this.aliveTasks()) {
      try { process.kill(this.taskPid(t), 'SIGKILL'); } catch { /* gone */ }
    }
    for (const p of this.ours()) try { process.kill(p.pid, 'SIGKILL'); } catch { /* gone */ }
  }

  // Whatever happened: leave nothing behind. The folder stays after a failure, to be looked at.
  async close(failed) {
    await this.endPrograms();
    this.killTasks();
    if (failed || process.env.WS_TEST_KEEP) console.log(`kept for a look: ${this.dir}`);
    else fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

// ---- the browser ----

export const chromiumArgs = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP *.localhost 127.0.0.1'];

export class Browsers {
  constructor(world) {
    this.world = world;
    this.chromium = createRequire(path.join(world.playwright, 'node_modules/x.js'))('playwright-core').chromium;
    this.open = new Set();
  }

  // A browser with a fresh profile: a student's own machine, or another one the next day. With a profile: the same one again.
  async start({ profile = fs.mkdtempSync(path.join(this.world.dir, 'browser.')), args = [] } = {}) {
    const context = await this.chromium.launchPersistentContext(profile, { executablePath: '/usr/bin/chromium', headless: true,
      args: [...chromiumArgs, ...args], viewport: { width: 1280, height: 800 } });
    context.setDefaultTimeout(30000);
    this.open.add(context);
    context.on('close', () => this.open.delete(context));
    return context;
  }

  async closeAll() {
    for (const c of [...this.open]) await c.close().catch(() => {});
  }
}

// Usable: the workbench stands, its explorer and its status bar are drawn.
export async function usable(page) {
  await page.waitForSelector('.monaco-workbench .part.statusbar .statusbar-item', { state: 'visible' });
  await page.waitForSelector('.monaco-workbench .explorer-folders-view', { state: 'visible' });
}

export async function openEditor(context, url) {
  const page = context.pages()[0] ?? await context.newPage();
  const go = () => page.goto(url, { waitUntil: 'commit' });
  await go().catch((e) => { // a container's network came or went beside us; the link's cookie may be there already
    if (!/ERR_NETWORK_CHANGED/.test(e.message)) throw e;
    console.log('  the machine\'s networks changed: the page is loaded again');
    return go();
  });
  await usable(page);
  return page;
}

export async function command(page, name) {
  const row = page.locator('.quick-input-list .monaco-list-row').filter({ hasText: name.replace(/^.*: /, '') }).first();
  const input = page.locator('.quick-input-widget input[type=text]').first();
  // The list that opens while the editor still loads may lose what is typed into it, or close: it is opened again.
  for (let tries = 1; ; tries++) {
    try {
      await page.keyboard.press('F1');
      await input.waitFor({ state: 'visible', timeout: 15000 });
      await input.fill(`>${name}`);
      await row.waitFor({ timeout: 15000 });
      break;
    } catch (e) {
      if (tries === 6) throw e;
      await page.keyboard.press('Escape');
    }
  }
  await page.keyboard.press('Enter');
}

// Open a file of the workspace in the editor. The explorer shows a file that was made outside the page only once its
// watcher runs, which a busy machine may start late: it is told to look again.
export async function openFile(page, name) {
  const row = page.locator('.explorer-folders-view').getByText(name, { exact: true }).first();
  const shown = () => row.waitFor({ state: 'visible', timeout: 8000 }).then(() => true, () => false);
  for (let tries = 0; tries < 4 && !await shown(); tries++) await command(page, 'Refresh Explorer');
  await row.dblclick();
  await page.locator('.editor-instance .view-lines').first().waitFor({ state: 'visible' });
}

export async function openTerminal(page) {
  await command(page, 'Terminal: Create New Terminal');
  await page.locator('.terminal-wrapper .xterm').last().waitFor({ state: 'visible' });
  await page.locator('.terminal-wrapper .xterm-helper-textarea').last().focus();
}

// A line typed into the terminal, until `seen` holds: a person who sees nothing happen clicks into it and types again, and so
// does this, which is said. The line must bear being run twice.
export async function typeInTerminal(page, line, what, seen) {
  for (let tries = 1; ; tries++) {
    await page.locator('.terminal-wrapper .xterm-helper-textarea').last().focus();
    await page.keyboard.type(`${line}\n`, { delay: 10 });
    try {
      return await until(what, 30, seen);
    } catch (e) {
      if (tries === 3) throw e;
      console.log(`  typed again: ${line}`);
    }
  }
}

// What an editor shows; VS Code draws blanks as no-break spaces.
export async function editorText(page) {
  const lines = await page.locator('.editor-instance .view-lines').allInnerTexts();
  return lines.join('\n').replaceAll('\u00a0', ' ');
}

// ---- a WebSocket as a browser holds it, opened through nginx and the gate ----

export function openWebSocket(port, host, cookie, p) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, path: p, timeout: 10000, headers: { Host: host, Connection: 'Upgrade', Upgrade: 'websocket',
      Origin: `http://${host}`, 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': Buffer.from('0123456789abcdef').toString('base64'),
      Cookie: cookie } });
    req.on('upgrade', (res, socket) => {
      const ws = { socket, open: true, bytes: 0 };
      socket.on('data', (d) => { ws.bytes += d.length; });
      for (const e of ['end', 'close', 'error']) socket.on(e, () => { ws.open = false; });
      resolve(ws);
    });
    req.on('response', (res) => reject(new Error(`no upgrade: ${res.statusCode}`)));
    req.on('timeout', () => req.destroy(new Error('no upgrade in 10 s')));
    req.on('error', reject);
    req.end();
  });
}

const jar = new Map(); // a link opens once: the cookie that each one gave

// Follow a link as a browser does: the cookie it sets, the place it leads to. While the workspace is not ready there is
// neither.
export async function follow(port, url) {
  const u = new URL(url);
  const had = jar.get(url);
  let res = await request(port, { host: u.host, path: u.pathname + u.search, headers: { Accept: 'text/html', ...(had ? { Cookie: had } : {}) } });
  const set = (res.headers['set-cookie'] ?? []).map((c) => c.split(';')[0]).join('; ');
  const cookie = set || had || '';
  if (set) jar.set(url, set);
  if (res.status === 303) check(cookie.includes('ws_access='), 'the link sets no cookie');
  for (let i = 0; i < 5 && res.status >= 300 && res.status < 400; i++) {
    const to = new URL(res.headers.location, `http://${u.host}${u.pathname}`);
    res = await request(port, { host: u.host, path: to.pathname + to.search, headers: { Cookie: cookie, Accept: 'text/html' } });
  }
  return { host: u.host, cookie, status: res.status, text: res.text };
}

// Run a test's story with a world; print how it went; exit 0 or 1. The story may return how many
// checks it stands for. With --provider docker tasks are containers.
export async function main(options, story, Kind = World) {
  let failed = false, passed = 0;
  const at = process.argv.indexOf('--provider');
  if (at > 0 && process.argv[at + 1] !== 'process') {
    check(process.argv[at + 1] === 'docker', '--provider is process or docker');
    Kind = (await import('./docker.mjs')).contained(Kind);
  }
  const world = await Kind.make(options);
  const onSignal = () => { failed = true; world.close(true).then(() => process.exit(130)); };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    passed = (await story(world)) ?? 1;
  } catch (e) {
    failed = true;
    console.error(`FAILED: ${e instanceof Failure ? e.message : e.stack}`);
    console.error(`controller's log: ${world.logTail()}`);
  }
  await world.close(failed);
  console.log(`${passed} passed, ${failed ? 1 : 0} failed, 0 skipped`);
  process.exit(failed ? 1 : 0);
}
