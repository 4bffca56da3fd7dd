// Bad input and faults, each against the real programs: a clear error at the right place, a sane
// state, nothing lost.
//
//   faults [--only NAME] [--list]
//
// One named check per fault. Where code-server is not the point, a small stand-in runs in its place.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Failure, check, follow, now, openWebSocket, request, root, until } from './lib.mjs';
import * as f from './faults_lib.mjs';

// ---- worlds, made when a check first needs them ----

const recipes = {
  // Everything well: the editor and the stand-in, behind nginx.
  main: async () => {
    const w = await f.makeWorld('main', { vscode: f.editorType(f.codeServerFolder()), standin: { pool: 2 } }, { save_retry: '1s' });
    await w.start();
    await Promise.all([f.warm(w, 'vscode'), f.warm(w, 'standin')]);
    return w;
  },
  // Types that cannot work.
  broken: async () => {
    const w = await f.makeWorld('broken', {
      absent: f.editorType('/placeholder'),
      empty: f.editorType('/placeholder'),
      crash: { profile: { name: 'crash', app: { argv: ['sh', '-c', 'exit 3'], path: '/bin' }, health: { path: '/' } } },
      typo: { profile: { name: 'typo', app: { argv: ['sh'], path: '/bin' }, helth: { path: '/' } } },
      good: {},
    });
    w.appFolder = path.join(w.dir, 'app');
    w.types.absent.bind = `${w.appFolder}:/run/ws/dist`;
    fs.mkdirSync(path.join(w.dir, 'empty'));
    w.types.empty.bind = `${w.dir}/empty:/run/ws/dist`;
    f.writeTypes(w);
    await w.startController();
    return w;
  },
  // The store and the saves on small file systems of their own.
  small: async () => {
    const w = await f.makeWorld('small', { standin: { pool: 1 } }, { save_retry: '1s' });
    f.mountSmall(w, w.state, '32m');
    f.mountBind(w, path.join(w.dir, 'tasks'), path.join(w.state, 'tasks'));
    w.saves = path.join(w.state, 'storage');
    f.mountSmall(w, w.saves, '4m');
    await w.start();
    await f.warm(w, 'standin');
    return w;
  },
  // Configured, not started.
  idle: () => f.makeWorld('idle', { standin: {} }),
};

const worlds = {};
const world = (name) => worlds[name] ??= recipes[name]();

// ---- ports ----

async function listener(port) {
  const s = net.createServer((c) => c.on('error', () => {}));
  await new Promise((resolve, reject) => s.on('error', reject).listen(port, '127.0.0.1', resolve));
  s.free = () => new Promise((resolve) => s.close(resolve));
  return s;
}

// Start a controller that cannot come up: how it ended and what it said.
async function startRefused(w, ...flags) {
  const res = await f.runProgram(path.join(w.bin, 'wscontroller'), ['--config', w.config, ...flags], { timeout: 30000 });
  check(Number.isInteger(res.code) && res.code > 0, `it ended with ${res.code}: ${res.stderr}`);
  return res;
}

async function portTaken(which) {
  const w = await world('idle');
  const s = await listener(w[which]);
  try {
    const { code, stderr } = await startRefused(w);
    const line = stderr.split('\n').find((l) => /level=error/.test(l) && l.includes(String(w[which])) && /in use|taken/i.test(l));
    check(line, `no error says that port ${w[which]} is taken: ${stderr}`);
    return `exit ${code}: ${line}`;
  } finally {
    await s.free();
  }
}

// The storage server is a child that is started again: it says so until the port is free.
async function storagePortTaken() {
  const w = await f.makeWorld('storage', { standin: {} });
  const s = await listener(w.storage);
  let failed = true;
  try {
    await w.startController();
    const line = await until('the log names the port', 10, () => f.readLog(w).split('\n')
      .find((l) => /level=error/.test(l) && l.includes(String(w.storage)) && /in use|taken/i.test(l)));
    await s.free();
    await until('the storage serves as soon as the port is free', 15, async () =>
      (await request(w.storage, { path: '/healthz', timeout: 1000 })).status === 200);
    await f.warm(w, 'standin');
    await f.stopFully(w, await f.launch(w, 'sam'));
    failed = false;
    return line;
  } finally {
    s.close();
    await f.closeWorld(w, failed);
  }
}

async function frontPortTaken() {
  const w = await world('idle');
  const s = await listener(0);
  try {
    const { code, stderr } = await f.runProgram(path.join(root, 'images/local/run'),
      ['--port', String(s.address().port), '--state-dir', path.join(w.dir, 'run')]);
    check(code === 1, `exit ${code}: ${stderr}`);
    const line = stderr.trim().split('\n').pop();
    check(line.includes(`port ${s.address().port} is taken by`) && line.includes(`pid ${process.pid}`) && line.includes('--port'), line);
    return `exit ${code}: ${line}`;
  } finally {
    await s.free();
  }
}

