// An operator and the saves of a workspace, with everything real: what there is, going back to an older one, one archive
// of it to take away; and a save that is damaged in the storage: the one before it is restored, the damaged one is kept,
// and the operator is told.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { check, main, until, World } from './lib.mjs';

const run = promisify(execFile);

// A small app, so that each of the lives is short.
const PROFILE = {
  name: 'light', app: { argv: ['python3', '-S', '-E', '/run/ws/dist/standin.py', '${APP_SOCKET}'], path: '/usr/local/bin:/usr/bin:/bin' },
  health: { path: '/healthz' }, prime: { path: '/' }, save: { include: ['.'], exclude: [] },
  save_after: '10m', stop_grace: '2s', kill_grace: '1s',
};

class Light extends World {
  writeConfig() {
    this.codeServer = this.standin();
    fs.writeFileSync(this.profile, JSON.stringify(PROFILE));
    super.writeConfig();
  }
}

function write(world, task, name, text) {
  const file = world.home(task, name), uid = world.taskUid(task);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  for (let p = file; p !== world.home(task); p = path.dirname(p)) fs.chownSync(p, uid, uid);
}

const read = (world, task, name) => fs.readFileSync(world.home(task, name), 'utf8');

const saves = async (world, id) => JSON.parse(await world.wsctl('saves', id, '--json')).saves;

// A command that must fail: its exit code and what it says.
async function fails(world, ...args) {
  try {
    return { code: 0, text: await world.wsctl(...args) };
  } catch (e) {
    return { code: e.code, text: e.stderr };
  }
}

// A life in which this is written; the name of the save at its end.
async function life(world, text) {
  const ws = await world.launch('dora');
  write(world, ws.task, 'notes/day.txt', text);
  write(world, ws.task, 'same.txt', 'never changes\n');
  await world.stop(ws.id);
  const head = (await saves(world, ws.id)).find((s) => s.head);
  check(head, 'the last save is the head');
  return { ...ws, save: head.save };
}

async function unpack(world, file) {
  const dir = fs.mkdtempSync(path.join(world.dir, 'unpacked.'));
  await run('tar', ['--zstd', '-xf', file, '-C', dir]);
  return dir;
}

async function listed(world, id, first, second) {
  const all = await saves(world, id);
  check(all[0].save === second && all[0].head && !all[0].pinned && !all[0].aside, `newest: ${JSON.stringify(all[0])}`);
  const old = all.find((s) => s.save === first);
  check(old && !old.head && old.entries > 2 && old.bytes > 0, `older: ${JSON.stringify(old)}`);
  const table = await world.wsctl('saves', id);
  check(/^SAVE +TIME \(UTC\) +AGE +ENTRIES +SIZE +NEW +MARKS$/m.test(table) && table.includes('head'), table);
  const web = await world.api('GET', `/v1/workspaces/${id}/saves`);
  check(web.status === 200 && web.json.saves.length === all.length, `HTTP: ${web.status} ${web.text}`);
}

async function goesBack(world, id, first) {
  const ws = await world.launch('dora');
  check(read(world, ws.task, 'notes/day.txt') === 'the second day\n', 'the newest save is restored');
  const no = await fails(world, 'restore', id, '--at', first);
  check(no.code === 1 && no.text.includes('not stopped') && no.text.includes('wsctl stop'), `while it runs: ${no.code} ${no.text}`);
  await world.stop(id);
  const missing = await fails(world, 'restore', id, '--at', '99-1');
  check(missing.code === 1 && missing.text.includes('no such save'), missing.text);
  check((await fails(world, 'restore', id, '--at', 'yesterday')).text.includes('neither a save nor a time'), 'not a time');
  const web = await world.api('POST', `/v1/workspaces/${id}/restore`, { at: first });
  check(web.status === 200 && `${web.json.save.generation}-${web.json.save.seq}` === first, `HTTP: ${web.status} ${web.text}`);
  const back = await world.launch('dora');
  check(read(world, back.task, 'notes/day.txt') === 'the first day\n', 'the chosen save is restored');
  await world.stop(id);
  check((await world.wsctl('events')).includes(`from the save ${first} on`), 'the history says so');
}

async function exported(world, id, save, text) {
  const file = path.join(world.dir, `${save}.tar.zst`);
  const said = await world.wsctl('export', id, file, '--at', save);
  check(said.includes(save) && fs.statSync(file).size > 0, said);
  const dir = await unpack(world, file);
  const day = (await run('find', [dir, '-name', 'day.txt'])).stdout.trim();
  check(fs.readFileSync(day, 'utf8') === text, `export of ${save}: ${day}`);
  const again = await fails(world, 'export', id, file, '--at', save);
  check(again.code === 1 && again.text.includes('is there already'), again.text);
}

// One byte of a part is another.
function damage(world, id, save) {
  const dir = path.join(world.state, 'storage', id, save);
  const part = path.join(dir, fs.readdirSync(dir).find((n) => /^0-\d+\.tar\.zst$/.test(n)));
  const bytes = fs.readFileSync(part);
  bytes[bytes.length >> 1] ^= 0xff;
  fs.chmodSync(part, 0o600);
  fs.writeFileSync(part, bytes);
}

