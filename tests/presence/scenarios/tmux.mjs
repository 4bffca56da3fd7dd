import { keyboard, keyboardFile } from '../keyboard.mjs';

export const name = 'tmux';
export const about = 'A person works in tmux, started by no page, a command every 3 minutes for 33 minutes; the tab was closed after 30 s. The ' +
  'program that holds the keyboard\'s end of the client\'s terminal runs inside the workspace.';
export const labels = { person: 'present', tab: 'closed', shell: 'tmux' };
export const files = { ...keyboardFile };
export async function run(page, mark, stage) {
  await stage.begin();
  const type = keyboard(stage, ['tmux', 'new-session', '-s', 'work']);
  await stage.minutes(0.5);
  await stage.closeTab();
  await stage.detach();
  const commands = ['ls -la\n', 'date\n', 'head -3 hello.py\n', 'ps\n'];
  for (let i = 0; i < 11; i++) {
    await stage.away(3);
    await type(commands[i % commands.length]);
  }
  await stage.away(1);
}