async function secondController() {
  const w = await world('main');
  const other = await f.makeWorld('second', { standin: {} });
  try {
    const { code, stderr } = await startRefused(w, '--listen-agents', `tcp://127.0.0.1:${other.agents}`,
      '--listen-http', `127.0.0.1:${other.http}`, '--listen-storage', `127.0.0.1:${other.storage}`);
    check(/another controller is running/.test(stderr) && stderr.includes(String(w.controller.pid)), stderr);
    await f.stillServes(w);
    return `exit ${code}: ${stderr.trim()}`;
  } finally {
    await f.closeWorld(other, false);
  }
}

// ---- apps that do not start ----

async function breakerOpen(w, type, reason) {
  const p = await until(`the breaker of ${type} is open a second time`, 30, async () => {
    const q = await f.pool(w, type);
    return q.paused_s > 5.5 && q;
  });
  const launched = await f.events(w, (e) => e.what === 'launched' && e.detail === type);
  const failed = await f.events(w, (e) => e.what === 'gone' && launched.some((l) => l.task === e.task));
  // Three in a row, then one that tries after each pause; the first is 5 s, each further one twice as long.
  const seconds = (Date.now() - Date.parse(launched[0].at)) / 1000;
  const most = 3 + Math.ceil(Math.log2(seconds / 5 + 1));
  check(launched.length >= 4 && launched.length <= most, `${launched.length} launches in ${seconds} s`);
  // The next attempt may be under way by now.
  check(failed.length >= launched.length - 1, `${launched.length} launches, ${failed.length} failures: ${JSON.stringify(failed)}`);
  for (const e of failed) check(reason.test(e.detail), `the history says "${e.detail}"`);
  check(p.warm === 0 && p.launching === 0, JSON.stringify(p));
  const { stdout } = await f.ctl(w, 'pool');
  const row = stdout.split('\n').find((l) => l.startsWith(type));
  check(/paused after \d+ failed launches/.test(row), `wsctl pool: ${row}`);
  check(reason.test(row), `wsctl pool does not say why: ${row}`);
  await until('no failed task is kept', 5, async () => !(await w.tasks()).some((t) => t.workspace_type === type && t.state !== 'launching'));
  return row.trim().replace(/ {2,}/g, '  ');
}

async function othersGood(w) {
  await f.warm(w, 'good');
  check((await f.launchRaw(w, `bystander-${now()}`, 'good')).status === 200, 'another type is not served');
}

async function codeServerMissing() {
  const w = await world('broken');
  const said = [await breakerOpen(w, 'absent', /app folder.*No such file/), await breakerOpen(w, 'empty', /exit status 127/)];
  await othersGood(w);
  // A student who asks for it waits, with a word; then somebody installs it.
  const res = await f.launchRaw(w, 'early', 'absent', 0);
  check(res.status === 202 && res.json.status === 'starting', `${res.status} ${res.text}`);
  fs.symlinkSync(f.codeServerFolder(), w.appFolder);
  await until('installed, it is handed out to who waits', 60, async () => (await w.workspace(res.json.id)).status === 'ready');
  return said.join('\n');
}

async function appCrashes() {
  const w = await world('broken');
  const said = await breakerOpen(w, 'crash', /exit status 3/);
  await othersGood(w);
  return said;
}

async function badProfile() {
  const w = await world('broken');
  const said = await breakerOpen(w, 'typo', /configuration|profile/);
  await othersGood(w);
  return said;
}

// ---- disks ----

function fill(dir) {
  const fd = fs.openSync(path.join(dir, 'filler'), 'w');
  try {
    for (const size of [1 << 20, 4096, 1]) {
      try {
        for (;;) fs.writeSync(fd, Buffer.alloc(size));
      } catch (e) {
        if (e.code !== 'ENOSPC') throw e;
      }
    }
  } finally {
    fs.closeSync(fd);
  }
}

async function storeFull() {
  const w = await world('small');
  const ws = await f.launch(w, 'fay');
  const page = await follow(w.port, ws.url);
  check(page.status === 200, `page: ${page.status}`);
  fill(w.state);
  let said;
  try {
    said = f.refused(await f.launchRaw(w, 'gil', 'standin'), 503, 'store-unavailable', /stor/);
    const ready = await w.api('GET', '/readyz');
    check(ready.status === 503, `/readyz: ${ready.status}`);
    const ctl = await f.ctl(w, 'launch', 'gil', '--type', 'standin');
    check(ctl.code === 1 && /stor/.test(ctl.stderr), `wsctl launch: ${ctl.code} ${ctl.stderr}`);
    check(/database or disk is full/.test(f.readLog(w)), `the log does not say why: ${w.logTail()}`);
    // Who works goes on.
    const res = await request(w.port, { host: page.host, headers: { Cookie: page.cookie } });
    check(res.status === 200, `the running workspace: ${res.status}`);
    await f.writeFile(w, ws.task, 'meanwhile.txt', 'written while the store was full\n');
  } finally {
    fs.rmSync(path.join(w.state, 'filler'));
  }
  await until('it recovers', 20, async () => (await w.api('GET', '/readyz')).status === 200);
  check((await f.launch(w, 'gil')).status === 'ready', 'the launch that was refused');
  await f.stopFully(w, ws);
  const again = await f.launch(w, 'fay');
  check(f.readFile(w, again.task, 'meanwhile.txt') === 'written while the store was full\n', 'what was written meanwhile is lost');
  return said;
}

