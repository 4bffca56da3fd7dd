// The dashboard as an operator uses it, in a real browser on a real controller: live without a reload, launch and stop
// with their confirmations, attention, switches, one workspace and its saves, a token that may only read, everything by
// keyboard, ten thousand workspaces, what axe-core finds, and what a connection that is lost looks like.
import fs from 'node:fs';
import path from 'node:path';
import { check, Failure, main, now, sleep, until } from './lib.mjs';
import { Desk, Page, TOKENS } from './dashboard_lib.mjs';

const MANY = 10000;
const NODES_MAX = 2500; // of a page with ten thousand workspaces behind it
const shots = process.env.WS_TEST_SHOTS; // a folder for pictures to be looked at

let passed = 0;
async function step(name, fn) {
  const from = now();
  const said = await fn();
  passed++;
  console.log(`  time ${((now() - from) / 1000).toFixed(2).padStart(7)} s  ${name}${said ? `: ${said}` : ''}`);
}

async function picture(p, name) {
  if (!shots) return;
  fs.mkdirSync(shots, { recursive: true });
  await p.page.evaluate(() => scrollTo(0, 0));
  for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    await p.page.setViewportSize({ width, height: 900 });
    await p.page.emulateMedia({ colorScheme: scheme });
    await sleep(200); // the chart is drawn for the new width
    await p.page.screenshot({ path: path.join(shots, `${name}-${width}-${scheme}.png`), fullPage: true });
  }
  await p.page.setViewportSize({ width: 1280, height: 900 });
  await p.page.emulateMedia({ colorScheme: 'light' });
}

