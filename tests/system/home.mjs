// Mode `home`, with everything real: a folder outlives its tasks, whichever slot they have; a stop uploads nothing;
// saves are backups, can be listed, gone back to and taken away; ends from outside and kill -9 lose nothing; a home that
// is missing is said so and not made anew; two tasks never have one; erasure removes it.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { check, main, until, World } from './lib.mjs';

const run = promisify(execFile);

const PROFILE = {
  name: 'light', app: { argv: ['python3', '-S', '-E', '/run/ws/dist/standin.py', '${APP_SOCKET}'], path: '/usr/local/bin:/usr/bin:/bin' },
  health: { path: '/healthz' }, prime: { path: '/' }, save: { include: ['.'], exclude: [] },
  stop_grace: '2s', kill_grace: '1s',
};

class Home extends World {
  writeConfig() {
    this.codeServer = this.standin();
    fs.writeFileSync(this.profile, JSON.stringify(PROFILE));
    super.writeConfig();
    const text = fs.readFileSync(this.config, 'utf8');
    fs.writeFileSync(this.config, text.replace('quiet =', 'erase_delay = 1s\nquiet =') + 'storage_mode = home\n');
  }
  backups(every) {
    const text = fs.readFileSync(this.config, 'utf8').replace(/^home_backup.*\n/m, '');
    fs.writeFileSync(this.config, `${text}home_backup = ${every}\n`);
  }
  folder(id, ...names) { return path.join(this.state, 'homes', id, ...names); }
  async restart() {
    this.controller.kill('SIGKILL');
    await this.controller.ended;
    await this.startController();
  }
  async student(task, script) {
    const [file, args] = this.asStudent(task, 'sh', '-c', script);
    return (await run(file, args)).stdout;
  }
  // Starts, or ends with a reason.
  async outcome(user) {
    const res = await this.api('POST', '/v1/workspaces', { user_id: user, workspace_type: 'vscode' });
    check(res.status < 300, `launch: ${res.status} ${res.text}`);
    return until('the launch has an end', 60, async () => {
      const ws = await this.workspace(res.json.id);
      return (ws.state === 'running' || (ws.state === 'stopped' && !ws.task)) && ws;
    });
  }
}

const saves = async (world, id) => JSON.parse(await world.wsctl('saves', id, '--json')).saves;
const stored = (world, id) => {
  const dir = path.join(world.state, 'storage', id);
  return fs.existsSync(dir) ? fs.readdirSync(dir, { recursive: true }).sort().join(' ') : '';
};
const newest = (world, id) => until('there is a backup', 60, async () => (await saves(world, id)).find((s) => s.head));

async function livesOn(world) {
  const ws = await world.launch('alice');
  await world.student(ws.task, `cd /home/student/workspace && mkdir -p a/b && echo one > a/b/day.txt && ln -s day.txt a/b/link &&
    ln a/b/day.txt a/b/hard && head -c 3000000 /dev/zero > big && for i in $(seq 300); do echo $i > a/$i; done`);
  check(fs.readFileSync(world.folder(ws.id, 'home/workspace/a/b/day.txt'), 'utf8') === 'one\n', 'written into the home folder');
  await world.stop(ws.id);
  check(stored(world, ws.id) === '', `a stop uploads nothing: ${stored(world, ws.id)}`);
  return ws;
}

// Whoever has the slot, the files are his.
async function changesHands(world, first) {
  const other = await world.launch('bob'); // takes the slot that alice's task had, or one before it
  const ws = await world.launch('alice');
  check(ws.id === first.id, 'the same workspace');
  console.log(`  ready ${ws.ms.toFixed(0)} ms after it was asked for, with ${fs.readdirSync(world.folder(ws.id, 'home/workspace/a')).length} files that change hands`);
  check((await world.student(ws.task, 'cat /home/student/workspace/a/b/link')) === 'one\n', 'the files are there');
  await world.student(ws.task, 'echo two > /home/student/workspace/a/b/hard');
  const uids = await world.student(ws.task, 'find /home/student /run/ws/save ! -user student | head -3');
  check(uids === '', `not the student's: ${uids}`);
  const uid = world.taskUid(ws.task);
  check(fs.lstatSync(world.folder(ws.id, 'home/workspace/a/b/link')).uid === uid, 'the link too');
  check(uid !== world.taskUid(other.task), 'one uid each');
  await world.student(other.task, 'test ! -e /home/student/workspace/a');
  await world.stop(ws.id);
  await world.stop(other.id);
  return other;
}

