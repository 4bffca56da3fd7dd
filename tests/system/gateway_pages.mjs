// Every page of the gateway in a real browser: real nginx, the controller's real HTTP side, and a core that is told
// which state to be in (tests/api/api_server). WS_TEST_SHOTS=FOLDER keeps a picture of each.
import { spawn, execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Browsers, binaries, check, freePorts, installed, request, sleep, until } from './lib.mjs';

const TOKEN = 'test-token-0123456789';

// Of this link's life: the cookie that a gate gives for it, or another link (shared/crypto/access.h), by the server's
// master key (api_server.c).
function accessFor(kind, id, url, expires = 4102444800) {
  const hex = (s) => createHash('sha256').update(s).digest('hex');
  const mac = (key, s) => createHmac('sha256', key).update(s).digest('hex');
  const rest = `${new URL(url).searchParams.get('ws_access').split('.')[0]}\n${expires}\n${'00'.repeat(16)}`;
  const key = mac(Buffer.from(Array.from({ length: 32 }, (_, i) => i)), `access-key\n${hex(id)}\n${hex('')}\n${rest.split('\n')[0]}\n0`);
  return `${rest.replaceAll('\n', '.')}.${mac(key, `${kind}\n${rest}`)}`;
}

class Stage {
  async start() {
    this.bin = binaries();
    Object.assign(this, installed());
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-pages.'));
    fs.chmodSync(this.dir, 0o755);
    const state = path.join(this.dir, 'state');
    const run = path.join(this.dir, 'nginx');
    fs.mkdirSync(state);
    fs.mkdirSync(run);
    [this.port, this.http] = await freePorts(2);
    this.server = spawn(path.join(this.bin, 'api_server'), [String(this.http), state, `localhost:${this.port}`], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.answers = [];
    this.server.stdout.on('data', (d) => this.answers.push(...d.toString().split('\n').filter(Boolean)));
    await until('the controller listens', 20, () => this.answers.length > 0);
    const conf = path.join(run, 'nginx.conf');
    fs.writeFileSync(conf, execFileSync(path.join(this.bin, 'wsctl'), ['--state-dir', state, 'nginx-config', '--port', String(this.port), '--run-dir', run]), { mode: 0o600 });
    this.nginx = spawn('/usr/sbin/nginx', ['-p', run, '-e', path.join(run, 'error.log'), '-c', conf], { stdio: 'ignore' });
    await until('nginx answers', 10, async () => (await request(this.port, { timeout: 2000 })).status < 500);
  }

  async tell(...words) {
    const n = this.answers.length;
    this.server.stdin.write(words.join(' ') + '\n');
    await until('the core has heard', 10, () => this.answers.length > n);
    check(this.answers[n] === 'ok', `"${words.join(' ')}": ${this.answers[n]}`);
  }

  async launch(user) {
    const res = await request(this.http, { method: 'POST', path: '/v1/workspaces', host: `127.0.0.1:${this.http}`, body: JSON.stringify({ user_id: user, workspace_type: 'vscode' }),
      headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' } });
    check(res.status < 300, `launch: ${res.status} ${res.text}`);
    const { id, url } = JSON.parse(res.text);
    return { id, url, origin: new URL(url).origin };
  }

  async workspace(id) {
    return JSON.parse((await request(this.http, { path: `/v1/workspaces/${id}`, host: `127.0.0.1:${this.http}`, headers: { Authorization: `Bearer ${TOKEN}` } })).text);
  }

  async state(id) {
    return (await this.workspace(id)).state;
  }

  // This browser was in the workspace's present life.
  async letIn(context, ws) {
    const { url } = await this.workspace(ws.id);
    if (url) await context.addCookies([{ name: 'ws_access', value: accessFor('cookie', ws.id, url), url: ws.origin, expires: 4102444800, httpOnly: true, sameSite: 'Lax' }]);
  }

  async close() {
    this.server?.kill();
    this.nginx?.kill();
    await sleep(200);
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

// A page tells what is wrong with it: overflow, contrast, names for what can be pressed, size of it.
function audit() {
  const out = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) out.push(`${root.scrollWidth} px wide`);
  if (root.lang !== 'en') out.push('no language');
  if (!document.title) out.push('no title');
  if (document.querySelectorAll('h1').length !== 1) out.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) out.push('not one main');
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  for (const e of document.querySelectorAll('h1, p, b, li, button, span')) {
    if (!e.textContent.trim()) continue;
    let behind = e;
    while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind ? rgb(getComputedStyle(behind).backgroundColor) : [255, 255, 255])];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) out.push(`contrast ${ratio.toFixed(1)} of "${e.textContent.trim().slice(0, 20)}"`);
  }
  for (const b of document.querySelectorAll('button')) if (b.getBoundingClientRect().height < 44) out.push('a small button');
  return out;
}