// Nothing that axe-core knows is wrong, in either width and colour, and nothing is cut off.
async function accessible(world, p, name) {
  for (const [width, scheme] of [[1280, 'light'], [390, 'dark'], [1280, 'dark'], [390, 'light']]) {
    await p.page.setViewportSize({ width, height: 900 });
    await p.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    const wide = await p.page.evaluate(() => document.documentElement.scrollWidth);
    check(wide <= width, `${name} is ${wide} wide on ${width}`);
    await p.page.evaluate(fs.readFileSync(path.join(world.axe, 'node_modules/axe-core/axe.min.js'), 'utf8'));
    const found = await p.page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    const bad = found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`);
    check(bad.length === 0, `${name} at ${width} ${scheme}: ${bad.join('; ')}`);
    check(found.passes.length > 10, 'axe-core looked at nothing');
  }
  await p.page.setViewportSize({ width: 1280, height: 900 });
  await p.page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
}

// In virtual time that stays below the pause between two looks of its own: only an event can have done it.
async function onlyByEvents(p, what, fn) {
  for (let ms = 0; ms < 8000; ms += 100) {
    if (await fn()) return;
    await p.page.clock.runFor(100);
    await sleep(100);
  }
  throw new Failure(`not by events: ${what}`);
}

async function liveUpdate(world, user) {
  const p = await Page.open(world, TOKENS.operate, { hash: '#/workspaces', virtual: true });
  try {
    await p.page.waitForSelector('#total');
    await p.page.clock.runFor(3000);
    await p.page.evaluate(() => { window.never_reloaded = true; });
    await p.page.clock.pauseAt(new Date(await p.page.evaluate(() => Date.now()) + 1000));
    const ws = await world.launch(user);
    const row = p.page.locator(`tr[data-workspace="${ws.id}"]`);
    await onlyByEvents(p, `${user} is ready`, async () => (await row.count()) === 1 && (await row.innerText()).includes('ready'));
    check(await p.page.evaluate(() => window.never_reloaded), 'the page was loaded anew');
    return ws;
  } finally {
    await p.browsers.closeAll();
  }
}

// ---- what an operator does ----

async function launches(p, user) {
  await p.page.click('#launch');
  await p.page.fill('dialog [name=user_id]', user);
  await p.page.click('dialog button:has-text("Cancel")');
  await sleep(300);
  check((await p.world.api('GET', `/v1/workspaces?user_id=${user}`)).json.total === 0, 'Cancel has launched');
  await p.page.click('#launch');
  await p.page.fill('dialog [name=user_id]', 'b/b');
  await p.page.click('dialog button:has-text("Launch")');
  await p.shows('what is wrong, in the dialog', async () => (await p.page.locator('dialog .error').innerText()).includes('user_id'));
  await p.page.fill('dialog [name=user_id]', user);
  await p.page.click('dialog button:has-text("Launch")');
  await p.page.waitForSelector('dialog', { state: 'detached' });
  const id = await until(`${user} is there`, 30, async () => (await p.world.api('GET', `/v1/workspaces?user_id=${user}`)).json.workspaces[0]?.id);
  await p.go('#/workspaces');
  const row = p.page.locator(`tr[data-workspace="${id}"]`);
  await p.shows('it ready', async () => (await row.innerText()).includes('ready'));
  const [asked] = await Promise.all([p.context.waitForEvent('request', (r) => new URL(r.url()).hostname === `${id}.localhost`), row.locator('button:has-text("Open")').click()]);
  check(new URL(asked.url()).search.length > 10, `the link that opens it: ${asked.url()}`);
  await p.page.bringToFront();
  return id;
}

async function stops(p, id) {
  const row = p.page.locator(`tr[data-workspace="${id}"]`);
  await row.locator('button:has-text("Stop")').click();
  check(await p.page.evaluate(() => document.activeElement.textContent) === 'Cancel', 'the focus begins on Cancel');
  await p.page.keyboard.press('Escape');
  await p.page.waitForSelector('dialog', { state: 'detached' });
  check(await p.page.evaluate((i) => document.activeElement.dataset.key === `stop-${i}`, id), 'the focus is back on the button');
  check((await p.world.workspace(id)).state === 'running', 'Escape has stopped it');
  await row.locator('button:has-text("Stop")').click();
  await p.page.click('dialog button:has-text("Save and stop")');
  await p.world.stopped(id, 60);
  await p.shows('it stopped', async () => (await row.innerText()).includes('stopped'));
}

async function attention(p, ws) {
  await p.go('#/');
  await p.shows('no alarm', async () => (await p.page.locator('#attention').innerText()).includes('Nothing needs you'));
  await p.page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.getElementById('announce').textContent)).observe(document.getElementById('announce'), { childList: true });
  });
  p.world.outgrow(ws.task);
  await p.world.api('POST', `/v1/workspaces/${ws.id}/stop`);
  const item = p.page.locator(`#attention [data-workspace="${ws.id}"]`);
  await p.shows('who needs attention', async () => (await item.count()) === 1);
  const text = await item.innerText();
  check(/alice/.test(text) && /2 MB/.test(text) && /storage_max_bytes/.test(text), `who, why and what to do: ${text}`);
  check(await p.tile('Attention') === '1', 'the figure');
  await p.shows('it to a screen reader', async () => (await p.page.evaluate(() => window.said)).some((t) => t.includes('needs attention')));
  fs.rmSync(p.world.home(ws.task, 'big.bin'));
  await p.world.stopped(ws.id, 120);
  await p.shows('that it is over', async () => (await p.page.locator('#attention').innerText()).includes('Nothing needs you'));
}

async function maintenance(p) {
  const mode = async () => (await p.world.api('GET', '/v1/modes')).json.modes;
  const row = p.page.locator('[data-mode=maintenance]');
  await row.locator('button').click();
  await p.page.click('dialog button:has-text("Begin maintenance")');
  check(await p.page.locator('dialog').count() === 1 && (await mode()).length === 0, 'it began without a reason');
  await p.page.fill('dialog [name=reason]', 'new switches in the hall');
  await p.page.click('dialog button:has-text("Begin maintenance")');
  await p.shows('maintenance', async () => (await row.innerText()).includes('new switches in the hall') && (await p.page.locator('#attention').innerText()).includes('Maintenance'));
  check((await mode())[0]?.mode === 'maintenance', 'the controller is not in maintenance');
  check(await row.locator('button').getAttribute('aria-checked') === 'true', 'the switch');
  await picture(p, 'fleet');
  await row.locator('button').click();
  await p.page.click('dialog button:has-text("End maintenance")');
  await until('it has ended', 30, async () => (await mode()).length === 0);
  await p.shows('that it ended', async () => (await p.page.locator('#attention').innerText()).includes('Nothing needs you'));
}

async function oneWorkspace(world, p, id) {
  for (let life = 0; life < 2; life++) {
    const ws = await world.launch('bob');
    fs.writeFileSync(world.home(ws.task, `day${life}.txt`), `day ${life}\n`);
    await world.stop(id);
  }
  await p.go(`#/workspaces/${id}`);
  await p.shows('its history', async () => /stopped/.test(await p.page.locator('ol.events').first().innerText()));
  await p.page.waitForSelector('svg.strip rect.ready', { state: 'attached' });
  await accessible(world, p, 'one workspace');
  await picture(p, 'workspace');
  const back = p.page.locator('button:has-text("Go back…")').first();
  const save = (await back.getAttribute('data-key')).replace('save-', '');
  await back.click();
  await p.page.click('dialog button:has-text("Go back")');
  await until('the older save is the head', 30, async () => { const w = await world.workspace(id); return `${w.save.generation}-${w.save.seq}` === save; });
  const ws = await world.launch('bob');
  await p.shows('the evidence', async () => /claim/.test(await p.page.locator('table', { hasText: 'Counts as' }).innerText()));
  await p.shows('the limit that holds it', async () => /idle/.test(await p.page.locator('main').innerText()));
  await world.stop(ws.id);
}

async function readOnly(world, id) {
  const p = await Page.open(world, TOKENS.read);
  await p.page.waitForSelector('[data-tile=Running]');
  for (const hash of ['#/', '#/workspaces', `#/workspaces/${id}`]) {
    await p.go(hash);
    await p.page.waitForSelector('main .card');
    await sleep(500);
    const names = await p.page.locator('main button:visible, header button:visible').allInnerTexts();
    const acts = names.filter((n) => /Open|Launch|Stop|Restart|Keep|Give up|Delete|Begin|End|Set|Go back/.test(n) && n !== 'Settings');
    check(acts.length === 0, `a token that may only read sees on ${hash}: ${acts.join(', ')}`);
    check(!(await p.page.content()).includes('ws_access='), 'it sees a link that opens a workspace');
  }
  await p.page.keyboard.press('n');
  check(await p.page.locator('dialog').count() === 0, 'a shortcut opens what it may not do');
  await p.close();
}

// Sign in, find, look, stop: no pointer.
async function byKeyboard(world) {
  const ws = await world.launch('carol');
  const p = await Page.open(world, TOKENS.operate);
  const { keyboard } = p.page;
  await p.page.evaluate(() => sessionStorage.clear());
  await p.page.reload();
  await p.page.waitForSelector('#token');
  await keyboard.type('not a token at all');
  await keyboard.press('Enter');
  await p.shows('that the token is wrong', async () => (await p.page.locator('main [role=alert]').innerText()).includes('does not know this token'));
  await keyboard.type(TOKENS.operate);
  await keyboard.press('Enter');
  await p.live();
  await keyboard.press('/');
  await keyboard.type('carol');
  const rows = p.page.locator('tbody tr');
  await p.shows('carol alone', async () => (await rows.count()) === 1 && (await rows.innerText()).includes('carol'));
  const tabTo = async (what, test) => {
    for (let i = 0; i < 40; i++) {
      await keyboard.press('Tab');
      if (await p.page.evaluate(test)) return;
    }
    throw new Failure(`Tab does not come to ${what}`);
  };
  await tabTo('the stop button', "document.activeElement.dataset.key?.startsWith('stop-')");
  await keyboard.press('Enter');
  await p.page.waitForSelector('dialog');
  for (let i = 0; i < 6; i++) await keyboard.press('Tab');
  check(await p.page.evaluate(() => document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))), 'the focus leaves the dialog');
  await tabTo('the confirmation', "document.activeElement.textContent === 'Save and stop'");
  await keyboard.press('Enter');
  await world.stopped(ws.id, 60);
  await keyboard.press('Escape');
  await keyboard.press('?');
  await p.page.waitForSelector('dialog');
  await p.page.keyboard.press('Escape');
  await p.close();
}

