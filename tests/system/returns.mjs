// A person comes back five seconds before a stop, while it is under way, and after it. Before: nothing happens to them.
// During: either the stop is taken back, or the last save is finished and they go on in a new task; nothing that they
// had written is missing either way. After: the same on a click.
import fs from 'node:fs';
import { Browsers, Steps, check, editorText, main, now, openEditor, openFile, sleep, until, usable } from './lib.mjs';

const IDLE_S = 30;
const TRACKER_S = 75; // the editor's own tracker may hold "active" for so long after the last key
const LINES = ['before the stop', 'during the stop', 'after the stop'];

async function stopIn(world, id) {
  return (await world.api('GET', `/v1/workspaces/${id}/why`)).json.stops_in_s;
}

async function atTheEnd(page, text) {
  await page.locator('.editor-instance .view-lines').first().click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type(`${text}\n`);
}

const saved = (world, task, text) => until(`"${text}" is in the file`, 15,
  () => fs.readFileSync(world.home(task, 'workspace/diary.txt'), 'utf8').includes(text));

async function open(world, browsers, steps, what) {
  const from = now();
  const ws = await world.launch('carol');
  const context = await browsers.start();
  const page = await openEditor(context, ws.url);
  await usable(page);
  await openFile(page, 'diary.txt');
  steps.note(`${what}: back in the editor`, now() - from);
  return { ...ws, page, context };
}

async function backBefore(world, browsers, steps) {
  const first = await world.launch('carol');
  const diary = world.home(first.task, 'workspace/diary.txt'), uid = world.taskUid(first.task);
  fs.writeFileSync(diary, 'diary\n');
  fs.chownSync(diary, uid, uid);
  const carol = await open(world, browsers, steps, 'the first day');
  await atTheEnd(carol.page, 'at first');
  await until('five seconds are left', IDLE_S + TRACKER_S, async () => {
    const left = await stopIn(world, carol.id);
    return left !== null && left <= 5;
  }, 200);
  await atTheEnd(carol.page, LINES[0]);
  const typed = now();
  await until('the stop has moved away', 5, async () => (await stopIn(world, carol.id)) > IDLE_S - 10, 100);
  steps.note('five seconds before: the stop has moved away', now() - typed);
  await saved(world, carol.task, LINES[0]);
  await sleep(10000); // past the moment when it would have been
  const ws = await world.workspace(carol.id);
  check(ws.state === 'running' && ws.task === carol.task, `five seconds before: ${ws.state} in ${ws.task}`);
  return carol;
}

async function backDuring(world, browsers, steps, carol) {
  await until('the stop begins', IDLE_S + TRACKER_S, async () => (await world.workspace(carol.id)).state !== 'running', 20);
  const from = now();
  // Typed into a page that is being closed under the person's hands: it may arrive or not, but the page may not lie.
  await atTheEnd(carol.page, LINES[1]).catch(() => {});
  const back = await world.launch('carol');
  steps.note('during: ready again', now() - from);
  const kept = back.task === carol.task;
  console.log(`  during: ${kept ? 'the stop was taken back' : 'saved, and on in a new task'}`);
  await carol.context.close();
  const again = await open(world, browsers, steps, 'during');
  const text = await until('the diary is shown', 20, async () => {
    const t = await editorText(again.page);
    return t.includes(LINES[0]) && t;
  });
  check(text.includes('diary'), 'during: the diary is not whole');
  if (!text.includes(LINES[1])) await atTheEnd(again.page, LINES[1]);
  await saved(world, again.task, LINES[1]);
  return again;
}

async function backAfter(world, browsers, steps, carol) {
  await world.stopped(carol.id, IDLE_S + TRACKER_S + 30);
  const ws = await world.workspace(carol.id);
  check(ws.stop_rule === 'idle', `stopped by ${ws.stop_rule}: ${ws.reason}`);
  // The page that was left open must not wake it by itself.
  await sleep(8000);
  check((await world.workspace(carol.id)).state === 'stopped', 'an open page woke the workspace');
  await carol.context.close();
  const again = await open(world, browsers, steps, 'after');
  await until('the diary is whole', 20, async () => {
    const text = await editorText(again.page);
    return text.includes(LINES[0]) && text.includes(LINES[1]);
  });
  await atTheEnd(again.page, LINES[2]);
  await saved(world, again.task, LINES[2]);
}

await main({ name: 'returns', pool: 2, idle: `${IDLE_S}s`, saveAfter: '2s' }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  try {
    await world.start();
    await world.warm(2);
    let carol = await backBefore(world, browsers, steps);
    carol = await backDuring(world, browsers, steps, carol);
    await backAfter(world, browsers, steps, carol);
    await world.shutdown();
    return 3;
  } finally {
    await browsers.closeAll();
  }
});
