// A PostgreSQL of the test's own, and ways between it and a controller that can be cut.
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { check, freePorts, until, World } from './lib.mjs';

function programs() {
  const base = '/usr/lib/postgresql';
  const versions = fs.existsSync(base) ? fs.readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  check(versions.length, 'no PostgreSQL: images/local/install --test installs it');
  return path.join(base, versions[0], 'bin');
}

export class Postgres {
  // `dir` must not exist yet; it becomes the database's user's.
  static async start(dir) {
    const p = new Postgres();
    Object.assign(p, { dir, bin: programs(), data: path.join(dir, 'data'), log: path.join(dir, 'log') });
    [p.port] = await freePorts(1);
    fs.mkdirSync(dir);
    p.passwordFile = path.join(dir, 'password');
    fs.writeFileSync(p.passwordFile, 'a-secret-of-the-test\n', { mode: 0o600 });
    execFileSync('chown', ['-R', 'postgres', dir]);
    p.asUser(path.join(p.bin, 'initdb'), '-D', p.data, '-U', 'ws', '-A', 'scram-sha-256', '--pwfile', p.passwordFile, '-E', 'UTF8', '--no-sync');
    await p.up();
    p.sql('CREATE DATABASE ws', 'postgres');
    return p;
  }

  static user() {
    const [uid, gid] = ['-u', '-g'].map((o) => execFileSync('id', [o, 'postgres'], { encoding: 'utf8' }).trim());
    return ['--reuid', uid, '--regid', gid, '--clear-groups'];
  }

  asUser(...argv) {
    return execFileSync('setpriv', [...Postgres.user(), ...argv], { encoding: 'utf8', cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async up() {
    const log = fs.openSync(this.log, 'a');
    this.child = spawn('setpriv', [...Postgres.user(), path.join(this.bin, 'postgres'), '-D', this.data, '-p', String(this.port), '-k', this.dir,
      '-c', 'listen_addresses=127.0.0.1'], { stdio: ['ignore', log, log], cwd: '/', detached: true });
    fs.closeSync(log);
    this.child.ended = new Promise((resolve) => this.child.on('exit', resolve));
    await until('the database answers', 30, () => {
      try { return this.sql('SELECT 1', 'postgres').trim() === '1'; } catch { return false; }
    });
  }

  sql(text, db = 'ws') {
    return execFileSync('psql', ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'ws', '-d', db, '-Atqc', text],
      { encoding: 'utf8', env: { ...process.env, PGPASSFILE: '/dev/null', PGPASSWORD: 'a-secret-of-the-test' }, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  // SIGINT: "fast", connections are cut.
  async down() {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGINT');
    await this.child.ended;
  }
}

// One way to the database: everything that goes through it can be cut, as a cable can. What is on its
// way then hangs until the cable is whole again; new connections hang, too.
export class Cable {
  static async lay(port) {
    const c = new Cable();
    c.pairs = new Set();
    c.whole = true;
    c.server = net.createServer((near) => {
      const far = net.connect(port, '127.0.0.1');
      const pair = { near, far };
      c.pairs.add(pair);
      near.pipe(far);
      far.pipe(near);
      for (const s of [near, far]) {
        s.on('error', () => {});
        s.on('close', () => { c.pairs.delete(pair); near.destroy(); far.destroy(); });
      }
      if (!c.whole) { near.pause(); far.pause(); near.unpipe(); far.unpipe(); }
    });
    await new Promise((resolve) => c.server.listen(0, '127.0.0.1', resolve));
    c.port = c.server.address().port;
    return c;
  }

  cut() {
    this.whole = false;
    for (const { near, far } of this.pairs) { near.unpipe(far); far.unpipe(near); near.pause(); far.pause(); }
  }

  mend() {
    this.whole = true;
    // What waited in a cut cable is lost: both ends see the connection end.
    for (const { near, far } of this.pairs) { near.destroy(); far.destroy(); }
  }

  remove() {
    for (const { near, far } of this.pairs) { near.destroy(); far.destroy(); }
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// A world whose controller keeps its state in a database of its own.
export class DatabaseWorld extends World {
  static async make(options) {
    const w = await super.make(options);
    // Controllers that share a database share the key; none of them makes it.
    fs.writeFileSync(path.join(w.state, 'master.key'), crypto.randomBytes(32), { mode: 0o600 });
    w.db = await Postgres.start(path.join(w.dir, 'postgres'));
    w.leaseS = options.leaseS ?? 1;
    fs.writeFileSync(w.config, `
store = postgresql://ws@127.0.0.1:${w.db.port}/ws?sslmode=disable
store_password_file = ${w.db.passwordFile}
lease = ${w.leaseS}s
${fs.readFileSync(w.config, 'utf8')}`);
    return w;
  }

  // On a busy machine a start takes what it takes.
  launch(user) {
    return until(`${user}'s editor is ready`, 150, () => super.launch(user));
  }

  async close(failed) {
    await this.endPrograms?.();
    await super.close(failed);
    await this.db.down();
  }
}
