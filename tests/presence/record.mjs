// Record scenarios, each in a process and on a display of its own.
//   record.mjs --out DIR [--minutes-scale X] [--worker FILE] [--at-once N] SCENARIO.mjs…
// FORMAT.md describes what DIR then holds, and what a scenario is.
import { spawn, spawnSync, execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { nowMs } from './recorder.mjs';
import { Enough, Stage } from './stage.mjs';
import { sleep, installed, binaries } from '../system/lib.mjs';

const run = promisify(execFile);
const STAGGER_MS = 20000; // a start takes both cores for some seconds

// One recording: events of all sources in the order of their times, times from the start.
async function finish(dir, scenario, start, end, versions) {
  const lines = [];
  for (const f of ['relay.jsonl', 'sampler.jsonl', 'marks.jsonl']) {
    const text = fs.readFileSync(path.join(dir, f), 'utf8').split('\n');
    for (const l of text) {
      if (!l.endsWith('}')) continue; // a last line cut short by the end
      const v = JSON.parse(l);
      if (v.t <= end) lines.push(v);
    }
    fs.rmSync(path.join(dir, f));
  }
  lines.sort((a, b) => a.t - b.t);
  fs.writeFileSync(path.join(dir, 'events.jsonl'), lines.map((v) => JSON.stringify({ ...v, t: Math.max(0, v.t - start) })).join('\n') + '\n');
  fs.writeFileSync(path.join(dir, 'recording.json'), `${JSON.stringify({ format: 1, name: scenario.name, labels: scenario.labels,
    about: scenario.about ?? '', started: new Date(Date.now() - (nowMs() - start)).toISOString(), duration_ms: end - start, ...versions }, null, 2)}\n`);
  for (const f of ['events.jsonl', 'streams.bin']) await run('zstd', ['-q', '-19', '--rm', '-f', path.join(dir, f)]);
  if (fs.existsSync(path.join(dir, 'sampler.err')) && fs.statSync(path.join(dir, 'sampler.err')).size === 0) fs.rmSync(path.join(dir, 'sampler.err'));
}

export async function record(file, out, { scale = 1, period = 5, display, worker }) {
  const scenario = await import(pathToFileURL(path.resolve(file)));
  for (const need of ['name', 'labels', 'run']) if (!scenario[need]) throw new Error(`${file}: exports no ${need}`);
  const dir = path.join(out, scenario.name);
  fs.mkdirSync(dir, { recursive: true });
  const have = installed();
  const stage = new Stage(dir, scenario);
  stage.scale = scale;
  const start = nowMs();
  try {
    await stage.startWorkspace(have, worker ?? path.join(binaries(), 'wsagent-worker'), period);
    await stage.startBrowser(have, display);
    await scenario.run(stage.page, stage.mark, stage);
  } catch (e) {
    if (!(e instanceof Enough)) {
      await stage.page?.screenshot({ path: path.join(dir, 'failed.png'), timeout: 5000 }).catch(() => {});
      throw e;
    }
  } finally {
    const end = nowMs();
    await stage.close();
    await finish(dir, scenario, start, end, { scale, code_server: path.basename(have.codeServer).replace('code-server-', ''),
      browser: spawnSync('/usr/bin/chromium', ['--version'], { encoding: 'utf8' }).stdout.trim(), headed: true });
    fs.rmSync(stage.work, { recursive: true, force: true, maxRetries: 5 });
  }
  console.log(`recorded ${scenario.name} in ${dir}`);
}

export async function startDisplay() {
  const p = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1400x900x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const n = await new Promise((resolve, reject) => {
    p.stdout.on('data', (d) => resolve(String(d).trim()));
    p.on('exit', () => reject(new Error('Xvfb ended: is it installed?')));
  });
  return { display: `:${n}`, stop: () => p.kill() };
}

// Every scenario by a process of its own, so that no other's work delays a packet.
async function recordAll(files, options, atOnce) {
  const children = new Set();
  let stop = false;
  process.on('SIGTERM', () => {
    stop = true;
    for (const p of children) p.kill('SIGTERM');
  });
  const left = [...files], failed = [];
  while (left.length && !stop) {
    const file = left.shift();
    const p = spawn(process.execPath, [import.meta.filename, ...options, file], { stdio: 'inherit' });
    children.add(p);
    p.ended = once(p, 'exit').then(([code]) => {
      children.delete(p);
      if (code !== 0) failed.push(file);
    });
    await sleep(STAGGER_MS);
    while (children.size >= atOnce) await Promise.race([...children].map((c) => c.ended));
  }
  await Promise.all([...children].map((c) => c.ended));
  for (const f of failed) console.error(`FAILED: ${f}`);
  return failed.length === 0;
}

async function recordOne(file, out, options) {
  const x = await startDisplay();
  try {
    await record(file, out, { ...options, display: x.display });
  } finally {
    x.stop();
  }
}

async function main() {
  const argv = process.argv.slice(2), options = [];
  const take = (name, fallback) => {
    const i = argv.indexOf(name);
    if (i < 0) return fallback;
    options.push(...argv.slice(i, i + 2));
    return argv.splice(i, 2)[1];
  };
  const atOnce = Number(take('--at-once', '12'));
  options.length = 0;
  const out = take('--out');
  const scale = Number(take('--minutes-scale', '1'));
  const worker = take('--worker');
  if (!out || argv.length === 0) {
    console.error('usage: record.mjs --out DIR [--minutes-scale X] [--worker FILE] [--at-once N] SCENARIO.mjs…');
    process.exit(64);
  }
  if (argv.length > 1) process.exit(await recordAll(argv, options, atOnce) ? 0 : 1);
  try {
    await recordOne(argv[0], out, { scale, worker });
  } catch (e) {
    console.error(`FAILED: ${argv[0]}: ${e.stack}`);
    process.exit(1);
  }
  process.exit(0);
}

if (process.argv[1] === import.meta.filename) await main();
