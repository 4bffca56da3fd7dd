// A world whose type is Superset, and what a student does in its pages.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { World, check, now, root, until } from './lib.mjs';

const install = path.join(root, 'images/local/install');

export class SupersetWorld extends World {
  // With provider docker: its own image, profile and rules, as it is built.
  imageName = 'superset';
  limits = { memory: '2G' };

  // A type with a profile and rules of the folder `dir`.
  ruledLines(dir) {
    return this.typeLines(path.join(dir, 'profile.json'), this.superset);
  }

  ownLines() {
    return this.image ? this.typeLines() : this.typeLines(this.profile, this.superset);
  }

  // Called by make(), behind the choice of folders and ports.
  writeConfig() {
    this.superset ??= execFileSync(install, ['--where'], { encoding: 'utf8' }).split('\n').find((d) => path.basename(d).startsWith('superset-'));
    check(fs.existsSync(path.join(this.superset, 'template/superset.db')), `no Superset in ${this.superset}: images/local/install --superset`);
    const read = (name) => JSON.parse(fs.readFileSync(path.join(root, 'images/superset', name), 'utf8'));
    const write = (name, json) => fs.writeFileSync(path.join(this.dir, name), JSON.stringify(json));
    const rules = read('presence.json');
    write('presence.json', rules);
    write('profile.json', read('profile.json'));
    delete rules.log.refresh;
    delete rules.log.refresh_window;
    rules.log.events.machine = rules.log.events.machine.filter((e) => e !== 'periodic_render_dashboard');
    rules.log.events.person.push('periodic_render_dashboard');
    fs.mkdirSync(path.join(this.dir, 'wrong'), { recursive: true });
    write('wrong/profile.json', read('profile.json'));
    write('wrong/presence.json', rules);
    const plain = read('profile.json');
    delete plain.app.ahead;
    fs.mkdirSync(path.join(this.dir, 'plain'), { recursive: true });
    write('plain/profile.json', plain);
    write('plain/presence.json', read('presence.json'));
    this.writeConfigOf(`
[type superset]
${this.ownLines()}
pool = ${this.pool}
launch_timeout = 10m
idle = ${this.idle}
disconnected = ${this.disconnected}

[type plain]
${this.ruledLines(path.join(this.dir, 'plain'))}
pool = 0
launch_timeout = 10m
idle = 30m

[type wrong]
${this.ruledLines(path.join(this.dir, 'wrong'))}
pool = 0
launch_timeout = 10m
idle = 30m
`);
  }

  // The same world, for people of another type: with `wrong`, whose planted rules take a page's own refresh for a person, or
  // `plain`, of which nothing is loaded ahead.
  of(type) {
    return { launch: (user) => this.launch(user, type) };
  }

  async launch(user, type = 'superset') {
    const from = now();
    const res = await until(`the workspace of ${user} is ready`, 120, async () => { // a wait may end early (API.md)
      const r = await this.api('POST', '/v1/workspaces', { user_id: user, workspace_type: type }, { Prefer: 'wait=60' });
      check(r.status === 200 && r.json.status === 'ready', `launch of ${user}: ${r.status} ${r.text}`);
      return r;
    });
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

// What Explore opens with: the rows of the table as they are.
export async function exploreUrl(page, set) {
  const form = { datasource: `${set}__table`, viz_type: 'table', query_mode: 'raw', all_columns: ['name', 'points'], row_limit: 100 };
  const made = await api(page, 'POST', '/api/v1/explore/form_data', { datasource_id: set, datasource_type: 'table', form_data: JSON.stringify(form) });
  return `/explore/?form_data_key=${made.key}&datasource_type=table&datasource_id=${set}`;
}

// The same chart without a person's hands; its id.
export async function makeChart(page, set, name) {
  const params = { datasource: `${set}__table`, viz_type: 'table', query_mode: 'raw', all_columns: ['name', 'points'], row_limit: 100 };
  return (await api(page, 'POST', '/api/v1/chart/', { slice_name: name, viz_type: 'table', datasource_id: set, datasource_type: 'table', params: JSON.stringify(params) })).id;
}

// A dashboard of one chart and one filter that refreshes itself every `refreshS` seconds; its id.
export async function makeDashboard(page, set, chart, refreshS) {
  const parents = ['ROOT_ID', 'GRID_ID'];
  const position = {
    DASHBOARD_VERSION_KEY: 'v2',
    ROOT_ID: { type: 'ROOT', id: 'ROOT_ID', children: ['GRID_ID'] },
    GRID_ID: { type: 'GRID', id: 'GRID_ID', children: ['ROW-1'], parents: ['ROOT_ID'] },
    'ROW-1': { type: 'ROW', id: 'ROW-1', children: ['CHART-1'], parents, meta: { background: 'BACKGROUND_TRANSPARENT' } },
    'CHART-1': { type: 'CHART', id: 'CHART-1', children: [], parents: [...parents, 'ROW-1'], meta: { chartId: chart, width: 6, height: 50, sliceName: 'Points' } },
  };
  const filter = { id: 'NATIVE_FILTER-1', name: 'Who', filterType: 'filter_select', type: 'NATIVE_FILTER', cascadeParentIds: [],
    targets: [{ datasetId: set, column: { name: 'name' } }], defaultDataMask: { extraFormData: {}, filterState: {}, ownState: {} },
    scope: { rootPath: ['ROOT_ID'], excluded: [] }, chartsInScope: [chart], tabsInScope: [],
    controlValues: { multiSelect: true, enableEmptyFilter: false, defaultToFirstItem: false, inverseSelection: false, searchAllOptions: false } };
  const made = await api(page, 'POST', '/api/v1/dashboard/', { dashboard_title: 'Scores', published: true, position_json: JSON.stringify(position),
    json_metadata: JSON.stringify({ refresh_frequency: refreshS, native_filter_configuration: [filter] }) });
  await api(page, 'PUT', `/api/v1/chart/${chart}`, { dashboards: [made.id] });
  return made.id;
}
