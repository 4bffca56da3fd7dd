// Limits of memory and processes, met by a student's programs and by the container as a whole.
//
// A student's program that takes more memory than the task has is killed and the workspace goes on, page
// and all; the operator's log says so. When the kernel takes the first process instead (we tell it
// to prefer that one), the container ends, the history says why, and the work is there on another task.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { check, main, Steps, until } from './lib.mjs';
import { goesOn, Student } from './student.mjs';

const HOG = "python3 -c 'b = [bytearray(32 << 20) for _ in range(400)]'";

const FORKS = `
import os, time
n = 0
try:
    while n < 700:
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
        n += 1
    print("room")
except OSError:
    print("limit", n)`;

function asStudent(world, task, script) {
  const [cmd, args] = world.asStudent(task, 'bash', '-c', script);
  // The limits are the container's only for what is in its control groups.
  const dirs = fs.readFileSync(`/proc/${world.taskPid(task)}/cgroup`, 'utf8').trim().split('\n').map((line) => line.split(':'));
  const join = dirs.map(([, names, p]) => `for d in /sys/fs/cgroup/${names}${p} /sys/fs/cgroup/${names.replace('name=', '')}${p} /sys/fs/cgroup${p}; do ` +
    '[ -w $d/cgroup.procs ] && echo $$ >$d/cgroup.procs; done 2>/dev/null').join('; ');
  return spawnSync('bash', ['-c', `${join}; exec "$@"`, 'join', cmd, ...args], { encoding: 'utf8', timeout: 120000 });
}

await main({ name: 'oom', pool: 1, saveAfter: '2s' }, async (world) => {
  const steps = new Steps();
  const student = new Student(world);
  check(world.containers, 'this test is for --provider docker');
  await steps.take('controller, storage and nginx start', () => world.start());
  await world.warm();
  await student.enter();
  const before = { task: student.task, app: world.app(student.task)?.pid };

  await steps.take("a student's program takes too much memory: it alone is killed", async () => {
    const r = asStudent(world, student.task, `${HOG}; echo "status $?"`);
    check(/status 137/.test(r.stdout), `the program was not killed: ${r.stdout} ${r.stderr}`);
    await until("the operator's log says so", 30, () => world.logTail(300).includes('killed a process of a task at its memory limit'));
    await goesOn(world, student, before, {});
  });
  await steps.take('it starts too many processes: it alone fails', async () => {
    const r = asStudent(world, student.task, `python3 -c '${FORKS}'`);
    check(/^limit [1-4][0-9]*$/m.test(r.stdout), `no limit was met: ${r.stdout} ${r.stderr.slice(0, 300)}`);
    await goesOn(world, student, before, {});
  });
  await steps.take('the kernel takes the first process: the container ends, the work comes back', async () => {
    const seen = (await world.workspace(student.id)).save;
    await until('a save holds what was written', 60, async () => {
      const save = (await world.workspace(student.id)).save;
      return save && save.seq > (seen?.seq ?? 0) + 1;
    });
    fs.writeFileSync(`/proc/${world.taskPid(student.task)}/oom_score_adj`, '1000');
    asStudent(world, student.task, HOG);
    await until('the lost task was noticed', 60, async () => (await world.workspace(student.id)).task !== before.task);
    await until('the workspace is stopped', 60, async () => (await world.workspace(student.id)).state === 'stopped');
    const events = await world.wsctl('events');
    check(/killed it at its memory limit of 1024 MB/.test(events), `the history does not say why:\n${events.split('\n').slice(-8).join('\n')}`);
    await student.enter();
    check(student.task !== before.task && student.journal.last > 0, 'nothing came back');
  });
  student.socket.socket.destroy();
  await steps.take('shutdown: no container, volume or process is left', () => world.shutdown());
  return 4;
});
