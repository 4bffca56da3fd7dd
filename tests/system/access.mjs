// Access to a workspace, with real code-server, nginx and Chromium: a link opens it once and gives a cookie; a link that is
// used twice, a neighbour's cookie, an expired ticket and what is left from before a stop are refused, as a page that says why
// and as plain HTTP and WebSocket. A killed gate, a controller that is away and new keys do not disturb who is in.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Browsers, Steps, check, main, now, openEditor, openWebSocket, request, until, usable } from './lib.mjs';
import { access } from './faults_lib.mjs';

const run = promisify(execFile);
const ticketOf = (url) => new URL(url).searchParams.get('ws_access');
const isIn = async (page) => { await page.goto(page.url(), { waitUntil: 'commit' }); await usable(page); };

async function cookieOf(context, host) {
  const all = (await context.cookies()).filter((c) => c.name === 'ws_access' && c.domain === host.split(':')[0]);
  check(all.length === 1, `${all.length} access cookies for ${host}`);
  return all[0];
}

// As a browser gets it, and as programs do: what a person reads, no cookie, nothing of the app.
async function refused(world, context, url, title, code, cookie) {
  const u = new URL(url);
  const headers = cookie ? { Cookie: cookie } : {};
  const ask = () => request(world.port, { host: u.host, path: u.pathname + u.search, headers });
  // The way to the task of the last life is used for some seconds: nobody answers there.
  await until('a gate is asked', 30, async () => (await ask()).status !== 503);
  const page = await context.newPage();
  const res = await page.goto(url, { waitUntil: 'load' });
  check(res.status() === 403, `${title}: ${res.status()} in the browser`);
  check(await page.locator('h1').innerText() === title, `the page says "${await page.locator('h1').innerText()}", not "${title}"`);
  check(!(await page.locator('.monaco-workbench').count()), 'the editor came');
  await page.close();
  const plain = await ask();
  check(plain.status === 403 && JSON.parse(plain.text).code === code, `${title}: ${plain.status} ${plain.text.slice(0, 200)}`);
  check(!plain.headers['set-cookie'], `${title}: a cookie was given`);
}

async function webSocketRefused(world, host, cookie, what) {
  const end = await openWebSocket(world.port, host, cookie, '/').then((s) => { s.socket.destroy(); return 'opened'; }, (e) => e.message);
  check(/403/.test(end), `a WebSocket with ${what}: ${end}`);
}

// The link works once, in the browser that opened it, which then needs it no more.
async function firstOpened(world, browsers) {
  const ws = await world.launch('alice');
  const context = await browsers.start();
  context.setDefaultTimeout(90000); // for what hangs, not for a busy machine
  const page = await openEditor(context, ws.url);
  const host = new URL(ws.url).host;
  check(!page.url().includes('ws_access'), `the ticket stands in the address: ${page.url()}`);
  check((await page.evaluate(() => document.referrer)) === '', 'the page knows the link as its referrer');
  check(!(await page.evaluate(() => document.cookie)).includes('ws_access'), 'scripts can read the cookie');
  const cookie = await cookieOf(context, host);
  check(cookie.httpOnly && cookie.sameSite === 'Lax' && !cookie.secure && !cookie.domain.startsWith('.'), JSON.stringify(cookie));
  const tab = await context.newPage();
  await openEditor({ pages: () => [tab] }, `http://${host}/`);
  await tab.goto(ws.url, { waitUntil: 'commit' }); // the link again, where it is open: leads there
  await usable(tab);
  check(!tab.url().includes('ws_access'), tab.url());
  await tab.close();
  await isIn(page);
  return { ...ws, host, context, page, cookie: `ws_access=${cookie.value}` };
}

async function strangers(world, browsers, alice) {
  const thief = await browsers.start();
  await refused(world, thief, alice.url, 'This link was used already', 'link-used');
  await refused(world, thief, `http://${alice.host}/`, 'This workspace is not open in this browser', 'no-access');
  const soon = Math.floor(Date.now() / 1000) + 300;
  const past = access(world, 'ticket', alice, Math.floor(Date.now() / 1000) - 1);
  await refused(world, thief, `http://${alice.host}/?ws_access=${past}`, 'This link has expired', 'link-expired');
  const forged = access(world, 'ticket', alice, soon).replace(/.$/, (c) => (c === '0' ? '1' : '0'));
  await refused(world, thief, `http://${alice.host}/?ws_access=${forged}`, 'This link is not valid', 'link-not-valid');
  await webSocketRefused(world, alice.host, '', 'nothing');
  await thief.close();
}