async function saveDiskFull() {
  const w = await world('small');
  const ws = await f.launch(w, 'hal');
  const big = randomBytes(6 << 20).toString('base64').slice(0, 8 << 20);
  await f.writeFile(w, ws.task, 'big.txt', big);
  const res = await w.api('POST', `/v1/workspaces/${ws.id}/stop`);
  check(res.status === 202, `stop: ${res.status} ${res.text}`);
  const sick = await until('it needs attention', 30, async () => {
    const x = await w.workspace(ws.id);
    check(x.state !== 'stopped', 'it was stopped without a save');
    return x.state === 'attention' && x;
  });
  check(sick.task === ws.task && fs.existsSync(w.home(ws.task, 'workspace/big.txt')), 'its task was not kept');
  const row = (await f.ctl(w, 'ps')).stdout.split('\n').find((l) => l.startsWith(ws.id));
  check(/attention/.test(row) && /full/.test(row), `wsctl ps: ${row}`);
  const alert = await f.events(w, (e) => e.workspace === ws.id && e.what === 'attention');
  check(alert.length === 1, `${alert.length} alerts: ${JSON.stringify(alert)}`);
  await f.runProgram('mount', ['-o', 'remount,size=64m', w.saves]);
  await until('with room it is saved and stopped', 30, async () => (await w.workspace(ws.id)).state === 'stopped');
  const again = await f.launch(w, 'hal');
  check(f.readFile(w, again.task, 'big.txt') === big, 'the file is not what was written');
  await f.stopFully(w, again);
  return row.trim().replace(/ {2,}/g, '  ');
}

// ---- saves that are damaged ----

async function saveOf(w, user, text) {
  const ws = await f.launch(w, user);
  await f.writeFile(w, ws.task, 'essay.txt', text);
  return f.stopFully(w, ws);
}

async function corruptNewest() {
  const w = await world('main');
  await saveOf(w, 'ida', 'first\n');
  const head = await saveOf(w, 'ida', 'second\n');
  f.flip(f.objectFile(w, head.id, head.save));
  const ws = await f.launch(w, 'ida');
  check(f.readFile(w, ws.task, 'essay.txt') === 'first\n', `restored: ${f.readFile(w, ws.task, 'essay.txt')}`);
  const task = (await w.tasks()).find((t) => t.id === ws.task);
  check(/older save/.test(task.agent_error), `the operator is not told: ${JSON.stringify(task)}`);
  const shown = JSON.parse(await f.noticeSocket(w, ws.task, '/_workspace/status'));
  check(shown.notices.some((t) => /newest save was damaged/.test(t)), `the student is not told: ${JSON.stringify(shown)}`);
  const told = await f.events(w, (e) => e.workspace === ws.id && /older save|cannot be verified/.test(e.detail));
  await f.stopFully(w, ws);
  check(fs.existsSync(f.objectFile(w, head.id, head.save)), 'the damaged save was removed: nobody can look at it any more');
  check(told.length > 0, `restored, and wsctl tasks says "${task.agent_error}", but the history does not`);
  return task.agent_error;
}

async function corruptBoth() {
  const w = await world('main');
  const first = await saveOf(w, 'jon', 'first\n');
  const head = await saveOf(w, 'jon', 'second\n');
  const both = [first.save, head.save].map((s) => f.objectFile(w, head.id, s));
  both.forEach(f.flip);
  const objects = path.join(w.state, 'storage', head.id);
  const before = f.treeHash(objects);
  const from = now();
  const res = await f.launchRaw(w, 'jon', 'standin');
  check(res.status !== 200, `it was handed out: ${res.text}`);
  const waited = now() - from;
  const said = `${res.status} ${res.json.status ?? res.json.error.code}`;
  const sick = await until('it is said why', 20, async () => {
    const x = await w.workspace(head.id);
    check(x.status !== 'ready', 'an empty workspace was handed out');
    return /restore|verif/.test(x.reason ?? '') && x.state !== 'starting' && x;
  });
  await until('no task holds it', 20, async () => !(await w.tasks()).some((t) => t.workspace === head.id));
  check(JSON.stringify((await w.workspace(head.id)).save) === JSON.stringify(head.save), 'the committed save changed');
  check(f.treeHash(objects) === before, 'saves were changed');
  f.flip(both[1]);
  const ws = await f.launch(w, 'jon');
  check(f.readFile(w, ws.task, 'essay.txt') === 'second\n', 'the repaired save is not restored');
  await f.stopFully(w, ws);
  check(waited < 15000 && res.json.status !== 'starting', `whoever asked was told after ${(waited / 1000).toFixed(1)} s: ${said}`);
  return `${said}; ${sick.state}: ${sick.reason}`;
}

