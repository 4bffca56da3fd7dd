// The two kinds of small tasks for tests/bench/limited: containers of a Docker Engine, and processes in control groups.
import fs from 'node:fs';
import path from 'node:path';
import { World, check } from '../system/lib.mjs';
import { contained } from '../system/docker.mjs';
import { SupersetWorld } from '../system/superset_lib.mjs';

export const LIMITS = { memory: '1G', cpu: '0.5', pids: '512' };
const NANO_CPUS = 0.5e9, BYTES = 2 ** 30, PERIOD_US = 100000;
const GROUPS = '/sys/fs/cgroup';
const LOOK_MS = 20;

const type = (name, lines, pool) => `\n[type ${name}]\n${lines}\npool = ${pool}\nidle = 30m\nlaunch_timeout = 10m\n`;
const number = (text, pattern) => Number(text.match(pattern)?.[1] ?? NaN);

function readGroup(dir, names) {
  for (const n of names) try { return fs.readFileSync(path.join(dir, n), 'utf8'); } catch { /* the other version of control groups */ }
  return '';
}

// What the kernel says of a group: how often it was held back, and the most memory it had.
const counted = (cpu, memory) => ({ throttled: number(readGroup(cpu, ['cpu.stat']), /^nr_throttled (\d+)/m),
  peakMb: number(readGroup(memory, ['memory.max_usage_in_bytes', 'memory.peak']), /(\d+)/) / BYTES * 1024 });

// code-server in a container; the limits are the engine's.
export class Containers extends contained(World) {
  limits = LIMITS;

  writeConfig() {
    this.writeConfigOf(type('warm', this.typeLines(), 1) + type('cold', this.typeLines(), 0));
  }

  held(task) {
    return this.heldContainer(this.container(task).id);
  }

  heldContainer(id) {
    const set = JSON.parse(this.docker('inspect', '-f', '{{json .HostConfig}}', id));
    check(set.NanoCpus === NANO_CPUS && set.Memory === BYTES, `the limits are not in force: ${set.NanoCpus} of a billion CPUs, ${set.Memory} bytes`);
    const pid = this.docker('inspect', '-f', '{{.State.Pid}}', id);
    const groups = fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n').map((l) => l.split(':'));
    const dir = (controller) => {
      const [, name, at] = groups.find((g) => g[1].split(',').includes(controller)) ?? groups.find((g) => g[1] === '');
      return path.join(GROUPS, name, at);
    };
    return counted(dir('cpu'), dir('memory'));
  }
}

// Superset as processes; each task is put in control groups of its own as soon as it is there.
export class Processes extends SupersetWorld {
  groups = new Map(); // of tasks that are in theirs
  made = new Set();

  writeConfig() {
    super.writeConfig();
    const lines = (dir) => this.typeLines(path.join(this.dir, dir, 'profile.json'), this.superset);
    this.writeConfigOf(type('warm', lines('.'), 1) + type('plain', lines('plain'), 0) + type('cold', lines('.'), 0));
    this.v1 = fs.existsSync(path.join(GROUPS, 'cpu/cpu.cfs_quota_us'));
    if (!this.v1) fs.writeFileSync(path.join(GROUPS, 'cgroup.subtree_control'), '+cpu +memory');
    this.watch = setInterval(() => this.aliveTasks().forEach((t) => this.confine(t)), LOOK_MS);
  }

  makeGroup(task) {
    const name = `ws-${path.basename(this.dir)}-${task}`;
    const dirs = this.v1 ? ['cpu', 'memory'].map((c) => path.join(GROUPS, c, name)) : [path.join(GROUPS, name)];
    dirs.forEach((d) => { fs.mkdirSync(d, { recursive: true }); this.made.add(d); });
    if (this.v1) {
      fs.writeFileSync(path.join(dirs[0], 'cpu.cfs_quota_us'), String(PERIOD_US / 2));
      fs.writeFileSync(path.join(dirs[1], 'memory.limit_in_bytes'), String(BYTES));
    } else {
      fs.writeFileSync(path.join(dirs[0], 'cpu.max'), `${PERIOD_US / 2} ${PERIOD_US}`);
      fs.writeFileSync(path.join(dirs[0], 'memory.max'), String(BYTES));
    }
    return dirs;
  }

  // All that a task has started by now; what these start is in the group from its beginning.
  confine(task) {
    if (this.groups.has(task)) return;
    try {
      const pids = this.inTask(task).map((p) => p.pid);
      const dirs = this.makeGroup(task);
      for (const pid of pids) for (const d of dirs) fs.writeFileSync(path.join(d, 'cgroup.procs'), String(pid));
      if (this.inTask(task).every((p) => pids.includes(p.pid) || this.isIn(p.pid, task))) this.groups.set(task, dirs);
    } catch { /* it is starting or ending; looked at again */ }
  }

  isIn(pid, task) {
    return fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`ws-${path.basename(this.dir)}-${task}`);
  }

  held(task) {
    const dirs = this.groups.get(task);
    check(dirs && this.inTask(task).every((p) => this.isIn(p.pid, task)), `the limits are not in force: not all of ${task} is in its group`);
    return counted(dirs[0], dirs.at(-1));
  }

  async close(failed) {
    clearInterval(this.watch);
    await super.close(failed);
    for (const d of this.made) try { fs.rmdirSync(d); } catch { console.log(`left: ${d}`); }
  }
}
