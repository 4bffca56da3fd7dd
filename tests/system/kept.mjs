// Tasks that end by force with work that no save has.
//
//   kept [--provider docker]
//
//  - killed: what was in the home is saved by a rescue, and there at the next launch
//  - the controller killed with it, as when a machine restarts: the next controller sees to it
//  - killed when it was given away and had restored nothing: its empty home is no save
//  - while the storage does not answer: the workspace waits, and goes on with everything
//  - a home that cannot be saved (larger than a save may be): it is kept, told of, listed, and
//    removed by order; the workspace goes on from its last save
//  - a save that needs an object which the storage has lost: refused, and what is there is kept
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { check, main, sleep, Steps, until } from './lib.mjs';

const MAX_MB = 24;

// As the student: a program in the task writes it, and no save is made before the kill.
async function write(world, ws, name, text) {
  const [cmd, args] = world.asStudent(ws.task, 'bash', '-c', `mkdir -p ~/workspace && printf '%s' "$1" >~/workspace/${name}`, 'write', text);
  execFileSync(cmd, args, { stdio: 'ignore' });
  check(fs.readFileSync(world.home(ws.task, 'workspace', name), 'utf8') === text, `${name} was not written`);
}

const order = (save) => (save ? save.generation * 1e12 + save.seq : 0);

async function killed(world, ws, { seconds = 120 } = {}) {
  const before = (await world.workspace(ws.id)).save;
  process.kill(world.taskPid(ws.task), 'SIGKILL');
  return { before, after: seconds && await world.stopped(ws.id, seconds) };
}

async function comesBack(world, user, name, text) {
  await world.warm(); // a busy machine starts an editor in a minute
  const ws = await world.launch(user);
  const there = world.home(ws.task, 'workspace', name);
  check(fs.existsSync(there), `${name} is lost`);
  check(fs.readFileSync(there, 'utf8') === text, `${name} is another than it was`);
  return ws;
}

// Folders of the provider process, stopped containers of docker.
async function kept(world) {
  if (!world.containers) return JSON.parse(await world.wsctl('kept', '--json')).kept;
  return world.docker('ps', '-aq', '--filter', 'name=-kept-').split('\n').filter(Boolean);
}

function fileOf(world, one, name) {
  if (!world.containers) return fs.readFileSync(path.join(one.path, 'home', 'workspace', name), 'utf8');
  const to = path.join(world.dir, 'copied');
  world.docker('cp', `${one}:/home/student/workspace/${name}`, to);
  return fs.readFileSync(to, 'utf8');
}

async function giveUp(world, one) {
  if (world.containers) world.docker('rm', '-v', one);
  else check((await world.wsctl('kept', '--remove', one.workspace)).includes('removes it'), 'wsctl kept --remove says nothing');
  await until('it is gone', 90, async () => (await kept(world)).length === 0 && (world.containers || !fs.existsSync(one.path)));
  if (!world.containers) await until('its folder too', 90, () => fs.readdirSync(path.join(world.state, 'kept')).length === 0);
}

