import { random } from '../../system/lib.mjs';

export const name = 'clicks_only';
export const about = 'A person who only clicks into the editor, every 2 to 4 minutes, for 34 minutes.';
export const labels = { person: 'present', tab: 'visible' };
export async function run(page, mark, stage) {
  await stage.begin();
  const next = random(34);
  for (let left = 34; left > 0;) {
    const n = Math.min(left, 2 + 2 * next());
    left -= n;
    await stage.away(n);
    await stage.click(await stage.attach(), 1 + Math.floor(20 * next()));
  }
  await stage.away(1);
}