// [name, what the core is told, HTTP status, a word of the page]
const PAGES = [
  ['queued', async (s, id) => { await s.tell('state', id, 'starting'); await s.tell('place', id, '12'); }, 503, 'Place 12'],
  ['starting', async (s, id) => { await s.tell('place', id, '0'); await s.tell('restore', id, '0', '0'); }, 503, 'is starting'],
  ['starting-files', async (s, id) => { await s.tell('restore', id, '126000000', '300000000'); }, 503, 'Restored 126 of 300 MB.'],
  ['starting-app', async (s, id) => { await s.tell('phase', id, 'app-starting'); }, 503, 'The application'],
  ['saving', (s, id) => s.tell('state', id, 'saving'), 503, 'Saving your work'],
  ['recovering', (s, id) => s.tell('state', id, 'recovering'), 503, 'latest save'],
  ['attention', (s, id) => s.tell('state', id, 'attention', 'the storage does not answer: connection refused'), 503, 'connection refused'],
  ['stopped', (s, id) => s.tell('state', id, 'stopped'), 503, 'Resume'],
  ['deleted', (s, id) => s.tell('state', id, 'deleted'), 410, 'was deleted'],
];

async function look(context, where, { status, word, name, prepare }) {
  for (const scheme of ['light', 'dark']) {
    for (const width of [390, 1280]) {
      const page = await context.newPage();
      const wrong = [];
      page.on('console', (m) => { if (!/Failed to load resource/.test(m.text())) wrong.push(m.text()); });
      page.on('pageerror', (e) => wrong.push(e.message));
      page.on('request', (r) => { if (new URL(r.url()).origin !== new URL(where).origin) wrong.push(`a request to ${r.url()}`); });
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: width === 390 ? 760 : 800 });
      let res = await page.goto(where);
      if (prepare) res = await prepare(page);
      check(res.status() === status, `${name}: ${res.status()}`);
      const text = await page.locator('main').innerText();
      check(text.includes(word), `${name}: "${word}" is not in "${text}"`);
      check(res.headers()['content-security-policy']?.includes("default-src 'none'"), `${name}: no policy`);
      wrong.push(...await page.evaluate(audit));
      if (process.env.WS_TEST_SHOTS) await page.screenshot({ path: path.join(process.env.WS_TEST_SHOTS, `${name}-${width}-${scheme}.png`) });
      check(wrong.length === 0, `${name}, ${width} px, ${scheme}: ${wrong.join('; ')}`);
      await page.close();
    }
  }
}

async function allPages(stage, context) {
  const ws = await stage.launch('ann');
  await stage.tell('auto 0');
  await look(context, ws.origin, { status: 403, word: 'not yours', name: 'not-yours' });
  await look(context, `${ws.origin}/?ws_access=1.00`, { status: 401, word: 'not valid any more', name: 'no-access' });
  for (const [name, tell, status, word] of PAGES) {
    await tell(stage, ws.id);
    await stage.letIn(context, ws);
    await look(context, ws.origin, { status, word, name });
  }
  await stage.tell('state', ws.id, 'stopped');
  await stage.letIn(context, ws);
  for (const [why, status, word] of [['queue-full', 429, 'Too many people'], ['user-limit', 429, 'other workspaces'], ['closed', 503, 'closed for the moment']]) {
    await stage.tell('refuse', why);
    const prepare = async (p) => (await Promise.all([p.waitForResponse((r) => r.request().method() === 'POST'), p.getByRole('button', { name: 'Resume' }).click()]))[0];
    await look(context, ws.origin, { status, word, name: why, prepare: async (p) => { const r = await prepare(p); await p.getByRole('heading', { name: word }).waitFor(); return r; } });
    check(await stage.state(ws.id) === 'stopped', `${why}: ${await stage.state(ws.id)}`);
  }
  await stage.tell('refuse', 'none');
  return PAGES.length + 5;
}

