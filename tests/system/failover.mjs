// Two controllers on one PostgreSQL: the one that leads is killed, frozen, cut off, or ended.
//
//   failover [--rounds N] [--seed S] [--full]     7 rounds, or 42 with --full; the seed is printed
//
// In each round one of:
//   kill    kill -9 of the leader
//   freeze  SIGSTOP; when the other leads, SIGCONT: it must do no harm and end by itself
//   cut     no way between the leader and the database; mended when the other leads
//   end     SIGTERM: the lease is released at once
//   both    both killed, and started at the same moment
//   idle    the one that follows is killed: nobody notices
//   store   the database is stopped for longer than the lease (60 s with --full) and started again
// Printed: the time from the fault to the first workspace that a student gets after it. Afterwards:
//  - the student's page and process go on, in the same task, and no committed save is lost
//  - the timetable of the API is the one that was given
//  - the history names one lead after the other, and nobody acted with an older one
//  - no agent obeyed an older lead, no workspace has two tasks, no process is left over
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { check, Failure, freePorts, main, now, random, request, root, sleep, until, World } from './lib.mjs';
import { aliveTasks, doubles } from './doubles.mjs';
import { Cable, Postgres } from './postgres.mjs';
import { goesOn, readJournal, Student } from './student.mjs';

const LIGHT = {
  name: 'light', app: { argv: ['python3', '-S', '-E', '/run/ws/dist/standin.py', '${APP_SOCKET}'], path: '/usr/local/bin:/usr/bin:/bin' },
  health: { path: '/healthz' }, prime: { path: '/' }, save: { include: ['.'], exclude: [] }, save_after: '1s', stop_grace: '1s', kill_grace: '1s',
};
const SUPERSEDED = 3; // wscontroller(8), EXIT STATUS

// The state as World knows it, led by one of two controllers.
class Pair extends World {
  static async make(options) {
    const w = await super.make(options);
    w.sides = [{ name: 'a' }, { name: 'b' }];
    w.epochs = [];
    return w;
  }

  writeConfig() {} // one for each side, when the database is there

  async begin() {
    fs.writeFileSync(path.join(this.state, 'master.key'), crypto.randomBytes(32), { mode: 0o600 });
    this.db = await Postgres.start(path.join(this.dir, 'postgres'));
    const ports = await freePorts(4);
    for (const [i, s] of this.sides.entries()) {
      Object.assign(s, { agents: ports[2 * i], http: ports[2 * i + 1], cable: await Cable.lay(this.db.port),
        log: path.join(this.dir, `${s.name}.log`), config: path.join(this.dir, `${s.name}.conf`), socket: path.join(this.state, `${s.name}.sock`) });
    }
    // The one student has a real editor; those who come meanwhile have a light app.
    this.light = path.join(this.dir, 'light');
    fs.mkdirSync(this.light);
    fs.copyFileSync(path.join(root, 'tests/system/standin.py'), path.join(this.light, 'standin.py'));
    fs.writeFileSync(path.join(this.light, 'profile.json'), JSON.stringify(LIGHT));
    this.sides.forEach((s) => this.configure(s));
    this.log = this.sides[0].log;
    this.startStorage();
    await Promise.all(this.sides.map((s) => this.run(s)));
    await this.leads(20);
    this.token = fs.readFileSync(path.join(this.state, 'api.token'), 'utf8').trim();
    await this.giveTimetable();
    await this.startNginx();
  }

