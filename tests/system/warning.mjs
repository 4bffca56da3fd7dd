// Nobody touches an open page: the editor counts down to the stop and says so; "Keep working" moves the stop away;
// left alone again, the workspace is saved and stopped although the page is still open.
//
//   tests/system/warning [--shots DIR]     also keep pictures of the page
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { Browsers, Steps, check, main, now, openEditor, until } from './lib.mjs';

const run = promisify(execFile);
const IDLE_S = 60;
const WARN_S = IDLE_S / 3; // what the gate makes of a short limit
const TRACKER_S = 70; // the editor's own tracker holds "active" for so long after a key
const TEXT = 'written before anybody was warned\n';
const shots = process.argv.includes('--shots') ? process.argv[process.argv.indexOf('--shots') + 1] : null;

const countdown = (page) => page.locator('.statusbar-item').filter({ hasText: 'Stops in' });
const message = (page) => page.locator('.notifications-toasts .notification-list-item').filter({ hasText: 'Nobody seems to be working here' });

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

// The status as the editor's extension gets it.
function status(world, task) {
  return new Promise((resolve, reject) => {
    http.get({ socketPath: world.inside(task, '/run/ws/notice/notice.sock'), path: '/_workspace/status', timeout: 5000 }, (res) => {
      let text = '';
      res.on('data', (part) => { text += part; });
      res.on('end', () => resolve(JSON.parse(text)));
    }).on('error', reject);
  });
}

// The student's programs reach the socket, and the gate behind it, and no other user of the task does.
async function whoMayAsk(world, task) {
  const ask = `import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/ws/notice/notice.sock")
s.sendall(b"GET /_workspace/status HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"); print(s.recv(100).decode().split()[1])`;
  const [command, args] = world.asStudent(task, 'python3', '-c', ask);
  check((await run(command, args)).stdout.trim() === '200', "the student's programs cannot ask");
  const other = String(world.taskUid(task) + 3);
  const as = args.map((a) => (a === String(world.taskUid(task)) ? other : a));
  const refused = await run(command, as).then(() => false, (e) => e.stderr.includes('PermissionError'));
  check(refused, 'another user can ask');
  const stat = fs.statSync(world.inside(task, '/run/ws/notice'));
  check((stat.mode & 0o777) === 0o710 && stat.uid !== world.taskUid(task), `the folder's mode is ${(stat.mode & 0o7777).toString(8)}, of uid ${stat.uid}`);
}

async function seconds(page) {
  const m = (await countdown(page).innerText()).match(/Stops in (\d+):(\d+)/);
  return Number(m[1]) * 60 + Number(m[2]);
}

async function warned(page, steps, when, limitS) {
  await steps.take(`${when}: the status bar counts down`, () => countdown(page).waitFor({ state: 'visible', timeout: limitS * 1000 }));
  const left = await seconds(page);
  check(left <= WARN_S, `it says ${left} s, which is before the warning's time of ${WARN_S} s`);
  await until('it counts', 5, async () => (await seconds(page)) < left);
  await until('a message says so', 5, async () => (await message(page).count()) > 0);
}

// Does the controller know that a person pressed "Keep working"?
async function isKept(world, id) {
  const { signals } = (await world.api('GET', `/v1/workspaces/${id}/why`)).json;
  return signals.some((s) => s.source === 'keep' && s.kind === 'person' && s.age_s !== null && s.count === 1);
}

await main({ name: 'warning', pool: 1, idle: `${IDLE_S}s` }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  try {
    await world.start();
    await world.warm(1);
    const context = await browsers.start();
    const ws = await world.launch('alice');
    const page = await openEditor(context, ws.url);
    const opened = now();
    fs.writeFileSync(world.home(ws.task, 'workspace/note.txt'), TEXT);
    await whoMayAsk(world, ws.task);
    const s = await until('the stop is foretold', 20, async () => {
      const state = await status(world, ws.task);
      return state.stop_in_s !== null && state;
    });
    check(s.warn_s === WARN_S || s.warn_s === WARN_S - 1, `warn_s is ${s.warn_s}`);
    check((await countdown(page).count()) === 0, 'it counts down from the beginning');

    await warned(page, steps, 'a page nobody touches', IDLE_S + TRACKER_S);
    await shoot(page, 'warned');
    check(now() - opened > (IDLE_S - WARN_S - 20) * 1000, 'it came too early');
    await message(page).last().getByText('Keep working').click();
    const pressed = now();
    await steps.take('"Keep working": the countdown is gone', () => countdown(page).waitFor({ state: 'hidden', timeout: 10000 }));
    await steps.take('the stop has moved away', () => until('the stop has moved away', 15,
      async () => (await status(world, ws.task)).stop_in_s > WARN_S));
    await steps.take('the controller knows why', () => until('keep is known', 15, () => isKept(world, ws.id)));
    await shoot(page, 'kept');

    await warned(page, steps, 'left alone again', IDLE_S + TRACKER_S);
    await shoot(page, 'warned-again');
    await page.mouse.move(300, 300); // no evidence; a message under the pointer would hold the next one back
    await steps.take('a second message near the end', () => until('a second message', WARN_S, async () => {
      const texts = await message(page).allInnerTexts();
      return texts.some((t) => Number(t.match(/in (\d+) seconds/)?.[1]) <= WARN_S / 2);
    }));
    await shoot(page, 'warned-last');
    const stopped = await steps.take('saved and stopped', () => world.stopped(ws.id, WARN_S + 60));
    const after = (now() - pressed) / 1000;
    steps.note('from the press to the stop', after * 1000);
    check(!page.isClosed(), 'the page was closed');
    check(after > IDLE_S - 5 && after < IDLE_S + TRACKER_S + 30, `it was stopped ${after.toFixed(0)} s after the last press`);
    check(!stopped.reason || !/attention|fail/.test(stopped.reason), `reason: ${stopped.reason}`);
    await shoot(page, 'stopped');
    await browsers.closeAll();

    const again = await steps.take('launched again', () => world.launch('alice'));
    check(fs.readFileSync(world.home(again.task, 'workspace/note.txt'), 'utf8') === TEXT, 'note.txt is not what was written');
    await world.shutdown();
    return 9;
  } finally {
    await browsers.closeAll();
  }
});
