const spinner = `import itertools, sys, time
for i, c in enumerate(itertools.cycle("|/-\\\\")):
    sys.stdout.write("\\r%s %d\\x1b]0;spins %d\\x07" % (c, i, i))
    if i % 100 == 0:
        sys.stdout.write("\\x07\\x1b[6n\\x1b[c\\x1b]11;?\\x07")
    sys.stdout.flush()
    time.sleep(0.2)
`;

// A page of a student's own program, as development servers serve it: it asks, it reports by POST, it loads itself again.
const server = `import http.server
PAGE = b"""<!doctype html><h1>app</h1><script>
setInterval(() => fetch('state'), 5000);
setInterval(() => fetch('socket.io/?EIO=4&transport=polling&sid=x', { method: 'POST', body: '3' }), 25000);
setInterval(() => navigator.sendBeacon('metrics', 'alive'), 60000);
setTimeout(() => location.reload(), 150000);
</script>"""
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 3000), App).serve_forever()
`;

const tasks = { version: '2.0.0', tasks: [{ label: 'watch', type: 'shell', command: 'while sleep 45; do echo begins; echo "a.js(1,1): error X1: y"; echo ends; done',
  isBackground: true, runOptions: { runOn: 'folderOpen' }, presentation: { reveal: 'always' },
  problemMatcher: { owner: 'x', pattern: { regexp: '^(.*)\\((\\d+),(\\d+)\\): error (.*)$', file: 1, line: 2, column: 3, message: 4 },
    background: { activeOnStart: true, beginsPattern: 'begins', endsPattern: 'ends' } } }] };

export const name = 'noise_programs';
export const about = 'A spinner with bells and questions in the terminal, a background task with a problem matcher that starts by itself, a script that '
  + 'changes the open file every 50 s, and in a second tab the page of a development server that asks, reports by POST and loads itself again. '
  + 'The person leaves. Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'hidden', program: 'spinner', written: 'after the rules were frozen' };
export const settings = { 'task.allowAutomaticTasks': 'on', 'terminal.integrated.enableBell': true };
export const files = { 'workspace/spinner.py': spinner, 'serve.py': server, 'workspace/.vscode/tasks.json': JSON.stringify(tasks),
  'workspace/app.log': 'log\n'.repeat(100) };
export async function run(page, mark, stage) {
  stage.exec(['python3', '/home/student/serve.py']);
  stage.exec(['sh', '-c', 'while sleep 50; do date >>app.log; done']);
  await stage.begin('app.log');
  await stage.terminal();
  await stage.type('python3 spinner.py\n');
  await stage.secondTab(`${stage.url}proxy/3000/`);
  await stage.away(38);
}
