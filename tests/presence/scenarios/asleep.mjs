export const name = 'asleep';
export const about = 'A person types and closes the lid; 35 minutes later it is opened, 3 minutes after that the person acts again.';
export const labels = { person: 'leaves and returns', tab: 'visible', browser: 'stands still' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# before the lid\n');
  await stage.lid(35);
  await stage.away(3);
  await stage.attach();
  await stage.click();
  await stage.type('# after the lid\n');
  await stage.away(1);
}
