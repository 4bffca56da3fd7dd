// What watching costs. Real controller, agent, code-server, nginx and Chromium; for a minute each: a warm task that nobody
// has, an open tab that nobody touches, and a person who types five keys a second.
//   tests/bench/watching [--seconds N] [--json]
import fs from 'node:fs';
import { Browsers, main, now, openEditor, sleep, usable } from '../system/lib.mjs';

const argv = process.argv.slice(2);
const seconds = Number(argv[argv.indexOf('--seconds') + 1] || 60) || 60;
const ROLES = ['init', 'gate', 'sense', 'link'];
const TICKS_PER_S = 100;

// Times a process was put to sleep and woken, over all its threads, and its CPU ticks.
function usage(pid) {
  let switches = 0;
  for (const tid of fs.readdirSync(`/proc/${pid}/task`)) {
    const status = fs.readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
    switches += Number(status.match(/^voluntary_ctxt_switches:\s*(\d+)/m)[1]);
  }
  const w = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return { switches, ticks: Number(w[11]) + Number(w[12]) };
}

function roles(world, task) {
  const init = world.taskPid(task);
  return Object.fromEntries(ROLES.map((r) => [r, r === 'init' ? init : world.role(task, r).pid]));
}

async function measure(world, task, what, during = () => sleep(seconds * 1000)) {
  const pids = roles(world, task);
  const app = world.app(task)?.pid;
  const group = app ? world.inTask(task).filter((p) => !Object.values(pids).includes(p.pid)).map((p) => p.pid) : [];
  const before = Object.fromEntries(ROLES.map((r) => [r, usage(pids[r])]));
  const appTicks = () => group.reduce((n, pid) => { try { return n + usage(pid).ticks; } catch { return n; } }, 0);
  const appBefore = appTicks(), from = now();
  await during();
  const took = (now() - from) / 1000;
  const row = { what, roles: {} };
  for (const r of ROLES) {
    const u = usage(pids[r]);
    row.roles[r] = { wakeups_per_min: (u.switches - before[r].switches) * 60 / took, cpu_percent: (u.ticks - before[r].ticks) / TICKS_PER_S / took * 100 };
  }
  row.agent_cpu_percent = ROLES.reduce((n, r) => n + row.roles[r].cpu_percent, 0);
  row.app_cpu_percent = (appTicks() - appBefore) / TICKS_PER_S / took * 100;
  return row;
}

await main({ pool: 1, idle: '30m', name: 'watching', heartbeat: '10s' }, async (world) => {
  const browsers = new Browsers(world);
  const rows = [];
  try {
    await world.start();
    await world.warm(1);
    const warm = (await world.tasks()).find((t) => t.state === 'warm');
    rows.push(await measure(world, warm.id ?? warm.task, 'warm, nobody has it'));
    const context = await browsers.start();
    const ws = await world.launch('watched');
    const page = await openEditor(context, ws.url);
    await usable(page);
    await sleep(20000); // loading is over
    rows.push(await measure(world, ws.task, 'an untouched tab'));
    await page.keyboard.press('Control+Alt+N').catch(() => {});
    await page.keyboard.press('F1');
    await page.locator('.quick-input-widget input[type=text]').first().fill('>Create: New Untitled Text File');
    await page.keyboard.press('Enter');
    await sleep(2000);
    rows.push(await measure(world, ws.task, 'typing, 5 keys a second', async () => {
      const end = now() + seconds * 1000;
      while (now() < end) {
        await page.keyboard.type('abcde ', { delay: 200 });
      }
    }));
  } finally {
    await browsers.closeAll();
  }
  if (argv.includes('--json')) {
    console.log(JSON.stringify(rows));
  } else {
    console.log(`${'wake-ups per minute / CPU % of a core'.padEnd(40)}${ROLES.map((r) => r.padStart(16)).join('')}${'agent'.padStart(9)}${'the app'.padStart(10)}`);
    for (const r of rows) {
      const cells = ROLES.map((n) => `${r.roles[n].wakeups_per_min.toFixed(0)} / ${r.roles[n].cpu_percent.toFixed(2)}`.padStart(16));
      console.log(`${r.what.padEnd(40)}${cells.join('')}${r.agent_cpu_percent.toFixed(2).padStart(9)}${r.app_cpu_percent.toFixed(1).padStart(10)}`);
    }
  }
  await world.shutdown();
  return rows.length;
});
