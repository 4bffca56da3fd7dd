// Containers outlive their controller and their engine.
//
// With students at work: the controller is killed and started again; it is away while a task dies; the engine
// is killed and started again under a running controller. What runs is adopted and serves on, what died
// is told and comes back from its save, and nothing is left over.
import { spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { check, main, root, Steps, until } from './lib.mjs';
import { goesOn, Student } from './student.mjs';

const engine = (world, verb) => {
  const r = spawnSync(path.join(root, 'images/local/engine'), [verb, world.engineRun], { encoding: 'utf8' });
  check(r.status === 0, `engine ${verb}: ${r.stdout}${r.stderr}`);
};

// As keys.c derives it.
function secretOf(world, task) {
  const sha = (text) => crypto.createHash('sha256').update(text).digest('hex');
  return crypto.createHmac('sha256', fs.readFileSync(path.join(world.state, 'master.key')))
    .update(`task-secret\n${sha(task)}\n${sha('')}\n0\n0`).digest('hex');
}

// Each role its user; the secret in no environment, and in nothing that the engine shows.
function checkRoles(world, task) {
  const uids = { init: 0, link: 971, gate: 972, sense: 1000 };
  for (const [role, uid] of Object.entries(uids)) {
    const p = role === 'init' ? world.inTask(task).find((x) => x.cmd.endsWith('wsagent init')) : world.role(task, role);
    check(p?.uid === uid, `${role} runs as ${p?.uid}, not ${uid}`);
  }
  const secret = secretOf(world, task);
  const shows = (pid) => fs.readFileSync(`/proc/${pid}/environ`, 'utf8').includes(secret);
  const planted = spawn('sleep', ['100'], { stdio: 'ignore', env: { WS_TASK_SECRET: secret } });
  check(shows(planted.pid), 'a secret in an environment is not seen: this check would find nothing');
  planted.kill('SIGKILL');
  for (const p of world.inTask(task)) check(!shows(p.pid), `the secret is in the environment of ${p.cmd}`);
  const { id } = world.container(task);
  check(!world.docker('inspect', id).includes(secret), 'docker inspect shows the secret');
  check(!world.docker('exec', id, 'env').includes(secret), 'docker exec is given the secret');
  check(world.docker('port', id) === '', 'the container publishes a port');
}

async function before(world, student) {
  return { task: student.task, app: world.app(student.task)?.pid, save: (await world.workspace(student.id)).save };
}

async function killController(world) {
  process.kill(world.controller.pid, 'SIGKILL');
  await world.controller.ended;
}

await main({ name: 'adoption', pool: 1, saveAfter: '2s' }, async (world) => {
  const steps = new Steps();
  const kate = new Student(world, 'kate'), lee = new Student(world, 'lee');
  let passed = 0;
  check(world.containers, 'this test is for --provider docker');
  await steps.take('controller, storage and nginx start', () => world.start());
  await world.warm();
  await kate.enter();
  await world.warm();
  await lee.enter();
  checkRoles(world, kate.task);

  await steps.take('the controller is killed and started again: both are adopted', async () => {
    const of = [await before(world, kate), await before(world, lee)];
    await killController(world);
    check(kate.socket.open && lee.socket.open, 'an open WebSocket was cut with the controller');
    await world.startController();
    await goesOn(world, kate, of[0], {});
    await goesOn(world, lee, of[1], {});
    passed++;
  });

  await steps.take('while it is away a container is killed: told at the start, work is there again', async () => {
    const of = await before(world, kate);
    await until('a save holds what was written', 30, async () => (await world.workspace(lee.id)).save);
    await killController(world);
    world.docker('kill', world.container(lee.task).id);
    await world.startController();
    await until('the lost task is gone', 60, async () => (await world.workspace(lee.id)).state === 'stopped');
    const lost = lee.task;
    await goesOn(world, kate, of, {});
    await lee.enter();
    check(lee.task !== lost && lee.journal.last > 0, `nothing came back: ${lee.journal.last}`);
    passed++;
  });

  await steps.take('the engine is killed: students go on, launches fail clearly', async () => {
    const of = await before(world, kate);
    engine(world, 'kill');
    await world.wsctl('launch', 'mia').catch(() => {});
    await until('the log says what is missing', 30, () => world.logTail(200).includes('nobody listens there: start Docker'));
    check(kate.socket.open && lee.socket.open, 'an open WebSocket was cut with the engine');
    await kate.writes();
    engine(world, 'restart');
    await goesOn(world, kate, of, {});
    const mia = new Student(world, 'mia');
    await until('a new student gets a workspace', 60, async () => { await mia.enter(); return true; }, 500);
    mia.socket.socket.destroy();
    passed++;
  });

  for (const s of [kate, lee]) {
    s.socket.socket.destroy();
    await s.writes();
    await world.stop(s.id);
    const said = s.said;
    await s.enter();
    check(s.journal.last >= said, `the final save lacks lines: ${s.journal.last} of ${said}`);
    s.socket.socket.destroy();
    passed++;
  }
  await steps.take('shutdown: no container, volume or process is left', () => world.shutdown());
  return passed + 1;
});
