// What a student waits for in a task with half a CPU and 1 GB: from the request to `ready` and to the usable page, by what was
// there before.
//   tests/bench/limited [code-server|superset] [--rounds N]
//
//   warm   a task of the pool is claimed
//   plain  the same, where nothing is loaded ahead of the claim (Superset)
//   cold   no task is warm: one is launched, the agent enrols, the app starts
//   alone  code-server by itself in a container with the same limits, started fresh: no agent, no controller
//
// Real controller, nginx and Chromium (which is not limited); code-server in containers of a Docker Engine, Superset in control
// groups. The ways take turns, nothing else is launched or loaded meanwhile, each student is new, and each browser has never been
// here. The app's files may stand in the page cache, which favours the cold ways: on a new machine they do not.
import http from 'node:http';
import { Browsers, check, main, now, openEditor, sleep, until } from '../system/lib.mjs';
import { Containers, LIMITS, Processes } from './limited_lib.mjs';

const argv = process.argv.slice(2);
const rounds = Number(argv[argv.indexOf('--rounds') + 1]) || 3;
const what = argv.find((a) => a === 'superset') ?? 'code-server';
const SETTLE_MS = 5000; // a warm task has done all that it does ahead of the claim
const PAGE_MS = 180000;

async function openSuperset(context, url) {
  const page = context.pages()[0] ?? await context.newPage();
  await page.goto(url, { waitUntil: 'commit', timeout: PAGE_MS });
  await page.getByText('Recents').first().waitFor({ state: 'visible', timeout: PAGE_MS });
}

const kinds = {
  'code-server': { ways: ['warm', 'cold', 'alone'], pools: ['warm'], open: openEditor, World: Containers },
  superset: { ways: ['warm', 'plain', 'cold'], pools: ['warm', 'plain'], open: openSuperset, World: Processes },
};
const kind = kinds[what];

async function launched(world, browsers, way, user) {
  const context = await browsers.start();
  const ask = () => world.api('POST', '/v1/workspaces', { user_id: user, workspace_type: way }, { Prefer: 'wait=60' });
  const from = now();
  let res = await ask();
  while (res.status === 202) res = await ask();
  check(res.status === 200 && res.json.status === 'ready', `launch of ${user}: ${res.status} ${res.text}`);
  const ready = now() - from;
  await kind.open(context, res.json.url);
  const page = now() - from;
  const ws = await world.workspace(res.json.id);
  if (what === 'superset') check(world.startedAhead(ws.task) === (way === 'warm'), `${way}: the app was${way === 'warm' ? ' not' : ''} loaded ahead`);
  const row = { ready, page, ...world.held(ws.task) };
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
    '--entrypoint', 'sh', '-e', 'HOME=/home/student', world.image, '-c',
    'mkdir -p ~/workspace && exec code-server --auth none --bind-addr 0.0.0.0:8080 --disable-telemetry --disable-update-check --disable-workspace-trust ~/workspace');
  try {
    const host = world.docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id);
    await until('code-server is healthy', 300, () => answers(host, 8080), 20);
    const ready = now() - from;
    await openEditor(context, `http://${host}:8080/`);
    return { ready, page: now() - from, ...world.heldContainer(id) };
  } finally {
    await context.close();
    world.docker('rm', '-f', id);
  }
}

// One warm task for each way that claims one, and then nothing is launched that nobody asked for.
async function prepare(world) {
  for (const pool of kind.pools) await world.api('PUT', `/v1/pools/${pool}`, { size: 1, reason: 'to be claimed' });
  await until('the tasks are warm', 600, async () => {
    const warm = (await world.tasks()).filter((t) => t.state === 'warm').map((t) => t.workspace_type);
    return kind.pools.every((p) => warm.includes(p));
  }, 250);
  for (const pool of kind.pools) await world.api('PUT', `/v1/modes/pause`, { on: true, workspace_type: pool, reason: 'nothing is loaded while a student waits' });
  if (what === 'superset') await world.loadedAhead('warm');
  await sleep(SETTLE_MS);
}

const median = (rows, key) => rows.map((r) => r[key]).sort((a, b) => a - b)[Math.floor((rows.length - 1) / 2)];
const s = (ms) => `${(ms / 1000).toFixed(2)} s`;

await main({ name: 'limited', pool: 1, heartbeat: '10s' }, async (world) => {
  const browsers = new Browsers(world);
  const all = Object.fromEntries(kind.ways.map((w) => [w, []]));
  try {
    await world.start();
    for (let round = 0; round < rounds; round++) {
      await prepare(world);
      for (const way of kind.ways) {
        const row = way === 'alone' ? await alone(world, browsers) : await launched(world, browsers, way, `${way}${round}`);
        all[way].push(row);
        console.log(`  time ${what} ${way}: ready ${s(row.ready)}, usable page ${s(row.page)}, held back in ${row.throttled} periods, peak ${row.peakMb.toFixed(0)} MB`);
      }
      for (const pool of kind.pools) await world.api('PUT', `/v1/modes/pause`, { on: false, workspace_type: pool });
    }
    const cold = { ready: median(all.cold, 'ready'), page: median(all.cold, 'page') };
    for (const way of kind.ways) {
      const ready = median(all[way], 'ready'), page = median(all[way], 'page');
      console.log(`bench limited ${what} ${way.padEnd(5)} (median of ${rounds}, 0.5 CPU, 1 GB): ready ${s(ready)} (${(ready / cold.ready).toFixed(2)} x cold), ` +
        `usable page ${s(page)} (${(page / cold.page).toFixed(2)} x cold)`);
    }
    await world.shutdown();
    return kind.ways.length;
  } finally {
    await browsers.closeAll();
  }
}, kind.World);
