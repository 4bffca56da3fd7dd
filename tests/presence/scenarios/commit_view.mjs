const setup = `set -e
git init -q -b main .
git add .
git commit -q -m first
for i in 1 2 3 4 5 6 7 8; do echo "file $i" >file$i.txt; done
touch "$HOME/ready"
`;

export const name = 'commit_view';
export const about = 'A person works in the Source Control view only: clicks, types and presses the key that commits every 4 to 6 minutes for 33 minutes. '
  + 'The first takes all changes; later ones find nothing to commit, and what was typed stays in the box. '
  + 'Written after the rules were frozen.';
export const labels = { person: 'present', tab: 'visible', written: 'after the rules were frozen' };
export const files = { '.gitconfig': '[user]\n  name = Student\n  email = student@example.org\n', 'setup.sh': setup };
export const settings = { 'git.enableSmartCommit': true, 'git.confirmSync': false };
export async function run(page, mark, stage) {
  stage.exec(['bash', '/home/student/setup.sh']);
  await stage.written('ready');
  await stage.begin();
  await page.keyboard.press('Control+Shift+G');
  await page.keyboard.press('g');
  mark('act', 'opens the view');
  for (const pause of [4, 6, 5, 4, 6, 4, 4]) {
    await stage.away(pause);
    const p = await stage.attach();
    await p.locator('.scm-editor').first().click();
    mark('act', 'clicks into the message');
    await stage.type('another step', p);
    await p.keyboard.press('Control+Enter');
    mark('act', 'commits');
  }
  await stage.away(1);
}
