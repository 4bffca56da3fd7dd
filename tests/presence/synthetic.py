"""Recordings made by hand, byte for byte as a browser's would be: for tests of the replay itself, in the format of
FORMAT.md. An encoder of its own: it shares nothing with the decoders that it tests.
"""
import json
import os
import struct
import subprocess
import zlib

TOKEN = "11111111-2222-3333-4444-%012d"
MASK = b"\x37\xfa\x21\x3d"


class Writer:
    """Events in any order of time; close() sorts them and writes the folder."""

    def __init__(self, name, labels, minutes):
        self.about = {"format": 1, "name": name, "labels": labels, "about": "made by hand", "duration_ms": int(minutes * 60000),
                      "started": "2026-01-01T00:00:00.000Z"}
        self.events, self.chunks, self.connections = [], [], 0

    def event(self, t, kind, **fields):
        self.events.append((int(t), len(self.events), {"t": int(t), "e": kind, **fields}, b""))

    def up(self, t, c, data):
        self.events.append((int(t), len(self.events), {"t": int(t), "e": "up", "c": c, "n": len(data)}, data))

    def mark(self, t, kind, note=""):
        self.event(t, "mark", k=kind, note=note)

    def open(self, t):
        self.connections += 1
        self.event(t, "open", c=self.connections)
        return self.connections

    def request(self, t, target, method="GET", fields=(), close=True, c=None):
        c = c or self.open(t)
        head = ["%s %s HTTP/1.1" % (method, target), "Host: ws-a.localhost:8080", *fields]
        self.up(t, c, "\r\n".join([*head, "", ""]).encode())
        self.event(t + 5, "down", c=c, n=20, head="HTTP/1.1 200 OK\r\nContent-Length: 0")
        if close:
            self.event(t + 6, "end", c=c)
            self.event(t + 7, "close", c=c)
        return c

    def close(self, folder, pack=True):
        os.makedirs(folder, exist_ok=True)
        ordered = sorted(self.events, key=lambda e: e[:2])
        files = {"events.jsonl": "".join(json.dumps(e[2]) + "\n" for e in ordered).encode(),
                 "streams.bin": b"".join(e[3] for e in ordered)}
        with open(os.path.join(folder, "recording.json"), "w", encoding="utf-8") as f:
            json.dump(self.about, f)
        for name, data in files.items():
            path = os.path.join(folder, name)
            with open(path, "wb") as f:
                f.write(data)
            if pack:
                subprocess.run(["zstd", "-q", "--rm", "-f", path], check=True)
        return folder


