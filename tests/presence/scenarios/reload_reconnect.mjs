export const name = 'reload_reconnect';
export const about = 'A person types, reloads the page and leaves; the network then fails three times for a minute.';
export const labels = { person: 'leaves', tab: 'visible', network: 'fails' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# before the reload\n');
  await stage.minutes(0.5);
  mark('act', 'reloads');
  await page.reload();
  for (let i = 0; i < 3; i++) {
    await stage.away(8);
    stage.cut();
    await stage.minutes(1);
    stage.restore();
  }
  await stage.minutes(9.5);
}
