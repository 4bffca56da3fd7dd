// A person at a terminal that no page started: what is typed goes to the terminal's master side, key by key.
import { sleep } from '../system/lib.mjs';

const program = `import os, pty, select, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    ready, _, _ = select.select([0, master], [], [])
    if master in ready and not os.read(master, 65536):
        break
    if 0 in ready:
        keys = os.read(0, 4096)
        if not keys:
            break
        os.write(master, keys)
`;

export const keyboardFile = { '.keyboard.py': program };

// Start argv on a new terminal; gives the function that types a text there and marks it.
export function keyboard(stage, argv) {
  const child = stage.exec(['python3', '/home/student/.keyboard.py', ...argv]);
  return async (text) => {
    for (const key of text) {
      child.stdin.write(key);
      await sleep(110);
    }
    stage.mark('act', `types ${JSON.stringify(text)}`);
  };
}
