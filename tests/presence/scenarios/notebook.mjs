import { sleep } from '../../system/lib.mjs';

const EXTENSION = '.local/share/code-server/extensions/presence.kernel-1.0.0';

// A kernel whose cells say train(SECONDS): a child process computes and prints for so long.
const extension = `const { spawn } = require('child_process');
const vscode = require('vscode');

const PROGRAM = 'import hashlib, sys, time\\n' +
  'open("training", "w").close()\\n' +
  'end = time.monotonic() + float(sys.argv[1])\\n' +
  'n = 0\\n' +
  'while time.monotonic() < end:\\n' +
  '    until = time.monotonic() + 1\\n' +
  '    while time.monotonic() < until: hashlib.sha256(bytes(100000)).hexdigest()\\n' +
  '    n += 1\\n' +
  '    print("epoch", n, flush=True)\\n' +
  '    time.sleep(1)\\n' +
  'open("trained", "w").write("done")\\n';

exports.activate = (context) => {
  const kernel = vscode.notebooks.createNotebookController('presence-kernel', 'jupyter-notebook', 'Presence kernel');
  kernel.supportedLanguages = ['python'];
  kernel.executeHandler = async (cells) => {
    for (const cell of cells) {
      const execution = kernel.createNotebookCellExecution(cell);
      execution.start(Date.now());
      await execution.clearOutput();
      const seconds = /train\\(([0-9.]+)\\)/.exec(cell.document.getText())?.[1] ?? '0';
      const child = spawn('python3', ['-c', PROGRAM, seconds], { cwd: vscode.workspace.workspaceFolders[0].uri.fsPath });
      child.stdout.on('data', (d) => execution.replaceOutput(new vscode.NotebookCellOutput([
        vscode.NotebookCellOutputItem.text(String(d), 'text/plain')])));
      await new Promise((resolve) => child.on('exit', resolve));
      execution.end(true, Date.now());
    }
  };
  context.subscriptions.push(kernel);
};
`;

export const name = 'notebook';
export const about = 'A person runs a notebook cell of 12 minutes and leaves the tab open. The kernel is a small extension of this scenario, ' +
  'whose child process computes; VS Code\'s side of the notebook is the real one.';
export const labels = { person: 'leaves', tab: 'visible', job: 'notebook cell' };
export const files = {
  [`${EXTENSION}/extension.js`]: extension,
  [`${EXTENSION}/package.json`]: JSON.stringify({ name: 'kernel', publisher: 'presence', version: '1.0.0', engines: { vscode: '^1.90.0' },
    main: './extension.js', activationEvents: ['onNotebook:jupyter-notebook'] }),
  'workspace/train.ipynb': JSON.stringify({ cells: [{ cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: [] }],
    metadata: { language_info: { name: 'python' } }, nbformat: 4, nbformat_minor: 5 }),
};
export async function run(page, mark, stage) {
  mark('act', 'opens the page');
  await stage.open();
  await sleep(25000); // until VS Code has read what extensions there are; before, it would open as text
  await page.locator('.explorer-folders-view').getByText('train.ipynb', { exact: true }).dblclick();
  mark('act', 'opens train.ipynb');
  await page.locator('.notebook-editor .cell .monaco-editor .view-lines').first().click();
  mark('act', 'clicks into the cell');
  await stage.type(`train(${720 * stage.scale})`);
  await page.locator('.notebook-editor').getByText('Presence kernel').first().waitFor();
  await page.locator('.notebook-editor .run-button-container .action-label').first().click();
  mark('act', 'runs the cell');
  mark('job', 'notebook cell');
  await stage.written('workspace/training');
  await stage.detach();
  await stage.written('workspace/trained');
  mark('job_end', 'notebook cell');
  await stage.away(36);
}
