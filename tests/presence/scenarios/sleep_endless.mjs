export const name = 'sleep_endless';
export const about = 'A person starts a program that only sleeps, for ever, and leaves.';
export const labels = { person: 'leaves', tab: 'visible', terminal: 'silent' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.minutes(1);
  await stage.terminal();
  await stage.type('sleep 1000000\n');
  await stage.away(38);
}
