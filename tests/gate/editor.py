"""The client's side of VS Code's remote protocol, layer by layer, each of which may be got wrong."""
import json
import struct
import zlib

REGULAR, CONTROL, ACK, DISCONNECT, KEEP_ALIVE = 1, 2, 3, 5, 9
MANAGEMENT, EXTENSION_HOST, TUNNEL = 1, 2, 3


# ---- WebSocket frames ----

def frame(payload, opcode=2, fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", length=None):
    """One frame of a client. `mask` None: as only a server may. `length`: another than the truth."""
    n = len(payload) if length is None else length
    bit = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += struct.pack(">BH", bit | 126, n)
    else:
        head += struct.pack(">BQ", bit | 127, n)
    if not mask:
        return head + payload
    whole = (mask * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


class Deflater:
    """permessage-deflate with context takeover, as browsers do it."""

    def __init__(self):
        self.z = zlib.compressobj(wbits=-15)

    def message(self, data):
        out = self.z.compress(data) + self.z.flush(zlib.Z_SYNC_FLUSH)
        assert out.endswith(b"\x00\x00\xff\xff")
        return out[:-4]


# ---- the 13-byte protocol ----

def message(kind, body=b"", ident=0, ack=0, length=None):
    return struct.pack(">BIII", kind, ident, ack, len(body) if length is None else length) + body


def handshake(kind):
    auth = {"type": "auth", "auth": "00000000000000000000", "data": "7f1c"}
    want = {"type": "connectionType", "commit": "c0ffee", "signedData": "x", "desiredConnectionType": kind}
    if kind == EXTENSION_HOST:
        want["args"] = {"language": "en", "break": False, "port": None, "env": {}}
    return message(CONTROL, json.dumps(auth).encode()), message(CONTROL, json.dumps(want).encode())


# ---- IPC of the management connection ----

def vql(n):
    out = b""
    while True:
        n, low = n >> 7, n & 0x7f
        out += bytes([low | (0x80 if n else 0)])
        if not n:
            return out


def serialize(v):
    if v is None:
        return b"\x00"
    if isinstance(v, bytes):
        return b"\x03" + vql(len(v)) + v
    if isinstance(v, str):
        return b"\x01" + vql(len(v.encode())) + v.encode()
    if isinstance(v, list):
        return b"\x04" + vql(len(v)) + b"".join(map(serialize, v))
    if isinstance(v, int) and not isinstance(v, bool):
        return b"\x06" + vql(v)
    text = json.dumps(v).encode()
    return b"\x05" + vql(len(text)) + text


def command(channel, name, arg, ident=7):
    return serialize([100, ident, channel, name]) + serialize(arg)


# ---- RPC of the extension host ----

def method(name, args, ident=3):
    text = json.dumps(args).encode()
    return (struct.pack(">BIBB", 1, ident, 0x21, len(name)) + name.encode() +
            struct.pack(">I", len(text)) + text)


class Editor:
    """Makes the bytes of one connection of a page; who calls sends them."""

    def __init__(self, kind, deflate=True):
        self.kind = kind
        self.deflater = Deflater() if deflate else None
        self.ident = 0

    def ws(self, data):
        if self.deflater:
            return frame(self.deflater.message(data), rsv=4)
        return frame(data)

    def opening(self):
        out = b"".join(map(self.ws, handshake(self.kind)))
        if self.kind == MANAGEMENT:
            return out + self.regular(serialize({"remoteAuthority": "h:1", "clientId": "renderer"}))
        return (out + self.regular(json.dumps({"commit": "c0ffee", "extensions": ["x" * 50] * 400}).encode()) +
                self.regular(b"\x01"))

    def regular(self, body):
        self.ident += 1
        return self.ws(message(REGULAR, body, self.ident))

    def beat(self):
        return self.ws(message(KEEP_ALIVE))
