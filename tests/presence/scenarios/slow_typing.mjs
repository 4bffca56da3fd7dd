export const name = 'slow_typing';
export const about = 'A person who thinks: one key in the editor every 4 minutes, for 40 minutes.';
export const labels = { person: 'present', tab: 'visible' };
export async function run(page, mark, stage) {
  await stage.begin();
  for (const key of 'abcdefghij') {
    await stage.away(4);
    await stage.attach();
    await stage.type(key);
  }
  await stage.away(2);
}