// ---- kills ----

async function agentKilled() {
  const w = await world('main');
  const ws = await f.launch(w, 'kim');
  await f.writeFile(w, ws.task, 'note.txt', 'committed\n');
  await until('it is saved in the background', 20, async () => {
    const x = await w.workspace(ws.id);
    return x.save && x.unsaved_s === 0;
  });
  process.kill(w.taskPid(ws.task), 'SIGKILL');
  await until('it is stopped', 20, async () => (await w.workspace(ws.id)).state === 'stopped');
  await until('nothing of it is left', 10, () => w.orphans().length === 0 && !w.exists(ws.task));
  const lost = await f.events(w, (e) => e.task === ws.task && e.what === 'lost');
  check(lost.length === 1, `the history says ${JSON.stringify(lost)}`);
  const again = await f.launch(w, 'kim');
  check(again.task !== ws.task && f.readFile(w, again.task, 'note.txt') === 'committed\n', 'the save is not there');
  await f.stopFully(w, again);
  return `history: lost: ${lost[0].detail}`;
}

async function controllerKilled() {
  const w = await world('main');
  const [lea, editor] = [await f.launch(w, 'lea'), await f.launch(w, 'lea', 'vscode')];
  const socket = await f.echoSocket(w, lea.url);
  const page = await until('the editor comes', 20, async () => {
    const p = await follow(w.port, editor.url);
    return p.status === 200 && p;
  });
  const base = page.text.match(/(?:stable|oss)-[0-9a-f]{40}/)?.[0];
  const ide = await openWebSocket(w.port, page.host, page.cookie,
    `/${base}?reconnectionToken=0a0b0c0d-0000-4000-8000-000000000001&reconnection=false&skipWebSocketFrames=false`);
  await socket.says('before');
  process.kill(w.controller.pid, 'SIGKILL');
  await w.controller.ended;
  await socket.says('while there is none');
  const away = await request(w.port, { host: socket.host, headers: { Cookie: socket.cookie, Accept: 'text/html' } });
  check(away.status === 200, `a page of what is open, meanwhile: ${away.status}`);
  const unseen = await request(w.port, { host: `ws-aaaaaaaaaaaa.localhost:${w.port}`, headers: { Accept: 'text/html' } });
  check(unseen.status === 503 && /tries again/.test(unseen.text), `what nobody has opened, meanwhile: ${unseen.status}`);
  await w.startController();
  await until('both are known as ready again', 20, async () => {
    const x = await w.workspace(lea.id), y = await w.workspace(editor.id);
    check(x.task === lea.task && y.task === editor.task, 'they moved');
    return x.status === 'ready' && y.status === 'ready' && x.heard_s < 3 && y.heard_s < 3;
  });
  await socket.says('after');
  check(ide.open, "the editor's WebSocket was cut");
  check((await request(w.port, { host: socket.host, headers: { Cookie: socket.cookie } })).status === 200, 'the page is not served again');
  await f.warm(w, 'standin', 2);
  for (const s of [socket, ide]) s.socket.destroy();
  await Promise.all([f.stopFully(w, lea), f.stopFully(w, editor)]);
  check(w.orphans().length === 0, `left over: ${JSON.stringify(w.orphans())}`);
}

// ---- messages ----

const hello = (task, secret, nonce = randomBytes(16).toString('hex')) => ({ type: 'hello', v_min: 1, v_max: 1, task, nonce, seq: 1,
  secret, addr: '127.0.0.1:9', phase: 'starting', agent: 'by hand' });

async function wrongSecret() {
  const w = await world('main');
  const from = f.logSize(w);
  const task = (await f.warm(w, 'standin')) && (await w.tasks()).find((t) => t.state === 'warm').id;
  const agent = await (await f.Sp.connect(w.agents)).greet();
  const answers = [await agent.ask(hello(task, 'ab'.repeat(32))), await agent.ask(hello('t-0000999999', 'ab'.repeat(32)))];
  for (const a of answers) check(a.type === 'refused' && a.code === 'bad-secret' && a.retry_ms > 0, JSON.stringify(a));
  const report = await agent.ask({ type: 'report', task, nonce: '0'.repeat(32), seq: 2, generation: 0, acted_id: 0, phase: 'failed',
    person_age_ms: -1, unsaved_age_ms: 0 });
  check(report.type === 'refused' && report.code === 'not-enrolled', `a report without enrolment: ${JSON.stringify(report)}`);
  // With the right secret, and of another instance: whoever has read it somewhere.
  const thief = await agent.ask(hello(task, f.derive(w, 'task-secret', task)));
  check(thief.type === 'refused' && thief.code === 'nonce-mismatch', `a second instance: ${JSON.stringify(thief)}`);
  await until('the history tells', 5, async () => (await f.events(w, (e) => e.task === task && e.what === 'nonce-mismatch')).length === 1);
  agent.end();
  const lines = f.readLog(w, from).split('\n').filter((l) => l.includes('wrong secret'));
  check(lines.length === 2 && lines[0].includes(task) && lines[0].includes('127.0.0.1'), `log: ${lines}`);
  check(!f.readLog(w, from).includes('abababab'), 'the secret is in the log');
  const seen = JSON.parse((await f.ctl(w, '--json', 'status')).stdout).agents;
  check(seen['bad-secrets'] >= 2 && seen['not-enrolled'] >= 1, `wsctl status counts ${JSON.stringify(seen)}`);
  const x = (await w.tasks()).find((t) => t.id === task);
  check(x.state === 'warm', `the real task is ${x.state}`);
  await f.stillServes(w);
  return lines[0];
}

