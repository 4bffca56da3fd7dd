const build = `import hashlib, os, sys, time
end = time.monotonic() + float(sys.argv[1])
os.makedirs("out", exist_ok=True)
n = 0
while time.monotonic() < end:
    until = time.monotonic() + 1  # computes for a second, waits for a second as for a disk
    while time.monotonic() < until:
        hashlib.sha256(bytes(100000)).hexdigest()
    n += 1
    open("out/object%d.o" % (n % 50), "wb").write(os.urandom(20000))
    print("compiled", n, flush=True)
    time.sleep(1)
open("out/done", "w").write("done")
`;

export const name = 'build_closed';
export const about = 'A person starts a build of 12 minutes and closes the tab 30 s later.';
export const labels = { person: 'leaves', tab: 'closed', job: 'build' };
export const files = { 'workspace/build.py': build };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  await stage.type(`python3 build.py ${720 * stage.scale}\n`);
  mark('job', 'build');
  await stage.minutes(0.5);
  await stage.closeTab();
  await stage.detach();
  await stage.written('workspace/out/done');
  mark('job_end', 'build');
  await stage.away(36);
}
