import { random } from '../../system/lib.mjs';

export const name = 'terminal_typing';
export const about = 'A person who types into a terminal only, a command every 2 to 4 minutes, for 34 minutes.';
export const labels = { person: 'present', tab: 'visible' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  const next = random(43), commands = ['ls\n', 'date\n', 'cat hello.py | wc\n', 'git status\n', 'echo hello\n'];
  for (let left = 34, i = 0; left > 0; i++) {
    const n = Math.min(left, 2 + 2 * next());
    left -= n;
    await stage.away(n);
    await stage.attach();
    await stage.type(commands[i % commands.length]);
  }
  await stage.away(1);
}
