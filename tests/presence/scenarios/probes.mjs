import http from 'node:http';

// Whatever comes, comes: a probe does not care here.
function ask(options) {
  http.get({ path: '/healthz', timeout: 5000, agent: false, ...options }, (res) => res.resume()).on('error', () => {});
}

export const name = 'probes';
export const about = 'A tab is open and nobody is there; /healthz is asked every 5 s, through nginx and the gate, and at code-server\'s own socket.';
export const labels = { person: 'leaves', tab: 'visible', probes: 'every 5 s' };
export async function run(page, mark, stage) {
  const timer = setInterval(() => {
    ask({ host: '127.0.0.1', port: stage.port, headers: { Host: `ws-a.localhost:${stage.port}` } });
    ask({ socketPath: stage.appSocket });
  }, 5000);
  await stage.begin();
  await stage.minutes(1);
  await stage.away(36);
  clearInterval(timer);
}
