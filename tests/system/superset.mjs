// A real Superset, under the agent and behind nginx: a page without a login, a chart made in it, what each act of a
// person and of the page itself is taken for; a dashboard that refreshes itself and is left: warned, kept by a press,
// left again, saved and stopped although it goes on refreshing; launched again: the chart is there.
//
//   tests/system/superset [--shots DIR]     also keep pictures of the page
import path from 'node:path';
import { Browsers, Steps, check, main, now, sleep, until } from './lib.mjs';
import { SupersetWorld, exploreUrl, makeChart, makeDashboard, makeDataset } from './superset_lib.mjs';

const IDLE_S = 100; // a busy machine loads a page in a minute, and nobody is seen meanwhile
const WARN_S = IDLE_S / 3; // what the gate makes of a short limit
const REFRESH_S = 10;
const WATCH_S = 25; // two refreshes at least
const CSV = 'name,points\nalice,3\nbob,5\ncarol,8\n';
const shots = process.argv.includes('--shots') ? process.argv[process.argv.indexOf('--shots') + 1] : null;

const notice = (page) => page.locator('#workspace-notice');
const go = (page, target) => page.goto(new URL(target, page.url()).href, { waitUntil: 'commit' });
const rows = (page) => page.getByText('carol', { exact: true }).first().waitFor({ state: 'visible' });

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

// Usable: Superset's own home page with what belongs to this student.
const home = (page) => page.getByText('Recents').first().waitFor({ state: 'visible' });

// The age of the last person, in seconds, as the controller knows it.
async function person(world, id) {
  const w = await world.why(id);
  return { age: w.person_age_s, by: w.person_by };
}

// Does the act show a person? Evidence of it is younger than the act itself.
async function shows(world, id, name, act) {
  const from = now();
  await act();
  const by = await until(`${name}: a person is seen`, 30, async () => {
    const p = await person(world, id);
    return p.by !== 'claim' && p.age < (now() - from) / 1000 && p.by;
  }, 250);
  console.log(`  act ${name}: a person, by ${by}`);
}

// Left alone from here on, nobody is seen: the age grows with the clock. `act` is the page's own doing.
async function nobody(world, id, name, seconds, settle = 6) {
  // What the act before has set off has been sent, also by a page that a busy machine loads slowly.
  await until(`${name}: nobody for a moment`, 60, async () => (await person(world, id)).age >= settle);
  const from = now();
  await sleep(seconds * 1000);
  const p = await person(world, id);
  check(p.age >= (now() - from) / 1000 - 2, `${name}: taken for a person (${p.by}, ${p.age.toFixed(1)} s ago)`);
  console.log(`  act ${name}: nobody for ${seconds} s`);
}

async function enter(world, browsers, steps, user, what) {
  const context = await browsers.start();
  context.setDefaultTimeout(90000); // a busy machine
  const ws = await world.launch(user);
  steps.note(`${what} → ready`, ws.ms);
  const page = context.pages()[0] ?? await context.newPage();
  const from = now();
  await page.goto(ws.url, { waitUntil: 'commit' });
  await home(page);
  steps.note(`${what} → usable page`, ws.ms + now() - from);
  check(new URL(page.url()).pathname === '/superset/welcome/', `the first page is ${page.url()}`);
  check(await page.locator('input[type=password]').count() === 0, 'it asks for a password');
  return { ...ws, context, page };
}

