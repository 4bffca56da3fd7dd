import { random } from '../../system/lib.mjs';

export const name = 'reading';
export const about = 'A person reads a long file for 35 minutes: the wheel moves every 20 to 150 s, and nothing else.';
export const labels = { person: 'present', tab: 'visible' };
export const files = { 'workspace/long.md': Array.from({ length: 5000 }, (_, i) => `Sentence ${i} of a long text that somebody reads.\n`).join('') };
export async function run(page, mark, stage) {
  await stage.begin('long.md');
  const next = random(35);
  for (let left = 35 * 60; left > 0;) {
    const seconds = Math.min(left, 20 + 130 * next());
    left -= seconds;
    await stage.away(seconds / 60);
    const p = await stage.attach();
    await p.mouse.move(700, 400);
    await p.mouse.wheel(0, 120 * (1 + Math.floor(4 * next())));
    mark('act', 'turns the wheel');
  }
  await stage.away(1);
}
