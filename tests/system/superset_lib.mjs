// A world whose type is Superset, and what a student does in its pages.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { World, check, now, root } from './lib.mjs';

const install = path.join(root, 'images/local/install');

export class SupersetWorld extends World {
  // Another file of rules may be planted. Called by make(), behind the choice of folders and ports.
  writeConfig() {
    this.superset ??= execFileSync(install, ['--where'], { encoding: 'utf8' }).trim().split('\n')[3];
    check(fs.existsSync(path.join(this.superset, 'template/superset.db')), `no Superset in ${this.superset}: images/local/install --superset`);
    for (const name of ['profile.json', 'presence.json']) {
      fs.copyFileSync(path.join(root, 'images/superset', name), path.join(this.dir, name));
    }
    this.config = path.join(this.dir, 'controller.conf');
    fs.writeFileSync(this.config, `
state_dir = ${this.state}
listen_agents = tcp://127.0.0.1:${this.agents}
listen_http = 127.0.0.1:${this.http}
listen_storage = 127.0.0.1:${this.storage}
public_host = localhost:${this.port}
agent = ${this.bin}/wsagent
uid_base = ${this.uidBase}
quiet = ${this.quiet}
heartbeat = ${this.heartbeat}

[type superset]
profile = ${this.profile}
bind = ${this.superset}:/run/ws/dist
pool = ${this.pool}
idle = ${this.idle}
disconnected = ${this.disconnected}
`);
  }

  async launch(user) {
    const from = now();
    const res = await this.api('POST', '/v1/workspaces', { user_id: user, workspace_type: 'superset' }, { Prefer: 'wait=60' });
    check(res.status === 200 && res.json.status === 'ready', `launch of ${user}: ${res.status} ${res.text}`);
    return { ...await this.workspace(res.json.id), url: res.json.url, ms: now() - from };
  }

  async why(id) {
    return (await this.api('GET', `/v1/workspaces/${id}/why`)).json;
  }
}

// A request of the page to Superset's API, with the token that it asks for.
export function api(page, method, target, body) {
  return page.evaluate(async ([verb, url, data]) => {
    const token = (await (await fetch('/api/v1/security/csrf_token/')).json()).result;
    const form = data?.csv !== undefined;
    let send;
    if (form) {
      send = new FormData();
      for (const [k, v] of Object.entries(data.fields)) send.append(k, v);
      send.append('file', new Blob([data.csv], { type: 'text/csv' }), 'table.csv');
    } else if (data) {
      send = JSON.stringify(data);
    }
    const res = await fetch(url, { method: verb, body: send, headers: { 'X-CSRFToken': token, ...(form || !data ? {} : { 'Content-Type': 'application/json' }) } });
    const text = await res.text();
    if (!res.ok) throw new Error(`${verb} ${url}: ${res.status} ${text.slice(0, 500)}`);
    return text ? JSON.parse(text) : null;
  }, [method, target, body]);
}

// A table from a small CSV file; its dataset's id.
export async function makeDataset(page, name, csv) {
  const all = await api(page, 'GET', '/api/v1/database/');
  const database = all.result.find((d) => d.database_name === 'Workspace');
  check(database, 'there is no database "Workspace"');
  await api(page, 'POST', `/api/v1/database/${database.id}/upload/`, { csv, fields: { type: 'csv', table_name: name, schema: 'main', delimiter: ',', already_exists: 'fail' } });
  const sets = await api(page, 'GET', '/api/v1/dataset/');
  return { database: database.id, id: sets.result.find((d) => d.table_name === name).id };
}
