"""Harness: the real gate process with a fake link on its channel. Python's standard library only.

No test sleeps to be in time: everything waits for an event with a deadline.
"""
import hashlib
import hmac
import os
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

DEADLINE = 20.0

# agent/channel.h; tests/unit/test_gate_door.c holds these numbers against the C struct.
MSG_SIZE = 856
CONFIG, PROBE, APP_DOWN, NOTICE, HELLO, APP_UP, TRAFFIC, EVIDENCE = 1, 2, 3, 4, 32, 33, 34, 35
NOTES_MAX = 24
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
KEY = "0123456789abcdef"
ACCESS = "a5" * 32
HOST = "ws-a.localhost:8080"


def access(kind, generation=1, expires=4102444800, ident="00" * 16, key=ACCESS):
    """A ticket or cookie: shared/crypto/access.h."""
    text = "%s\n%d\n%d\n%s" % (kind, generation, expires, ident)
    mac = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return "%d.%d.%s.%s" % (generation, expires, ident, mac)


# Good cookies of the generations that tests use; the gate takes whichever is right.
COOKIES = "; ".join("ws_access=" + access("cookie", g) for g in range(1, 5))

LAUNCH = """
import os, sys
link, listen, used = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
os.dup2(link, 4)
os.dup2(listen, 6)
os.dup2(used, 9)
os.closerange(7, 9)
os.closerange(10, 256)
extra = dict(pair.split("=", 1) for pair in sys.argv[5:])
os.execve(sys.argv[4], [sys.argv[4], "gate"], {**os.environ, **extra})
"""


def words(path, macro):
    """The second column of an X-macro table."""
    with open(os.path.join(ROOT, path)) as f:
        return re.findall(r'^%s\(\w+, "([^"]+)"' % macro, f.read(), re.M)


SOURCES = words("agent/presence/source.def", "PRESENCE_SOURCE")
KINDS = ("person", "weak", "hint", "machine")


def high(fd):
    """A copy of `fd` far above the fixed numbers of the roles."""
    import fcntl
    return fcntl.fcntl(fd, fcntl.F_DUPFD, 300)


