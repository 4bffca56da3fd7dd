const PORT = 3000;

const server = `const fs = require('fs'), http = require('http');
const page = '<!doctype html><title>site</title><h1 id=v></h1><script>' +
  'fetch("text").then((r) => r.text()).then((t) => { v.textContent = t; });' +
  'new EventSource("changes").onmessage = () => location.reload();</script>';
const open = new Set();
http.createServer((req, res) => {
  if (req.url === '/changes') {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform' });
    res.write(': open\\n\\n');
    open.add(res);
    res.on('close', () => open.delete(res));
  } else if (req.url === '/text') {
    res.end(fs.readFileSync('site/text.txt'));
  } else {
    res.writeHead(200, { 'Content-Type': 'text/html' });
    res.end(page);
  }
}).listen(${PORT}, () => fs.writeFileSync('site/ready', ''));
fs.watchFile('site/text.txt', { interval: 500 }, () => { for (const res of open) res.write('data: changed\\n\\n'); });
setInterval(() => console.log(new Date().toISOString(), open.size, 'pages'), 2000);
`;

export const name = 'dev_server';
export const about = 'A dev server with live reload runs in a terminal, its page is open in a second tab in front of the editor, and a ' +
  'process that no page started changes the page\'s file every 20 s. The person leaves.';
export const labels = { person: 'leaves', tab: 'hidden', terminal: 'prints', proxy: 'reloads by itself' };
export const files = { 'workspace/site/server.js': server, 'workspace/site/text.txt': 'first\n' };
export async function run(page, mark, stage) {
  await stage.begin();
  await stage.terminal();
  await stage.type('node site/server.js\n');
  await stage.written('workspace/site/ready');
  const site = await stage.secondTab(`${stage.url}proxy/${PORT}/`);
  await site.locator('h1').click();
  mark('act', 'clicks into the page of the dev server');
  stage.exec(['sh', '-c', 'while sleep 20; do date >site/text.txt; done']);
  await stage.away(38);
}
