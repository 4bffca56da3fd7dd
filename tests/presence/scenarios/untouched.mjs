export const name = 'untouched';
export const about = 'An editor tab is opened, one file is looked at, and then nobody touches the machine again.';
export const labels = { person: 'short', tab: 'visible' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.away(180);
}