// What is shown changes under the person's eyes, and the workspace opens by itself; nothing is sent but questions.
async function byItself(stage, context) {
  const ws = await stage.launch('bob');
  await stage.tell('auto 0');
  await stage.tell('state', ws.id, 'starting');
  await stage.tell('place', ws.id, '12');
  const page = await context.newPage();
  const sent = [];
  page.on('request', (r) => { if (r.method() !== 'GET') sent.push(`${r.method()} ${r.url()}`); });
  // A link that has not long to live is made to last while the page is open, and stays that link.
  const soon = Math.floor(Date.now() / 1000) + 120;
  await page.goto(`${ws.origin}/?folder=/home&ws_access=${accessFor('ticket', ws.id, (await stage.workspace(ws.id)).url, soon)}#here`);
  await page.getByText('Place 12').waitFor();
  await page.evaluate(() => { window.same = true; });
  const waits = () => new URL(page.url()).searchParams.get('ws_access')?.split('.') ?? [];
  await until('the link lasts longer', 30, () => Number(waits()[1]) > soon + 60);
  const at = new URL(page.url());
  check(waits()[2] === '00'.repeat(16) && at.searchParams.get('folder') === '/home' && at.hash === '#here', `it waits at ${at}`);
  await stage.tell('place', ws.id, '3');
  await page.getByText('Place 3').waitFor();
  check(await page.evaluate(() => window.same), 'a new place is shown without loading the page');
  await stage.tell('place', ws.id, '0');
  await page.getByRole('heading', { name: 'Your workspace is starting' }).waitFor();
  await stage.tell('restore', ws.id, '30000000', '300000000');
  await page.locator('[role=progressbar][aria-valuenow="10"]').waitFor();
  await stage.tell('restore', ws.id, '270000000', '300000000');
  await page.locator('[role=progressbar][aria-valuenow="90"]').waitFor();
  await page.getByText('Restored 270 of 300 MB.').waitFor();
  let refusals = 0;
  const app = (await import('node:http')).createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url, ws.origin);
    // At first it refuses this browser, as while another tab is just opening its link: that is no reason to give up.
    if (pathname === '/_workspace/status' && refusals++ < 2) return res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"code":"access-ended"}');
    if (pathname === '/_workspace/status') return res.setHeader('Content-Type', 'application/json').end('{"phase":"ready"}');
    if (refusals < 3) return res.writeHead(403, { 'Content-Type': 'text/html' }).end('<h1>Your access to this workspace has ended</h1>');
    if (searchParams.get('ws_access')?.split('.')[1] > soon) return res.writeHead(303, { Location: '/', 'Content-Length': 0 }).end();
    return res.setHeader('Content-Type', 'text/html').end('<title>app</title><h1>The editor itself</h1>');
  });
  await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve));
  await stage.tell('state', ws.id, 'running');
  await stage.tell('task', ws.id, 'ready');
  await stage.tell('addr', ws.id, `127.0.0.1:${app.address().port}`);
  await page.getByRole('heading', { name: 'The editor itself' }).waitFor();
  check(sent.length === 0, `pages sent ${sent.join(', ')}`);
  check(page.url() === `${ws.origin}/#here`, `the editor is at ${page.url()}`);
  app.closeAllConnections();
  app.close();
  await page.close();
  return 1;
}

