// The database goes away while students work, and comes back.
//
//   outage [--seconds N] [--full]     8 s, or 60 with --full
//
// Meanwhile: the student's page, process and open WebSocket go on in the same task; a launch is
// answered 503 with a code, or not at all while the controller begins anew (its supervisor is here).
// Afterwards: the same task is adopted, saves that waited are committed, launches work, and a stop
// and a new start give back every line.
import { aliveTasks, doubles } from './doubles.mjs';
import { check, main, now, request, sleep, until } from './lib.mjs';
import { DatabaseWorld } from './postgres.mjs';
import { goesOn, readJournal, Student } from './student.mjs';

const CODES = ['store-unavailable', 'not-leader', 'store_unavailable', 'not_leader'];

function options() {
  const o = { seconds: 8 };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--full') o.seconds = 60;
    else if (args[i] === '--seconds' && Number(args[i + 1]) > 0) o.seconds = Number(args[++i]);
    else {
      console.error('usage: tests/system/outage [--seconds N] [--full]');
      process.exit(2);
    }
  }
  return o;
}

// What a service manager does: a controller that ends is started again.
function supervise(world) {
  world.restarts = [];
  const watch = (child) => child.ended.then(async (code) => {
    if (world.unsupervised) return;
    world.restarts.push(code);
    await sleep(200);
    if (!world.unsupervised) watch(world.spawnController());
  });
  watch(world.controller);
}

// What a launch is answered now: a status and a code, or "none" while nobody listens.
async function tryLaunch(world, user) {
  try {
    const r = await request(world.http, { method: 'POST', path: '/v1/workspaces', host: `127.0.0.1:${world.http}`, timeout: 20000,
      headers: { Authorization: `Bearer ${world.token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ user_id: user, workspace_type: 'vscode' }) });
    return r.status === 503 ? `503 ${JSON.parse(r.text).error.code}` : String(r.status);
  } catch (e) {
    return e.code ?? e.message;
  }
}

async function during(world, student, before, end) {
  const answers = new Map();
  let said = student.said;
  while (now() < end) {
    const answer = await tryLaunch(world, 'late');
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    check(/^503 /.test(answer) ? CODES.includes(answer.slice(4)) : ['ECONNREFUSED', 'ECONNRESET'].includes(answer),
      `a launch without a store is answered "${answer}"`);
    await sleep(500);
    check(student.said > said, 'the writer stands still');
    check(student.socket.open, 'the open WebSocket was cut');
    check(world.app(student.task)?.pid === before.app, 'the app was started again');
    said = student.said;
  }
  check([...answers.keys()].some((a) => a.startsWith('503 ')), `no launch was answered 503: ${[...answers.keys()]}`);
  return [...answers].map(([a, n]) => `${a} × ${n}`).join(', ');
}

const o = options();

await main({ name: 'outage', pool: 2, saveAfter: '2s', leaseS: 2 }, async (world) => {
  const student = new Student(world);
  await world.start();
  supervise(world);
  await world.warm();
  await student.enter();
  const saved = await until('a first save is committed', 30, async () => (await world.workspace(student.id)).save);
  const before = { task: student.task, app: world.app(student.task).pid };

  await world.db.down();
  const from = now();
  console.log(`  the database is away for ${o.seconds} s`);
  const answers = await during(world, student, before, from + o.seconds * 1000);
  console.log(`  launches meanwhile: ${answers}; the controller began anew ${world.restarts.length} times`);
  await world.db.up();

  const back = now();
  await until('a controller leads again', 30, async () => (await request(world.http, { path: '/readyz', timeout: 2000 })).status === 200);
  const leading = now() - back;
  await goesOn(world, student, before, {});
  await until('what waited is committed', 60, async () => {
    const save = (await world.workspace(student.id)).save;
    return save && save.seq > saved.seq;
  });
  await until('every task is known, and no workspace has two', 60, async () => {
    const found = doubles((await world.api('GET', '/v1/workspaces')).json.workspaces, await world.tasks(), aliveTasks(world));
    check(found.length === 0, found.join('; '));
    return true;
  });
  await world.launch('late');
  console.log(`  time ${(leading / 1000).toFixed(2)} s from the database's return until a controller leads, ` +
    `${((now() - back) / 1000).toFixed(2)} s until the late student works`);

  student.socket.socket.destroy();
  await student.writes();
  await world.stop(student.id);
  const said = student.said;
  await student.enter();
  check(student.journal.last >= said, `lines are lost: ${student.journal.last} of ${said}`);
  readJournal(world, student.task);
  student.socket.socket.destroy();
  world.unsupervised = true;
  await world.shutdown();
  return 6;
}, DatabaseWorld);
