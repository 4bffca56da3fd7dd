// A world with a small app for the dashboard's test: three tokens, prices, saves that can be too large.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Browsers, check, root, until, World } from './lib.mjs';

export const TOKENS = { read: 'reader-0123456789abcdef', launch: 'launcher-0123456789abcdef', operate: 'operator-0123456789abcdef' };

const PROFILE = {
  name: 'light', app: { argv: ['python3', '-S', '-E', '/run/ws/dist/standin.py', '${APP_SOCKET}'], path: '/usr/local/bin:/usr/bin:/bin' },
  health: { path: '/healthz' }, prime: { path: '/' }, save: { include: ['.'], exclude: [] },
  save_after: '10m', stop_grace: '2s', kill_grace: '1s',
};

export class Desk extends World {
  writeConfig() {
    this.codeServer = this.standin();
    this.web = path.join(this.dir, 'web');
    fs.writeFileSync(this.profile, JSON.stringify(PROFILE));
    fs.writeFileSync(path.join(this.dir, 'tokens'), Object.entries(TOKENS).map(([role, t]) => `${role}er ${role} ${t}\n`).join(''), { mode: 0o600 });
    super.writeConfig();
    fs.writeFileSync(this.config, fs.readFileSync(this.config, 'utf8')
      .replace('[type vscode]', `token_file = ${this.dir}/tokens\nstorage_max_bytes = 2M\nworkspaces_max = 20000\n\n[type vscode]\ntask_price = 0.05`));
  }

  // Files of the page with a defect in one of them, served from a folder.
  plantWeb(file, from, to) {
    fs.cpSync(path.join(root, 'controller/web'), this.web, { recursive: true });
    const name = path.join(this.web, file), text = fs.readFileSync(name, 'utf8');
    check(text.includes(from), `${file} has no ${from} to be replaced`);
    fs.writeFileSync(name, text.replace(from, to));
    fs.writeFileSync(this.config, `web_dir = ${this.web}\n${fs.readFileSync(this.config, 'utf8')}`);
  }

  async restart(between = () => {}) {
    this.controller.kill('SIGTERM');
    await this.controller.ended;
    await between();
    await this.startController();
  }

  // Rows of people who come and go for a year, put where the controller finds them.
  addWorkspaces(n) {
    const id = (i) => `ws-${i.toString(32).padStart(12, '0').replace(/[0189]/g, (c) => ({ 0: 'w', 1: 'x', 8: 'y', 9: 'z' })[c])}`;
    const now = Date.now() * 1000, lines = ['BEGIN;'];
    for (let i = 0; i < n; i++) {
      const user = `student-${String(i).padStart(5, '0')}`;
      lines.push(`INSERT INTO workspace VALUES('${id(i)}','default','${user}','default','vscode','{"course":"cs${100 + (i % 40)}"}','stopped',1,'',0,0,0,0,'',0,0,0,0,0,'',0,${now - i * 1000000},${now - i * 500000},${now - i * 400000},0,'idle: nobody was there for 30 min; no job',0,0,0);`);
    }
    lines.push('COMMIT;');
    execFileSync('sqlite3', [path.join(this.state, 'state.db')], { input: lines.join('\n') });
  }

  // Its next save is larger than one may be.
  outgrow(task) {
    const file = this.home(task, 'big.bin'), uid = this.taskUid(task);
    execFileSync('dd', ['if=/dev/urandom', `of=${file}`, 'bs=1M', 'count=3', 'status=none']);
    fs.chownSync(file, uid, uid);
  }
}

// One browser with the dashboard in it.
export class Page {
  static async open(world, token, { width = 1280, scheme = 'light', hash = '', virtual = false } = {}) {
    const p = new this();
    p.browsers = new Browsers(world);
    p.context = await p.browsers.start();
    p.world = world;
    p.page = p.context.pages()[0] ?? await p.context.newPage();
    p.errors = [];
    p.page.on('pageerror', (e) => p.errors.push(e.message));
    p.page.on('console', (m) => { if (m.type() === 'error' && !/Failed to load resource|WebSocket/.test(m.text())) p.errors.push(m.text()); });
    p.page.on('request', (r) => { if (!r.url().startsWith(`http://127.0.0.1:${world.http}/`) && !/^(data|chrome|about|ws):/.test(r.url())) p.errors.push(`asks ${r.url()}`); });
    await p.page.setViewportSize({ width, height: 900 });
    await p.page.emulateMedia({ colorScheme: scheme });
    if (virtual) await p.page.clock.install();
    await p.page.goto(`http://127.0.0.1:${world.http}/#token=${token}`);
    await p.live();
    if (hash) await p.go(hash);
    return p;
  }

  live() { return this.page.waitForSelector('#live[data-live=on]'); }

  async go(hash) {
    await this.page.evaluate((h) => { location.hash = h; }, hash);
  }

  tile(name) { return this.page.locator(`[data-tile="${name}"] .value`).innerText(); }

  shows(what, fn) { return until(`the page shows ${what}`, 30, fn, 100); }

  async close() {
    check(this.errors.length === 0, `the page's errors: ${this.errors.join('; ')}`);
    await this.browsers.closeAll();
  }
}
