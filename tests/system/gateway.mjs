// The gateway as students meet it. First every page in a real browser (gateway_pages.mjs). Then everything real: nginx
// with TLS and a wildcard certificate, twice; code-server; the controller killed under a working student, whose page
// loads, whose terminal and whose new tab go on for as long as it is away; then a workspace that stopped stays stopped
// whatever its open page does, until a person clicks.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { Browsers, Steps, World, check, freePorts, main, now, openEditor, openTerminal, sleep, typeInTerminal, until, usable } from './lib.mjs';
import { pages } from './gateway_pages.mjs';

const full = process.argv.includes('--full');
const AWAY_S = full ? 240 : 25;

class TlsWorld extends World {
  writeConfig() {
    super.writeConfig();
    fs.writeFileSync(this.config, `public_scheme = https\n${fs.readFileSync(this.config, 'utf8').replace('public_host = localhost', 'public_host = ws.localhost')}`);
  }

  certificate() {
    const c = path.join(this.dir, 'certificate.pem'), k = path.join(this.dir, 'key.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', k,
      '-out', c, '-subj', '/CN=ws.localhost', '-addext', 'subjectAltName=DNS:ws.localhost,DNS:*.ws.localhost'], { stdio: 'ignore' });
    this.ca = fs.readFileSync(c);
    return ['--tls-certificate', c, '--tls-key', k];
  }

  // Two, which know nothing of each other; browsers come to the first one's port.
  async startNginx() {
    this.gateways = [];
    const tls = this.certificate();
    for (const port of [this.port, (await freePorts(1))[0]]) {
      const dir = path.join(this.dir, `nginx-${port}`);
      fs.mkdirSync(dir, { recursive: true });
      fs.writeFileSync(path.join(dir, 'nginx.conf'), await this.wsctl('nginx-config', '--port', String(port), '--run-dir', dir, ...tls), { mode: 0o600 });
      const child = spawn('/usr/sbin/nginx', ['-p', dir, '-e', path.join(dir, 'error.log'), '-c', path.join(dir, 'nginx.conf')], { stdio: 'ignore', detached: true });
      child.port = port;
      child.ended = new Promise((resolve) => child.on('exit', resolve));
      this.gateways.push(child);
      await until('nginx answers', 10, async () => (await this.ask('ws.localhost', '/healthz', { gateway: child })).status < 500);
    }
    this.nginx = this.gateways[0];
  }

  ask(host, p, { gateway = this.gateways[0], method = 'GET', headers = {} } = {}) {
    return new Promise((resolve, reject) => {
      const req = https.request({ host: '127.0.0.1', port: gateway.port, servername: host, ca: this.ca, method, path: p, timeout: 20000, agent: false,
        headers: { Host: `${host}:${this.port}`, ...headers } }, (res) => {
        const chunks = [];
        res.on('data', (c) => chunks.push(c));
        res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text: Buffer.concat(chunks).toString() }));
        res.on('error', reject);
      });
      req.on('timeout', () => req.destroy(new Error(`${method} ${p}: no answer`)));
      req.on('error', reject);
      req.end();
    });
  }

  async endPrograms() {
    this.gateways?.[1]?.kill('SIGTERM');
    await super.endPrograms();
  }
}

const cookieOf = async (context, origin) => (await context.cookies(origin)).map((c) => `${c.name}=${c.value}`).join('; ');

// Type in the terminal, and see in the student's files that the shell did it.
function typed(world, ws, page, word) {
  return typeInTerminal(page, `echo ${word} >> words.txt`, `the shell wrote ${word}`,
    () => fs.readFileSync(world.home(ws.task, 'workspace/words.txt'), 'utf8').includes(word));
}

// When a network of the machine comes or goes (a container's, of something else that runs) Chromium gives up what it loads,
// ERR_NETWORK_CHANGED, and a page may stay white until a person loads it once more; so does this, and says so.
async function loadedAgain(page, patience = 60000) {
  for (let n = 1; ; n++) {
    await page.reload({ waitUntil: 'commit' });
    const end = await Promise.race([usable(page).then(() => null, (e) => e), sleep(n < 3 ? patience : 120000).then(() => 'nothing')]);
    if (!end) return;
    if (n === 3 || end instanceof Error) throw end instanceof Error ? end : new Error('the page stays white');
    console.log(`  the browser gave up loading the page (${n})`);
  }
}