const deep = '['.repeat(100000);
const broken = { 'no JSON': 'hello?', 'an empty message': '', 'half an object': '{"type":"hello","v_min":1', 'deep nesting': deep.slice(0, 60000),
  'a NUL': Buffer.from('{"type":"he\0llo"}'), 'bytes of no text': randomBytes(2000), 'an unknown type': { type: 'dance', seq: 1 },
  'a number too large': '{"type":"await","task":"t-0000000001","nonce":"' + '0'.repeat(32) + '","seq":1e300,"acted_id":0}' };

// Bytes that are not SP, or are, and never end. The other end hangs up or waits; it does not die.
async function hostileBytes(where) {
  const sent = [];
  const send = async (...bytes) => {
    const s = await f.Sp.connect(where);
    sent.push(s);
    bytes.forEach((b) => s.raw(b));
    return s;
  };
  const endless = Buffer.from('ffffffffffffffff', 'hex');
  const ipc = typeof where === 'string' ? Buffer.from([1]) : Buffer.alloc(0);
  await (await send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')).closed();
  await (await send(randomBytes(70000))).closed();
  const req = Buffer.from('0053500000300000', 'hex');
  for (const length of [endless, Buffer.from('0000010000000000', 'hex'), Buffer.from('0000000000a00000', 'hex')])
    await (await send(req, ipc, length, Buffer.alloc(100000))).closed();
  await send(req, ipc, Buffer.from('0000000000001000', 'hex'), 'the rest never comes');
  await send(req.subarray(0, 3));
  const none = await (await f.Sp.connect(where)).greet();
  none.raw(Buffer.concat([ipc, Buffer.from('0000000000000002', 'hex'), Buffer.from('ab')])); // too short for a request's number
  sent.push(none);
  for (let i = 0; i < 200; i++) await send();
  return () => sent.forEach((s) => s.end());
}

async function agentsMessages() {
  const w = await world('main');
  const from = f.logSize(w), pid = w.controller.pid;
  const agent = await (await f.Sp.connect(w.agents)).greet();
  for (const [what, body] of Object.entries(broken)) {
    const a = await agent.ask(body);
    check(a.type === 'refused' && a.code === 'bad-message', `${what}: ${JSON.stringify(a)}`);
  }
  const lines = f.readLog(w, from).split('\n').filter((l) => /message/.test(l) && /warn/.test(l));
  check(lines.length > 0 && lines.length <= 11, `${lines.length} lines in the log`);
  agent.send(Buffer.alloc(200000, 'x'));
  await agent.closed();
  const end = await hostileBytes(w.agents);
  await f.stillServes(w, pid);
  end();
  const ws = await f.launch(w, 'mia');
  await f.stopFully(w, ws);
  return lines[0];
}

async function opsMessages() {
  const w = await world('main');
  const pid = w.controller.pid, where = path.join(w.state, 'ops.sock');
  const operator = await (await f.Sp.connect(where)).greet();
  for (const [what, body] of Object.entries(broken)) {
    const a = await operator.ask(body);
    check(['bad-json', 'bad-field', 'unknown-command'].includes(a.error?.code), `${what}: ${JSON.stringify(a)}`);
  }
  const large = await operator.ask(JSON.stringify({ cmd: 'ps', pad: 'x'.repeat(700000) }));
  check(large.error?.code === 'too-large', JSON.stringify(large));
  const dance = await operator.ask({ cmd: 'dance' });
  check(dance.error?.code === 'unknown-command', JSON.stringify(dance));
  operator.send(Buffer.alloc(3000000, 'x'));
  await operator.closed();
  const end = await hostileBytes(where);
  await f.stillServes(w, pid);
  end();
  return `too-large: ${large.error.message}`;
}

// ---- requests ----

async function badRequests() {
  const w = await world('main');
  const before = (await w.api('GET', '/v1/workspaces')).json.total;
  const long = 'u'.repeat(10000);
  const said = [f.refused(await f.launchRaw(w, 'ned', 'nonsense'), 400, 'unknown-type', /nonsense/)];
  for (const user of ['../../etc/passwd', 'a/b', '/', 'a\nb', 'a b', '', '.hidden', '-rf', 'é'])
    said.push(f.refused(await f.launchRaw(w, user, 'standin'), 400, 'bad-field', /user_id/));
  said.push(f.refused(await f.launchRaw(w, long, 'standin'), 400, 'bad-field', /user_id/));
  f.refused(await f.launchRaw(w, 'a\u0000b', 'standin'), 400, 'bad-json', /NUL/);
  f.refused(await f.launchRaw(w, 'ned', long), 400, 'bad-field', /workspace_type/);
  f.refused(await f.launchRaw(w, 'u'.repeat(20000), 'standin'), 413, 'too-large', /bytes/);
  for (const [args, words] of [
    [['launch', 'ned', '--type', 'nonsense'], /nonsense/],
    [['launch', 'a/b', '--type', 'standin'], /user_id.*'\/'/],
    [['launch', long, '--type', 'standin'], /user_id.*128/],
    [['launch', 'ned', '--type', long], /workspace_type/],
    [['launch', 'ned', '--type', 'standin', '--name', 'x/y'], /name/],
    [['stop', 'ws-aaaaaaaaaaaa'], /no workspace/],
    [['why', long], /./],
  ]) {
    const { code, stderr, stdout } = await f.ctl(w, ...args);
    const what = `wsctl ${args.join(' ').slice(0, 60)}`;
    check(code === 1, `${what}: exit ${code}: ${stdout}${stderr.slice(0, 300)}`);
    check(words.test(stderr), `${what}: ${stderr.slice(0, 300)}`);
    check(stderr.length < 500, `${what}: ${stderr.length} characters of error`);
    said.push(`${what.slice(0, 40)}: exit ${code}: ${stderr.split('\n')[0]}`);
  }
  check((await w.api('GET', '/v1/workspaces')).json.total === before, 'a workspace was made');
  await f.stillServes(w);
  return [said[0], said[1], said[11], said[13]].join('\n');
}

async function accessLinks() {
  const w = await world('main');
  const [ned, olga] = [await f.launch(w, 'ned', 'vscode'), await f.launch(w, 'olga')];
  const host = new URL(ned.url).host;
  const soon = Math.floor(Date.now() / 1000) + 3600;
  const past = Math.floor(Date.now() / 1000) - 1;
  const good = f.access(w, 'ticket', ned, soon);
  const unused = f.access(w, 'ticket', ned, soon);
  check((await follow(w.port, `http://${host}/?ws_access=${unused}`)).status === 200, 'a good link does not work');
  const bad = { used: unused, expired: f.access(w, 'ticket', ned, past), 'an expired cookie': f.access(w, 'cookie', ned, past),
    "another workspace's": f.access(w, 'ticket', olga, soon), "another workspace's cookie": f.access(w, 'cookie', olga, soon),
    "another life's": f.access(w, 'ticket', ned, soon, ned.generation + 1), "another life's cookie": f.access(w, 'cookie', ned, soon, ned.generation - 1 || 9),
    'with a changed time': good.replace(/^(\d+)\.\d+/, `$1.${soon + 999999}`), 'with a changed signature': good.slice(0, -1) + (good.endsWith('0') ? '1' : '0'),
    'of no form': 'x'.repeat(5000), empty: '', 'a bare number': String(soon), 'with a line break': `${good}%0d%0aX-Evil:1` };
  const denials = { used: 'link-used', expired: 'link-expired', "another life's": 'link-of-another-start', "another life's cookie": 'link-of-another-start' };
  for (const [what, value] of Object.entries(bad)) {
    const link = await request(w.port, { host, path: `/?ws_access=${value}`, headers: { Accept: 'text/html' } });
    const cookie = (link.headers['set-cookie'] ?? []).join();
    check(!cookie.includes(value.slice(0, 30) || 'ws_access='), `link ${what}: sets ${cookie}`);
    check(link.status === 403 && link.text.includes(`data-denial="${denials[what] ?? 'link-not-valid'}"`), `link ${what}: ${link.status} ${link.text.slice(-400)}`);
    check(!('x-evil' in link.headers), `link ${what}: header let in`);
    if (/[%x]/.test(value)) continue; // no cookie can be so
    for (const p of ['/', '/_workspace/status', '/healthz']) {
      const res = await request(w.port, { host, path: p, headers: { Cookie: `ws_access=${value}` } });
      check(res.status === 403 && JSON.parse(res.text).code === 'access-ended', `cookie ${what} at ${p}: ${res.status} ${res.text.slice(0, 200)}`);
    }
    const upgrade = await openWebSocket(w.port, host, `ws_access=${value}`, '/').then((s) => s, (e) => e);
    check(upgrade instanceof Error && /403/.test(upgrade.message), `WebSocket ${what}: ${upgrade.message ?? 'opened'}`);
  }
  const long = await request(w.port, { host, path: `/?ws_access=${'x'.repeat(40000)}`, headers: { Accept: 'text/html' } });
  check(long.status === 414 && !long.headers['set-cookie'], `a link longer than a request line may be: ${long.status}`); // nginx
  check((await follow(w.port, `http://${host}/?ws_access=${good}`)).status === 200, 'what was refused before has used up the good link');
  const page = await request(w.port, { host, path: '/', headers: { Accept: 'text/html', Cookie: `ws_access=${bad.expired}` } });
  check(page.status === 403 && /access to this workspace has ended/.test(page.text), `expired in a browser: ${page.status}`);
  await Promise.all([f.stopFully(w, ned), f.stopFully(w, olga)]);
}

async function hostAndOrigin() {
  const w = await world('main');
  const ws = await f.launch(w, 'pia');
  const page = await follow(w.port, ws.url);
  check(page.status === 200, `page: ${page.status}`);
  const headers = { Authorization: `Bearer ${w.token}` };
  const api = async (port, host, more = {}, method = 'GET') => {
    const res = await request(port, { host, path: '/v1/pools', method, headers: { ...headers, ...more } });
    let json = null;
    try { json = JSON.parse(res.text); } catch { /* nginx's own page */ }
    return { ...res, json };
  };
  check((await api(w.http, `127.0.0.1:${w.http}`)).status === 200 && (await api(w.port, `localhost:${w.port}`)).status === 200, 'the right Host');
  for (const host of ['evil.example', `evil.example:${w.http}`, `localhost.evil.example`, 'ws-aaaaaaaaaaaa.evil.example', `127.0.0.1.evil.example:${w.http}`])
    f.refused(await api(w.http, host), 421, 'misdirected', /host/);
  for (const host of ['evil.example', `localhost.evil.example:${w.port}`, `${ws.id}.evil.example:${w.port}`])
    check((await api(w.port, host)).status === 404, `front door, Host ${host}: ${(await api(w.port, host)).status}`);
  for (const [port, host] of [[w.http, `127.0.0.1:${w.http}`], [w.port, `localhost:${w.port}`]])
    for (const Origin of ['http://evil.example', 'null', `http://${ws.id}.localhost:${w.port}`, `https://${host}.evil.example`])
      f.refused(await api(port, host, { Origin }), 403, 'bad-origin', /site/);
  check((await api(w.port, `localhost:${w.port}`, { Origin: `http://localhost:${w.port}` })).status === 200, 'its own Origin');
  // A workspace: pages of other sites may neither open its WebSockets nor post to it.
  for (const Origin of ['http://evil.example', 'null', `http://localhost:${w.port}`, `http://ws-aaaaaaaaaaaa.localhost:${w.port}`]) {
    const post = await request(w.port, { host: page.host, method: 'POST', path: '/x', body: 'x', headers: { Cookie: page.cookie, Origin } });
    check(post.status === 403, `POST with Origin ${Origin}: ${post.status} ${post.text.slice(0, 100)}`);
    const res = await request(w.port, { host: page.host, path: '/socket', headers: { Cookie: page.cookie, Origin, Connection: 'Upgrade', Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'MDEyMzQ1Njc4OWFiY2RlZg==' } });
    check(res.status === 403, `WebSocket with Origin ${Origin}: ${res.status}`);
  }
  const internal = await request(w.port, { path: '/internal/resolve', headers: { 'X-Workspace': ws.id } });
  check(internal.status === 404, `/internal/ from outside: ${internal.status}`);
  await f.stopFully(w, ws);
}

async function stubbornProcesses() {
  const w = await world('main');
  const ws = await f.launch(w, 'quin');
  const start = (script) => {
    const [cmd, args] = w.asStudent(ws.task, 'bash', '-c', `cd ~/workspace; ${script}`);
    return f.runProgram(cmd, args);
  };
  await start('nohup bash -c \'while :; do echo line >>job.log; sleep 0.02; done\' >/dev/null 2>&1 </dev/null &');
  await start('setsid bash -c \'trap "" TERM HUP INT; echo up >stubborn; while :; do read -t 0.1 <> <(:); done\' >/dev/null 2>&1 </dev/null &');
  await until('both run', 10, () => f.readFile(w, ws.task, 'job.log') && f.readFile(w, ws.task, 'stubborn'));
  const mine = () => w.inTask(ws.task).filter((p) => p.cmd.startsWith('bash'));
  check(mine().length >= 2, `only ${JSON.stringify(mine())}`);
  const from = now();
  const lines = () => (f.readFile(w, ws.task, 'job.log') ?? '').split('\n').length;
  let last = lines();
  const counting = setInterval(() => { try { last = Math.max(last, lines()); } catch { /* the task is gone */ } }, 10);
  await f.stopFully(w, ws).finally(() => clearInterval(counting));
  const seconds = (now() - from) / 1000;
  // stop_grace and kill_grace are 1 s each.
  check(seconds < 10, `the stop took ${seconds.toFixed(1)} s`);
  check(w.orphans().length === 0, `left over: ${JSON.stringify(w.orphans())}`);
  const again = await f.launch(w, 'quin');
  const kept = (f.readFile(w, again.task, 'job.log') ?? '').split('\n').length;
  check(kept >= last, `the job had written ${last} lines, the save has ${kept}`);
  await f.stopFully(w, again);
  return `stopped in ${seconds.toFixed(1)} s, all ${last} lines saved`;
}

async function twoLaunches() {
  const w = await world('main');
  await f.warm(w, 'standin', 2);
  const all = await Promise.all([...Array.from({ length: 8 }, () => f.launchRaw(w, 'rosa', 'standin')),
    f.ctl(w, 'launch', 'rosa', '--type', 'standin'), f.ctl(w, 'launch', 'rosa', '--type', 'standin')]);
  const http = all.slice(0, 8), ctl = all.slice(8);
  for (const r of http) check(r.status === 200, `${r.status} ${r.text}`);
  for (const r of ctl) check(r.code === 0, `wsctl: ${r.code} ${r.stderr}`);
  check(new Set(http.map((r) => `${r.json.id} ${r.json.task} ${r.json.generation}`)).size === 1, 'they differ');
  const id = http[0].json.id;
  const claimed = await f.events(w, (e) => e.workspace === id && e.what === 'claimed');
  check(claimed.length === 1, `${claimed.length} claims`);
  check((await w.tasks()).filter((t) => t.workspace === id).length === 1, 'it has several tasks');
  await f.stopFully(w, await w.workspace(id));
}

// ---- all of them ----

const checks = {
  port_agents: ["the agents' port is taken", () => portTaken('agents')],
  port_http: ["the API's port is taken", () => portTaken('http')],
  port_storage: ["the storage's port is taken, then it is free", storagePortTaken],
  port_front: ["nginx's port is taken: images/local/run", frontPortTaken],
  second_controller: ['a second controller on the same state folder', secondController],
  code_server_missing: ['code-server is not installed, then it is', codeServerMissing],
  app_crashes: ['the app crashes at each start', appCrashes],
  bad_profile: ["the type's profile is not valid", badProfile],
  store_full: ['the store cannot be written, then it can', storeFull],
  save_disk_full: ['the disk is full during the last save, then it is not', saveDiskFull],
  corrupt_newest: ['the newest save is damaged', corruptNewest],
  corrupt_both: ['both saves are damaged', corruptBoth],
  agent_killed: ["a task's agent is killed with -9", agentKilled],
  controller_killed: ['the controller is killed with -9 while WebSockets are open', controllerKilled],
  wrong_secret: ['an agent with a wrong secret, and one with a secret that another has used', wrongSecret],
  agents_messages: ["broken and huge messages on the agents' port", agentsMessages],
  ops_messages: ["broken and huge messages on the operator's socket", opsMessages],
  bad_requests: ['unknown type, user ids with slashes and of 10,000 characters', badRequests],
  access_links: ['expired and forged access links', accessLinks],
  host_and_origin: ['wrong Host and Origin at the front door and the API', hostAndOrigin],
  stubborn: ['a nohup job and a process that ignores SIGTERM do not hold up the stop', stubbornProcesses],
  two_launches: ['two and more launches of a workspace at once', twoLaunches],
};

function options() {
  const args = process.argv.slice(2);
  const only = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--only' && Object.hasOwn(checks, args[i + 1])) only.push(args[++i]);
    else if (args[i] === '--list') {
      for (const [name, [what]] of Object.entries(checks)) console.log(`${name.padEnd(20)} ${what}`);
      process.exit(0);
    } else if (args[i] !== '--full') {
      console.error(`usage: tests/system/faults [--only NAME] [--list]; there is no "${args.slice(i).join(' ')}"`);
      process.exit(2);
    }
  }
  return only.length ? only : Object.keys(checks);
}

let passed = 0, failed = 0;

async function closeAll() {
  for (const [name, w] of Object.entries(worlds)) {
    delete worlds[name];
    await (await w.catch(() => null) !== null && f.closeWorld(await w, failed > 0));
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => closeAll().then(() => process.exit(130)));

for (const name of options()) {
  const [what, fn] = checks[name];
  const from = now();
  const seconds = () => `${((now() - from) / 1000).toFixed(2).padStart(7)} s`;
  try {
    const said = await fn();
    passed++;
    console.log(`  time ${seconds()}  ${name}: ${what}`);
    if (said) console.log(said.replace(/^/gm, '       said: '));
  } catch (e) {
    failed++;
    console.log(`FAILED ${seconds()}  ${name}: ${what}: ${e instanceof Failure ? e.message : e.stack}`);
  }
}
await closeAll();
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed || !passed ? 1 : 0);
