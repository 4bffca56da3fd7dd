// A TCP relay in front of the gate that writes down what the client sends, byte for byte, with times, and of the other
// direction the heads of answers and byte counts. It can also be a bad network: cut off, or silent as if asleep.
import fs from 'node:fs';
import net from 'node:net';

export const nowMs = () => Number(process.hrtime.bigint() / 1000000n);

export class Recorder {
  static async start(gatePort, dir) {
    const r = new Recorder();
    Object.assign(r, { gatePort, next: 1, pairs: new Map(), mode: 'open',
      bytes: fs.createWriteStream(`${dir}/streams.bin`), events: fs.createWriteStream(`${dir}/relay.jsonl`) });
    r.server = net.createServer({ allowHalfOpen: true }, (client) => r.accept(client));
    await new Promise((resolve, reject) => r.server.on('error', reject).listen(0, '127.0.0.1', resolve));
    r.port = r.server.address().port;
    return r;
  }

  emit(e, fields) {
    this.events.write(`${JSON.stringify({ t: nowMs(), e, ...fields })}\n`);
  }

  accept(client) {
    if (this.mode === 'cut') {
      client.destroy();
      return;
    }
    const c = this.next++;
    const server = net.connect({ host: '127.0.0.1', port: this.gatePort, allowHalfOpen: true });
    this.pairs.set(c, { client, server });
    this.emit('open', { c });
    client.on('data', (d) => {
      this.emit('up', { c, n: d.length });
      this.bytes.write(d);
      if (!server.write(d)) client.pause();
    });
    server.on('drain', () => client.resume());
    // What an answer's head may look like is short; a body that begins so is written down too and does no harm.
    server.on('data', (d) => {
      const head = d.subarray(0, 9).toString('latin1') === 'HTTP/1.1 ' ? d.toString('latin1').split('\r\n\r\n', 1)[0].slice(0, 4000) : undefined;
      this.emit('down', { c, n: d.length, ...(head ? { head } : {}) });
      if (!client.write(d)) server.pause();
    });
    client.on('drain', () => server.resume());
    client.on('end', () => { this.emit('end', { c }); server.end(); });
    server.on('end', () => { this.emit('down_end', { c }); client.end(); });
    const gone = () => {
      if (!this.pairs.delete(c)) return;
      this.emit('close', { c });
      client.destroy();
      server.destroy();
    };
    for (const s of [client, server]) s.on('error', gone).on('close', gone);
  }

  // The network is gone: connections are reset and new ones refused, until restore().
  cut() {
    this.mode = 'cut';
    for (const { client, server } of [...this.pairs.values()]) {
      client.destroy();
      server.destroy();
    }
  }

  restore() {
    this.mode = 'open';
  }

  async stop() {
    this.cut();
    this.server.close();
    await Promise.all([this.bytes, this.events].map((s) => new Promise((resolve) => s.end(resolve))));
  }
}
