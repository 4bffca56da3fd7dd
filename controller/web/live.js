// The history as it happens: a WebSocket, or server-sent events where a proxy or the token does not let one
// through. It comes back by itself and goes on behind the last event it has seen.
import { token } from './api.js';

const BACK_MS = [500, 1000, 2000, 5000, 10000, 15000];

export class Live {
  constructor({ onEvent, onState }) {
    Object.assign(this, { onEvent, onState, last: 0, tries: 0, failedOpens: 0, state: 'off', since: null, running: false });
  }

  start(after) {
    this.stop();
    this.last = after;
    this.running = true;
    this.open();
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    this.socket?.close();
    this.abort?.abort();
  }

  // Now, and not when the pause is over.
  again() {
    if (!this.running || this.state === 'on') return;
    clearTimeout(this.timer);
    this.open();
  }

  open() {
    if (this.state !== 'on') this.tell('wait');
    const plain = /^[A-Za-z0-9._~+-]+$/.test(token.get());
    if (plain && this.failedOpens < 2) this.openSocket();
    else this.openStream();
  }

  tell(state, nextMs = 0) {
    if (state === 'off' && this.state !== 'off') this.since = new Date();
    if (state === 'on') this.since = null;
    this.state = state;
    this.onState({ state, since: this.since, nextMs });
  }

  opened() {
    this.tries = 0;
    this.failedOpens = 0;
    this.tell('on');
  }

  lost() {
    if (!this.running) return;
    const ms = BACK_MS[Math.min(this.tries++, BACK_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.tell('off', ms);
    this.timer = setTimeout(() => this.open(), ms);
  }

  take(text) {
    const event = JSON.parse(text);
    this.last = event.seq ?? event.missed_to ?? this.last;
    this.onEvent(event);
  }

  openSocket() {
    const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/events/ws?after=${this.last}`;
    const socket = new WebSocket(url, ['workspaces.v1', `bearer.${token.get()}`]);
    let open = false;
    this.socket = socket;
    socket.onopen = () => { open = true; this.opened(); };
    socket.onmessage = (m) => { if (socket === this.socket) this.take(m.data); };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      if (!open) this.failedOpens++;
      this.lost();
    };
  }

  async openStream() {
    const abort = new AbortController();
    this.abort = abort;
    try {
      const response = await fetch(`/v1/events/stream?after=${this.last}`, { headers: { Authorization: `Bearer ${token.get()}` }, cache: 'no-store',
        credentials: 'omit', signal: abort.signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      this.opened();
      this.failedOpens = 2;
      await this.readStream(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch { /* below */ }
    if (abort === this.abort && !abort.signal.aborted) {
      this.failedOpens = 0; // the next one tries a WebSocket again
      this.lost();
    }
  }

  async readStream(reader) {
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split('\n\n');
      rest = parts.pop();
      for (const part of parts) {
        const data = part.split('\n').find((l) => l.startsWith('data: '));
        if (data) this.take(data.slice(6));
      }
    }
  }
}
