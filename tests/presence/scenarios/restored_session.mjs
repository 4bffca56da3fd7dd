export const name = 'restored_session';
export const about = 'A person types a line; a minute later the browser ends as at a shutdown, and after 2 minutes it starts by itself with the session '
  + 'restored. Nobody is there. Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'visible', browser: 'starts again by itself', written: 'after the rules were frozen' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# before the shutdown\n');
  await stage.away(1);
  await stage.restart(2);
  await stage.away(34);
}
