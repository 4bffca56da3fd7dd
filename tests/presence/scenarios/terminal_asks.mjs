// Asks as a program does that wants to know its terminal, and reads the answers.
const ask = `stty -echo
while :; do
  printf '\\033[6n\\033[c\\033]10;?\\033\\\\'
  while read -rsn1 -t 2 answer; do :; done
  sleep 13
done
`;

export const name = 'terminal_asks';
export const about = 'A program in the terminal asks it every 15 s where its cursor is, what it is and what colour it has; the page answers by ' +
  'itself. The person leaves.';
export const labels = { person: 'leaves', tab: 'visible', terminal: 'asks' };
export const files = { 'workspace/ask.sh': ask };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  await stage.type('bash ask.sh\n');
  await stage.away(38);
}
