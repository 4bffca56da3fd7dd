// Two students' first day and the next one, with everything real.
//
// Alice opens her workspace, edits and saves a file, leaves another buffer unsaved and runs a command
// in the terminal; Bob works in his terminal only. Both close their browsers. Nobody is there: both
// workspaces are saved and destroyed. The next day both are back at the same address on other tasks,
// in browsers that have never been here: file, unsaved text and shell history are there.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Browsers, Steps, check, command, editorText, main, now, openEditor, openFile, openTerminal, typeInTerminal, request, until } from './lib.mjs';

const GONE_S = 20;
const SAVED_TEXT = 'answer = 6 * 7  # typed in the editor';
const UNSAVED_TEXT = 'a thought that was never saved to a file';

// code-server alone, started fresh as anyone would: what a claim is to be compared with.
async function coldStart(world, browsers, steps) {
  const home = path.join(world.dir, 'cold');
  fs.mkdirSync(path.join(home, 'workspace'), { recursive: true });
  const settings = path.join(home, '.local/share/code-server/User');
  fs.mkdirSync(settings, { recursive: true });
  fs.writeFileSync(path.join(settings, 'settings.json'), '{"chat.disableAIFeatures":true,"workbench.startupEditor":"none"}');
  const { createServer } = await import('node:net');
  const s = createServer().listen(0, '127.0.0.1');
  await new Promise((r) => s.on('listening', r));
  const port = s.address().port;
  await new Promise((r) => s.close(r));
  const context = await browsers.start();
  const from = now();
  const app = spawn(path.join(world.codeServer, 'bin/code-server'), ['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`,
    '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', path.join(home, 'workspace')],
  { stdio: 'ignore', detached: true, env: { HOME: home, PATH: process.env.PATH } });
  try {
    await until('code-server is healthy', 30, async () => (await request(port, { path: '/healthz', timeout: 1000 })).status === 200, 20);
    steps.note('code-server alone, cold: to /healthz', now() - from);
    await openEditor(context, `http://127.0.0.1:${port}/`);
    const ms = now() - from;
    steps.note('code-server alone, cold: to the first usable page', ms);
    return ms;
  } finally {
    await context.close();
    process.kill(-app.pid, 'SIGKILL');
  }
}

async function openAs(world, browsers, user, steps, when) {
  const context = await browsers.start();
  const from = now();
  const ws = await world.launch(user);
  steps.note(`${when}: ${user}: warm claim to ready (claim to ready by the controller: ${ws.claim_to_ready_s} s)`, now() - from);
  const page = await openEditor(context, ws.url);
  const ms = now() - from;
  steps.note(`${when}: ${user}: warm claim to the first usable page`, ms);
  check(new URL(page.url()).host === `${ws.id}.localhost:${world.port}`, `the address is ${page.url()}`);
  return { ...ws, context, page, usableMs: ms, host: new URL(page.url()).host };
}

async function aliceWorks(world, alice) {
  const { page, task } = alice;
  await openTerminal(page);
  await typeInTerminal(page, 'echo "# made in the terminal" > answer.py; echo alice-was-here', 'the terminal has made answer.py',
    () => fs.existsSync(world.home(task, 'workspace/answer.py')));
  await openFile(page, 'answer.py');
  await page.locator('.editor-instance .view-lines').first().click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type(SAVED_TEXT);
  await page.keyboard.press('Control+S');
  await until('the file is saved', 10, () => fs.readFileSync(world.home(task, 'workspace/answer.py'), 'utf8').includes(SAVED_TEXT));
  await command(page, 'Create: New Untitled Text File');
  await until('an untitled editor is open', 10, async () => (await page.locator('.tab').filter({ hasText: 'Untitled' }).count()) > 0);
  await page.keyboard.type(UNSAVED_TEXT);
  await until('the editor shows it', 10, async () => (await editorText(page)).includes(UNSAVED_TEXT));
}

async function bobWorks(world, bob) {
  await openTerminal(bob.page);
  const file = world.home(bob.task, 'workspace/sum.txt');
  await typeInTerminal(bob.page, 'seq 1 1000 | sha256sum > sum.txt && echo bob-was-here', 'the terminal has made sum.txt',
    () => fs.readFileSync(file, 'utf8').endsWith('-\n'));
  return fs.readFileSync(file, 'utf8');
}