await main({ name: 'kept', pool: 1, saveAfter: '50s' }, async (world) => {
  const steps = new Steps();
  const text = fs.readFileSync(world.config, 'utf8');
  let ws;

  fs.writeFileSync(world.config, `storage_max_bytes = ${MAX_MB}M\n${text}`);
  await steps.take('controller, storage and nginx start', () => world.start());
  await world.warm();
  ws = await world.launch('alice');

  await steps.take('killed with a file that no save has: it is there at the next launch', async () => {
    await write(world, ws, 'one.txt', 'written, and then killed');
    const { before, after } = await killed(world, ws);
    check(order(after.save) > order(before), `no save was made of it: ${JSON.stringify(after.save)}`);
    ws = await comesBack(world, 'alice', 'one.txt', 'written, and then killed');
    check(/recovered .*found the save/.test(await world.wsctl('events')), 'the history does not say so');
    check((await kept(world)).length === 0, 'something is kept all the same');
  });

  await steps.take('the controller is killed first: the next one sees to it', async () => {
    await write(world, ws, 'two.txt', 'nobody was looking');
    process.kill(world.controller.pid, 'SIGKILL');
    await world.controller.ended;
    process.kill(world.taskPid(ws.task), 'SIGKILL');
    await world.startController();
    await world.stopped(ws.id, 120);
    ws = await comesBack(world, 'alice', 'two.txt', 'nobody was looking');
    check(fs.existsSync(world.home(ws.task, 'workspace/one.txt')), 'one.txt is lost');
  });

  // What the warm task has is nobody's: a save of it would be an empty one, newer than all others.
  await steps.take('killed between the claim and the restore: nothing is saved, and nothing is lost', async () => {
    await world.stop(ws.id);
    await world.stopped(ws.id, 120);
    await world.warm();
    const before = await world.workspace(ws.id);
    const [warm] = (await world.api('GET', '/v1/tasks')).json.tasks.filter((t) => t.state === 'warm');
    const pid = world.taskPid(warm.id);
    process.kill(pid, 'SIGSTOP');
    await world.api('POST', '/v1/workspaces', { user_id: 'alice', workspace_type: 'vscode' });
    await until('it is given the task', 30, async () => (await world.workspace(ws.id)).task === warm.id);
    process.kill(pid, 'SIGKILL');
    await world.stopped(ws.id, 120);
    const after = await world.workspace(ws.id);
    check(order(after.save) <= order(before.save), `a save of nothing was made: ${JSON.stringify(after.save)}`);
    check((await kept(world)).length === 0, 'something is kept');
    ws = await comesBack(world, 'alice', 'two.txt', 'nobody was looking');
  });

  await steps.take('the storage does not answer: the workspace waits for it', async () => {
    const storage = world.processes().find((p) => /wscontroller storage/.test(p.cmd) && p.cmd.includes(String(world.storage)));
    check(storage, 'no storage server is found');
    await write(world, ws, 'three.txt', 'no way to save it');
    process.kill(storage.pid, 'SIGSTOP');
    try {
      await killed(world, ws, { seconds: 0 });
      await until('its end is noticed', 60, async () => (await world.workspace(ws.id)).state === 'recovering');
      await sleep(3000); // it must stay so
      check((await world.workspace(ws.id)).state === 'recovering', 'it went on without its work');
    } finally {
      process.kill(storage.pid, 'SIGCONT');
    }
    await world.stopped(ws.id, 200);
    ws = await comesBack(world, 'alice', 'three.txt', 'no way to save it');
  });

  await steps.take('a home that cannot be saved is kept, and the workspace goes on', async () => {
    const big = `head -c ${2 * MAX_MB}M /dev/urandom >~/workspace/big.bin`;
    const [cmd, args] = world.asStudent(ws.task, 'bash', '-c', big);
    execFileSync(cmd, args, { stdio: 'ignore' });
    await write(world, ws, 'four.txt', 'beside too much');
    await killed(world, ws, { seconds: 300 });
    const list = await until('it is kept', 60, async () => { const k = await kept(world); return k.length && k; });
    check(list.length === 1, `${list.length} are kept`);
    check(fileOf(world, list[0], 'four.txt') === 'beside too much', 'four.txt is not in what is kept');
    check(/ kept .*not saved; its (folder|container)/.test(await world.wsctl('events')), 'the history does not say where');
    ws = await comesBack(world, 'alice', 'three.txt', 'no way to save it');
    check(!fs.existsSync(world.home(ws.task, 'workspace/four.txt')), 'the file that was never saved is there');
    await giveUp(world, list[0]);
  });

  // What older saves have brought is gone from the storage: a save that needs it is none, whatever its agent says.
  await steps.take('a save that needs a lost object is refused, and what is there is kept', async () => {
    await write(world, ws, 'five.txt', 'on top of what is lost');
    const folder = path.join(world.state, 'storage', ws.id);
    const lost = fs.readdirSync(folder, { recursive: true }).filter((f) => f.endsWith('.tar.zst'));
    check(lost.length > 0, `no archives in ${folder}`);
    for (const f of lost) fs.rmSync(path.join(folder, f));
    await killed(world, ws, { seconds: 300 });
    const list = await until('it is kept', 60, async () => { const k = await kept(world); return k.length && k; });
    check(fileOf(world, list[0], 'five.txt') === 'on top of what is lost', 'five.txt is not in what is kept');
    await giveUp(world, list[0]);
  });

  await steps.take('shutdown: nothing is left', () => world.shutdown());
  return 6;
});