class Gate:
    def __init__(self, worker, app_socket, nofile=None, profile=None, log=None, extra=None):
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.settimeout(DEADLINE)
        self.theirs = theirs  # init keeps both ends open, so does this
        self.listen = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.listen.getsockname()[1]
        self.used = os.memfd_create("used")  # agent/roles.h: init holds it
        os.ftruncate(self.used, 24576)
        self.worker = worker
        self.app_socket = app_socket
        self.notice_socket = os.path.join(os.path.dirname(app_socket), "notice.sock")
        self.nofile = nofile
        self.profile = profile
        self.log = log
        self.extra = extra or {}  # variables of the gate alone
        self.held = []
        self.start()

    def start(self):
        fds = [high(self.theirs.fileno()), high(self.listen.fileno()), high(self.used)]
        # A sanitizer keeps freed memory back; the memory tests want to see what is really held.
        env = dict(os.environ, WS_APP_SOCKET=self.app_socket, WS_NOTICE_SOCKET=self.notice_socket,
                   ASAN_OPTIONS="quarantine_size_mb=4", WS_PROFILE=self.profile or "")

        def limit():
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, self.nofile))

        self.proc = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(fds[0]), str(fds[1]), str(fds[2]), self.worker,
             *("%s=%s" % pair for pair in self.extra.items())],
            pass_fds=fds, env=env, preexec_fn=limit if self.nofile else None, stderr=self.log)
        for fd in fds:
            os.close(fd)
        hello = self.receive(HELLO)
        assert struct.unpack_from("=I", hello, 8)[0] == self.port

    def send(self, kind, body=b""):
        self.link.send((struct.pack("=II", kind, 0) + body).ljust(MSG_SIZE, b"\0"))

    def receive(self, kind):
        """The next record of this kind; others are passed over."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            m = self.link.recv(4096)
            assert len(m) == MSG_SIZE, len(m)
            if struct.unpack_from("=I", m)[0] == kind:
                return m
        raise AssertionError("no record of kind %d" % kind)

    def config(self, phase="ready", generation=1, key=KEY, host=HOST, message="", key_old="",
               access=ACCESS, access_old="", cookie="; SameSite=Lax", platform="", cookie_s=600,
               clock_off_s=0, wait=True):
        self.send(CONFIG, struct.pack("=Q32s65s96s24s160s65s65s65s64s192sIi", generation, b"ws-a",
                                      *(t.encode() for t in (key, host, phase, message, key_old,
                                                             access, access_old, cookie, platform)),
                                      cookie_s, clock_off_s))
        if not wait:
            return
        # The channel is read in order with what follows, but a client's bytes are not: wait until
        # the status shows it.
        self.wait_status(key, lambda s: '"generation":%d,' % generation in s and
                         '"phase":"%s"' % phase in s)

    def wait_status(self, key, test):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            answer = self.ask("GET /_workspace/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                              "X-Workspace-Key: %s\r\nCookie: %s\r\n\r\n" % (key, COOKIES))
            if test(answer.decode()):
                return answer.decode()
            select.select([], [], [], 0.01)
        raise AssertionError("status: " + answer.decode())

    def probe(self, ident, prime=0, health="/healthz", page="/"):
        self.send(PROBE, struct.pack("=II256s256s", ident, prime, health.encode(), page.encode()))

    def app_up(self):
        return struct.unpack_from("=II", self.receive(APP_UP), 8)

    def app_down(self):
        self.send(APP_DOWN)

    def traffic(self, test):
        """The first traffic record that fits."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            v = struct.unpack_from("=IIQQQQq", self.receive(TRAFFIC), 8)
            t = dict(zip(("connections", "websockets", "requests", "bytes_in", "bytes_out",
                          "refused", "open_age_ms"), v))
            if test(t):
                return t
        raise AssertionError("traffic")

    def notice(self, stop_in_ms, rule="idle"):
        self.send(NOTICE, struct.pack("=q32s", stop_in_ms, rule.encode()))

    def evidence(self, test=lambda e: True):
        """The first evidence record that fits: {n_notes, ..., notes: {(source, kind): (events, age)}}."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            m = self.receive(EVIDENCE)
            e = dict(zip(("n_notes", "websockets", "undecoded", "active", "tracked", "jobs", "unknown"),
                         struct.unpack_from("=IIIIIIQ", m, 8)))
            e["notes"] = {}
            for i in range(NOTES_MAX):
                source, kind, _, events, age = struct.unpack_from("=BBHIq", m, 40 + 16 * i)
                assert (events > 0) == (i < e["n_notes"]), (i, e)
                if events:
                    assert age >= 0
                    e["notes"][SOURCES[source], KINDS[kind]] = (events, age)
            if test(e):
                return e
        raise AssertionError("evidence: %s" % e)

    def events(self, source, kind, n):
        """Wait until so many events of this source and kind are told; the record."""
        return self.evidence(lambda e: e["notes"].get((source, kind), (0, 0))[0] >= n)

    def connect_notice(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(DEADLINE)
        s.connect(self.notice_socket)
        return s

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        return s

    def ask(self, raw):
        """One connection: send, read until the gate closes."""
        with self.connect() as s:
            try:
                s.sendall(raw if isinstance(raw, bytes) else raw.encode())
            except ConnectionError:
                pass  # refused before all was sent; the answer is there
            return read_all(s)

    def rss_kb(self):
        with open("/proc/%d/status" % self.proc.pid) as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def cpu_ticks(self):
        with open("/proc/%d/stat" % self.proc.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def alive(self):
        return self.proc.poll() is None

    def stop(self):
        self.proc.terminate()
        code = self.proc.wait(DEADLINE)
        assert code == 0, "gate ended with %d" % code

    def kill(self):
        self.proc.kill()
        self.proc.wait(DEADLINE)

    def close(self):
        if self.alive():
            self.stop()
        self.link.close()
        self.theirs.close()
        self.listen.close()
        os.close(self.used)


def read_all(s):
    out = []
    while True:
        try:
            b = s.recv(65536)
        except ConnectionResetError:
            break
        if not b:
            break
        out.append(b)
    return b"".join(out)


class Reader:
    """Reads responses from a connection one after the other."""

    def __init__(self, s):
        self.s = s
        self.buf = b""

    def more(self):
        b = self.s.recv(65536)
        if not b:
            raise EOFError(self.buf)
        self.buf += b

    def until(self, mark):
        while mark not in self.buf:
            self.more()
        at = self.buf.index(mark) + len(mark)
        out, self.buf = self.buf[:at], self.buf[at:]
        return out

    def exactly(self, n):
        while len(self.buf) < n:
            self.more()
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def response(self):
        """(status, head, body) of one response with Content-Length or chunks."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        status = int(head.split(" ", 2)[1])
        low = head.lower()
        if status < 200 or status in (204, 304):
            return status, head, b""
        if "transfer-encoding: chunked" in low:
            body = b""
            while True:
                n = int(self.until(b"\r\n"), 16)
                body += self.exactly(n)
                self.exactly(2)
                if n == 0:
                    return status, head, body
        n = int(low.split("content-length:", 1)[1].split("\r\n", 1)[0])
        return status, head, self.exactly(n)


def request(path="/", method="GET", headers="", body=b"", key=KEY, cookie=COOKIES):
    if cookie:
        headers = "Cookie: %s\r\n%s" % (cookie, headers)
    return ("%s %s HTTP/1.1\r\nHost: %s\r\nX-Workspace-Key: %s\r\n%s\r\n"
            % (method, path, HOST, key, headers)).encode() + body


UPGRADE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def scratch():
    return tempfile.TemporaryDirectory(prefix="gate-")
