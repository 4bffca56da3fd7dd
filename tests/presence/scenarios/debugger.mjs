const app = `let total = 0;
for (let i = 0; i < 10; i++) {
  total += i;
}
console.log(total);
`;

export const name = 'debugger';
export const about = 'A person debugs a Node program; it stands at a breakpoint, and the person leaves.';
export const labels = { person: 'leaves', tab: 'visible' };
export const files = {
  'workspace/app.js': app,
  'workspace/.vscode/launch.json': JSON.stringify({ version: '0.2.0', configurations: [{ type: 'node', request: 'launch', name: 'app',
    program: '${workspaceFolder}/app.js' }] }),
};
export async function run(page, mark, stage) {
  await stage.begin('app.js');
  await stage.click(page, 2);
  await page.keyboard.press('F9');
  mark('act', 'sets a breakpoint');
  await page.keyboard.press('F5');
  mark('act', 'starts to debug');
  await page.locator('.debug-top-stack-frame-line').first().waitFor();
  await stage.away(36);
}
