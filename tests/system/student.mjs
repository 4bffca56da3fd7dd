// A student as the system tests play one: a process that writes a journal, a page, an open WebSocket.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { check, follow, now, openWebSocket, request, until } from './lib.mjs';

const WRITER = `
n=$1
while :; do
        n=$((n + 1))
        printf '%s %s\\n' "$n" "$EPOCHREALTIME" >>journal.txt
        printf '%s\\n' "$n" >state.new && mv state.new state.txt
        echo "$n"
        sleep 0.05
done`;

// The journal as it is on disk; a gap or a torn line is a failure. {last, at}: number and ms of its end.
export function readJournal(world, task) {
  const file = world.home(task, 'workspace/journal.txt');
  return parseJournal(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');
}

export function parseJournal(text) {
  const lines = text.split('\n').slice(0, -1);
  lines.forEach((line, i) => check(Number(line.split(' ')[0]) === i + 1, `journal line ${i + 1} is "${line}"`));
  const end = lines.at(-1)?.split(' ') ?? ['0', '0'];
  return { last: Number(end[0]), at: Number(end[1]) * 1000 };
}

export class Student {
  constructor(world, user = 'kate') {
    this.world = world;
    this.user = user;
    this.said = 0; // the highest number that the writer has reported as written
  }

  async enter() {
    const from = now();
    Object.assign(this, await this.world.launch(this.user));
    this.readyMs = now() - from;
    this.journal = readJournal(this.world, this.task);
    this.startWriter();
    await this.openPage();
  }

  startWriter() {
    const [cmd, args] = this.world.asStudent(this.task, 'bash', '-c', `cd ~/workspace && ${WRITER}`, 'writer', String(this.journal.last));
    this.writer = spawn(cmd, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.said = this.journal.last;
    let rest = '';
    this.writer.stdout.on('data', (d) => {
      const lines = (rest + d).split('\n');
      rest = lines.pop();
      if (lines.length) this.said = Number(lines.at(-1));
    });
  }

  // As a browser: the link, the cookie, the page, a WebSocket.
  async openPage() {
    const world = this.world;
    const page = await until('the page comes', 20, async () => {
      const p = await follow(world.port, this.url);
      return p.status === 200 && p;
    });
    Object.assign(this, { host: page.host, cookie: page.cookie });
    const base = page.text.match(/(?:stable|oss)-[0-9a-f]{40}/)?.[0];
    check(base, 'the page is not the editor');
    this.socketPath = `/${base}?reconnectionToken=0a0b0c0d-0000-4000-8000-${String(Date.now()).slice(-12)}&reconnection=false&skipWebSocketFrames=false`;
    this.socket?.socket.destroy();
    this.socket = await openWebSocket(world.port, this.host, this.cookie, this.socketPath);
  }

  async serves() {
    const res = await request(this.world.port, { host: this.host, path: '/healthz', headers: { Cookie: this.cookie }, timeout: 3000 });
    return res.status === 200;
  }

  writes(seconds = 10) {
    const from = this.said;
    return until('the writer goes on', seconds, () => this.said > from + 2);
  }
}

// What must hold after a part died that is not the task: same task, same app, page and writer go on.
export async function goesOn(world, student, before, { app = true, socket = true }) {
  await until('the workspace runs and its agent is heard', 30, async () => {
    const ws = await world.workspace(student.id);
    check(ws.state !== 'attention', `attention: ${ws.reason}`);
    return ws.status === 'ready' && ws.heard_s !== null && ws.heard_s < 5;
  });
  const ws = await world.workspace(student.id);
  check(ws.task === before.task, `it moved from ${before.task} to ${ws.task}`);
  await until('the page is served again', 30, () => student.serves());
  // What an app's last life left behind must not take the socket away from the next one.
  check(fs.existsSync(world.inside(ws.task, '/run/ws/app/app.sock')), "the app's socket is gone");
  if (app) check(world.app(ws.task)?.pid === before.app, 'the app was started again');
  if (socket) check(student.socket.open, 'the open WebSocket was cut');
  await student.writes();
  return ws;
}
