// Somebody types in a real editor while a program of theirs changes files all the time, so that one
// increment is saved after the other. Checked: the file is what was typed, in the home and after the
// next launch; many saves were committed meanwhile. Printed: the gate's latency (a small request
// there and back), beside the same workspace when its saves are held back, taken in turns.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { Browsers, Steps, check, main, now, openEditor, openFile, random, request, follow, until } from './lib.mjs';

const seed = Number(process.env.WS_TEST_SEED ?? Date.now() % 1000000);
const LENGTH = process.argv.includes('--full') || process.env.WS_TEST_FULL === '1' ? 3000 : 400;
const SAVES_MIN = 5;

function prose(length) {
  const rand = random(seed);
  const words = ['salt', 'lake', 'river', 'stone', 'north', 'lamp', 'quiet', 'under', 'seven', 'winter'];
  let text = '';
  while (text.length < length) text += words[Math.floor(rand() * words.length)] + (rand() < 0.1 ? '.\n' : ' ');
  return text.slice(0, length).trimEnd();
}

// As the student: a new file of 1 MB of noise four times a second, and an old one removed.
function churn(world, task) {
  const script = `import os, time
i = 0
os.makedirs("workspace/noise", exist_ok=True)
while True:
    with open("workspace/noise/%d" % (i % 40), "wb") as f: f.write(os.urandom(1000000))
    i += 1
    time.sleep(0.25)`;
  const [file, args] = world.asStudent(task, 'sh', '-c', `cd /home/student && exec python3 -S -E -c '${script}'`);
  return spawn(file, args, { stdio: 'ignore' });
}

async function latencies(world, visit, n) {
  const ms = [];
  for (let i = 0; i < n; i++) {
    const from = now();
    const res = await request(world.port, { host: visit.host, path: '/healthz', headers: { Cookie: visit.cookie } });
    check(res.status === 200, `the gate answered ${res.status}`);
    ms.push(now() - from);
  }
  return ms;
}

const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))];

await main({ name: 'typing', pool: 2, saveAfter: '1s' }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  console.log(`seed ${seed}`);
  let noise;
  try {
    await world.start();
    await world.warm(2);
    const text = prose(LENGTH);
    const ws = await world.launch('alice');
    await world.launch('bob');
    const page = await openEditor(await browsers.start(), ws.url);
    const [visit, other] = [await follow(world.port, (await world.launch('alice')).url), await follow(world.port, (await world.launch('bob')).url)];
    noise = churn(world, ws.task);
    const note = world.home(ws.task, 'workspace/typed.txt');
    fs.writeFileSync(note, '');
    fs.chownSync(note, world.taskUid(ws.task), world.taskUid(ws.task));
    await openFile(page, 'typed.txt');
    await page.locator('.editor-instance .view-lines').click();
    const saved = new Set();
    const watching = setInterval(() => { for (const s of fs.readdirSync(`${world.state}/storage/${ws.id}`)) saved.add(s); }, 200);
    const busy = [], quiet = [];
    await steps.take(`${text.length} characters typed`, async () => {
      for (let i = 0; i < text.length; i += 40) {
        await page.keyboard.type(text.slice(i, i + 40), { delay: 15 });
        busy.push(...await latencies(world, visit, 5));
        quiet.push(...await latencies(world, other, 5));
      }
    });
    await until(`${SAVES_MIN} saves while it was typed`, 30, () => saved.size >= SAVES_MIN);
    clearInterval(watching);
    await page.keyboard.press('Control+s');
    await until('the file stands in the home', 20, () => fs.readFileSync(note, 'utf8').trimEnd() === text);
    for (const [name, list] of [['saves running', busy], ['nothing to save', quiet]])
      console.log(`  bench gate, ${name}: p50 ${quantile(list, 0.5).toFixed(2)} ms, p99 ${quantile(list, 0.99).toFixed(2)} ms`);
    console.log(`  bench ratio p50 ${(quantile(busy, 0.5) / quantile(quiet, 0.5)).toFixed(2)}, p99 ${(quantile(busy, 0.99) / quantile(quiet, 0.99)).toFixed(2)}; ${saved.size} saves`);
    noise.kill('SIGKILL');
    await browsers.closeAll();
    await steps.take('stopped', () => world.stop(ws.id));
    const again = await steps.take('launched again', () => world.launch('alice'));
    check(fs.readFileSync(world.home(again.task, 'workspace/typed.txt'), 'utf8').trimEnd() === text, 'the restored file is not what was typed');
    await world.shutdown();
    return 3;
  } finally {
    noise?.kill('SIGKILL');
    await browsers.closeAll();
  }
});
