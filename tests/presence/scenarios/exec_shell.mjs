import { keyboard, keyboardFile } from '../keyboard.mjs';

export const name = 'exec_shell';
export const about = 'A person works in a shell that no page started, a command every 3 minutes for 33 minutes; a tab is open, untouched. The ' +
  'program that holds the keyboard\'s end of that terminal runs inside the workspace.';
export const labels = { person: 'present', tab: 'visible', shell: 'exec' };
export const files = { ...keyboardFile };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.detach();
  const type = keyboard(stage, ['bash']);
  const commands = ['ls -la\n', 'date\n', 'head -3 hello.py\n', 'ps\n'];
  for (let i = 0; i < 11; i++) {
    await stage.away(3);
    await type(commands[i % commands.length]);
  }
  await stage.away(1);
}
