import { random } from '../../system/lib.mjs';

export const name = 'preview_reading';
export const about = 'A person reads a long text in the built-in Markdown preview: the wheel moves every 40 to 150 s for 33 minutes, and nothing else. '
  + 'Written after the rules were frozen.';
export const labels = { person: 'present', tab: 'visible', written: 'after the rules were frozen' };
export const files = { 'workspace/book.md': Array.from({ length: 900 }, (_, i) => `## Chapter ${i}\n\nA paragraph of a long text that somebody reads.\n\n`).join('') };
export async function run(page, mark, stage) {
  await stage.begin('book.md');
  await stage.command('Markdown: Open Preview');
  await stage.minutes(0.3);
  const next = random(33);
  for (let left = 33 * 60; left > 0;) {
    const seconds = Math.min(left, 40 + 110 * next());
    left -= seconds;
    await stage.away(seconds / 60);
    const p = await stage.attach();
    await p.mouse.move(700, 400);
    await p.mouse.wheel(0, 120 * (2 + Math.floor(4 * next())));
    mark('act', 'turns the wheel');
  }
  await stage.away(1);
}