async function damaged(world, id) {
  const good = await life(world, 'before the damage\n');
  const bad = await life(world, 'this is damaged\n');
  damage(world, id, bad.save);
  const file = path.join(world.dir, 'damaged.tar.zst');
  const no = await fails(world, 'export', id, file);
  check(no.code === 1 && !fs.existsSync(file), `a damaged save was exported: ${no.text}`);
  const ws = await world.launch('dora');
  check(read(world, ws.task, 'notes/day.txt') === 'before the damage\n', 'the save before the damaged one is restored');
  const row = await world.workspace(id);
  check(row.fell_back?.restored === good.save, `fell back: ${JSON.stringify(row.fell_back)}`);
  check(`${row.save.generation}-${row.save.seq}` === good.save, 'what was restored is the head');
  check((await world.wsctl('ps')).includes('the newest save is damaged'), 'wsctl ps says so');
  check((await world.wsctl('events')).includes('fell-back'), 'the history says so');
  await world.stop(id);
  const kept = (await saves(world, id)).find((s) => s.save === bad.save);
  check(kept?.pinned, `the damaged save is kept: ${JSON.stringify(kept)}`);
}

const pinned = async (world, id, save) => (await saves(world, id)).find((s) => s.save === save)?.pinned;

async function pins(world, id, save) {
  const said = await world.wsctl('pin', id, '--at', save);
  check(said.includes('pinned') && await pinned(world, id, save), `pin: ${said}`);
  await world.wsctl('pin', id, '--at', save); // again is fine
  const web = await world.api('POST', `/v1/workspaces/${id}/unpin`, { at: save });
  check(web.status === 200 && web.json.saves.find((s) => s.save === save).pinned === false, `unpin: ${web.status} ${web.text}`);
  check(!await pinned(world, id, save), 'unpinned');
  await world.wsctl('unpin', id, '--at', save);
  check((await fails(world, 'unpin', id, '--at', '99-1')).text.includes('no such save'), 'there is none');
  check((await fails(world, 'pin', id)).code === 2, 'which one must be said');
}

// As it was written before there were manifests.
async function oldFormat(world) {
  const ws = await world.launch('carol');
  write(world, ws.task, 'now.txt', 'of today\n');
  await world.stop(ws.id);
  const head = (await saves(world, ws.id)).find((s) => s.head), storage = path.join(world.state, 'storage', ws.id);
  fs.mkdirSync(path.join(storage, '1-77'));
  fs.writeFileSync(path.join(storage, '1-77', 'data.tar.zst'), 'x'.repeat(1019));
  fs.writeFileSync(path.join(storage, '1-77', 'manifest.json'), JSON.stringify({ format: 1, workspace: ws.id, generation: 1, seq: 77 }));
  const old = (await saves(world, ws.id)).find((s) => s.save === '1-77');
  check(old?.format === 1 && !old.head && head.format === 2, `listed: ${JSON.stringify(old)}`);
  const table = await world.wsctl('saves', ws.id);
  check(table.includes('format 1: made before manifests') && table.includes('zstd -dc data.tar.zst | tar x'), table);
  for (const argv of [['restore', ws.id, '--at', '1-77'], ['export', ws.id, path.join(world.dir, 'old.tar.zst'), '--at', '1-77'], ['pin', ws.id, '--at', '1-77']]) {
    const no = await fails(world, ...argv);
    check(no.code === 1 && no.text.includes('is of format 1') && no.text.includes('zstd -dc'), `${argv[0]}: ${no.code} ${no.text}`);
  }
  // And as the head, as after an update of the programs: the agent is told.
  fs.renameSync(path.join(storage, head.save), path.join(world.dir, 'away'));
  fs.renameSync(path.join(storage, '1-77'), path.join(storage, head.save));
  await world.api('POST', '/v1/workspaces', { user_id: 'carol', workspace_type: 'vscode' });
  await until('the restore says why', 60, async () => (await world.workspace(ws.id)).reason?.includes('a save of format 1, made before manifests'));
  fs.rmSync(path.join(storage, head.save), { recursive: true });
  fs.renameSync(path.join(world.dir, 'away'), path.join(storage, head.save));
}

await main({ pool: 1, name: 'saves' }, async (world) => {
  await world.startController();
  await world.warm();
  const first = await life(world, 'the first day\n');
  const second = await life(world, 'the second day\n');
  check(first.id === second.id && first.save !== second.save, 'two lives, two saves');
  await listed(world, first.id, first.save, second.save);
  await goesBack(world, first.id, first.save);
  await exported(world, first.id, first.save, 'the first day\n');
  await exported(world, first.id, second.save, 'the second day\n');
  await pins(world, first.id, first.save);
  await damaged(world, first.id);
  await oldFormat(world);
  await world.shutdown();
  return 7;
}, Light);
