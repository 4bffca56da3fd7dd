// kill -9 of every part at random moments, while a process of the student writes files.
//
//   kill9 [--rounds N] [--seed S] [--full]     10 rounds, or 100 with --full; the seed is printed
//
// Each round one of: the controller, link, gate, the app, the whole task. Afterwards:
//  - the workspace runs again in the same task, or was lost with its task and comes back on another
//  - what comes back holds the journal without a gap, and lacks at most LOSS_MAX_S of its end
//  - a save that was committed before stays committed
//  - an open WebSocket survives the death of the controller and of link
//  - the app survives the death of everything but itself and its task
//  - no process is left over
// At the end the workspace is stopped while the writer writes: then not one line may be lost.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { check, Failure, follow, main, now, openWebSocket, random, request, sleep, until } from './lib.mjs';

// Background saves start 2 s after a change here (20 s by default), so that rounds are short. A save
// and its commit take their time on a busy machine.
const SAVE_AFTER = '2s';
const LOSS_MAX_S = 12;

const WRITER = `
n=$1
while :; do
        n=$((n + 1))
        printf '%s %s\\n' "$n" "$EPOCHREALTIME" >>journal.txt
        printf '%s\\n' "$n" >state.new && mv state.new state.txt
        echo "$n"
        sleep 0.05
done`;

function options() {
  const o = { rounds: 10, seed: Number(process.env.WS_TEST_SEED ?? Date.now() % 1000000) };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--full') o.rounds = 100;
    else if (args[i] === '--rounds' && Number(args[i + 1]) > 0) o.rounds = Number(args[++i]);
    else if (args[i] === '--seed' && Number(args[i + 1]) >= 0) o.seed = Number(args[++i]);
    else {
      console.error('usage: tests/system/kill9 [--rounds N] [--seed S] [--full]');
      process.exit(2);
    }
  }
  return o;
}

