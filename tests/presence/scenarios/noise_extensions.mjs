const EXTENSION = '.local/share/code-server/extensions/presence.noise-1.0.0';

// Every 100 s another thing that extensions do by themselves. What can not be done is written to the log and left out.
const extension = `const vscode = require('vscode');
const fs = require('fs');
const path = require('path');

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const folder = () => vscode.workspace.workspaceFolders[0].uri;
const file = (name) => vscode.Uri.joinPath(folder(), name);
const run = (...args) => vscode.commands.executeCommand(...args);

async function edit(name, text, at = new vscode.Position(0, 0)) {
  const change = new vscode.WorkspaceEdit();
  change.insert(file(name), at, text);
  await vscode.workspace.applyEdit(change);
}

const acts = {
  async reveal() {
    const editor = vscode.window.activeTextEditor;
    for (const line of [150, 20]) {
      editor?.revealRange(new vscode.Range(line, 0, line, 0), vscode.TextEditorRevealType.InCenter);
      await wait(5000);
    }
  },
  async selects() {
    const editor = vscode.window.activeTextEditor;
    if (editor) editor.selection = new vscode.Selection(5, 0, 6, 3);
  },
  async moves() {
    await run('cursorMove', { to: 'down', by: 'line', value: 3 });
    await run('editor.action.selectAll');
    await run('cursorTop');
  },
  async message() {
    void vscode.window.showInformationMessage('A message of an extension', 'Yes', 'No');
  },
  async progress() {
    await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'Works for a while' }, () => wait(30000));
  },
  async saves() {
    await edit('other.txt', 'saved by an extension\\n');
    await (await vscode.workspace.openTextDocument(file('other.txt'))).save();
    await wait(5000);
    await edit('hello.py', '# saved by an extension\\n');
    await (await vscode.workspace.openTextDocument(file('hello.py'))).save();
    await wait(5000);
    await run('workbench.action.files.saveAll');
  },
  async opens() {
    await vscode.window.showTextDocument(file('other.txt'));
    await wait(5000);
    await vscode.window.showTextDocument(file('hello.py'));
  },
  async terminal() {
    const t = vscode.window.createTerminal('noise');
    t.show(true);
    await wait(5000);
    t.sendText('echo from an extension');
    await wait(5000);
    t.dispose();
  },
  async webview() {
    const panel = vscode.window.createWebviewPanel('noise', 'Noise', { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true }, { enableScripts: true });
    panel.webview.onDidReceiveMessage(() => {});
    const html = (n) => '<h1>' + n + '</h1><script>const v = acquireVsCodeApi(); setInterval(() => v.postMessage({ beat: 1 }), 3000);' +
      'setInterval(() => window.scrollBy(0, 20), 4000)</script>' + '<p>text</p>'.repeat(300);
    for (let n = 0; n < 3; n++) { panel.webview.html = html(n); await wait(8000); }
    panel.dispose();
  },
  async task() {
    const t = new vscode.Task({ type: 'noise' }, vscode.TaskScope.Workspace, 'noise', 'noise', new vscode.ShellExecution('for i in 1 2 3; do echo "a.js(1,1): error X: y"; sleep 1; done'), ['$tsc']);
    await vscode.tasks.executeTask(t);
  },
  async tests() {
    const c = vscode.tests.createTestController('noise', 'Noise');
    const item = c.createTestItem('one', 'one', file('hello.py'));
    c.items.add(item);
    for (let n = 0; n < 3; n++) {
      const r = c.createTestRun(new vscode.TestRunRequest([item]));
      r.started(item);
      r.passed(item, 5);
      r.end();
      await wait(3000);
    }
    c.dispose();
  },
  async pick() {
    const p = vscode.window.createQuickPick();
    p.items = [{ label: 'a' }, { label: 'b' }];
    p.show();
    await wait(4000);
    p.value = 'a';
    await wait(4000);
    p.dispose();
  },
  async undoes() { await run('undo'); await wait(3000); await run('redo'); },
  async formats() { await run('editor.action.formatDocument'); await run('editor.action.organizeImports').then(undefined, () => {}); },
  async disk() {
    for (let n = 0; n < 3; n++) { fs.appendFileSync(file('hello.py').fsPath, '# from the disk\\n'); await wait(5000); }
  },
  async providers() {
    const position = new vscode.Position(3, 3);
    const hover = vscode.languages.registerHoverProvider('*', { provideHover: () => new vscode.Hover('x') });
    const words = vscode.languages.registerCompletionItemProvider('*', { provideCompletionItems: () => [new vscode.CompletionItem('word')] });
    for (let n = 0; n < 2; n++) {
      await run('vscode.executeHoverProvider', file('hello.py'), position);
      await run('vscode.executeDefinitionProvider', file('hello.py'), position);
      await run('vscode.executeCompletionItemProvider', file('hello.py'), position);
      await run('vscode.executeWorkspaceSymbolProvider', 'x');
      await run('vscode.executeReferenceProvider', file('hello.py'), position);
      await wait(5000);
    }
    hover.dispose();
    words.dispose();
  },
  async views() { await run('workbench.view.search'); await wait(5000); await run('workbench.view.explorer'); await wait(3000); await run('workbench.action.focusActiveEditorGroup'); },
  async files() {
    const change = new vscode.WorkspaceEdit();
    change.createFile(file('new.txt'), { overwrite: true });
    await vscode.workspace.applyEdit(change);
    await wait(3000);
    const second = new vscode.WorkspaceEdit();
    second.renameFile(file('new.txt'), file('newer.txt'), { overwrite: true });
    await vscode.workspace.applyEdit(second);
    await wait(3000);
    const third = new vscode.WorkspaceEdit();
    third.deleteFile(file('newer.txt'));
    await vscode.workspace.applyEdit(third);
  },
  async settings() { await vscode.workspace.getConfiguration('editor').update('fontSize', 15, vscode.ConfigurationTarget.Workspace); },
  async breakpoints() {
    const b = new vscode.SourceBreakpoint(new vscode.Location(file('hello.py'), new vscode.Position(4, 0)));
    vscode.debug.addBreakpoints([b]);
    await wait(3000);
    vscode.debug.removeBreakpoints([b]);
  },
  async debugs() {
    await vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], { type: 'node', request: 'launch', name: 'noise', program: file('app.js').fsPath });
    await wait(15000);
    await vscode.debug.stopDebugging();
  },
  async tabs() { await run('workbench.action.nextEditor'); await wait(3000); await run('workbench.action.previousEditor'); await wait(3000); await run('workbench.action.togglePanel'); },
};

exports.activate = async (context) => {
  const log = (text) => fs.appendFileSync(path.join(process.env.HOME, 'noise.log'), (Date.now() / 1000).toFixed(1) + ' ' + text + '\\n');
  const begin = path.join(process.env.HOME, 'begin');
  while (!fs.existsSync(begin)) await wait(1000);
  const pause = Number(fs.readFileSync(begin, 'utf8'));
  for (const [name, act] of Object.entries(acts)) {
    log(name);
    await Promise.resolve().then(act).catch((e) => log(name + ' FAILED: ' + e));
    await wait(pause);
  }
  log('done');
};
`;

export const name = 'noise_extensions';
export const about = 'A person types a line and leaves; then an extension of this scenario does, one after another and 90 s apart, what extensions do by '
  + 'themselves: reveals, opens, edits, saves, runs tasks and tests, asks providers, shows web views. Nobody is there. '
  + 'Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'visible', extension: 'does everything', written: 'after the rules were frozen' };
export const files = {
  'workspace/other.txt': 'other\n'.repeat(100),
  'workspace/app.js': 'let n = 0;\nsetInterval(() => { n++; }, 500);\n',
  [`${EXTENSION}/extension.js`]: extension,
  [`${EXTENSION}/package.json`]: JSON.stringify({ name: 'noise', publisher: 'presence', version: '1.0.0', engines: { vscode: '^1.90.0' },
    main: './extension.js', activationEvents: ['onStartupFinished'] }),
};
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.type('# changed\n');
  stage.exec(['sh', '-c', `echo ${Math.round(90000 * stage.scale)} >/home/student/begin`]);
  await stage.away(44);
}
