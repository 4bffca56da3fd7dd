export const name = 'terminal_tail';
export const about = 'A person follows a log in a terminal and leaves; a process that no page started writes a line every second.';
export const labels = { person: 'leaves', tab: 'visible', terminal: 'prints' };
export const files = { 'workspace/logs/app.log': 'start\n' };
export async function run(page, mark, stage) {
  stage.exec(['sh', '-c', 'while sleep 1; do date >>logs/app.log; done']);
  await stage.begin();
  await stage.minutes(1);
  await stage.terminal();
  await stage.type('tail -f logs/app.log\n');
  await stage.away(38);
}
