// A class ends: real agents, each with 5 MB that no save holds, are told to stop at the same moment,
// and the storage takes 20 MB/s from all of them together.
//
//   mass_stop [--agents N] [--full]     15 agents, or 300 with --full
//
// Checked: every one is saved and gone; each file comes back byte for byte, read from the stored
// objects with cat, zstd and tar alone; no task is left. Printed, and in the full size checked: the
// time from the order to the last workspace stopped, over bytes / bandwidth (aim: at most 1.15).
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { check, main, now, until, World } from './lib.mjs';

const full = process.argv.includes('--full') || process.env.WS_TEST_FULL === '1';
const at = process.argv.indexOf('--agents');
const AGENTS = at > 0 ? Number(process.argv[at + 1]) : full ? 300 : 15;
const BYTES = 5_000_000;
const BANDWIDTH = 20_000_000;
const AIM = 1.15;
const UIDS = 4 * 512; // of this run's own

// A small app, and saves that begin too late to have taken the 5 MB before the stop.
const PROFILE = {
  name: 'class', app: { argv: ['python3', '-S', '-E', '/run/ws/dist/standin.py', '${APP_SOCKET}'], path: '/usr/local/bin:/usr/bin:/bin' },
  health: { path: '/healthz' }, prime: { path: '/' }, save: { include: ['.'], exclude: [] },
  save_after: '10m', stop_grace: '2s', kill_grace: '1s',
};

class Class extends World {
  writeConfig() {
    const app = this.standin();
    this.uidBase = 20_000_000 + (process.pid % 4000) * UIDS;
    const file = path.join(this.dir, 'class.json');
    fs.writeFileSync(file, JSON.stringify(PROFILE));
    fs.copyFileSync(file, path.join(app, 'class.json')); // for containers, which see this folder alone
    this.writeConfigOf(`
tasks_max = 512
storage_bandwidth = ${BANDWIDTH}

[type class]
${this.typeLines(file, app)}
pool = 0
idle = 2h
stop_timeout = 10m
`, { quiet: '2s', heartbeat: '10s' });
  }

  ours() {
    return this.processes().filter((p) => p.uid >= this.uidBase && p.uid < this.uidBase + UIDS);
  }
}

async function inWaves(list, width, fn) {
  const out = [];
  const queue = list.map((x, i) => [x, i]);
  await Promise.all(Array.from({ length: width }, async () => {
    for (let job; (job = queue.shift());) out[job[1]] = await fn(...job);
  }));
  return out;
}

async function launchAll(w) {
  return inWaves(Array.from({ length: AGENTS }, (_, i) => i), 4, async (i) => {
    let res;
    await until(`student ${i} has a workspace`, 120, async () => {
      res = await w.api('POST', '/v1/workspaces', { user_id: `s${i}`, workspace_type: 'class' }, { Prefer: 'wait=30' });
      return res.status === 200 && res.json.status === 'ready';
    });
    return w.workspace(res.json.id);
  });
}

// 5 MB that no compression makes smaller. Returns its hash.
function work(w, ws) {
  const data = crypto.randomBytes(BYTES);
  const file = w.home(ws.task, 'thesis.bin');
  fs.writeFileSync(file, data);
  fs.chownSync(file, w.taskUid(ws.task), w.taskUid(ws.task));
  return crypto.createHash('sha256').update(data).digest('hex');
}

async function stopAll(w, all) {
  const from = now();
  // The API has room for 200 that wait at a time.
  const answers = await inWaves(all, 100, (ws) => w.api('POST', `/v1/workspaces/${ws.id}/stop`));
  for (const [i, res] of answers.entries()) check(res.status < 300, `stop of ${all[i].id}: ${res.status} ${res.text}`);
  const left = new Set(all.map((ws) => ws.id));
  await until('all are saved and stopped', 60 + 3 * (AGENTS * BYTES) / BANDWIDTH, async () => {
    for (const ws of (await w.api('GET', '/v1/workspaces?limit=1000')).json.workspaces) {
      check(ws.state !== 'attention', `${ws.id} needs attention: ${ws.reason}`);
      if (ws.state === 'stopped') left.delete(ws.id);
    }
    return left.size === 0;
  }, 200);
  return (now() - from) / 1000;
}

// Ordinary tools only: the newest save that holds the file.
function stored(w, id) {
  const dir = path.join(w.state, 'storage', id);
  const saves = fs.readdirSync(dir).filter((s) => /^\d+-\d+$/.test(s))
    .sort((a, b) => { const [x, y] = [a, b].map((s) => s.split('-').map(Number)); return y[0] - x[0] || y[1] - x[1]; });
  for (const save of saves) {
    const parts = fs.readdirSync(path.join(dir, save)).filter((f) => /^0-\d+\.tar\.zst$/.test(f)).sort();
    if (!parts.length) continue;
    const names = parts.map((f) => `'${path.join(dir, save, f)}'`).join(' ');
    try {
      return execFileSync('sh', ['-c', `cat ${names} | zstd -dcq | tar -xO --wildcards --no-wildcards-match-slash '*thesis.bin' 2>/dev/null`], { maxBuffer: 1 << 26 });
    } catch { /* not in this one */ }
  }
  throw new Error(`no stored object of ${id} holds the file`);
}

main({ name: 'mass' }, async (w) => {
  await w.startController();
  const from = now();
  const all = await launchAll(w);
  console.log(`  time ${((now() - from) / 1000).toFixed(1)} s  ${AGENTS} workspaces launched`);
  const want = all.map((ws) => work(w, ws));
  const seconds = await stopAll(w, all);
  const bound = (AGENTS * BYTES) / BANDWIDTH;
  console.log(`  bench ${AGENTS} agents, ${BYTES / 1e6} MB each at ${BANDWIDTH / 1e6} MB/s: ${seconds.toFixed(1)} s, ${(seconds / bound).toFixed(2)} x bytes/bandwidth (aim ${AIM} with 300)`);
  for (const [i, ws] of all.entries()) {
    const got = crypto.createHash('sha256').update(stored(w, ws.id)).digest('hex');
    check(got === want[i], `${ws.id}: the stored file is not what was written`);
  }
  await until('every task is gone', 60, async () => (await w.tasks()).length === 0);
  await until('no process is left', 20, () => w.ours().length === 0);
  if (full) check(seconds <= AIM * bound, `${seconds.toFixed(1)} s is more than ${AIM} x ${bound.toFixed(1)} s`);
  return AGENTS;
}, Class);
