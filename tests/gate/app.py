"""A fake app on a Unix socket: a thread a connection, one request each, odd on demand."""
import hashlib
import os
import socket
import threading

from gate import Reader


TURNED = bytes(b ^ 0x5a for b in range(256))


def pattern(n):
    """n bytes that do not repeat within 64 KiB windows."""
    block = hashlib.sha512(b"block").digest() * 1024
    out = bytearray()
    i = 0
    while len(out) < n:
        out += i.to_bytes(8, "big") + block[: 65528]
        i += 1
    return bytes(out[:n])


class App:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.heads = []       # every request head, as received
        self.tails = []       # what came behind a request that should have been the last
        self.streams = {}     # what /editor took, by name, once its client has closed
        self.connections = 0
        self.healthy_after = 0
        self.health_asked = 0
        self.open = []
        self.release = threading.Event()
        self.half_closed = threading.Event()
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen(128)
        threading.Thread(target=self.accept, args=(self.sock,), daemon=True).start()

    def accept(self, sock):
        while True:
            try:
                s, _ = sock.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.append(s)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def die(self):
        """As a killed process: the listener and all connections are gone."""
        if self.sock.fileno() >= 0:
            self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()
        with self.lock:
            for s in self.open:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.open = []

    def serve(self, s):
        try:
            r = Reader(s)
            head = r.until(b"\r\n\r\n").decode("latin-1")
            with self.lock:
                self.heads.append(head)
            path = head.split(" ", 2)[1]
            name = path.split("?", 1)[0].strip("/").replace("-", "_") or "root"
            getattr(self, "on_" + name, self.on_root)(s, r, head, path)
            s.settimeout(0.2)
            tail = r.buf + s.recv(65536)
            if tail and name not in ("ws", "editor"):
                with self.lock:
                    self.tails.append(tail)
        except (OSError, EOFError):
            pass
        finally:
            with self.lock:
                if s in self.open:
                    self.open.remove(s)
            s.close()

    @staticmethod
    def answer(s, body, status="200 OK", more=""):
        s.sendall(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n"
                   % (status, len(body), more)).encode() + body)

    @staticmethod
    def body(r, head):
        low = head.lower()
        if "transfer-encoding: chunked" in low:
            out = b""
            while True:
                n = int(r.until(b"\r\n"), 16)
                out += r.exactly(n)
                r.exactly(2)
                if n == 0:
                    return out
        if "content-length:" not in low:
            return b""
        return r.exactly(int(low.split("content-length:", 1)[1].split("\r\n", 1)[0]))

    def on_root(self, s, r, head, path):
        self.body(r, head)
        self.answer(s, b"" if head.startswith("HEAD") else b"app " + path.encode())

    def on_echo_head(self, s, r, head, path):
        self.answer(s, head.encode("latin-1"))

    def on_healthz(self, s, r, head, path):
        with self.lock:
            self.health_asked += 1
            ok = self.health_asked > self.healthy_after
        self.answer(s, b"{}", "200 OK" if ok else "503 Not yet")

    def on_to_page(self, s, r, head, path):
        self.answer(s, b"", "302 Found", "Location: ./page?folder=x\r\n")

    def on_page(self, s, r, head, path):
        self.answer(s, b"x" * 100000)

    def on_upload(self, s, r, head, path):
        if "slow" in path:
            self.release.wait(20)
        h = hashlib.sha256()
        n = int(head.lower().split("content-length:", 1)[1].split("\r\n", 1)[0])
        left = n
        while left:
            b = r.buf or s.recv(65536)
            r.buf = b""
            if not b:
                raise EOFError
            h.update(b)
            left -= len(b)
        self.answer(s, h.hexdigest().encode())

    def on_chunked_upload(self, s, r, head, path):
        self.answer(s, hashlib.sha256(self.body(r, head)).hexdigest().encode())

    def on_download(self, s, r, head, path):
        n = int(path.split("n=", 1)[1])
        block = pattern(1 << 20)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
        while n:
            s.sendall(block[: min(n, len(block))])
            n -= min(n, len(block))

    def on_chunked(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n")

    def on_until_close(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 200 OK\r\n\r\nto the end")

    def on_not_modified(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n")

    def on_interim(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        body = self.body(r, head)
        self.answer(s, b"got " + body)

    def on_early(self, s, r, head, path):
        self.answer(s, b"too much", "413 Too Large")

    def on_hang_up(self, s, r, head, path):
        raise EOFError

    def on_cut(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        raise EOFError

    def on_cut_chunk(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
        raise EOFError

    def on_bad_chunk(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"2\r\nok\r\n1;x=y\r\nz\r\n0\r\n\r\n")
        self.release.wait(20)  # it is the gate that ends this

    def on_garbage(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")

    def on_two(self, s, r, head, path):
        self.answer(s, b"one")
        self.answer(s, b"two that nobody asked for")

    def on_unasked(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")

    def on_wait(self, s, r, head, path):
        self.release.wait(20)
        self.answer(s, b"late")

    def on_half(self, s, r, head, path):
        """Answers only when the client has closed its half."""
        while s.recv(1000):
            pass
        self.half_closed.set()
        self.answer(s, b"after the half-close")

    def on_editor(self, s, r, head, path):
        """A WebSocket that takes everything and says each byte again, turned over, so that the two
        directions differ. "?deflate": as if compression were agreed. "?flip=N": the planted defect,
        one bit of byte N is not what was sent. "?sink": says nothing."""
        deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if "deflate" in path else ""
        flip = int(path.split("flip=", 1)[1].split("&")[0]) if "flip=" in path else -1
        s.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n%s\r\n" % deflate).encode())
        taken = bytearray()
        name = path.split("name=", 1)[1].split("&")[0]
        try:
            b = r.buf
            r.buf = b""
            while True:
                if flip in range(len(taken), len(taken) + len(b)):
                    at = flip - len(taken)
                    b = b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]
                taken += b
                if "sink" not in path:
                    s.sendall(b.translate(TURNED))
                b = s.recv(65536)
                if not b:
                    break
        finally:
            with self.lock:
                self.streams[name] = bytes(taken)
        s.shutdown(socket.SHUT_WR)

    def on_ws(self, s, r, head, path):
        s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
        if r.buf:
            s.sendall(r.buf)
            r.buf = b""
        while True:
            b = s.recv(65536)
            if not b:
                break
            s.sendall(b)
        s.sendall(b"bye")
        s.shutdown(socket.SHUT_WR)
