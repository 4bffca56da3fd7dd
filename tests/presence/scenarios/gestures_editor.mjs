import { sleep } from '../../system/lib.mjs';
import { devtools, perform, wheel } from '../gestures.mjs';

export const name = 'gestures_editor';
export const about = 'One act after another in the editor, each 100 s after the one before. Written after the rules were frozen.';
export const labels = { person: 'present', tab: 'visible', written: 'after the rules were frozen' };
export const files = {
  'workspace/long.py': Array.from({ length: 400 }, (_, i) => `def f${i}(x):\n    # step ${i}\n    return x + ${i}\n\n`).join(''),
  'workspace/notes.txt': 'one two three\n'.repeat(50),
};

const editor = (p) => p.locator('.editor-instance .view-lines').first();

async function box(p) {
  const b = await editor(p).boundingBox();
  return { ...b, midX: b.x + b.width / 3, midY: Math.min(b.y + 250, 400) };
}

const acts = [
  ['one notch of the wheel', async (p) => { const b = await box(p); await wheel(p, b.midX, b.midY, 1); }],
  ['turns the wheel', async (p) => { const b = await box(p); await wheel(p, b.midX, b.midY, 6); }],
  ['adds a cursor', async (p) => { await p.keyboard.press('Control+Alt+ArrowDown'); await p.keyboard.press('Escape'); }],
  ['finds', async (p) => { await p.keyboard.press('Control+F'); await p.keyboard.type('step 7', { delay: 90 }); await p.keyboard.press('Enter'); await p.keyboard.press('Escape'); }],
  ['folds by the margin', async (p) => {
    const b = await box(p);
    await p.mouse.move(b.x - 8, b.midY);
    await sleep(600);
    await p.locator('.margin .codicon-folding-expanded').nth(2).click({ force: true });
  }],
  ['clicks into the minimap', async (p) => { const b = await p.locator('.editor-instance .minimap').first().boundingBox(); await p.mouse.click(b.x + b.width / 2, b.y + 120); }],
  ['drags the scroll bar', async (p) => {
    const b = await p.locator('.editor-instance .editor-scrollable .scrollbar.vertical').first().boundingBox();
    await p.mouse.move(b.x + b.width / 2, b.y + 60);
    await p.mouse.down();
    await p.mouse.move(b.x + b.width / 2, b.y + 160, { steps: 8 });
    await p.mouse.up();
  }],
  ['opens the breadcrumbs', async (p) => { await p.locator('.breadcrumbs-control .monaco-breadcrumb-item').last().click(); await sleep(500); await p.keyboard.press('Escape'); }],
  ['opens the context menu', async (p) => { const b = await box(p); await p.mouse.click(b.midX, b.midY, { button: 'right' }); await sleep(500); await p.keyboard.press('Escape'); }],
  ['opens a file by its name', async (p) => { await p.keyboard.press('Control+P'); await p.keyboard.type('notes', { delay: 90 }); await sleep(800); await p.keyboard.press('Enter'); }],
  ['switches tabs by the mouse', (p) => p.locator('.tabs-container .tab').first().click()],
  ['switches tabs by the keyboard', (p) => p.keyboard.press('Control+PageDown')],
  ['selects by dragging', async (p) => {
    const b = await box(p);
    await p.mouse.move(b.midX - 80, b.midY);
    await p.mouse.down();
    await p.mouse.move(b.midX + 60, b.midY + 60, { steps: 6 });
    await p.mouse.up();
  }],
  ['copies', (p) => p.keyboard.press('Control+C')],
  ['composes by an input method', async (p) => {
    const d = await devtools(p);
    await d.send('Input.imeSetComposition', { selectionStart: 2, selectionEnd: 2, text: 'にほ' });
    await sleep(300);
    await d.send('Input.insertText', { text: '日本' });
  }],
  ['taps with a finger', async (p) => {
    const b = await box(p), d = await devtools(p);
    await d.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: b.midX, y: b.midY }] });
    await d.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  }],
  ['scrolls with a finger', async (p) => {
    const b = await box(p), d = await devtools(p);
    await d.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: b.midX, y: b.midY + 100 }] });
    for (let i = 1; i <= 8; i++) {
      await d.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x: b.midX, y: b.midY + 100 - 15 * i }] });
      await sleep(20);
    }
    await d.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  }],
  ['enters and leaves zen mode', async (p) => { await p.keyboard.press('Control+K'); await p.keyboard.press('z'); await sleep(1500); await p.keyboard.press('Control+K'); await p.keyboard.press('z'); }],
  ['saves', (p) => p.keyboard.press('Control+S')],
];

export async function run(page, mark, stage) {
  await stage.begin('long.py');
  await perform(stage, mark, acts);
  await stage.away(1);
}
