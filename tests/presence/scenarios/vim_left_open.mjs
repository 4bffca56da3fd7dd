export const name = 'vim_left_open';
export const about = 'A person edits with vim (mouse on) in the terminal, with pauses of 3 to 5 minutes, and leaves it open. Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'visible', program: 'vim', written: 'after the rules were frozen' };
export const files = { '.vimrc': 'set mouse=a\nset ttymouse=sgr\nset updatetime=1000\n' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  await stage.type('vi -u ~/.vimrc hello.py\n');
  for (const pause of [3, 5, 4]) {
    await stage.away(pause);
    const p = await stage.attach();
    await p.locator('.terminal-wrapper .xterm-screen').last().click();
    mark('act', 'clicks into vim');
    await stage.type('jjjo# a line', p);
    await p.keyboard.press('Escape');
    mark('act', 'types the last key');
  }
  await stage.away(33);
}