class Socket:
    """One WebSocket of the editor: management (1) or extension host (2)."""

    def __init__(self, writer, t, kind, token=1, reconnection="false"):
        self.w, self.kind, self.next, self.z = writer, kind, 1, zlib.compressobj(6, zlib.DEFLATED, -15)
        self.c = writer.open(t)
        writer.up(t, self.c, (
            "GET /stable-0123456789abcdef?reconnectionToken=%s&reconnection=%s&skipWebSocketFrames=false HTTP/1.1\r\n"
            "Host: ws-a.localhost:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Origin: http://ws-a.localhost:8080\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n" % (TOKEN % token, reconnection)).encode())
        writer.event(t + 20, "down", c=self.c, n=200, head="HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                     "Sec-WebSocket-Extensions: permessage-deflate")
        self.control(t + 30, {"type": "auth", "auth": "00000000000000000000", "data": "x"})
        self.control(t + 40, {"type": "connectionType", "commit": "0123456789abcdef", "signedData": "x", "desiredConnectionType": kind})
        if kind == 1:
            self.regular(t + 50, value({"remoteAuthority": "ws-a.localhost:8080", "clientId": "renderer"}))
        else:
            self.regular(t + 50, b'{"commit":"0123456789abcdef","version":"1.139.1"}')

    def send(self, t, data):
        packed = self.z.compress(data) + self.z.flush(zlib.Z_SYNC_FLUSH)
        packed = packed[:-4]
        n = len(packed)
        head = bytes([0xC2])
        head += bytes([0x80 | n]) if n < 126 else bytes([0x80 | 126]) + struct.pack(">H", n)
        masked = bytes(b ^ MASK[i % 4] for i, b in enumerate(packed))
        self.w.up(t, self.c, head + MASK + masked)

    def message(self, t, kind, data=b"", number=0):
        self.send(t, struct.pack(">BIII", kind, number, 0, len(data)) + data)

    def control(self, t, value_):
        self.message(t, 2, json.dumps(value_).encode())

    def regular(self, t, data):
        self.message(t, 1, data, self.next)
        self.next += 1

    def keep_alive(self, start, end, period=5000):
        for t in range(int(start), int(end), period):
            self.message(t, 9)

    def rpc(self, t, name, args):
        name, args = name.encode(), json.dumps(args, separators=(",", ":")).encode()
        self.regular(t, struct.pack(">BIBB", 1, self.next, 70, len(name)) + name + struct.pack(">I", len(args)) + args)

    def call(self, t, channel, command, arg):
        self.regular(t, value([100, self.next, channel, command]) + value(arg))

    def end(self, t):
        self.w.event(t, "end", c=self.c)
        self.w.event(t, "close", c=self.c)


def vql(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def value(v):
    if isinstance(v, str):
        data = v.encode()
        return b"\x01" + vql(len(data)) + data
    if isinstance(v, int) and not isinstance(v, bool):
        return b"\x06" + vql(v)
    if isinstance(v, list):
        return b"\x04" + vql(len(v)) + b"".join(map(value, v))
    data = json.dumps(v, separators=(",", ":")).encode()
    return b"\x05" + vql(len(data)) + data


class Page:
    """A tab of the editor: two sockets with their keep-alives, and what a tab does by itself every 5 s."""

    def __init__(self, writer, start, end, token=1):
        self.w = writer
        writer.request(start, "/", fields=["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"])
        self.management, self.host = Socket(writer, start + 1000, 1, token), Socket(writer, start + 1100, 2, token + 1)
        self.background(start + 2000, end)

    def background(self, start, end):
        """Collected in order of time, because each socket is one deflate stream: call it last of all that sends."""
        self.start, self.end, self.todo = start, end, []

    def at(self, t, send, *args):
        self.todo.append((t, send, args))

    def active(self, t, on):
        self.at(t, self.host.rpc, "$onDidChangeWindowActive", [on])

    def key(self, t):
        """A key in the editor, as after a pause: the tracker's edge, the change, the cursor."""
        self.active(t, True)
        self.at(t + 5, self.host.rpc, "$acceptModelChanged", ["hello.py", {"changes": []}, True])
        self.at(t + 6, self.host.rpc, "$acceptEditorPropertiesChanged", ["e1", {"selections": {"selections": [], "source": "keyboard"}}])
        self.active(t + 55000, False)

    def typed(self, t, text):
        self.at(t, self.management.call, "remoteterminal", "$input", [1, text])

    def finish(self):
        for t in range(int(self.start), int(self.end), 5000):
            self.at(t, self.management.message, 9)
            self.at(t + 1, self.host.message, 9)
            self.at(t + 2, self.management.call, "remoteFilesystem", "stat", [{"path": "/home/student/workspace"}])
            self.at(t + 3, self.host.rpc, "$onFileEvent", [{"created": [], "changed": [], "deleted": []}])
        for t, send, args in sorted(self.todo, key=lambda x: x[0]):
            send(t, *args)


def away(minutes=45.0, **labels):
    """A person types for half a minute and leaves the tab open."""
    w = Writer("away", {"person": "leaves", **labels}, minutes)
    p = Page(w, 500, minutes * 60000)
    w.mark(500, "act", "opens the page")
    w.mark(30000, "act", "types")
    p.key(30000)
    p.finish()
    return w


def thinks(minutes=45.0, every=4.0):
    """A person presses a key every few minutes, to the end."""
    w = Writer("thinks", {"person": "present"}, minutes)
    p = Page(w, 500, minutes * 60000)
    w.mark(500, "act", "opens the page")
    t = every * 60000
    while t < minutes * 60000 - 1000:
        w.mark(t + 50, "act", "a key")
        p.key(int(t))
        t += every * 60000
    p.finish()
    return w
