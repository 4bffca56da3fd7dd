#!/usr/bin/env python3
"""What a browser said in a recording: the names of all messages to code-server, counted, or with their times.

    names.py [--times [--grep TEXT]] RECORDING_FOLDER…

An independent reading of the protocol (HTTP upgrade, WebSocket, permessage-deflate, 13-byte messages, IPC and RPC names)
that the C decoder is held against. FORMAT.md describes the folder.
"""
import argparse
import collections
import json
import os
import re
import struct
import subprocess
import zlib

TYPES = {2: "Control", 3: "Ack", 5: "Disconnect", 6: "ReplayRequest", 7: "Pause", 8: "Resume", 9: "KeepAlive"}
KINDS = {1: "mgmt", 2: "exthost", 3: "tunnel"}
REPLY = re.compile(  # what a terminal says by itself, being asked
    r"\x1b\[\??\d+;\d+(;\d+)?R|\x1b\[[?>=][\d;]*c|\x1b\[\??[\d;]*n|\x1b\[\??\d+;\d+\$y|\x1b\[[\d;]*t|\x1b\[\?\d+u"
    r"|\x1b\](4|10|11|12);[^\x07\x1b]*(\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\")


def read(folder, name):
    path = os.path.join(folder, name)
    if os.path.exists(path + ".zst"):
        return subprocess.run(["zstdcat", path + ".zst"], check=True, stdout=subprocess.PIPE).stdout
    with open(path, "rb") as f:
        return f.read()


class Value:
    """A serialized IPC value, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = shift = 0
        while True:
            b = self.data[self.at]
            self.at += 1
            value |= (b & 0x7F) << shift
            shift += 7
            if not b & 0x80:
                return value

    def bytes(self):
        n = self.number()
        self.at += n
        return self.data[self.at - n:self.at]

    def next(self):
        tag = self.data[self.at]
        self.at += 1
        if tag == 0:
            return None
        if tag == 1:
            return self.bytes().decode("utf-8", "replace")
        if tag in (2, 3):
            return self.bytes()
        if tag == 4:
            return [self.next() for _ in range(self.number())]
        if tag == 5:
            return json.loads(self.bytes())
        if tag == 6:
            return self.number()
        raise ValueError("tag %d" % tag)


def of_input(text):
    """Typed keys, or only what the terminal answers by itself?"""
    if not isinstance(text, str):
        return ""
    rest = REPLY.sub("", text)
    return " replies" if not rest else " focus" if rest in ("\x1b[I", "\x1b[O") else " keys"


def of_path(arg):
    path = arg.get("path", "") if isinstance(arg, dict) else ""
    if "/workspace" in path and "/.local/" not in path:
        return " workspace"
    m = re.search(r"/\.local/share/code-server/(.*)", path)
    return " " + re.sub(r"[0-9a-f-]{32,}|-?[0-9a-f]{6,}|[0-9TZ]{12,}", "*", m.group(1)) if m else " " + path


def management(body):
    v = Value(body)
    header = v.next()
    if not isinstance(header, list):
        return "hello", header
    if header[0] in (100, 102):
        arg = v.next() if v.at < len(body) else None
        name = "%s%s.%s" % ("listen " if header[0] == 102 else "", header[2], header[3])
        if header[3] in ("$input", "$processBinary"):
            return name + of_input(arg[1]), arg
        if header[2:] == ["telemetry", "logTelemetry"]:
            event = arg[0] if isinstance(arg, list) else arg
            text = event if isinstance(event, str) else json.dumps(event)
            known = re.search(r'"eventName":\s*"(\w+)"', text)
            return name + " " + (known.group(1) if known else text[:40]), arg
        if header[2] == "agentHostProxy":
            known = re.search(r'"method":\s*"(\w+)"', repr(arg).replace("\\", ""))
            return name + (" " + known.group(1) if known else ""), arg
        if header[2] == "remoteFilesystem" and header[3] in ("writeFile", "delete", "mkdir", "rename", "cloneFile", "open"):
            return name + of_path(arg[0] if isinstance(arg, list) and arg else None), arg
        return name, arg
    return {101: "cancel", 103: "dispose", 200: "initialize", 201: "reply", 202: "reply error", 203: "reply error",
            204: "fire"}.get(header[0], "header %r" % header), None


def exthost(body):
    if len(body) == 1:
        return {2: "ready", 1: "initialized", 3: "terminate"}.get(body[0], "byte %d" % body[0]), None
    if body[:1] == b"{":
        return "init", None
    kind = body[0]
    if kind == 5:
        return "acknowledged", None
    if kind == 6:
        return "cancel", None
    if kind >= 7:
        return "reply", None
    n = body[6]
    name, rest = body[7:7 + n].decode("ascii", "replace"), body[7 + n:]
    if kind in (1, 2):
        args = rest[4:4 + struct.unpack(">I", rest[:4])[0]].decode("utf-8", "replace")
    else:
        args = rest.decode("utf-8", "replace")
    if name in ("$onDidChangeWindowActive", "$onDidChangeWindowFocus"):
        return name + args, args
    if name == "$acceptEditorPropertiesChanged":
        source = re.search(r'"source":"(\w+)"', args)
        return name + " " + (source.group(1) if source else "selections" if '"selections":{' in args else "ranges"), args
    if name == "$participateInSave":
        return name + " reason" + args.rsplit(",", 1)[-1].rstrip("]"), args
    if name == "$executeContributedCommand":
        return name + " " + args[1:60].split(",")[0], args
    return name, args


class Connection:
    def __init__(self, number, say, seen):
        self.number, self.say, self.seen = number, say, seen
        self.data, self.websocket, self.inflate, self.stream = bytearray(), False, zlib.decompressobj(-15), bytearray()
        self.rsv1, self.kind, self.token, self.body = False, None, "", 0

    def feed(self, t, data):
        self.data += data
        while self.frame(t) if self.websocket else self.request(t):
            pass

    def request(self, t):
        if self.body:
            n = min(self.body, len(self.data))
            del self.data[:n]
            self.body -= n
            return n > 0 and len(self.data) > 0
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.data[:end]).decode("latin1")
        del self.data[:end + 4]
        lines = head.split("\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        self.body = int(fields.get("content-length", 0))
        method, target = lines[0].split(" ")[:2]
        token = re.search(r"reconnectionToken=([^&]+)", target)
        path = re.sub(r"/stable-[0-9a-f]+(/static)?", r"/stable\1", target.split("?")[0])
        path = re.sub(r"(/static|/_static|/extensions)/.*", r"\1/*", path)
        note = " user" if fields.get("sec-fetch-user") else ""
        mode = fields.get("sec-fetch-mode", "-")
        if token:
            self.websocket, self.token = True, token.group(1)
            note = " reconnection=" + ("true" if "reconnection=true" in target else "false")
        self.say(t, "http", "%s %s %s%s" % (method, path, mode, note), target)
        return bool(self.data)

    def frame(self, t):
        d = self.data
        if len(d) < 2:
            return False
        n, at = d[1] & 0x7F, 2
        for code, size in ((126, ">H"), (127, ">Q")):
            if n == code:
                if len(d) < 2 + struct.calcsize(size):
                    return False
                n, at = struct.unpack_from(size, d, 2)[0], 2 + struct.calcsize(size)
                break
        masked = d[1] & 0x80
        if len(d) < at + (4 if masked else 0) + n:
            return False
        first, mask = d[0], bytes(d[at:at + 4]) if masked else b"\0\0\0\0"
        at += 4 if masked else 0
        payload = int.from_bytes(d[at:at + n], "big") ^ int.from_bytes((mask * (n // 4 + 1))[:n], "big")
        payload = payload.to_bytes(n, "big")
        del d[:at + n]
        opcode = first & 15
        if opcode >= 8:
            self.say(t, KINDS.get(self.kind, "?"), {8: "websocket close", 9: "ping", 10: "pong"}.get(opcode, "?"), payload)
            return True
        if opcode:
            self.rsv1 = bool(first & 0x40)
        if self.rsv1:
            payload = self.inflate.decompress(payload + (b"\0\0\xff\xff" if first & 0x80 else b""))
        self.stream += payload
        while self.message(t):
            pass
        return True

    def message(self, t):
        s = self.stream
        if len(s) < 13:
            return False
        kind, number, _, n = struct.unpack_from(">BIII", s)
        if len(s) < 13 + n:
            return False
        body = bytes(s[13:13 + n])
        del s[:13 + n]
        on = KINDS.get(self.kind, "?")
        if kind == 2:
            control = json.loads(body)
            self.kind = control.get("desiredConnectionType", self.kind)
            self.say(t, KINDS.get(self.kind, "?"), "Control " + control["type"], control)
        elif kind != 1:
            self.say(t, on, TYPES.get(kind, "type %d" % kind), None)
        elif number and number <= self.seen.get(self.token, 0):
            self.say(t, on, "sent again", None)
        else:
            self.seen[self.token] = number
            try:
                name, detail = (exthost if self.kind == 2 else management)(body)
            except (ValueError, IndexError, struct.error) as e:
                name, detail = "not understood", "%r %r" % (e, body[:60])
            self.say(t, on, name, detail)
        return True


def walk(folder, say):
    """Call say(t_ms, connection, kind, name, detail) for every message, in order."""
    streams, at, connections, seen = read(folder, "streams.bin"), 0, {}, {}
    for line in read(folder, "events.jsonl").splitlines():
        e = json.loads(line)
        if e["e"] != "up":
            continue
        c = e["c"]
        if c not in connections:
            connections[c] = Connection(c, lambda t, kind, name, detail, c=c: say(t, c, kind, name, detail), seen)
        connections[c].feed(e["t"], streams[at:at + e["n"]])
        at += e["n"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", action="store_true", help="every message with its time, instead of counts")
    parser.add_argument("--grep", default="", help="with --times: only lines with this text")
    parser.add_argument("folder", nargs="+")
    args = parser.parse_args()
    for folder in args.folder:
        counts = collections.Counter()

        def say(t, c, kind, name, detail):
            counts[kind, name] += 1
            if args.times:
                text = "" if detail is None else detail if isinstance(detail, str) else repr(detail)
                line = "%9.3f c%-4d %-7s %s  %s" % (t / 1000, c, kind, name, text.replace("\n", " ")[:200])
                if args.grep in line:
                    print(line)

        if len(args.folder) > 1 or not args.times:
            print("== " + os.path.basename(os.path.normpath(folder)))
        walk(folder, say)
        if not args.times:
            for (kind, name), n in sorted(counts.items()):
                print("%7d  %-7s %s" % (n, kind, name))


if __name__ == "__main__":
    main()