async function many(world) {
  await world.restart(() => world.addWorkspaces(MANY));
  const from = now();
  const p = await Page.open(world, TOKENS.operate, { hash: '#/workspaces' });
  await p.shows('them', async () => /of 10,0\d\d workspaces/.test(await p.page.locator('#total').innerText()));
  const ready = now() - from;
  const paint = await p.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1);
  const nodes = () => p.page.evaluate(() => document.querySelectorAll('*').length);
  check(await nodes() < NODES_MAX, `${await nodes()} elements`);
  const asked = now();
  await p.page.fill('#search', 'student-09876');
  await p.shows('one of them', async () => (await p.page.locator('tbody tr').count()) === 1);
  const found = now() - asked;
  await p.page.fill('#search', '');
  await p.page.click('button:has-text("Last")');
  await p.shows('the last page', async () => /Page 20\d of 20\d/.test(await p.page.locator('main').innerText()));
  await p.page.locator('th button:has-text("Person")').click();
  await p.shows('the first by name', async () => (await p.page.locator('tbody tr').nth(8).innerText()).includes('student-0000'));
  check(/page|sort/.test(await p.page.evaluate(() => location.hash)), 'the address names what is shown');
  await accessible(world, p, 'the list');
  await picture(p, 'list');
  const most = await nodes();
  await p.close();
  return `first paint ${Math.round(paint)} ms, list ${(ready / 1000).toFixed(1)} s after the browser's start, search ${(found / 1000).toFixed(1)} s, ${most} elements (busy machine)`;
}

