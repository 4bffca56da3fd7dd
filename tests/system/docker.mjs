// Tasks as containers of a Docker Engine that the test starts: what is otherwise in a World. The image is
// images/code-server's (or `imageName`'s), built from a Debian tree into a store that stays in the cache folder.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { check, Failure, root, until } from './lib.mjs';

const LABEL = 'workspaces.task';
const STUDENT = 1000; // in the image
export const LIMITS = { memory: '1G', cpu: '2', pids: '512' };

// End the test as skipped: this machine cannot run an engine.
function skip(text) {
  console.log(text.trim() || 'SKIP: no Docker Engine here');
  console.log('0 passed, 0 failed, 1 skipped');
  process.exit(0);
}

export const contained = (Base) => class extends Base {
  imageName = this.imageName ?? 'code-server'; // a folder of images/
  image = `workspaces/${this.imageName}:test`;
  limits = { ...LIMITS, ...this.limits };

  async prepare() {
    await super.prepare();
    this.engineRun = path.join(this.dir, 'e');
    const r = spawnSync(path.join(root, 'images/local/engine'), ['start', this.engineRun], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (r.status === 77) {
      fs.rmSync(this.dir, { recursive: true, force: true });
      skip(r.stdout);
    }
    check(r.status === 0, `the engine does not start: ${r.stdout}`);
    [this.socket, this.inner] = r.stdout.trim().split(' ');
    try {
      this.docker('rm', '-f', '-v', ...this.docker('ps', '-aq').split('\n').filter(Boolean)); // of a test that was cut short
    } catch { /* none */ }
    this.buildImage();
  }

  docker(...args) {
    return execFileSync('docker', args, { encoding: 'utf8', env: { ...process.env, DOCKER_HOST: `unix://${this.socket}` }, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  buildImage() {
    const r = spawnSync(path.join(root, `images/${this.imageName}/build`), ['--tree', '--tag', this.image, '--bin', this.bin],
      { encoding: 'utf8', env: { ...process.env, DOCKER_HOST: `unix://${this.socket}`, EXTENSIONS: '' }, stdio: ['ignore', 'pipe', 'inherit'] });
    if (r.status !== 0) {
      spawnSync(path.join(root, 'images/local/engine'), ['stop', this.engineRun]);
      throw new Failure('the image could not be built');
    }
    this.docker('image', 'prune', '-f'); // what was built from agents of before
  }

  providerLines() {
    return `provider = docker\ndocker_socket = ${this.socket}`;
  }

  // The image with a profile and rules of the folder `dir`.
  ruledLines(dir) {
    const p = JSON.parse(fs.readFileSync(path.join(dir, 'profile.json'), 'utf8'));
    p.limits = { processes: 0 }; // see images/common/build.sh
    fs.writeFileSync(path.join(dir, 'profile.json'), JSON.stringify(p));
    return `${this.typeLines()}\nbind = ${dir}:/run/ws/profile\nprofile = /run/ws/profile/profile.json`;
  }

  typeLines(profile = this.profile, app) {
    const lines = [`image = ${this.image}`, ...Object.entries(this.limits).map(([k, v]) => `${k} = ${v}`)];
    if (app) {
      lines.push(`bind = ${app}:/run/ws/dist`, `profile = /run/ws/dist/${path.basename(profile)}`);
    } else if (this.saveAfter) {
      // The image's profile, but for one line.
      const dir = path.join(this.dir, 'profile');
      fs.mkdirSync(dir, { recursive: true });
      const p = JSON.parse(fs.readFileSync(profile, 'utf8'));
      p.app.env.NODE_COMPILE_CACHE = '/opt/ws/node-compile-cache';
      p.limits = { processes: 0 };
      fs.writeFileSync(path.join(dir, 'profile.json'), JSON.stringify(p));
      fs.copyFileSync(path.join(this.dir, 'presence.json'), path.join(dir, 'presence.json'));
      lines.push(`bind = ${dir}:/run/ws/profile`, 'profile = /run/ws/profile/profile.json');
    }
    return lines.join('\n');
  }

  // Of every container of ours: id, task, state.
  containers() {
    return this.docker('ps', '-a', '--no-trunc', '--filter', `label=${LABEL}`, '--format', `{{.ID}} {{.Label "${LABEL}"}} {{.State}}`)
      .split('\n').filter(Boolean).map((line) => { const [id, task, state] = line.split(' '); return { id, task, state }; });
  }

  container(task) {
    const c = this.containers().find((x) => x.task === task);
    check(c, `the task ${task} has no container`);
    return c;
  }

  agentLog(task) {
    const r = spawnSync('docker', ['logs', this.container(task).id], { encoding: 'utf8', env: { ...process.env, DOCKER_HOST: `unix://${this.socket}` } });
    return r.stdout + r.stderr;
  }

  pids = new Map();

  taskPid(task) {
    const known = this.pids.get(task);
    if (known) {
      // The number may be another process's by now.
      try { if (fs.readFileSync(`/proc/${known.pid}/cgroup`, 'utf8').includes(known.id)) return known.pid; } catch { /* dead */ }
      this.pids.delete(task);
    }
    const { id } = this.container(task);
    const pid = Number(this.docker('inspect', '-f', '{{.State.Pid}}', id));
    check(pid > 0, `the task ${task} is dead`);
    this.pids.set(task, { id, pid });
    return pid;
  }

  taskUid() {
    return STUDENT;
  }

  inside(task, p) {
    return path.join(`/proc/${this.taskPid(task)}/root`, p);
  }

  exists(task) {
    return this.containers().some((c) => c.task === task);
  }

  aliveTasks() {
    return this.containers().filter((c) => c.state === 'running').map((c) => c.task);
  }

  // By their control group: what runs below a container of this engine.
  ours() {
    const ids = new Set(this.containers().map((c) => c.id));
    return this.processes().filter((p) => {
      try {
        const id = fs.readFileSync(`/proc/${p.pid}/cgroup`, 'utf8').match(/[0-9a-f]{64}/)?.[0];
        return (id && ids.has(id)) || (p.uid >= this.uidBase && p.uid < this.uidBase + 400);
      } catch {
        return false;
      }
    });
  }

  // A container that has ended and stays is left over, too.
  orphans() {
    const left = this.containers().filter((c) => c.state !== 'running' && c.state !== 'created').map((c) => ({ pid: 0, cmd: `container of ${c.task}, ${c.state}` }));
    return [...super.orphans(), ...left];
  }

  async shutdown() {
    await super.shutdown();
    await until('no container is left', 20, () => this.containers().length === 0);
    const volumes = this.docker('volume', 'ls', '-q');
    check(volumes === '', `volumes are left: ${volumes}`);
  }

  killTasks() {
    if (this.socket) spawnSync(path.join(root, 'images/local/engine'), ['stop', this.engineRun]);
  }
};
