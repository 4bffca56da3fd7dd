export const name = 'no_tab';
export const about = 'A person edits a file, closes the tab and leaves.';
export const labels = { person: 'leaves', tab: 'closed' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# the last line\n');
  await stage.minutes(0.5);
  await stage.closeTab();
  await stage.away(35);
}
