const watcher = `import hashlib, os, time
seen = 0
while True:
    now = max(os.stat(os.path.join("src", f)).st_mtime for f in os.listdir("src"))
    if now != seen:
        seen = now
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            hashlib.sha256(bytes(100000)).hexdigest()
        for i in range(20):
            print("compiled module", i, flush=True)
        open("bundle.js", "w").write(str(now))
    time.sleep(0.5)
`;

export const name = 'compile_watcher';
export const about = 'A watcher in the terminal that listens on no port compiles for 1.5 s whenever a source changes, which a background process '
  + 'makes happen every minute. Nobody is there. Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'visible', program: 'watcher', written: 'after the rules were frozen' };
export const files = { 'workspace/watcher.py': watcher, 'workspace/src/a.js': 'let a = 1;\n' };
export async function run(page, mark, stage) {
  stage.exec(['sh', '-c', 'while sleep 60; do date >>src/a.js; done']);
  await stage.begin();
  await stage.terminal();
  await stage.type('python3 watcher.py\n');
  await stage.away(38);
}
