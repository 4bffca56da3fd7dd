export const name = 'terminal_top';
export const about = 'A person starts top in a terminal and leaves.';
export const labels = { person: 'leaves', tab: 'visible', terminal: 'prints' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.minutes(1);
  await stage.terminal();
  await stage.type('top\n');
  await stage.away(38);
}
