const EXTENSION = '.local/share/code-server/extensions/presence.chatter-1.0.0';

const extension = `const vscode = require('vscode');

exports.activate = (context) => {
  const item = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Left);
  const channel = vscode.window.createOutputChannel('chatter');
  const style = vscode.window.createTextEditorDecorationType({ backgroundColor: '#ff000020' });
  const terminal = vscode.window.createTerminal('chatter');
  let n = 0;
  item.show();
  context.subscriptions.push(item, channel, style, terminal,
    new vscode.Disposable(clearInterval.bind(null, setInterval(() => {
      item.text = 'chatter ' + ++n;
      channel.appendLine('chatter ' + n);
      vscode.window.activeTextEditor?.setDecorations(style, [new vscode.Range(n % 20, 0, n % 20, 5)]);
    }, 3000))),
    new vscode.Disposable(clearInterval.bind(null, setInterval(() => terminal.sendText(': ping'), 60000))));
};
`;

const setup = `set -e
git init -q --bare -b main "$HOME/remote.git"
git init -q -b main .
git add .
git commit -q -m first
git remote add origin "$HOME/remote.git"
git push -q -u origin main
git clone -q "$HOME/remote.git" "$HOME/other"
touch "$HOME/ready"
cd "$HOME/other"
while sleep 40; do
  date >>news.txt
  git add news.txt
  git commit -q -m news
  git push -q
done
`;

export const name = 'git_chatter';
export const about = 'git.autofetch every 30 s from a remote that another clone pushes to every 40 s, and a small extension of this scenario that ' +
  'changes its status bar item, decorations and output channel every 3 s and sends text to a terminal of its own every 60 s. Nobody is there.';
export const labels = { person: 'leaves', tab: 'visible', extension: 'sends text' };
export const settings = { 'git.autofetch': true, 'git.autofetchPeriod': 30 };
export const files = {
  '.gitconfig': '[user]\n  name = Student\n  email = student@example.org\n',
  'setup.sh': setup,
  [`${EXTENSION}/extension.js`]: extension,
  [`${EXTENSION}/package.json`]: JSON.stringify({ name: 'chatter', publisher: 'presence', version: '1.0.0', engines: { vscode: '^1.90.0' },
    main: './extension.js', activationEvents: ['onStartupFinished'] }),
};
export async function run(page, mark, stage) {
  stage.exec(['bash', '/home/student/setup.sh']);
  await stage.written('ready');
  await stage.begin();
  await stage.type('# changed\n');
  await stage.away(38);
}
