// kill -9 of every part at random moments, while a process of the student writes files.
//
//   kill9 [--rounds N] [--seed S] [--store sqlite|postgres] [--provider docker] [--full]
//
// 10 rounds, or 100 with --full, for each kind of store; the seed is printed.
//
// Each round one of: the controller, link, gate, the app, the whole task. Afterwards:
//  - the workspace runs again in the same task, or was lost with its task and comes back on another
//  - what comes back holds the journal without a gap to its last line: what a killed task had and no
//    save has is saved by a rescue before its workspace goes on
//  - a save that was committed before stays committed
//  - an open WebSocket survives the death of the controller and of link
//  - the app survives the death of everything but itself and its task
//  - no process is left over
// At the end the workspace is stopped while the writer writes: then not one line may be lost.
import { spawn } from 'node:child_process';
import { aliveTasks, doubles } from './doubles.mjs';
import { check, Failure, main, now, random, sleep, until, World } from './lib.mjs';
import { DatabaseWorld } from './postgres.mjs';
import { goesOn, parseJournal, readJournal, Student } from './student.mjs';

// Background saves start 2 s after a change here (20 s by default), so that rounds are short, and a
// killed task has some of its lines in saves and some in none.
const SAVE_AFTER = '2s';

function options() {
  const o = { rounds: 10, store: 'sqlite', seed: Number(process.env.WS_TEST_SEED ?? Date.now() % 1000000) };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--full') o.rounds = 100;
    else if (args[i] === '--rounds' && Number(args[i + 1]) > 0) o.rounds = Number(args[++i]);
    else if (args[i] === '--store' && ['sqlite', 'postgres'].includes(args[i + 1])) o.store = args[++i];
    else if (args[i] === '--provider') i++; // main() reads it
    else if (args[i] === '--seed' && Number(args[i + 1]) >= 0) o.seed = Number(args[++i]);
    else {
      console.error('usage: tests/system/kill9 [--rounds N] [--seed S] [--store sqlite|postgres] [--provider docker] [--full]');
      process.exit(2);
    }
  }
  return o;
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
    process.kill(world.taskPid(student.task), 'SIGKILL');
    await until('the lost task was noticed', 20, async () => (await world.workspace(student.id)).task !== before.task);
    await until('the workspace is stopped', 60, async () => {
      const ws = await world.workspace(student.id);
      check(ws.state !== 'attention', `attention: ${ws.reason}`);
      return ws.state === 'stopped';
    });
    const said = student.said;
    await world.warm(); // a busy machine starts an editor in a minute
    await student.enter();
    check(student.task !== before.task, `it came back on the same task ${student.task}`);
    check(student.journal.last >= said, `lines are lost: ${student.journal.last} of ${said}`);
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
  await victims[name](world, student, before);
  await checkCommitted(world, student, before);
  await until('no process is left over', 20, () => world.orphans().length === 0);
  await until('every task is known, and no workspace has two', 60, async () => {
    const found = doubles((await world.api('GET', '/v1/workspaces')).json.workspaces, await world.tasks(), aliveTasks(world));
    check(found.length === 0, found.join('; '));
    return true;
  });
  readJournal(world, student.task);
}

// A checker that finds nothing proves nothing: each must find a planted defect first.
async function checkTheChecks(world) {
  for (const text of ['1 1.0\n3 2.0\n', '1 1.0\n2\n\n', '2 1.0\n']) {
    let found = false;
    try { parseJournal(text); } catch { found = true; }
    check(found, `the journal check does not see the defect in ${JSON.stringify(text)}`);
  }
  check(doubles([], [{ id: 'a', workspace: 'w', state: 'ready' }, { id: 'b', workspace: 'w', state: 'claimed' }], ['c']).length === 2,
    'the check for two tasks does not see them');
  const uid = String(world.uidBase + 399);
  const stray = spawn('setpriv', ['--reuid', uid, '--regid', uid, '--clear-groups', 'sleep', '1000'], { stdio: 'ignore' });
  await until('the orphan check finds a planted orphan', 5, () => world.orphans().some((p) => p.pid === stray.pid));
  stray.kill('SIGKILL');
  await until('and does not see it any more', 5, () => world.orphans().length === 0);
}

const o = options();
console.log(`seed ${o.seed}, ${o.rounds} rounds, store ${o.store}`);

await main({ name: 'kill9', pool: 1, saveAfter: SAVE_AFTER }, async (world) => {
  const rnd = random(o.seed);
  const student = new Student(world);
  let bag = [];
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
      await round(world, student, name, delayMs);
      console.log(`  time round ${String(i).padStart(3)}: ${name.padEnd(10)} after ${(delayMs / 1000).toFixed(2)} s: well again after ` +
        `${((now() - from - delayMs) / 1000).toFixed(2)} s`);
    } catch (e) {
      throw new Failure(`round ${i} (${name}, seed ${o.seed}): ${e.stack}`);
    }
  }
  // A stop in order, with the writer at work: nothing at all may be lost.
  student.socket.socket.destroy();
  await student.writes();
  await world.stop(student.id);
  const said = student.said;
  await world.warm();
  await student.enter();
  check(student.journal.last >= said, `the final save lacks lines: ${student.journal.last} of ${said}`);
  student.socket.socket.destroy();
  await world.shutdown();
  console.log(`  time all ${o.rounds} rounds well; not one line lost, by a killed task or by a stop`);
  return o.rounds;
}, o.store === 'postgres' ? DatabaseWorld : World);