async function lost(world, p) {
  await p.go('#/');
  const before = (await world.api('GET', '/v1/day?step=1')).json.rows;
  check(before.length > 0 && before.at(-1).length === 9, 'the day has no minutes');
  const spent = (await world.api('GET', '/v1/overview')).json.cost.today;
  world.controller.kill('SIGTERM');
  await world.controller.ended;
  await p.shows('that it is not live', async () => (await p.page.locator('#lost').innerText()).includes('Not live since'));
  check(await p.page.locator('#live').innerText() === 'Not live', 'the sign says it is live');
  await world.startController();
  await p.live();
  await p.page.waitForSelector('#lost', { state: 'hidden' });
  const after = (await world.api('GET', '/v1/day?step=1')).json.rows;
  check(after.some((r) => r[0] === before[0][0]), 'a restart has lost the minutes');
  const now_spent = (await world.api('GET', '/v1/overview')).json.cost.today;
  check(now_spent.since === spent.since && now_spent.task_hours >= spent.task_hours && spent.dollars > 0, `a restart has lost the costs: ${JSON.stringify([spent, now_spent])}`);
}

// Each planted defect of the page must make its check fail.
async function planted(world) {
  const defects = [['live.js', 'this.onEvent(event);', ''], ['dialog.js', "on: { click: () => close() } }, 'Cancel')", "on: { click: () => form.requestSubmit() } }, 'Cancel')"],
    ['style.css', '--soft: light-dark(#545d6e', '--soft: light-dark(#c5c9d2']];
  const checks = [() => liveUpdate(world, 'dora'), (p) => launches(p, 'erin'), (p) => accessible(world, p, 'planted')];
  const reasons = [/not by events/, /Cancel has launched/, /color-contrast/];
  const config = fs.readFileSync(world.config, 'utf8');
  for (const [i, defect] of defects.entries()) {
    await world.restart(() => { fs.writeFileSync(world.config, config); world.plantWeb(...defect); });
    const p = await Page.open(world, TOKENS[i === 1 ? 'launch' : 'operate']);
    p.page.setDefaultTimeout(5000);
    const caught = await checks[i](p).then(() => null, (e) => e.message);
    await p.browsers.closeAll();
    check(caught && reasons[i].test(caught), `a planted defect was not noticed, or by something else: ${defect.join(' -> ')}: ${caught}`);
  }
  fs.writeFileSync(world.config, config);
}

await main({ pool: 2, name: 'dashboard' }, async (world) => {
  await world.startController();
  await world.warm();
  await step('planted: events ignored, Cancel that acts, pale text: each is caught', () => planted(world));
  await world.restart();
  await world.warm();
  let alice, bob;
  await step('a launch elsewhere appears by its events, without a reload', async () => { alice = await liveUpdate(world, 'alice'); });
  const p = await Page.open(world, world.token);
  await step('launch: Cancel does nothing, an error is shown where it was made, then it is ready', async () => { bob = await launches(p, 'bob'); });
  await step('stop: Escape does nothing and the focus goes back, then it is saved and stopped', () => stops(p, bob));
  await step('attention: who, why and what to do; gone when it is over', () => attention(p, alice));
  await step('maintenance: with its reason, seen at once, ended', () => maintenance(p));
  await step('one workspace: history, states, saves, going back, evidence', () => oneWorkspace(world, p, bob));
  await step('the fleet by axe-core, at 1280 and 390, light and dark', async () => { await p.go('#/'); await p.page.waitForSelector('.chart path.in_use'); await accessible(world, p, 'the fleet'); });
  await step('the activity by axe-core', async () => { await p.go('#/activity'); await p.page.waitForSelector('ol.events li'); await accessible(world, p, 'the activity'); await picture(p, 'activity'); });
  await step('a token that may only read: everything is seen, nothing can be pressed', () => readOnly(world, bob));
  await step('by keyboard alone: sign in, find, stop', () => byKeyboard(world));
  await step('the controller restarts: not live since, then live again; day and costs go on', () => lost(world, p));
  await p.close();
  await step(`${MANY} workspaces`, () => many(world));
  return passed;
}, Desk);