async function controllerAway(world, context, ws, page, steps, idle, bob) {
  const host = new URL(ws.url).hostname, cookie = await cookieOf(context, new URL(ws.url).origin);
  const html = { Cookie: cookie, Accept: 'text/html' };
  for (const gateway of world.gateways) {
    const res = await world.ask(host, '/', { gateway, headers: html });
    check(res.status < 400, `by the gateway on ${gateway.port}: ${res.status}`);
  }
  // Bob opens his, and his task will die meanwhile; the address of the idle one was never opened.
  const bobs = new URL(bob.url);
  const link = await world.ask(bobs.hostname, bobs.pathname + bobs.search);
  const bobHtml = { Accept: 'text/html', Cookie: link.headers['set-cookie'].map((c) => c.split(';')[0]).join('; ') };
  check((await world.ask(bobs.hostname, '/', { headers: bobHtml })).status < 400, "Bob's page");
  world.controller.kill('SIGKILL');
  await world.controller.ended;
  const from = now();
  let rounds = 0;
  while (now() - from < AWAY_S * 1000) {
    rounds++;
    await typed(world, ws, page, `round${rounds}`);
    for (const gateway of world.gateways) {
      const res = await world.ask(host, '/', { gateway, headers: html });
      check(res.status < 400, `round ${rounds}, by the gateway on ${gateway.port}: ${res.status} ${res.text.slice(0, 200)}`);
    }
    if (rounds === 1) {
      const second = await context.newPage();
      await second.goto(new URL(ws.url).origin, { waitUntil: 'commit' });
      await usable(second);
      await second.close();
      await loadedAgain(page);
      await openTerminal(page);
    }
    await sleep(1500);
  }
  steps.note(`the controller away: ${rounds} rounds of typing and loading`, now() - from);
  // Nobody gets in by it: the gate asks for the access, and no way is known to what was never opened.
  for (const [who, headers, code] of [['nobody', {}, 'no-access'], ['a forged access', { Cookie: cookie.slice(0, -8) + '00000000' }, 'access-ended'],
    ["another's", { Cookie: bobHtml.Cookie }, 'access-ended']]) {
    const res = await world.ask(host, '/', { headers: { Accept: 'text/html', ...headers } });
    check(res.status === 403 && res.text.includes(`data-denial="${code}"`), `${who}: ${res.status} ${res.text.slice(-400)}`);
  }
  const never = await world.ask(new URL(idle.url).hostname, '/', { headers: html });
  check(never.status === 503 && never.text.includes('One moment') && never.headers['retry-after'] === '3', `never opened: ${never.status}`);
  // What has ended has ended: what the gateway remembers of it leads nowhere.
  check((await world.ask(bobs.hostname, '/', { headers: bobHtml })).status < 400, "Bob's page, with the controller away");
  process.kill(world.taskPid(bob.task), 'SIGKILL');
  await until('the gateway finds nobody there', 30, async () => {
    const dead = await world.ask(bobs.hostname, '/', { headers: bobHtml });
    return dead.status === 503 && dead.text.includes('One moment');
  });
  await steps.take('the controller is back', () => world.startController());
  await until('the workspace runs', 60, async () => (await world.workspace(ws.id)).state === 'running');
  await typed(world, ws, page, 'afterwards').catch(async () => {
    await page.reload({ waitUntil: 'commit' });
    await usable(page);
    await openTerminal(page);
    await typed(world, ws, page, 'afterwards');
  });
}