  configure(s) {
    fs.writeFileSync(s.config, `
state_dir = ${this.state}
store = postgresql://ws@127.0.0.1:${s.cable.port}/ws?sslmode=disable
store_password_file = ${this.db.passwordFile}
ops_socket = ${s.socket}
controllers = ${this.sides.map((x) => `tcp://127.0.0.1:${x.agents}`).join(',')}
listen_agents = tcp://127.0.0.1:${s.agents}
listen_http = 127.0.0.1:${s.http}
storage_url = http://127.0.0.1:${this.storage}
public_host = localhost:${this.port}
agent = ${this.bin}/wsagent
uid_base = ${this.uidBase}
quiet = ${this.quiet}
heartbeat = ${this.heartbeat}

[type light]
profile = ${this.light}/profile.json
bind = ${this.light}:/run/ws/dist
pool = ${this.pool}

[type vscode]
profile = ${this.profile}
bind = ${this.codeServer}:/run/ws/dist
pool = 0

[type course]
profile = ${this.light}/profile.json
bind = ${this.light}:/run/ws/dist
pool_policy = forecast
pool_min = 0
pool_min_quiet = 0
`);
  }

  // A class in three days, given to the API: it is kept in the store, and whoever leads has it.
  async giveTimetable() {
    const start = new Date(Date.now() + 3 * 864e5).toISOString().replace(/\.\d+/, '');
    const body = JSON.stringify({ classes: [{ id: 'cs101-1', course: 'cs101', workspace_type: 'course', start, students: 30 }] });
    const r = await request(this.http, { method: 'PUT', path: '/v1/timetable', host: `127.0.0.1:${this.http}`, timeout: 10000, body,
      headers: { Authorization: `Bearer ${this.token}`, 'If-Match': '*' } });
    check(r.status === 200, `the timetable is not taken: ${r.text}`);
    this.timetable = JSON.parse(r.text);
  }

  startStorage() {
    this.storageServer = spawn(path.join(this.bin, 'wscontroller'), ['storage', '--listen', `127.0.0.1:${this.storage}`,
      '--root', path.join(this.state, 'storage'), '--key-file', path.join(this.state, 'master.key')], { stdio: 'ignore', detached: true });
  }

  async run(s) {
    const log = fs.openSync(s.log, 'a');
    const child = spawn(path.join(this.bin, 'wscontroller'), ['--config', s.config], { stdio: ['ignore', log, log], detached: true });
    fs.closeSync(log);
    s.child = child;
    child.ended = new Promise((resolve) => child.on('exit', (code, signal) => { child.gone = true; resolve(signal ?? code); }));
    await until(`${s.name} answers`, 20, async () => {
      check(!child.gone, `${s.name} ended: ${this.tail(s)}`);
      return (await request(s.http, { path: '/healthz', timeout: 2000 })).status === 200;
    });
  }

  tail(s) {
    return '\n' + fs.readFileSync(s.log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  }

  logTail() {
    return this.sides.map((s) => (fs.existsSync(s.log ?? '') ? `${s.name}: ${this.tail(s)}` : s.name)).join('\n');
  }

  // Its epoch when this one says that it leads, else 0.
  async epochOf(s, timeout = 1000) {
    try {
      const r = await request(s.http, { path: '/readyz', timeout });
      return r.status === 200 ? JSON.parse(r.text).epoch : 0;
    } catch { return 0; }
  }

  // Wait for a leader and talk to it from now on.
  async leads(seconds, but = null) {
    const s = await until('a controller leads', seconds, async () => {
      for (const x of this.sides) if (x !== but && await this.epochOf(x, 500)) return x;
      return null;
    }, 20);
    this.leader = s;
    this.follower = this.sides.find((x) => x !== s);
    this.http = s.http;
    this.controller = s.child;
    return s;
  }

  async wsctl(...args) {
    return super.wsctl('--socket', this.leader.socket, ...(args[0] === 'nginx-config'
      ? [...args, '--controllers', this.sides.map((s) => `127.0.0.1:${s.http}`).join(',')] : args));
  }

  // Without a pool of editors a start takes what it takes on a busy machine.
  launch(user) {
    return until(`${user}'s editor is ready`, 150, () => super.launch(user));
  }

  // A student somewhere asks until there is a workspace: whoever leads, and as soon as somebody does.
  async firstLaunch(user, from) {
    const body = JSON.stringify({ user_id: user, workspace_type: 'light' });
    let won = null, said = '';
    const ask = async (s) => {
      const end = now() + 60000;
      while (!won && now() < end) {
        try {
          const r = await request(s.http, { method: 'POST', path: '/v1/workspaces', host: `127.0.0.1:${s.http}`, timeout: 31000, body,
            headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json', Prefer: 'wait=30' } });
          said = `${r.status} ${r.text}`;
          if (r.status === 200 && JSON.parse(r.text).status === 'ready') won ??= { id: JSON.parse(r.text).id, ms: now() - from };
        } catch (e) { said = e.message; }
        await sleep(20);
      }
      check(won, `${user} gets no workspace: ${said}`);
      return won;
    };
    // One that is frozen answers nobody: it is not waited for.
    return Promise.any(this.sides.map(ask)).catch((e) => { throw e.errors[0]; });
  }

  // One that follows would take the lead of one that has shut everything down, and begin anew.
  async shutdown() {
    this.follower.child.kill('SIGTERM');
    await this.follower.child.ended;
    await super.shutdown();
  }

  async endPrograms() {
    const children = [this.nginx, ...(this.sides ?? []).map((s) => s.child)];
    for (const child of children) {
      if (!child || child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const end = await Promise.race([child.ended, sleep(10000).then(() => 'still there')]);
      if (end === 'still there') child.kill('SIGKILL');
    }
    this.storageServer?.kill('SIGKILL');
  }

  async close(failed) {
    await this.endPrograms();
    for (const s of this.sides ?? []) await s.cable?.remove();
    await this.db?.down();
    await super.close(failed);
  }
}

function options() {
  const o = { rounds: 7, full: false, seed: Number(process.env.WS_TEST_SEED ?? Date.now() % 1000000) };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--full') Object.assign(o, { rounds: 42, full: true });
    else if (args[i] === '--rounds' && Number(args[i + 1]) > 0) o.rounds = Number(args[++i]);
    else if (args[i] === '--seed' && Number(args[i + 1]) >= 0) o.seed = Number(args[++i]);
    else if (args[i] === '--only' && args[i + 1]) o.only = args[++i];
    else {
      console.error('usage: tests/system/failover [--rounds N] [--seed S] [--only FAULT] [--full]');
      process.exit(2);
    }
  }
  return o;
}

// ---- what must hold ----

// {at, seq, epoch} of each lead in the history; they must follow one another.
export function leadsOf(rows) {
  const leads = rows.filter((r) => r.what === 'leading').map((r) => ({ seq: r.seq, epoch: Number(r.detail.match(/^epoch (\d+)$/)[1]) }));
  leads.forEach((l, i) => check(i === 0 || l.epoch > leads[i - 1].epoch, `epoch ${l.epoch} came after ${leads[i - 1]?.epoch}`));
  return leads;
}

// What the agents' logs say of leads: each one only goes up.
export function checkAgentLog(text, task) {
  let last = 0;
  for (const m of text.matchAll(/msg=epoch from=(\d+) to=(\d+)/g)) {
    // A new link knows none.
    if (m[1] !== '0') check(Number(m[2]) > last, `agent of ${task}: epoch ${m[2]} after ${last}`);
    last = Math.max(last, Number(m[2]));
  }
}

async function checkAll(world, student, before) {
  const ws = await goesOn(world, student, before, {});
  const order = (s) => s.generation * 1e9 + s.seq;
  if (before.save) check(ws.save && order(ws.save) >= order(before.save), `the committed save ${JSON.stringify(before.save)} became ${JSON.stringify(ws.save)}`);
  await until('every task is one that the leader knows, and no workspace has two', 60, async () => {
    const found = doubles((await world.api('GET', '/v1/workspaces')).json.workspaces, await world.tasks(), aliveTasks(world));
    check(found.length === 0, found.join('; '));
    return true;
  });
  await until('no process is left over', 30, () => world.orphans().length === 0);
  readJournal(world, student.task);
  const rows = (await world.api('GET', '/v1/events?after=0')).json.events;
  world.seen = [...(world.seen ?? []), ...rows.filter((r) => !world.seen?.some((x) => x.seq === r.seq))];
  leadsOf(world.seen);
  for (const t of aliveTasks(world)) checkAgentLog(fs.readFileSync(path.join(world.taskDir(t), 'agent.log'), 'utf8'), t);
  const table = (await world.api('GET', '/v1/timetable')).json;
  check(table.etag === world.timetable.etag && table.classes.length === 1 && table.classes[0].state === 'covered',
    `the timetable became ${JSON.stringify(table)}`);
  const epochs = await Promise.all(world.sides.map((s) => world.epochOf(s)));
  check(epochs.filter(Boolean).length === 1, `leaders: ${epochs}`);
}

// Two that act at the same time: asked one after the other and the first again, all yes.
async function watchLeaders(world, state) {
  while (!state.stop) {
    const [a, b] = world.sides;
    const x = await world.epochOf(a, 300), y = await world.epochOf(b, 300), z = x && y ? await world.epochOf(a, 300) : 0;
    if (x && y && z) state.failure = `both lead: epochs ${x}, ${y}, ${z}`;
    state.looks++;
    await sleep(100);
  }
}

// ---- the faults: each returns when the pair is whole again ----

const ended = (s, seconds, code) => Promise.race([s.child.ended, sleep(seconds * 1000).then(() => 'still there')]).then((got) =>
  check(got === code, `${s.name} ended with ${got} instead of ${code}: ` + got));

const faults = {
  async kill(world, launch) {
    const s = world.leader;
    process.kill(s.child.pid, 'SIGKILL');
    await launch();
    await world.run(s);
  },
  async freeze(world, launch) {
    const s = world.leader;
    process.kill(s.child.pid, 'SIGSTOP');
    try {
      await launch();
    } finally {
      process.kill(s.child.pid, 'SIGCONT');
    }
    await ended(s, 15, SUPERSEDED);
    await world.run(s);
  },
  async cut(world, launch) {
    const s = world.leader;
    s.cable.cut();
    try {
      await launch();
      check(!s.child.gone, 'it ended although it does not know whether another leads');
      check(await world.epochOf(s) === 0, 'it says that it leads');
    } finally {
      s.cable.mend();
    }
    await ended(s, 30, SUPERSEDED);
    await world.run(s);
  },
  async end(world, launch) {
    const s = world.leader;
    process.kill(s.child.pid, 'SIGTERM');
    await launch();
    await ended(s, 5, 0);
    await world.run(s);
  },
  async both(world, launch) {
    for (const s of world.sides) process.kill(s.child.pid, 'SIGKILL');
    await Promise.all(world.sides.map((s) => s.child.ended));
    const up = Promise.all(world.sides.map((s) => world.run(s)));
    await launch();
    await up;
  },
  async idle(world, launch) {
    const s = world.follower;
    process.kill(s.child.pid, 'SIGKILL');
    await launch();
    await world.run(s);
  },
};

faults.store = async (world, launch, student) => {
  const old = world.leader;
  await world.db.down();
  await until('nobody says that he leads', 20, async () => (await Promise.all(world.sides.map((s) => world.epochOf(s)))).every((e) => !e));
  const end = now() + (o.full ? 60000 : 7000);
  while (now() < end) {
    check(student.socket.open && await student.serves(), 'the page does not go on without the database');
    await student.writes();
    for (const s of world.sides) {
      const r = await request(s.http, { method: 'POST', path: '/v1/workspaces', host: `127.0.0.1:${s.http}`, timeout: 5000,
        body: JSON.stringify({ user_id: 'nobody', workspace_type: 'light' }), headers: { Authorization: `Bearer ${world.token}`, 'Content-Type': 'application/json' } });
      const code = JSON.parse(r.text).error?.code;
      check(r.status === 503 && ['not-leader', 'store-unavailable'].includes(code), `a launch without the database: ${r.status} ${r.text}`);
    }
    await sleep(500);
  }
  await world.db.up();
  await launch();
  // Whoever asks first leads; the one that did either goes on or hears of it, and ends.
  if (await world.leads(20) === old) return;
  await ended(old, 15, SUPERSEDED);
  await world.run(old);
};

async function round(world, student, name, delayMs, n) {
  await world.leads(20);
  // A warm task, as in every moment but this one after the last.
  await world.warm();
  await sleep(delayMs); // the random moment: it is what this test is about, nothing is waited for
  const ws = await world.workspace(student.id);
  const before = { task: student.task, app: world.app(student.task)?.pid, save: ws.save };
  check(before.app, 'the app does not run');
  const old = world.leader;
  let first;
  await faults[name](world, async () => {
    first = await world.firstLaunch(`${name}${n}`, now());
    check(student.socket.open, 'the open WebSocket was cut');
  }, student);
  await world.leads(30);
  await checkAll(world, student, before);
  await world.stop(first.id);
  return { ms: first.ms, moved: old !== world.leader };
}

// A checker that finds nothing proves nothing: each must find a planted defect first.
function checkTheChecks() {
  const planted = [
    () => leadsOf([{ seq: 1, what: 'leading', detail: 'epoch 4' }, { seq: 2, what: 'leading', detail: 'epoch 4' }]),
    () => checkAgentLog('msg=epoch from=0 to=5\nmsg=epoch from=5 to=4\n', 't-1'),
    () => check(doubles([], [{ id: 't-1', workspace: 'ws-a', state: 'ready' }, { id: 't-2', workspace: 'ws-a', state: 'claimed' }], ['t-1', 't-2']).length === 0, 'two'),
    () => check(doubles([], [], ['t-9']).length === 0, 'unknown'),
    () => check(doubles([{ id: 'ws-a', task: 't-1', state: 'running' }], [{ id: 't-1', state: 'ready', workspace: 'ws-a' }], []).length === 0, 'dead'),
  ];
  planted.forEach((fn, i) => {
    let found = false;
    try { fn(); } catch { found = true; }
    check(found, `check ${i} does not see its planted defect`);
  });
  leadsOf([{ seq: 1, what: 'leading', detail: 'epoch 4' }, { seq: 2, what: 'saved', detail: '' }, { seq: 3, what: 'leading', detail: 'epoch 6' }]);
  checkAgentLog('msg=epoch from=0 to=5\nmsg=epoch from=5 to=6\nmsg=epoch from=0 to=6\n', 't-1');
}

const o = options();
console.log(`seed ${o.seed}, ${o.rounds} rounds`);

await main({ name: 'failover', pool: 2, saveAfter: '2s', heartbeat: '5s' }, async (world) => {
  const rnd = random(o.seed);
  const student = new Student(world);
  const times = {}, watch = { stop: false, failure: '', looks: 0 };
  let bag = [];
  checkTheChecks();
  await world.begin();
  await world.warm();
  await student.enter();
  console.log(`  time ready in ${(student.readyMs / 1000).toFixed(2)} s`);
  const watching = watchLeaders(world, watch);
  try {
    for (let i = 1; i <= o.rounds; i++) {
      if (!bag.length) bag = o.only ? [o.only] : Object.keys(faults);
      const [name] = bag.splice(Math.floor(rnd() * bag.length), 1);
      const delayMs = Math.floor(rnd() * 4000);
      try {
        const { ms } = await round(world, student, name, delayMs, i);
        (times[name] ??= []).push(ms);
        console.log(`  time round ${String(i).padStart(3)}: ${name.padEnd(6)} after ${(delayMs / 1000).toFixed(2)} s: first workspace after ${(ms / 1000).toFixed(2)} s`);
        check(!watch.failure, watch.failure);
      } catch (e) {
        throw new Failure(`round ${i} (${name}, seed ${o.seed}): ${e.stack}`);
      }
    }
  } finally {
    watch.stop = true;
    await watching;
  }
  // A stop in order, with the writer at work: nothing at all may be lost.
  student.socket.socket.destroy();
  await student.writes();
  await world.stop(student.id);
  const said = student.said;
  await world.warm(1);
  await student.enter();
  check(student.journal.last >= said, `the final save lacks lines: ${student.journal.last} of ${said}`);
  student.socket.socket.destroy();
  await world.leads(20);
  await world.shutdown();
  for (const [name, ms] of Object.entries(times)) {
    ms.sort((a, b) => a - b);
    console.log(`  time ${name.padEnd(6)} first workspace after ${(ms[0] / 1000).toFixed(2)} to ${(ms.at(-1) / 1000).toFixed(2)} s, median ${(ms[ms.length >> 1] / 1000).toFixed(2)} s, of ${ms.length}`);
  }
  console.log(`  time never two that act, in ${watch.looks} looks; ${leadsOf(world.seen).length} leads in the history`);
  return o.rounds;
}, Pair);
