export const name = 'failing_network';
export const about = 'A person types every 5 minutes for 35 minutes while the network is cut for 30 to 240 s in between; some keys come right after it is back. '
  + 'Written after the rules were frozen.';
export const labels = { person: 'present', tab: 'visible', network: 'fails', written: 'after the rules were frozen' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# begins\n');
  for (const cut of [0.5, 4, 1, 2, 3, 0.5]) {
    await stage.away(5 - cut);
    stage.cut();
    await stage.minutes(cut);
    stage.restore();
    const p = await stage.attach();
    await stage.minutes(0.75); // until the page has connected again
    await stage.click(p);
    await stage.type('# after a cut\n', p);
  }
  await stage.away(1);
}