// The acts of an afternoon, each with what it must be taken for. They last longer than the limit.
async function works(world, s) {
  const { page, id } = s, began = now();
  const acts = (name, act) => shows(world, id, name, act);
  await nobody(world, id, 'an untouched home page', 10);
  const set = await makeDataset(page, 'points', CSV);
  await acts('opens Explore', async () => { await go(page, await exploreUrl(page, set.id)); await rows(page); });
  await acts('changes a control', () => page.getByRole('checkbox').first().click());
  await acts('saves the chart', async () => {
    await page.getByRole('button', { name: 'Save' }).first().click();
    const dialog = page.locator('.ant-modal');
    await dialog.locator('input[type=text]').first().fill('Points');
    await dialog.getByRole('button', { name: 'Save', exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.waitForURL(/slice_id=\d+/);
  });
  await shoot(page, 'chart');
  await acts('opens SQL Lab', async () => { await go(page, '/sqllab/'); await page.locator('.ace_editor').first().waitFor({ state: 'visible' }); });
  await nobody(world, id, 'an untouched SQL Lab', 15, 15); // it saves its new tab some seconds after it stands
  await acts('types SQL', async () => {
    await page.locator('.ace_editor').first().click();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('select name, points from points');
  });
  await acts('runs it', async () => {
    const answer = page.waitForResponse((r) => r.url().includes('/api/v1/sqllab/execute/'));
    await page.getByRole('button', { name: /^Run/ }).first().click();
    check((await (await answer).text()).includes('carol'), 'the query does not find carol');
  });
  const chart = Number((await page.evaluate(async () => (await fetch('/api/v1/chart/')).json())).result[0].id);
  const dashboard = await makeDashboard(page, set.id, chart, REFRESH_S);
  await acts('opens the dashboard', async () => { await go(page, `/superset/dashboard/${dashboard}/`); await rows(page); });
  await nobody(world, id, 'a dashboard that refreshes itself', WATCH_S);
  await acts('sets a filter', async () => {
    await page.getByRole('combobox').first().click();
    await page.keyboard.type('carol');
    await page.locator('.ant-select-item-option').filter({ hasText: 'carol' }).first().click();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Apply filters' }).click();
  });
  await nobody(world, id, 'the same with a filter', WATCH_S);
  do {
    await acts('loads it again', async () => { await page.reload({ waitUntil: 'commit' }); await rows(page); });
    await sleep(5000);
  } while (now() - began < (IDLE_S + 5) * 1000);
  return { chart, dashboard };
}

async function warned(page, steps, when) {
  await steps.take(`${when}: the page counts down`, () => notice(page).getByText(/Stops in 0:\d\d/).waitFor({ state: 'visible', timeout: (IDLE_S + 60) * 1000 }));
  const left = Number((await notice(page).innerText()).match(/Stops in 0:(\d\d)/)[1]);
  check(left <= WARN_S, `it says ${left} s, which is before the warning's time of ${WARN_S} s`);
}

async function leaves(world, steps, s) {
  const { page, id } = s;
  await warned(page, steps, 'left');
  await shoot(page, 'warned');
  await notice(page).getByRole('button', { name: 'Keep working' }).click();
  const pressed = now();
  await notice(page).waitFor({ state: 'hidden' });
  await until('the controller knows that somebody pressed', 15, async () => (await person(world, id)).by === 'keep');
  await warned(page, steps, 'left again');
  const stopped = await steps.take('saved and stopped', () => world.stopped(id, WARN_S + 60));
  const after = (now() - pressed) / 1000;
  check(!page.isClosed() && after > IDLE_S - 5 && after < IDLE_S + 60, `stopped ${after.toFixed(0)} s after the press`);
  check(/^idle: nobody was there/.test(stopped.reason), `reason: ${stopped.reason}`);
  steps.note('from the press to the stop', after * 1000);
}

// Another student meets wrong rules, which take a refresh for a person: the checker must see it. Their type keeps nothing warm,
// so this is the cold start as well.
async function planted(world, browsers, steps) {
  const wrong = world.of('wrong');
  const bob = await enter(wrong, browsers, steps, 'bob', 'cold start');
  const set = await makeDataset(bob.page, 'points', CSV);
  const dashboard = await makeDashboard(bob.page, set.id, await makeChart(bob.page, set.id, 'Points'), REFRESH_S);
  await go(bob.page, `/superset/dashboard/${dashboard}/`);
  await rows(bob.page);
  const caught = await nobody(world, bob.id, 'wrong rules', WATCH_S).then(() => null, (e) => e.message);
  check(caught?.startsWith('wrong rules: taken for a person'), 'rules that take a refresh for a person were not noticed');
  console.log(`  planted: ${caught}`);
  await bob.context.close();
  await world.stop(bob.id);
}

// With nothing loaded ahead, a warm task starts the program at the claim; and so does one that lost what it had loaded.
async function plain(world, browsers, steps) {
  await world.api('PUT', '/v1/pools/superset', { size: 0, reason: 'another type is measured' });
  await world.api('PUT', '/v1/pools/plain', { size: 1, reason: 'to be measured' });
  await until('a plain task is warm', 300, async () => (await world.tasks()).some((t) => t.state === 'warm' && t.workspace_type === 'plain'));
  await world.api('PUT', '/v1/pools/plain', { size: 0, reason: 'no refill meanwhile' });
  const carol = await enter(world.of('plain'), browsers, steps, 'carol', 'warm claim, nothing loaded ahead');
  check(!world.startedAhead(carol.task), 'it says that it was loaded ahead');
  await carol.context.close();
  await world.stop(carol.id);
}

await main({ name: 'superset', pool: 1, idle: `${IDLE_S}s` }, async (world) => {
  const steps = new Steps();
  const browsers = new Browsers(world);
  try {
    await world.start();
    await steps.take('one workspace warm', () => world.warm(1, 300));
    await steps.take('its Superset is loaded ahead', () => world.loadedAhead('superset'));
    const alice = await enter(world, browsers, steps, 'alice', 'warm claim');
    check(world.startedAhead(alice.task), 'the app is not what was loaded ahead');
    await world.api('PUT', '/v1/pools/superset', { size: 0, reason: 'the next one would be loaded while alice works' });
    const began = now();
    const { chart } = await works(world, alice);
    const during = await world.workspace(alice.id);
    check(now() - began > IDLE_S * 1000, 'the work was shorter than the limit');
    check(during.state === 'running' && during.task === alice.task, `worked on, and ${during.state}`);
    await leaves(world, steps, alice);
    await browsers.closeAll();

    await world.api('PUT', '/v1/pools/superset', { size: null });
    await world.warm(1, 300);
    await world.loadedAhead('superset');
    const again = await enter(world, browsers, steps, 'alice', 'launched again, from a warm one,');
    check(again.task !== alice.task, 'it is the same task');
    await go(again.page, `/explore/?slice_id=${chart}`);
    await rows(again.page);
    await again.page.getByText('Points').first().waitFor({ state: 'visible' });
    await shoot(again.page, 'again');
    await again.context.close();
    await plain(world, browsers, steps);
    await planted(world, browsers, steps);
    await world.shutdown();
    return 19;
  } finally {
    await browsers.closeAll();
  }
}, SupersetWorld);
