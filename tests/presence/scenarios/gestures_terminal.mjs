import { sleep } from '../../system/lib.mjs';
import { perform, wheel } from '../gestures.mjs';

export const name = 'gestures_terminal';
export const about = 'One act after another in the terminal and its programs; each 100 s after the one before. Written after the rules were frozen.';
export const labels = { person: 'present', tab: 'visible', written: 'after the rules were frozen' };
export const files = { 'workspace/long.txt': Array.from({ length: 900 }, (_, i) => `line ${i}\n`).join('') };

const xterm = (p) => p.locator('.terminal-wrapper .xterm:visible').last();

async function mid(p) {
  const b = await xterm(p).boundingBox();
  return { x: b.x + 120, y: b.y + b.height / 2 };
}

const type = (p, text) => p.keyboard.type(text, { delay: 90 });
const line = async (p, text) => { await type(p, text); await p.keyboard.press('Enter'); };

const acts = [
  ['types a command', (p) => line(p, 'seq 500')],
  ['turns the wheel over the scrollback', async (p) => { const b = await mid(p); await wheel(p, b.x, b.y, -6); }],
  ['selects by dragging', async (p) => {
    const b = await mid(p);
    await p.mouse.move(b.x - 100, b.y);
    await p.mouse.down();
    await p.mouse.move(b.x, b.y + 20, { steps: 5 });
    await p.mouse.up();
  }],
  ['presses the up arrow', (p) => p.keyboard.press('ArrowUp')],
  ['presses control-c', (p) => p.keyboard.press('Control+C')],
  ['pastes', async (p) => {
    await p.evaluate(() => {
      const data = new DataTransfer();
      data.setData('text/plain', 'echo pasted');
      document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
  }],
  ['starts less', async (p) => { await p.keyboard.press('Control+C'); await line(p, 'less long.txt'); }],
  ['turns the wheel in less', async (p) => { const b = await mid(p); await wheel(p, b.x, b.y, 4); }],
  ['a blank in less', (p) => p.keyboard.press('Space')],
  ['leaves less', (p) => p.keyboard.press('q')],
  ['starts vim', (p) => line(p, "vi -c 'set mouse=a' long.txt || vim long.txt")],
  ['a key in vim', (p) => p.keyboard.press('j')],
  ['a click in vim', async (p) => { const b = await mid(p); await p.mouse.click(b.x, b.y); }],
  ['turns the wheel in vim', async (p) => { const b = await mid(p); await wheel(p, b.x, b.y, 4); }],
  ['leaves vim', async (p) => { await p.keyboard.press('Escape'); await line(p, ':q!'); }],
  ['splits the terminal', (p) => p.keyboard.press('Control+Shift+5')],
  ['finds in the terminal', async (p) => { await p.keyboard.press('Control+F'); await sleep(500); await type(p, '42'); await p.keyboard.press('Escape'); }],
  ['clicks into the other half', (p) => p.locator('.terminal-wrapper .xterm:visible').first().click()],
  ['asks for every move of the mouse', (p) => line(p, "printf '\\033[?1003h\\033[?1006h'; cat >/dev/null")],
  ['moves the mouse over it', async (p) => { const b = await mid(p); await p.mouse.move(b.x, b.y); await p.mouse.move(b.x + 60, b.y + 40, { steps: 5 }); }],
];

export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  await perform(stage, mark, acts);
  await stage.away(1);
}