// A tab that is restored, reloaded, gone back to, fetched ahead or scripted wakes nothing; a click does, once.
async function onlyAClick(stage, context, restart) {
  const ws = await stage.launch('carol');
  await stage.tell('auto 0');
  await stage.tell('state', ws.id, 'stopped');
  let page = await context.newPage();
  await page.goto((await stage.workspace(ws.id)).url);
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  const asleep = async (what) => check(await stage.state(ws.id) === 'stopped', `${what} woke it`);
  await page.reload();
  await asleep('a reload');
  await page.goto('about:blank');
  await page.goBack();
  await asleep('going back');
  const scripted = await page.evaluate(async () => {
    const f = document.querySelector('form');
    const answers = [(await fetch(f.action, { method: 'POST', headers: { Accept: 'text/html' } })).status, (await fetch(f.action)).status];
    navigator.sendBeacon(f.action);
    return answers;
  });
  check(scripted.join() === '403,405', `scripts got ${scripted}`);
  await asleep('a script');
  await Promise.all([page.waitForResponse((r) => r.url().includes('/_workspace/resume')), // What the driver does counts as a person's act for five seconds.
    page.evaluate(() => { setTimeout(() => document.querySelector('form').submit(), 7000); })]);
  await asleep("a script's form");
  // The editor, whose page was left open, connects again and again.
  await stage.letIn(context, ws);
  const upgrade = await request(stage.port, { host: new URL(ws.origin).host, path: '/stable-1?reconnection=true&skipWebSocketFrames=false',
    headers: { Connection: 'Upgrade', Upgrade: 'websocket', Origin: ws.origin, 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      Cookie: (await context.cookies(ws.origin)).map((c) => `${c.name}=${c.value}`).join('; ') } });
  check(upgrade.status === 503 && JSON.parse(upgrade.text).error.code === 'not-running', `an upgrade: ${upgrade.status} ${upgrade.text}`);
  await asleep('a WebSocket');
  // The browser ends and begins again with its tabs.
  await page.goto(ws.origin);
  context = await restart();
  await until('the tab is there again', 30, async () => context.pages().some((p) => p.url().startsWith(ws.origin)));
  page = context.pages().find((p) => p.url().startsWith(ws.origin));
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await sleep(2500);
  await asleep('a restored tab');
  // By keyboard: what has the focus is the button.
  const posts = [];
  context.on('request', (r) => { if (r.method() === 'POST') posts.push(r.url()); });
  await page.bringToFront();
  await page.getByRole('button', { name: 'Resume' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Your workspace is starting' }).waitFor();
  check(await stage.state(ws.id) === 'starting', 'a click resumes it');
  check(posts.length === 1 && !page.url().includes('resume'), `${posts.length} POSTs, and then at ${page.url()}`);
  // It stops again: the page that is left of the click does not start it anew, whatever the browser sends again.
  await stage.tell('state', ws.id, 'stopped');
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await page.reload();
  await asleep('a reload after the click');
  const again = await request(stage.port, { method: 'POST', host: new URL(ws.origin).host, path: new URL(posts[0]).pathname + new URL(posts[0]).search,
    headers: { Origin: ws.origin, Accept: 'text/html', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-User': '?1',
      Cookie: (await context.cookies(ws.origin)).map((c) => `${c.name}=${c.value}`).join('; ') } });
  check(again.status === 303, `the form again: ${again.status}`);
  await asleep('the same form again');
  return 9;
}

// The controller is away and this workspace was never opened: a page that says so, and goes on by itself.
async function away(stage, context) {
  const ws = await stage.launch('dora');
  stage.server.kill('SIGKILL');
  await sleep(300);
  await look(context, ws.origin, { status: 503, word: 'One moment', name: 'away' });
  return 1;
}

export async function pages() {
  const stage = new Stage();
  let browsers;
  try {
    await stage.start();
    browsers = new Browsers(stage);
    let context = await browsers.start();
    let passed = await allPages(stage, context);
    passed += await byItself(stage, context);
    const profile = path.join(stage.dir, 'again');
    const begin = async (...more) => {
      context = await browsers.start({ profile, args: more });
      return context;
    };
    await begin();
    passed += await onlyAClick(stage, context, async () => {
      await context.close();
      return begin('--restore-last-session');
    });
    passed += await away(stage, context);
    // The checks themselves: each of these defects must be seen.
    const page = await context.newPage();
    await page.setContent('<body style="width:5000px"><h1>a</h1><h1>b</h1><p style="color:#999;background:#aaa">faint</p><button style="height:9px">x</button>');
    const found = (await page.evaluate(audit)).join();
    for (const word of ['px wide', 'no language', 'no title', 'not one h1', 'not one main', 'contrast', 'a small button']) check(found.includes(word), `the audit does not see: ${word}`);
    return passed + 1;
  } finally {
    await browsers?.closeAll();
    await stage.close();
  }
}