// A neighbour has a workspace and its cookie, and a shell on the same machine.
async function neighbour(world, browsers, alice) {
  const ws = await world.launch('bob');
  const context = await browsers.start();
  context.setDefaultTimeout(90000);
  const host = new URL(ws.url).host;
  const page = await openEditor(context, ws.url);
  const own = await cookieOf(context, host);
  await context.addCookies([{ ...own, domain: alice.host.split(':')[0] }]);
  await refused(world, context, `http://${alice.host}/`, 'Your access to this workspace has ended', 'access-ended', `ws_access=${own.value}`);
  await refused(world, context, `http://${alice.host}/?ws_access=${access(world, 'ticket', ws, own.expires | 0, alice.generation)}`,
    'This link is not valid', 'link-not-valid');
  await webSocketRefused(world, alice.host, `ws_access=${own.value}`, "a neighbour's cookie");
  // The gate's own port, from the neighbour's shell: without the front door's key there is nothing to have, cookie or not.
  const addr = (await world.tasks()).find((t) => t.id === alice.task).addr;
  const ask = `exec 3<>/dev/tcp/${addr.replace(':', '/')}; printf 'GET / HTTP/1.1\\r\\nHost: ${alice.host}\\r\\nConnection: close\\r\\nCookie: ${alice.cookie}\\r\\n\\r\\n' >&3; head -n1 <&3`;
  const [cmd, args] = world.asStudent(ws.task, 'bash', '-c', ask);
  const { stdout } = await run(cmd, args);
  check(/^HTTP\/1\.1 403/.test(stdout), `the gate's port answers a neighbour: ${stdout}`);
  await isIn(page);
  await context.close();
  await world.stop(ws.id);
}

// Nothing that opens a workspace is written down by the front door.
function notLogged(world, alice) {
  const dir = path.join(world.dir, 'nginx');
  for (const f of fs.readdirSync(dir).filter((n) => n.endsWith('.log'))) {
    const text = fs.readFileSync(path.join(dir, f), 'utf8');
    check(!text.includes(ticketOf(alice.url)), `${f} holds a ticket`);
    check(!text.includes(alice.cookie.slice(-64)), `${f} holds a cookie`);
  }
  check(!fs.readFileSync(world.log, 'utf8').includes(ticketOf(alice.url)), "the controller's log holds a ticket");
}

async function gateKilled(world, browsers, alice) {
  const pid = world.role(alice.task, 'gate').pid;
  process.kill(pid, 'SIGKILL');
  await until('another gate runs', 15, () => { const g = world.role(alice.task, 'gate'); return g && g.pid !== pid; });
  await until('the page is served again', 20, async () =>
    (await request(world.port, { host: alice.host, path: '/healthz', headers: { Cookie: alice.cookie } })).status === 200);
  await isIn(alice.page);
  const thief = await browsers.start();
  await refused(world, thief, alice.url, 'This link was used already', 'link-used');
  await thief.close();
}

async function controllerAway(world, alice) {
  const socket = await openWebSocket(world.port, alice.host, alice.cookie, '/?reconnectionToken=0a0b0c0d-0000-4000-8000-00000000000a&reconnection=false');
  process.kill(world.controller.pid, 'SIGKILL');
  await world.controller.ended;
  check(socket.open, 'the open WebSocket was cut with the controller');
  await world.startController();
  await until('the page is served again', 20, async () =>
    (await request(world.port, { host: alice.host, path: '/healthz', headers: { Cookie: alice.cookie } })).status === 200);
  check(socket.open, 'the open WebSocket was cut');
  socket.socket.destroy();
  await isIn(alice.page);
}

