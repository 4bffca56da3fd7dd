export const name = 'hidden';
export const about = 'A person types a line, then another tab is put in front of the editor, and nobody comes back.';
export const labels = { person: 'leaves', tab: 'hidden' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.minutes(1);
  await stage.type('# one more\n');
  await stage.minutes(0.5);
  await stage.hide();
  await stage.away(40);
}
