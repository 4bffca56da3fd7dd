// A shell loop that compiles for most of an hour: many short processes, none of which lives long.
const build = `#!/bin/bash
n=0
end=$((SECONDS + $1))
mkdir -p out
while [ $SECONDS -lt $end ]; do
  n=$((n + 1))
  head -c 3000000 /dev/urandom | sha256sum > out/object$((n % 50)).o
  gzip -9 -c /usr/lib/x86_64-linux-gnu/libc.so.6 > out/lib.gz
  echo "built $n"
  sleep 0.5
done
echo done > out/done
`;

export const name = 'long_build';
export const about = 'A build of 40 minutes, longer than the limit, made of short-lived processes; the tab is closed after 30 s. '
  + 'Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'closed', job: 'build', written: 'after the rules were frozen' };
export const files = { 'workspace/build.sh': build };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  await stage.type(`bash build.sh ${Math.round(2400 * stage.scale)}\n`);
  mark('job', 'build');
  await stage.minutes(0.5);
  await stage.closeTab();
  await stage.detach();
  await stage.written('workspace/out/done');
  mark('job_end', 'build');
  await stage.away(8);
}