// New keys while she works: both are good for a while, her browser is given a new cookie by the way, and who took the old one
// is out when the old key is over.
async function keysChanged(world, alice) {
  const { stdout } = await run(path.join(world.bin, 'wscontroller'), ['rotate-key', '--state-dir', world.state, '--settle', '15s', '--grace', '30s']);
  check(/a new key signs in 15 s/.test(stdout), stdout);
  const again = await run(path.join(world.bin, 'wscontroller'), ['rotate-key', '--state-dir', world.state]).then(() => 'changed again', (e) => e.stderr);
  check(/not over/.test(again), `a second change meanwhile: ${again}`);
  const old = alice.cookie;
  const ask = (cookie) => request(world.port, { host: alice.host, path: '/healthz', headers: { Cookie: cookie } });
  const socket = await openWebSocket(world.port, alice.host, old, '/?reconnectionToken=0a0b0c0d-0000-4000-8000-00000000000b&reconnection=false');
  const unused = (await world.workspace(alice.id)).url; // of the old key
  await until('the new key is used', 60, async () => {
    const res = await ask(old);
    check(res.status === 200, `meanwhile: ${res.status} ${res.text.slice(0, 200)}`);
    return res.headers['set-cookie'];
  }, 200);
  await isIn(alice.page);
  alice.cookie = `ws_access=${(await cookieOf(alice.context, alice.host)).value}`;
  check(alice.cookie !== old, 'the browser has no new cookie');
  const late = await request(world.port, { host: alice.host, path: new URL(unused).search.replace(/^/, '/') });
  check(late.status === 303, `a link made with the old key: ${late.status}`);
  await until('the old key is over', 120, async () => {
    check((await ask(alice.cookie)).status === 200, 'who is in was thrown out');
    return (await ask(old)).status === 403;
  }, 200);
  check(fs.readFileSync(world.log, 'utf8').includes('a gateway has a key of before the last change'), 'nobody is told that the gateway has an old key');
  check(socket.open, 'the open WebSocket was cut');
  socket.socket.destroy();
  await isIn(alice.page);
  await until('the agent is known', 20, async () => (await world.workspace(alice.id)).heard_s < 5);
}

// A stop ends everything; the page of the stopped workspace leads its own browser into the next life.
async function otherLife(world, browsers, alice) {
  const unused = (await world.workspace(alice.id)).url;
  await world.stop(alice.id);
  const stranger = await browsers.start();
  const page = await stranger.newPage();
  const res = await page.goto(unused, { waitUntil: 'load' });
  check(res.status() !== 200 && !(await page.locator('.monaco-workbench').count()), `an unused link of before the stop: ${res.status()}`);
  await page.close();
  const next = await world.launch('alice');
  check(next.generation > alice.generation, 'no new generation');
  await refused(world, alice.context, `http://${alice.host}/`, 'Your access to this workspace has ended', 'access-ended', alice.cookie);
  await refused(world, stranger, alice.url, 'This link is for another start of the workspace', 'link-of-another-start');
  await webSocketRefused(world, alice.host, alice.cookie, 'the cookie of before the stop');
  // The new link gets her in; stopped again, her own page resumes it by one click, and a stranger's does not.
  await openEditor(alice.context, next.url);
  const cookie = `ws_access=${(await cookieOf(alice.context, alice.host)).value}`;
  await world.stop(alice.id);
  const gone = await request(world.port, { host: alice.host, method: 'POST', path: '/_workspace/resume', body: ' ', headers: { Origin: `http://${alice.host}`, Cookie: alice.cookie.replace(/^ws_access=\d+/, 'ws_access=9'), Accept: 'text/html' } });
  check(gone.status === 401, `a stranger resumes: ${gone.status}`);
  const mine = alice.context.pages()[0];
  await mine.goto(`http://${alice.host}/`, { waitUntil: 'load' });
  await mine.getByRole('button', { name: 'Resume' }).click();
  await usable(mine);
  check(!mine.url().includes('ws_access'), `the ticket stands in the address: ${mine.url()}`);
  check(`ws_access=${(await cookieOf(alice.context, alice.host)).value}` !== cookie, 'the cookie of before the stop is still used');
  await webSocketRefused(world, alice.host, cookie, 'the cookie of the life before');
  // The same button in another tab, which was late: it leads to what runs now.
  const late = await request(world.port, { host: alice.host, method: 'POST', path: '/_workspace/resume?life=1', body: ' ', headers: { Origin: `http://${alice.host}`, Cookie: cookie, Accept: 'text/html' } });
  check(late.status === 303 && new URL(late.headers.location, `http://${alice.host}`).pathname === '/', `"Resume" of what runs: ${late.status} ${late.headers.location}`);
  await stranger.close();
  return world.workspace(alice.id);
}

await main({ name: 'access', pool: 2, idle: '30m' }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  let done = 0;
  const step = async (what, fn) => {
    const from = now();
    const r = await fn();
    steps.note(what, now() - from);
    done++;
    return r;
  };
  try {
    await world.start();
    await world.warm(2, 240);
    const alice = await step('a link opens the editor once', () => firstOpened(world, browsers));
    await step('strangers are refused', () => strangers(world, browsers, alice));
    await step("a neighbour's cookie and shell are refused", () => neighbour(world, browsers, alice));
    await step('the gate is killed', () => gateKilled(world, browsers, alice));
    await step('the controller is killed', () => controllerAway(world, alice));
    await step('the keys are changed', () => keysChanged(world, alice));
    notLogged(world, alice);
    await step('stopped, and another life', () => otherLife(world, browsers, alice));
    await world.shutdown();
    return done;
  } finally {
    await browsers.closeAll();
  }
});
