import { sleep } from '../../system/lib.mjs';
import { perform, wheel } from '../gestures.mjs';

export const name = 'gestures_workbench';
export const about = 'One act after another around the editor: preview, explorer, search, settings; each 100 s after the one before. '
  + 'Written after the rules were frozen.';
export const labels = { person: 'present', tab: 'visible', written: 'after the rules were frozen' };
export const files = {
  'workspace/book.md': Array.from({ length: 300 }, (_, i) => `## Chapter ${i}\n\nA paragraph of a long text that somebody reads.\n\n`).join(''),
  'workspace/folder/inner.txt': 'inner\n',
  ...Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`workspace/z${i}.txt`, `${i}\n`])),
};

const row = (p, text) => p.locator('.explorer-folders-view .monaco-list-row').filter({ hasText: text }).first();

async function palette(p, text) {
  await p.keyboard.press('F1');
  await p.locator('.quick-input-widget input[type=text]').first().fill(`>${text}`);
  await sleep(1000);
  await p.keyboard.press('Enter');
}

async function preview(p) {
  const frame = p.locator('iframe.webview.ready').last();
  const b = await frame.boundingBox();
  return { x: b.x + b.width / 2, y: b.y + b.height / 2 };
}

const acts = [
  ['opens the preview', async (p) => { await p.keyboard.press('Control+Shift+E'); await row(p, 'book.md').dblclick(); await p.locator('.editor-instance .view-line').getByText('Chapter').first().waitFor(); await sleep(2000); await p.keyboard.press('Control+Shift+V'); await p.locator('iframe.webview.ready').last().waitFor(); }],
  ['clicks into the preview', async (p) => { const b = await preview(p); await p.mouse.click(b.x, b.y); }],
  ['turns the wheel over the preview', async (p) => { const b = await preview(p); await wheel(p, b.x, b.y, 5); }],
  ['selects a word in the preview', async (p) => { const b = await preview(p); await p.mouse.dblclick(b.x - 100, b.y); }],
  ['presses a key in the preview', (p) => p.keyboard.press('PageDown')],
  ['makes a file in the explorer', async (p) => {
    await p.keyboard.press('Control+Shift+E');
    await row(p, 'folder').click();
    await p.locator('.explorer-viewlet .codicon-new-file').first().click();
    await sleep(500);
    await p.keyboard.type('made.txt', { delay: 90 });
    await p.keyboard.press('Enter');
  }],
  ['renames a file', async (p) => {
    await row(p, 'hello.py').click();
    await p.keyboard.press('F2');
    await sleep(300);
    await p.keyboard.type('hallo', { delay: 90 });
    await p.keyboard.press('Enter');
  }],
  ['drags a file', async (p) => { await row(p, 'z0.txt').dragTo(row(p, 'folder')); await sleep(1000); await p.keyboard.press('Enter'); }],
  ['turns the wheel over the explorer', async (p) => { const b = await row(p, 'book.md').boundingBox(); await wheel(p, b.x + 60, b.y + 100, 5); await wheel(p, b.x + 60, b.y + 100, -5); }],
  ['searches', async (p) => { await p.keyboard.press('Control+Shift+F'); await sleep(500); await p.keyboard.type('somebody', { delay: 90 }); await p.keyboard.press('Enter'); }],
  ['opens a result', (p) => p.keyboard.press('F4')],
  ['collapses the side bar', (p) => p.keyboard.press('Control+B')],
  ['a command of the palette', (p) => palette(p, 'View: Toggle Panel Visibility')],
  ['opens the settings', (p) => p.keyboard.press('Control+,')],
  ['turns the wheel over the settings', async (p) => { await wheel(p, 800, 450, 6); }],
  ['looks for a setting', async (p) => { await p.keyboard.press('Control+,'); await sleep(1000); await p.keyboard.type('minimap enabled', { delay: 90 }); }],
  ['ticks a setting', (p) => p.locator('.settings-editor .setting-value-checkbox:visible').first().click()],
  ['opens a second tab', async (p, stage) => { await stage.secondTab(`${stage.url}?second`); }],
];

export async function run(page, mark, stage) {
  await stage.begin();
  await stage.minutes(0.3); // everything is loaded
  await perform(stage, mark, acts);
  await stage.away(1);
}
