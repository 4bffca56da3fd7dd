// What the fault checks need besides lib.mjs: stand-in apps, worlds with several types or small file
// systems, and hand-made messages.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { Failure, World, check, follow, openWebSocket, root, until } from './lib.mjs';

// ---- worlds ----

const STANDIN = {
  app: { argv: ['python3', '-S', '-E', '/run/ws/dist/standin.py', '${APP_SOCKET}'], path: '/usr/local/bin:/usr/bin:/bin' },
  health: { path: '/healthz' }, prime: { path: '/' }, save: { include: ['.'], exclude: [] },
  save_after: '1s', stop_grace: '1s', kill_grace: '1s',
};

// types: {NAME: {profile, bind, pool, …}}; without a profile it is the stand-in.
export async function makeWorld(name, types, globals = {}) {
  const w = await World.make({ name: `faults-${name}` });
  const app = path.join(w.dir, 'standin');
  fs.mkdirSync(app);
  fs.copyFileSync(path.join(root, 'tests/system/standin.py'), path.join(app, 'standin.py'));
  // Uids of our own: several worlds live in one run.
  w.uidBase += 1600000 + 400 * 4000 * (makeWorld.count = (makeWorld.count ?? 0) + 1);
  w.types = {};
  for (const [type, given] of Object.entries(types)) {
    const { profile = { name: type, ...STANDIN }, ...rest } = given;
    const file = path.join(w.dir, `${type}.json`);
    fs.writeFileSync(file, JSON.stringify(profile));
    w.types[type] = { profile: file, bind: `${app}:/run/ws/dist`, pool: 1, idle: '30m', ...rest };
  }
  w.globals = globals;
  writeTypes(w);
  return w;
}

export function editorType(w) {
  return { profile: JSON.parse(fs.readFileSync(path.join(root, 'images/code-server/profile.json'), 'utf8')),
    bind: `${w}:/run/ws/dist` };
}

export function codeServerFolder() {
  return execFileSync(path.join(root, 'images/local/install'), ['--where'], { encoding: 'utf8' }).split('\n')[0];
}

export function writeTypes(w) {
  w.writeConfig();
  const [head] = fs.readFileSync(w.config, 'utf8').split('[type ');
  const set = Object.entries(w.globals).map(([k, v]) => `${k} = ${v}\n`).join('');
  const sections = Object.entries(w.types).map(([name, options]) =>
    `\n[type ${name}]\n${Object.entries(options).map(([k, v]) => `${k} = ${v}\n`).join('')}`);
  fs.writeFileSync(w.config, head.trimEnd() + '\n' + set + sections.join(''));
}

