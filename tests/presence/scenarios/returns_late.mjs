export const name = 'returns_late';
export const about = 'A person comes back 5 s before 30 minutes are over, clicks once, and leaves for good.';
export const labels = { person: 'leaves, returns, leaves', tab: 'visible' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# back soon\n');
  await stage.away(30 - 5 / 60);
  await stage.click(await stage.attach());
  await stage.away(34);
}
