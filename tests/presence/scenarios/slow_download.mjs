const RATE = 600000; // bytes per second
const PORT = 8099;

const server = `import http.server, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        rate, total = int(sys.argv[2]), int(sys.argv[3])
        self.send_response(200)
        self.send_header("Content-Length", str(total))
        self.end_headers()
        begin, sent = time.monotonic(), 0
        while sent < total:
            due = min(total, int((time.monotonic() - begin) * rate))
            self.wfile.write(bytes(due - sent))
            sent = due
            time.sleep(0.1)
    def log_message(self, *args):
        pass
s = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Slow)
open("/home/student/serves", "w").close()
s.serve_forever()
`;

export const name = 'slow_download';
export const about = 'A person starts a download of 12 minutes in the terminal, 600 KB a second from a server that no page started, and closes the tab '
  + '30 s later. Written after the rules were frozen.';
export const labels = { person: 'leaves', tab: 'closed', job: 'download', written: 'after the rules were frozen' };
export const files = { 'serve.py': server };
export async function run(page, mark, stage) {
  stage.exec(['python3', '/home/student/serve.py', String(PORT), String(RATE), String(Math.round(RATE * 720 * stage.scale))]);
  await stage.written('serves');
  await stage.begin();
  await stage.terminal();
  await stage.type(`curl -o data.bin http://127.0.0.1:${PORT}/data.bin && touch downloaded\n`);
  mark('job', 'download');
  await stage.minutes(0.5);
  await stage.closeTab();
  await stage.detach();
  await stage.written('workspace/downloaded');
  mark('job_end', 'download');
  await stage.away(33.5);
}