// A small file system at a place in the world; in this run's own mount namespace.
export function mountSmall(w, dir, size) {
  fs.mkdirSync(dir, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0711`, 'faults', dir]);
  (w.mounts ??= []).push(dir);
}

export function mountBind(w, from, to) {
  fs.mkdirSync(from, { recursive: true, mode: 0o711 });
  fs.mkdirSync(to, { recursive: true, mode: 0o711 });
  execFileSync('mount', ['--bind', from, to]);
  (w.mounts ??= []).push(to);
}

export async function closeWorld(w, failed) {
  await w.endPrograms();
  const tasks = path.join(w.state, 'tasks');
  for (const t of fs.existsSync(tasks) ? fs.readdirSync(tasks) : []) {
    try { process.kill(w.taskPid(t), 'SIGKILL'); } catch { /* gone */ }
  }
  for (const dir of (w.mounts ?? []).reverse()) execFileSync('umount', ['--lazy', dir]);
  await w.close(failed);
}

// ---- what is asked of them ----

// {code, stdout, stderr}, whatever the code.
export function runProgram(file, args, options = {}) {
  return new Promise((resolve) => {
    execFile(file, args, { maxBuffer: 1 << 24, timeout: 60000, ...options }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code ?? error.signal : 0, stdout, stderr }));
  });
}

export function ctl(w, ...args) {
  return runProgram(path.join(w.bin, 'wsctl'), ['--state-dir', w.state, ...args]);
}

export function launchRaw(w, user, type, wait = 30) {
  return w.api('POST', '/v1/workspaces', { user_id: user, workspace_type: type }, wait ? { Prefer: `wait=${wait}` } : {});
}

export async function launch(w, user, type = 'standin') {
  const from = Date.now();
  let res = await launchRaw(w, user, type);
  // Waiting is a favour that may end early (API.md): asking again is how it goes on. Say so.
  if (res.status === 202 && res.json.state === 'starting' && Date.now() - from < 29000) {
    console.log(`       said: the launch of ${user} was answered 202 after ${Date.now() - from} ms of 30 s`);
    res = await launchRaw(w, user, type);
  }
  check(res.status === 200 && res.json.status === 'ready', `launch of ${user}: ${res.status} ${res.text}`);
  return { ...await w.workspace(res.json.id), url: res.json.url };
}

export async function pool(w, type) {
  return (await w.api('GET', '/v1/pools')).json.pools.find((p) => p.workspace_type === type);
}

export function warm(w, type, n = 1, seconds = 240) {
  return until(`${n} tasks of ${type} are warm`, seconds, async () => {
    const p = await pool(w, type);
    return p.warm >= n && p;
  });
}

export async function events(w, test = () => true) {
  const out = [];
  for (let after = 0; ;) {
    const { json } = await w.api('GET', `/v1/events?after=${after}`);
    out.push(...json.events);
    if (json.last <= after || !json.events.length) return out.filter(test);
    after = json.last;
  }
}

export function refused(res, status, code, words) {
  const e = res.json?.error;
  check(res.status === status && e?.code === code, `expected ${status} ${code}, got ${res.status} ${res.text.slice(0, 300)}`);
  check(words.test(e.message), `the message does not say ${words}: ${e.message}`);
  check(e.message.length < 400, `the message has ${e.message.length} characters`);
  return `${res.status} ${e.code}: ${e.message}`;
}

// The controller is the same process and serves: HTTP, the operator's socket, its agents.
export async function stillServes(w, pid = w.controller.pid) {
  check(!w.controller.gone && w.controller.pid === pid, `the controller ended: ${w.logTail()}`);
  const ready = await w.api('GET', '/readyz');
  check(ready.status === 200, `/readyz: ${ready.status}`);
  const ps = await ctl(w, 'ps');
  check(ps.code === 0, `wsctl ps: ${ps.code} ${ps.stderr}`);
  await until('every agent is heard', 10, async () => {
    const tasks = await w.tasks();
    return tasks.length > 0 && tasks.every((t) => t.state === 'launching' || (t.heard_s !== null && t.heard_s < 3)) ||
      Promise.reject(new Error(JSON.stringify(tasks)));
  });
}

export function readLog(w, from = 0) {
  return fs.readFileSync(w.log, 'utf8').slice(from);
}

export const logSize = (w) => readLog(w).length;

// Write a file as the student would, and read it on the host.
export async function writeFile(w, task, name, text) {
  const [cmd, args] = w.asStudent(task, 'sh', '-c', 'mkdir -p "$(dirname "$1")" && cat >"$1"', 'write', `/home/student/workspace/${name}`);
  const child = spawn(cmd, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin.end(text);
  let stderr = '';
  child.stderr.on('data', (d) => { stderr += d; });
  const code = await new Promise((resolve) => child.on('close', resolve));
  check(code === 0, `writing ${name}: ${code} ${stderr}`);
}

export function readFile(w, task, name) {
  const file = w.home(task, 'workspace', name);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : null;
}

// Saved and stopped, with the task gone.
export async function stopFully(w, ws) {
  const stopped = await w.stop(ws.id);
  await until(`${ws.task} is gone`, 20, () => !fs.existsSync(w.taskDir(ws.task)));
  return stopped;
}

export function objectFile(w, id, save, name = '0-00000.tar.zst') {
  return path.join(w.state, 'storage', id, `${save.generation}-${save.seq}`, name);
}

// What the gate says to the app, on its Unix socket.
export function noticeSocket(w, task, where) {
  const socketPath = path.join(w.taskDir(task), 'run/notice/notice.sock');
  return new Promise((resolve, reject) => {
    http.get({ socketPath, path: where, timeout: 5000 }, (res) => {
      let text = '';
      res.on('data', (d) => { text += d; });
      res.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

// Another byte in the middle; done twice it is whole again.
export function flip(file) {
  const fd = fs.openSync(file, 'r+');
  const at = Math.floor(fs.fstatSync(fd).size / 2);
  const b = Buffer.alloc(1);
  fs.readSync(fd, b, 0, 1, at);
  b[0] ^= 0x55;
  fs.writeSync(fd, b, 0, 1, at);
  fs.closeSync(fd);
}

export function treeHash(dir) {
  const h = createHash('sha256');
  for (const f of fs.readdirSync(dir, { recursive: true }).sort()) {
    const p = path.join(dir, f);
    h.update(`${f}\n`);
    if (fs.statSync(p).isFile()) h.update(fs.readFileSync(p));
  }
  return h.digest('hex');
}

// What the controller derives from its key (controller/keys.c).
export function derive(w, label, name, n = 0) {
  const hex = (s) => createHash('sha256').update(s).digest('hex');
  const key = fs.readFileSync(path.join(w.state, 'master.key'));
  return createHmac('sha256', key).update(`${label}\n${hex(name)}\n${hex('')}\n${n}\n0`).digest('hex');
}

// A ticket or cookie of any generation and time of expiry: shared/crypto/access.h.
export function access(w, kind, ws, expires, generation = ws.generation) {
  const ident = randomBytes(16).toString('hex');
  const mac = createHmac('sha256', derive(w, 'access-key', ws.id, generation)).update(`${kind}\n${generation}\n${expires}\n${ident}`).digest('hex');
  return `${generation}.${expires}.${ident}.${mac}`;
}

// ---- a WebSocket that can be heard ----

export async function echoSocket(w, url) {
  const page = await follow(w.port, url);
  check(page.status === 200, `the page: ${page.status}`);
  const ws = await openWebSocket(w.port, page.host, page.cookie, '/socket');
  ws.host = page.host;
  ws.cookie = page.cookie;
  ws.text = '';
  ws.socket.on('data', (d) => { ws.text += d.toString('latin1'); });
  ws.says = async (word) => {
    ws.socket.write(word);
    await until(`"${word}" comes back through the WebSocket`, 10, () => {
      check(ws.open, 'the WebSocket was cut');
      return ws.text.includes(word);
    }, 10);
  };
  return ws;
}

// ---- hand-made messages: SP, as nng speaks it on TCP and on Unix sockets ----

export class Sp {
  static async connect(where) {
    const s = new Sp();
    s.ipc = typeof where === 'string';
    s.in = Buffer.alloc(0);
    s.open = true;
    s.socket = s.ipc ? net.connect(where) : net.connect(where, '127.0.0.1');
    s.socket.on('data', (d) => { s.in = Buffer.concat([s.in, d]); });
    for (const e of ['end', 'close', 'error']) s.socket.on(e, () => { s.open = false; });
    await new Promise((resolve, reject) => s.socket.once('connect', resolve).once('error', reject));
    return s;
  }

  raw(bytes) {
    this.socket.write(bytes);
    return this;
  }

  // As REQ (0x30) to REP (0x31).
  async greet() {
    this.raw(Buffer.from('0053500000300000', 'hex'));
    const hello = await this.take(8);
    check(hello.toString('hex') === '0053500000310000', `not a REP socket: ${hello.toString('hex')}`);
    return this;
  }

  async take(n) {
    await until(`${n} bytes`, 10, () => {
      if (this.in.length < n && !this.open) throw new Failure('the connection was closed');
      return this.in.length >= n;
    }, 5);
    const out = this.in.subarray(0, n);
    this.in = this.in.subarray(n);
    return out;
  }

  header(length) {
    const h = Buffer.alloc(8);
    h.writeBigUInt64BE(BigInt(length));
    return this.ipc ? Buffer.concat([Buffer.from([1]), h]) : h;
  }

  send(body) {
    const text = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const id = Buffer.alloc(4);
    id.writeUInt32BE((0x80000000 | (this.number = (this.number ?? 0) + 1)) >>> 0);
    return this.raw(Buffer.concat([this.header(text.length + 4), id, text]));
  }

  async answer() {
    if (this.ipc) await this.take(1);
    const n = Number((await this.take(8)).readBigUInt64BE());
    return JSON.parse((await this.take(n)).subarray(4).toString());
  }

  ask(body) {
    return this.send(body).answer();
  }

  closed(seconds = 10) {
    return until('the connection is closed', seconds, () => !this.open, 5);
  }

  end() {
    this.socket.destroy();
  }
}
