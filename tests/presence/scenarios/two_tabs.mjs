export const name = 'two_tabs';
export const about = 'The same workspace in two tabs; the person acts in the second and leaves both open.';
export const labels = { person: 'leaves', tab: 'visible', tabs: 2 };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.minutes(1);
  const second = await stage.secondTab();
  await stage.openFile('hello.py', second);
  await stage.minutes(0.5);
  await stage.type('# the second tab\n', second);
  await stage.away(38);
}
