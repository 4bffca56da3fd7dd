export const name = 'pointer_only';
export const about = 'Nobody is there, but the pointer moves over the page every 10 s, as a mouse jiggler makes it (moved by the debugger, which makes the page believe that it has the focus). Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'visible', pointer: 'moved by a machine', written: 'after the rules were frozen' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# the last line\n');
  mark('phase', 'the pointer moves by itself');
  for (let i = 0; i < 6 * 35; i++) {
    await page.mouse.move(300 + 7 * (i % 60), 200 + 5 * (i % 50), { steps: 3 });
    await stage.minutes(1 / 6);
  }
}