// A closed browser is seen at once: the stop comes when that limit is over, not half a minute later
// when the editor's server gives up its side of the WebSocket.
async function goneFor(world, student) {
  const from = now();
  await world.stopped(student.id, 120);
  check(now() - from < (GONE_S + 20) * 1000, `it was stopped ${((now() - from) / 1000).toFixed(0)} s after the browser had gone`);
  await until(`${student.task} is gone`, 30, () => !world.exists(student.task));
  check(world.orphans().length === 0, `left over: ${JSON.stringify(world.orphans())}`);
}

async function nextDay(world, student, before, historyLine) {
  check(student.id === before.id, 'the workspace has another id');
  check(student.host === before.host, `the address was ${before.host}, now ${student.host}`);
  check(student.task !== before.task, `it is on the same task ${student.task}`);
  const history = fs.readFileSync(world.home(student.task, '.bash_history'), 'utf8');
  check(history.includes(historyLine), `.bash_history lacks "${historyLine}": ${JSON.stringify(history)}`);
  await openTerminal(student.page);
  await typeInTerminal(student.page, 'history > /tmp/history.txt', 'the new shell knows the old commands',
    () => fs.readFileSync(world.inside(student.task, '/tmp/history.txt'), 'utf8').includes(historyLine));
}

await main({ name: 'first-day', pool: 2, idle: '10m', disconnected: `${GONE_S}s` }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  try {
    const cold = await coldStart(world, browsers, steps);
    await steps.take('controller, storage and nginx start', () => world.start());
    await steps.take('two tasks are warm', () => world.warm(2));

    const alice = await openAs(world, browsers, 'alice', steps, 'first day');
    const bob = await openAs(world, browsers, 'bob', steps, 'first day');
    check(alice.task !== bob.task && alice.host !== bob.host, 'they share a workspace');
    await steps.take('Alice edits and saves a file, leaves a buffer unsaved, runs a command', () => aliceWorks(world, alice));
    const sum = await steps.take('Bob runs a command in his terminal', () => bobWorks(world, bob));
    await until("the editor has backed up Alice's unsaved text", 15, () => {
      const dir = world.home(alice.task, '.local/share/code-server/User/Backups');
      return fs.readdirSync(dir, { recursive: true }).some((f) => {
        const p = path.join(dir, f);
        return fs.statSync(p).isFile() && fs.readFileSync(p, 'utf8').includes(UNSAVED_TEXT);
      });
    });
    await steps.take('both close their browsers', () => browsers.closeAll());
    await steps.take(`no browser is there (for ${GONE_S} s): both are saved and destroyed`,
      () => Promise.all([goneFor(world, alice), goneFor(world, bob)]));

    await steps.take('two tasks are warm again', () => world.warm(2));
    const alice2 = await openAs(world, browsers, 'alice', steps, 'next day');
    const bob2 = await openAs(world, browsers, 'bob', steps, 'next day');
    const file = fs.readFileSync(world.home(alice2.task, 'workspace/answer.py'), 'utf8');
    check(file.includes(SAVED_TEXT) && file.includes('made in the terminal'), `answer.py holds ${JSON.stringify(file)}`);
    check(fs.readFileSync(world.home(bob2.task, 'workspace/sum.txt'), 'utf8') === sum, 'sum.txt has changed');
    await steps.take("Alice's unsaved text is in the editor of a browser that was never here", async () => {
      const tab = alice2.page.locator('.tab').filter({ hasText: /Untitled|a thought/ }).first();
      await tab.waitFor({ state: 'visible' });
      await tab.click();
      await until('the unsaved text is shown', 15, async () => (await editorText(alice2.page)).includes(UNSAVED_TEXT));
    });
    await steps.take('her file opens with what she typed', async () => {
      await openFile(alice2.page, 'answer.py');
      await until('the file is shown', 15, async () => (await editorText(alice2.page)).includes(SAVED_TEXT));
    });
    await steps.take('shell histories are there', async () => {
      await nextDay(world, alice2, alice, 'echo alice-was-here');
      await nextDay(world, bob2, bob, 'bob-was-here');
    });
    await browsers.closeAll();
    await steps.take('shutdown: everything is saved, nothing is left running', () => world.shutdown());

    console.log(`  time first usable page: warm claim ${(alice.usableMs / 1000).toFixed(2)} and ${(bob.usableMs / 1000).toFixed(2)} s on the first day, ` +
      `${(alice2.usableMs / 1000).toFixed(2)} and ${(bob2.usableMs / 1000).toFixed(2)} s with files to restore; code-server alone, cold: ${(cold / 1000).toFixed(2)} s`);
    console.log(`  time the claim adds ${((alice.usableMs - cold) / 1000).toFixed(2)} s (first day, Alice)`);
  } finally {
    await browsers.closeAll();
  }
});