async function onlyAClick(world, context, ws, page, steps) {
  // The editor's page stays open, and is opened once more; both see the workspace go.
  await world.stop(ws.id);
  await sleep(full ? 30000 : 12000);
  check((await world.workspace(ws.id)).state === 'stopped', "the editor's open page woke it");
  const origin = new URL(ws.url).origin;
  const fresh = await context.newPage();
  await fresh.goto(origin);
  const button = fresh.getByRole('button', { name: 'Resume' });
  await button.waitFor();
  await page.reload({ waitUntil: 'commit' });
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  check((await world.workspace(ws.id)).state === 'stopped', 'a page that was loaded woke it');
  const from = now();
  await button.click();
  await usable(fresh);
  steps.note('from the click to the editor, by the page itself', now() - from);
  await usable(page); // the other tab opens by itself, too
  const back = await world.workspace(ws.id);
  check(back.task !== ws.task, 'it is in the same task');
  await openTerminal(fresh);
  await typed(world, back, fresh, 'resumed');
  check(fs.readFileSync(world.home(back.task, 'workspace/words.txt'), 'utf8').includes('afterwards'), 'what was written before is there');
}

// One host name, /w/<workspace>/ in front: the real editor below a path, its WebSocket and its terminal.
class PathsWorld extends World {
  writeConfig() {
    super.writeConfig();
    fs.writeFileSync(this.config, `workspace_paths = on\n${fs.readFileSync(this.config, 'utf8').replace('public_host = localhost', 'public_host = ws.localhost')}`);
  }
}

async function belowPaths() {
  const world = await PathsWorld.make({ name: 'gateway-paths', pool: 1, saveAfter: '2s' });
  const browsers = new Browsers(world);
  let failed = true;
  try {
    await world.start();
    await world.warm(1, 300);
    const ws = await world.launch('alice');
    const base = `http://ws.localhost:${world.port}/w/${ws.id}/`;
    check(ws.url.startsWith(base), ws.url);
    const context = await browsers.start();
    context.setDefaultTimeout(120000);
    const page = await openEditor(context, ws.url);
    check(page.url().startsWith(base), `the editor is at ${page.url()}`);
    const [cookie] = await context.cookies(base);
    check(cookie.path === `/w/${ws.id}/`, `the cookie is for ${cookie.path}`);
    await openTerminal(page);
    await typed(world, ws, page, 'below');
    await world.stop(ws.id);
    await page.reload({ waitUntil: 'commit' });
    await page.getByRole('button', { name: 'Resume' }).click();
    await usable(page);
    check(page.url().startsWith(base), `resumed, the editor is at ${page.url()}`);
    await world.shutdown();
    failed = false;
  } catch (e) {
    console.error(`controller's log: ${world.logTail()}`);
    throw e;
  } finally {
    await browsers.closeAll();
    await world.close(failed);
  }
  return 1;
}

// WS_TEST_ONLY: pages, paths or tls alone.
const only = process.env.WS_TEST_ONLY;
let passed = 0;
if (!only || only === 'pages') passed += await pages();
if (!only || only === 'paths') passed += await belowPaths();
console.log(`  pages and paths: ${passed} checks`);
if (only && only !== 'tls') process.exit(0);
await main({ name: 'gateway', pool: 3, saveAfter: '2s' }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  try {
    await world.start();
    await world.warm(3, 300);
    const ws = await world.launch('alice'), idle = await world.launch('idle'), bob = await world.launch('bob');
    await world.api('PUT', '/v1/pools/vscode', { size: 1, reason: 'the others are not needed' });
    check(ws.url.startsWith('https://'), ws.url);
    const context = await browsers.start({ args: ['--ignore-certificate-errors'] });
    context.setDefaultTimeout(120000); // for a busy machine
    const page = await steps.take('the editor, by TLS', () => openEditor(context, ws.url));
    const [access] = await context.cookies(new URL(ws.url).origin);
    check(access.secure && access.httpOnly, `the cookie: ${JSON.stringify({ ...access, value: '' })}`);
    await openTerminal(page);
    await controllerAway(world, context, ws, page, steps, idle, bob);
    await onlyAClick(world, context, ws, page, steps);
    await world.shutdown();
    return passed + 3;
  } finally {
    await browsers.closeAll();
  }
}, TlsWorld);