// The journal as it is on disk; a gap or a torn line is a failure. {last, at}: number and ms of its end.
function readJournal(world, task) {
  const file = world.home(task, 'workspace/journal.txt');
  return parseJournal(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');
}

function parseJournal(text) {
  const lines = text.split('\n').slice(0, -1);
  lines.forEach((line, i) => check(Number(line.split(' ')[0]) === i + 1, `journal line ${i + 1} is "${line}"`));
  const end = lines.at(-1)?.split(' ') ?? ['0', '0'];
  return { last: Number(end[0]), at: Number(end[1]) * 1000 };
}

class Student {
  constructor(world) {
    this.world = world;
    this.said = 0; // the highest number that the writer has reported as written
  }

  async enter() {
    const from = now();
    Object.assign(this, await this.world.launch('kate'));
    this.readyMs = now() - from;
    this.journal = readJournal(this.world, this.task);
    this.startWriter();
    await this.openPage();
  }

  startWriter() {
    const [cmd, args] = this.world.asStudent(this.task, 'bash', '-c', `cd ~/workspace && ${WRITER}`, 'writer', String(this.journal.last));
    this.writer = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.said = this.journal.last;
    let rest = '';
    this.writer.stdout.on('data', (d) => {
      const lines = (rest + d).split('\n');
      rest = lines.pop();
      if (lines.length) this.said = Number(lines.at(-1));
    });
  }

  // As a browser: the link, the cookie, the page, a WebSocket.
  async openPage() {
    const world = this.world;
    const page = await until('the page comes', 20, async () => {
      const p = await follow(world.port, this.url);
      return p.status === 200 && p;
    });
    Object.assign(this, { host: page.host, cookie: page.cookie });
    const base = page.text.match(/(?:stable|oss)-[0-9a-f]{40}/)?.[0];
    check(base, 'the page is not the editor');
    this.socketPath = `/${base}?reconnectionToken=0a0b0c0d-0000-4000-8000-${String(Date.now()).slice(-12)}&reconnection=false&skipWebSocketFrames=false`;
    this.socket?.socket.destroy();
    this.socket = await openWebSocket(world.port, this.host, this.cookie, this.socketPath);
  }

  async serves() {
    const res = await request(this.world.port, { host: this.host, path: '/healthz', headers: { Cookie: this.cookie }, timeout: 3000 });
    return res.status === 200;
  }

  writes(seconds = 10) {
    const from = this.said;
    return until('the writer goes on', seconds, () => this.said > from + 2);
  }
}

// What must hold after a part died that is not the task: same task, same app, page and writer go on.
async function goesOn(world, student, before, { app = true, socket = true }) {
  await until('the workspace runs and its agent is heard', 30, async () => {
    const ws = await world.workspace(student.id);
    check(ws.state !== 'attention', `attention: ${ws.reason}`);
    return ws.status === 'ready' && ws.heard_s !== null && ws.heard_s < 5;
  });
  const ws = await world.workspace(student.id);
  check(ws.task === before.task, `it moved from ${before.task} to ${ws.task}`);
  await until('the page is served again', 30, () => student.serves());
  // What an app's last life left behind must not take the socket away from the next one.
  check(fs.existsSync(path.join(world.taskDir(ws.task), 'run/app/app.sock')), "the app's socket is gone");
  if (app) check(world.app(ws.task)?.pid === before.app, 'the app was started again');
  if (socket) check(student.socket.open, 'the open WebSocket was cut');
  await student.writes();
  return ws;
}

const victims = {
  async controller(world, student, before) {
    process.kill(world.controller.pid, 'SIGKILL');
    await world.controller.ended;
    check(student.socket.open, 'the open WebSocket was cut with the controller');
    await world.startController();
    await goesOn(world, student, before, {});
  },
  async link(world, student, before) {
    const pid = world.role(student.task, 'link').pid;
    process.kill(pid, 'SIGKILL');
    await until('another link runs', 15, () => { const l = world.role(student.task, 'link'); return l && l.pid !== pid; });
    await goesOn(world, student, before, {});
  },
  async gate(world, student, before) {
    const pid = world.role(student.task, 'gate').pid;
    process.kill(pid, 'SIGKILL');
    await until('another gate runs', 15, () => { const g = world.role(student.task, 'gate'); return g && g.pid !== pid; });
    await goesOn(world, student, before, { socket: false });
    await student.openPage();
  },
  async app(world, student, before) {
    process.kill(before.app, 'SIGKILL');
    await until('another app runs', 20, () => { const a = world.app(student.task); return a && a.pid !== before.app; });
    await goesOn(world, student, before, { app: false, socket: false });
    await student.openPage();
  },
  async task(world, student, before) {
    const killedAt = Date.now();
    process.kill(world.taskPid(student.task), 'SIGKILL');
    await until('the lost task was noticed', 20, async () => (await world.workspace(student.id)).task !== before.task);
    await until('the workspace is stopped', 60, async () => {
      const ws = await world.workspace(student.id);
      check(ws.state !== 'attention', `attention: ${ws.reason}`);
      return ws.state === 'stopped';
    });
    const said = student.said;
    await student.enter();
    check(student.task !== before.task, `it came back on the same task ${student.task}`);
    const lossS = Math.max(0, said > student.journal.last ? (killedAt - student.journal.at) / 1000 : 0);
    check(lossS <= LOSS_MAX_S, `the last ${lossS.toFixed(1)} s are lost: line ${student.journal.last} of ${said}`);
    return { lossS };
  },
};

async function checkCommitted(world, student, before) {
  const save = (await world.workspace(student.id)).save;
  if (!before.save) return;
  const order = (s) => s.generation * 1e9 + s.seq;
  check(save && order(save) >= order(before.save), `the committed save ${JSON.stringify(before.save)} became ${JSON.stringify(save)}`);
}

async function round(world, student, name, delayMs) {
  await sleep(delayMs); // the random moment: it is what this test is about, nothing is waited for
  const ws = await world.workspace(student.id);
  const before = { task: student.task, app: world.app(student.task)?.pid, save: ws.save };
  check(before.app, 'the app does not run');
  const result = await victims[name](world, student, before) ?? {};
  await checkCommitted(world, student, before);
  await until('no process is left over', 20, () => world.orphans().length === 0);
  readJournal(world, student.task);
  return result;
}

// A checker that finds nothing proves nothing: each must find a planted defect first.
async function checkTheChecks(world) {
  for (const text of ['1 1.0\n3 2.0\n', '1 1.0\n2\n\n', '2 1.0\n']) {
    let found = false;
    try { parseJournal(text); } catch { found = true; }
    check(found, `the journal check does not see the defect in ${JSON.stringify(text)}`);
  }
  const uid = String(world.uidBase + 399);
  const stray = spawn('setpriv', ['--reuid', uid, '--regid', uid, '--clear-groups', 'sleep', '1000'], { stdio: 'ignore' });
  await until('the orphan check finds a planted orphan', 5, () => world.orphans().some((p) => p.pid === stray.pid));
  stray.kill('SIGKILL');
  await until('and does not see it any more', 5, () => world.orphans().length === 0);
}

const o = options();
console.log(`seed ${o.seed}, ${o.rounds} rounds`);

await main({ name: 'kill9', pool: 1, saveAfter: SAVE_AFTER }, async (world) => {
  const rnd = random(o.seed);
  const student = new Student(world);
  let bag = [], lossMax = 0;
  await checkTheChecks(world);
  await world.start();
  await world.warm();
  await student.enter();
  console.log(`  time ready in ${(student.readyMs / 1000).toFixed(2)} s`);
  for (let i = 1; i <= o.rounds; i++) {
    if (!bag.length) bag = Object.keys(victims);
    const [name] = bag.splice(Math.floor(rnd() * bag.length), 1);
    const delayMs = Math.floor(rnd() * 4000);
    const from = now();
    try {
      const { lossS } = await round(world, student, name, delayMs);
      lossMax = Math.max(lossMax, lossS ?? 0);
      console.log(`  time round ${String(i).padStart(3)}: ${name.padEnd(10)} after ${(delayMs / 1000).toFixed(2)} s: well again after ` +
        `${((now() - from - delayMs) / 1000).toFixed(2)} s${lossS === undefined ? '' : `, lost ${lossS.toFixed(1)} s of writing`}`);
    } catch (e) {
      throw new Failure(`round ${i} (${name}, seed ${o.seed}): ${e.stack}`);
    }
  }
  // A stop in order, with the writer at work: nothing at all may be lost.
  student.socket.socket.destroy();
  await student.writes();
  await world.stop(student.id);
  const said = student.said;
  await student.enter();
  check(student.journal.last >= said, `the final save lacks lines: ${student.journal.last} of ${said}`);
  student.socket.socket.destroy();
  await world.shutdown();
  console.log(`  time all ${o.rounds} rounds well; at most ${lossMax.toFixed(1)} s of writing lost with a killed task ` +
    `(saves start ${SAVE_AFTER} after a change here); none by a stop`);
  return o.rounds;
});
