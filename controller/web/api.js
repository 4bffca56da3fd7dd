// The one way to the controller. The token is kept in this tab's sessionStorage and goes nowhere but into the
// header of requests to this very address: a cookie would be sent by every page of a workspace too, which is a
// sibling host.

const KEY = 'workspaces-api-token';

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (t) => sessionStorage.setItem(KEY, t),
  forget: () => sessionStorage.removeItem(KEY),
  // #token=… of a link that was printed: taken, and gone from the address and the history.
  fromAddress() {
    const m = /^#token=(.+)$/.exec(location.hash);
    if (!m) return false;
    this.set(decodeURIComponent(m[1]));
    history.replaceState(null, '', `${location.pathname}${location.search}#/`);
    return true;
  },
};

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail ? `${problem.detail}${problem.hint ? ` – ${problem.hint}` : ''}` : `the controller answered ${status}`);
    Object.assign(this, { status, code: problem?.code ?? '', problem });
  }
}

// Who we are: {name, roles}; null when signed out.
export const me = { name: '', roles: [] };
export const may = (...roles) => roles.some((r) => me.roles.includes(r));

const once = () => [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, '0')).join('');

export async function api(method, path, body, { wait = 0, signal } = {}) {
  const headers = { Authorization: `Bearer ${token.get()}` };
  if (body) headers['Content-Type'] = 'application/json';
  if (wait) headers.Prefer = `wait=${wait}`;
  if (method === 'POST') headers['Idempotency-Key'] = once();
  const response = await fetch(path, { method, headers, cache: 'no-store', credentials: 'omit', signal: signal ?? AbortSignal.timeout((wait + 20) * 1000),
    body: body ? JSON.stringify(body) : undefined });
  const text = await response.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { /* a proxy's own page */ }
  if (!response.ok) throw new ApiError(response.status, json);
  return json;
}

export const get = (path, options) => api('GET', path, undefined, options);
