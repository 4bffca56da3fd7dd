// What a student waits for in a container with half a CPU, 1 GB and no more capabilities than Docker gives: from the request
// to `ready` and to the usable page, by what was there before.
//   tests/bench/limited [code-server|superset] [--rounds N]
//
//   warm   a task of the pool is claimed
//   cold   no task is warm: a container is made, the agent enrols, the app starts
//   alone  code-server by itself in a container with the same limits, started fresh: no agent, no controller
//
// Real controller, Docker Engine, image, nginx and Chromium (which is not limited). The ways take turns, nothing else is
// launched or loaded meanwhile, each student is new, and each browser has never been here. The image's files may stand in the
// page cache, which favours the cold ways: on a machine that has just got the image they do not.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { Browsers, Failure, World, check, main, now, openEditor, sleep, until } from '../system/lib.mjs';
import { IMAGE, contained } from '../system/docker.mjs';

const argv = process.argv.slice(2);
const rounds = Number(argv[argv.indexOf('--rounds') + 1]) || 3;
const what = argv.find((a) => a === 'superset') ?? 'code-server';
const SETTLE_MS = 5000; // a warm task has done all that it does ahead of the claim
const LIMITS = { memory: '1G', cpu: '0.5', pids: '512' };
const NANO_CPUS = 0.5e9, BYTES = 2 ** 30;

const kinds = {
  'code-server': { ways: ['warm', 'cold', 'alone'], open: openEditor },
  superset: {
    ways: ['warm', 'cold'],
    open: async (context, url) => {
      const page = context.pages()[0] ?? await context.newPage();
      await page.goto(url, { waitUntil: 'commit', timeout: 180000 });
      await page.getByText('Recents').first().waitFor({ state: 'visible', timeout: 180000 });
      return page;
    },
  },
};
const kind = kinds[what];

class Limited extends contained(World) {
  limits = LIMITS;
  folder = what;

  writeConfig() {
    const type = (name, pool) => `\n[type ${name}]\n${this.typeLines()}\npool = ${pool}\nidle = 30m\nlaunch_timeout = 10m\n`;
    this.writeConfigOf(type('warm', 1) + type('cold', 0));
  }
}

// The limits that the engine has set, and what the kernel counts of them; a limit that is not in force is no measurement.
function held(world, container) {
  const set = JSON.parse(world.docker('inspect', '-f', '{{json .HostConfig}}', container));
  check(set.NanoCpus === NANO_CPUS && set.Memory === BYTES, `the limits are not in force: ${set.NanoCpus} of a billion CPUs, ${set.Memory} bytes`);
  const pid = world.docker('inspect', '-f', '{{.State.Pid}}', container);
  const groups = fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n').map((l) => l.split(':'));
  const read = (controller, names) => {
    const [, name, dir] = groups.find((g) => g[1].split(',').includes(controller)) ?? groups.find((g) => g[1] === '');
    for (const n of names) {
      for (const base of [`/sys/fs/cgroup/${name}`, '/sys/fs/cgroup'])
        try { return fs.readFileSync(`${base}${dir}/${n}`, 'utf8'); } catch { /* the other version of control groups */ }
    }
    return '';
  };
  const throttled = Number(read('cpu', ['cpu.stat']).match(/^nr_throttled (\d+)/m)?.[1] ?? NaN);
  const peak = Number(read('memory', ['memory.max_usage_in_bytes', 'memory.peak']) || NaN);
  return { throttled, peakMb: peak / 2 ** 20 };
}