async function backedUp(world, id) {
  world.backups('1s');
  await world.restart();
  const ws = await world.launch('alice');
  const first = await newest(world, id);
  check(first.entries > 300, `a backup: ${JSON.stringify(first)}`);
  await world.stop(id);
  world.backups('1d');
  await world.restart();
  // The next life builds upon it, though nothing of it is in that task.
  world.backups('1s');
  await world.restart();
  const again = await world.launch('alice');
  await world.student(again.task, 'echo three > /home/student/workspace/a/b/day.txt; echo new > /home/student/workspace/new');
  const second = await until('a second backup', 60, async () => {
    const all = await saves(world, id);
    return all[0].save !== first.save && all[0].head && all[0].entries > first.entries && all[0];
  });
  const bytes = (save) => fs.readdirSync(path.join(world.state, 'storage', id, save)).filter((n) => n.includes('.tar.'))
    .reduce((n, f) => n + fs.statSync(path.join(world.state, 'storage', id, save, f)).size, 0);
  check(bytes(second.save) < bytes(first.save) / 2, `an increment: ${bytes(second.save)} of ${bytes(first.save)}`);
  await world.stop(id);
  world.backups('1d');
  await world.restart();
  const late = await world.launch('alice');
  await world.student(late.task, 'echo four > /home/student/workspace/a/b/day.txt');
  await world.stop(id);
  check(ws.id === id, 'the same');
  return first;
}

async function goesBack(world, id, first) {
  await world.wsctl('restore', id, '--at', first.save);
  const ws = await world.launch('alice');
  check((await world.student(ws.task, 'cat /home/student/workspace/a/b/day.txt')) === 'two\n', 'as of that backup');
  check((await world.student(ws.task, 'ls /home/student/workspace')).includes('new') === false, 'and nothing newer');
  const aside = fs.readdirSync(world.folder(id)).find((n) => n.startsWith('aside-'));
  check(aside && fs.readFileSync(world.folder(id, aside, 'home/workspace/a/b/day.txt'), 'utf8') === 'four\n', 'what was there is kept');
  await world.student(ws.task, 'echo five > /home/student/workspace/a/b/day.txt');
  await world.stop(id);
  const next = await world.launch('alice');
  check((await world.student(next.task, 'cat /home/student/workspace/a/b/day.txt')) === 'five\n', 'once only');
  const file = path.join(world.dir, 'taken.tar.zst');
  await world.wsctl('export', id, file, '--at', first.save);
  check(fs.statSync(file).size > 0, 'taken away');
  return next;
}

async function ends(world, ws) {
  await world.student(ws.task, 'echo six > /home/student/workspace/six');
  process.kill(world.taskPid(ws.task), 'SIGTERM');
  await until('it has ended', 60, async () => (await world.workspace(ws.id)).state === 'stopped');
  check(/task ended.*status=0/.test(world.logTail(400)), 'SIGTERM ends it with 0');
  const second = await world.launch('alice');
  check((await world.student(second.task, 'cat /home/student/workspace/six')) === 'six\n', 'after SIGTERM');
  await world.student(second.task, 'echo seven > /home/student/workspace/seven');
  process.kill(world.taskPid(second.task), 'SIGKILL');
  await until('it is lost and looked for', 60, async () => (await world.workspace(ws.id)).state === 'stopped');
  const third = await world.launch('alice');
  check((await world.student(third.task, 'cat /home/student/workspace/seven')) === 'seven\n', 'after kill -9');
  await world.restart(); // with the home in use
  check((await world.student(third.task, 'cat /home/student/workspace/seven')) === 'seven\n', 'a restart changes nothing');
  await until('it is known again', 60, async () => (await world.workspace(ws.id)).state === 'running');
  await world.stop(ws.id);
}

async function missing(world, id) {
  const put = world.folder(id), away = path.join(world.dir, 'away');
  fs.renameSync(put, away);
  const no = await world.outcome('alice');
  check(no.state === 'stopped' && no.reason.includes('home folder is not there'), `missing: ${no.state} ${no.reason}`);
  check(!fs.existsSync(put), 'nothing is made in its place');
  fs.renameSync(away, put);
  const ws = await world.launch('alice');
  check((await world.student(ws.task, 'cat /home/student/workspace/seven')) === 'seven\n', 'it is back');
  await world.stop(id);
}

// The provider's own lock, should a controller ever be wrong.
async function twice(world, id, other) {
  const alive = await world.launch('bob');
  check(alive.id === other.id, 'the same');
  fs.writeFileSync(world.folder(id, 'task'), alive.task);
  const res = await world.api('POST', '/v1/workspaces', { user_id: 'alice', workspace_type: 'vscode' });
  check(res.status < 300, res.text);
  await until('it waits', 60, async () => (await world.wsctl('events')).includes('another task that lives'));
  check((await world.workspace(id)).state === 'starting', 'it does not start');
  await world.stop(alive.id);
  await until('it starts when that has ended', 60, async () => (await world.workspace(id)).state === 'running');
  await world.stop(id);
}

async function erased(world, id) {
  const res = await world.api('DELETE', `/v1/workspaces/${id}`);
  check(res.status < 300, `${res.status} ${res.text}`);
  await until('it is erased', 90, async () => (await world.api('GET', `/v1/workspaces/${id}`)).status === 404);
  check(!fs.existsSync(world.folder(id)), 'the home folder is gone');
  check(stored(world, id) === '', 'and its backups');
}

await main({ pool: 1, name: 'home' }, async (world) => {
  world.backups('0');
  await world.startController();
  await world.warm();
  const first = await livesOn(world);
  const other = await changesHands(world, first);
  const backup = await backedUp(world, first.id);
  await ends(world, await goesBack(world, first.id, backup));
  await missing(world, first.id);
  await twice(world, first.id, other);
  await erased(world, first.id);
  await world.shutdown();
  return 7;
}, Home);