async function launched(world, browsers, way, user) {
  const context = await browsers.start();
  const from = now();
  const res = await world.api('POST', '/v1/workspaces', { user_id: user, workspace_type: way }, { Prefer: 'wait=60' });
  check(res.status === 200 || res.status === 202, `launch of ${user}: ${res.status} ${res.text}`);
  const ws = await until(`${user}'s workspace is ready`, 300, async () => {
    const w = await world.workspace(res.json.id);
    check(!['attention', 'failed'].includes(w.state), `${w.state}: ${w.reason}`);
    return w.state === 'running' && w;
  }, 20);
  const ready = now() - from;
  const again = res.json.url ? res : await world.api('POST', '/v1/workspaces', { user_id: user, workspace_type: way }, { Prefer: 'wait=60' });
  await kind.open(context, again.json.url);
  const row = { ready, page: now() - from, ...held(world, world.container(ws.task).id) };
  await context.close();
  await world.stop(ws.id);
  return row;
}

const answers = (host, port) => new Promise((resolve) => {
  const req = http.get({ host, port, path: '/healthz', timeout: 2000 }, (res) => { res.resume(); resolve(res.statusCode === 200); });
  req.on('timeout', () => req.destroy());
  req.on('error', () => resolve(false));
});

async function alone(world, browsers) {
  const context = await browsers.start();
  const from = now();
  const id = world.docker('run', '-d', '--cpus', LIMITS.cpu, '--memory', LIMITS.memory, '--pids-limit', LIMITS.pids, '--user', '1000:1000',
    '--entrypoint', 'sh', '-e', 'HOME=/home/student', IMAGE, '-c',
    'mkdir -p ~/workspace && exec code-server --auth none --bind-addr 0.0.0.0:8080 --disable-telemetry --disable-update-check --disable-workspace-trust ~/workspace');
  try {
    const host = world.docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id);
    await until('code-server is healthy', 300, () => answers(host, 8080), 20);
    const ready = now() - from;
    await openEditor(context, `http://${host}:8080/`);
    return { ready, page: now() - from, ...held(world, id) };
  } catch (e) {
    throw new Failure(`${e.message}; ${execFileSync('docker', ['logs', '--tail', '5', id], { encoding: 'utf8', env: { ...process.env, DOCKER_HOST: `unix://${world.socket}` } })}`);
  } finally {
    await context.close();
    world.docker('rm', '-f', id);
  }
}

const median = (rows, key) => rows.map((r) => r[key]).sort((a, b) => a - b)[Math.floor(rows.length / 2)];
const s = (ms) => `${(ms / 1000).toFixed(2)} s`;

await main({ name: 'limited', pool: 1, heartbeat: '10s' }, async (world) => {
  const browsers = new Browsers(world);
  const all = Object.fromEntries(kind.ways.map((w) => [w, []]));
  try {
    await world.start();
    for (let round = 0; round < rounds; round++) {
      await world.api('PUT', '/v1/modes/pause', { on: false });
      await until('a task is warm', 600, async () => (await world.api('GET', '/v1/pools')).json.pools.some((p) => p.warm >= 1), 250);
      await world.api('PUT', '/v1/modes/pause', { on: true, reason: 'nothing is loaded while a student waits' });
      await sleep(SETTLE_MS);
      for (const way of kind.ways) {
        const row = way === 'alone' ? await alone(world, browsers) : await launched(world, browsers, way, `${way}${round}`);
        all[way].push(row);
        console.log(`  time ${what} ${way}: ready ${s(row.ready)}, usable page ${s(row.page)}, throttled ${row.throttled} periods, peak ${row.peakMb.toFixed(0)} MB`);
      }
    }
    const cold = { ready: median(all.cold, 'ready'), page: median(all.cold, 'page') };
    for (const way of kind.ways) {
      const ready = median(all[way], 'ready'), page = median(all[way], 'page');
      console.log(`bench limited ${what} ${way.padEnd(5)} (median of ${rounds}, 0.5 CPU, 1 GB): ready ${s(ready)} (${(ready / cold.ready).toFixed(2)} x cold), ` +
        `usable page ${s(page)} (${(page / cold.page).toFixed(2)} x cold)`);
    }
    await world.api('PUT', '/v1/modes/pause', { on: false });
    await world.shutdown();
    return kind.ways.length;
  } finally {
    await browsers.closeAll();
  }
}, Limited);
