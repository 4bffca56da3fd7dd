"""What passes through: byte for byte, in bounded memory, whatever either side does."""
import hashlib
import os
import random
import resource
import socket
import struct
import sys
import threading
import time
import unittest

import app as fake
from case import GateCase
from gate import Gate, Reader, read_all, request, KEY, UPGRADE, DEADLINE

SANITIZED = False


class RelayTest(GateCase):
    def tearDown(self):
        self.app.release.set()
        super().tearDown()

    def one(self, *args, **kw):
        with self.gate.connect() as s:
            s.sendall(request(*args, **kw))
            return Reader(s).response()

    def test_keep_alive_and_pipelining(self):
        with self.gate.connect() as s:
            r = Reader(s)
            for i in range(5):
                s.sendall(request("/n%d" % i))
                status, head, body = r.response()
                self.assertEqual((status, body), (200, b"app /n%d" % i))
                self.assertIn("Connection: keep-alive", head)
            paths = ["/p%d" % i for i in range(50)] + ["/chunked", "/not-modified", "/last"]
            s.sendall(b"".join(request(p) for p in paths))
            got = [r.response() for _ in paths]
        self.assertEqual([g[2] for g in got[:50]], [b"app " + p.encode() for p in paths[:50]])
        self.assertEqual(got[50][2], b"hello world")
        self.assertEqual((got[51][0], got[52][2]), (304, b"app /last"))

    def test_one_byte_at_a_time(self):
        raw = request("/n", "POST", "Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n") * 2
        with self.gate.connect() as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(raw)):
                s.sendall(raw[i:i + 1])
            r = Reader(s)
            self.assertEqual(r.response()[2], b"app /n")
            self.assertEqual(r.response()[2], b"app /n")

    def test_framings(self):
        self.assertEqual(self.one("/chunked")[2], b"hello world")
        answer = self.gate.ask(request("/until-close"))
        self.assertTrue(answer.endswith(b"\r\n\r\nto the end"))
        self.assertIn(b"Connection: close\r\n", answer)
        with self.gate.connect() as s:
            s.sendall(request("/x", "HEAD") + request("/y"))
            r = Reader(s)
            self.assertIn(b"Content-Length: 0", r.until(b"\r\n\r\n"))
            self.assertEqual(r.response()[2], b"app /y")
            s.sendall(request("/interim", "POST", "Content-Length: 2\r\nExpect: 100-continue\r\n"))
            self.assertEqual(r.response()[0], 100)
            self.assertEqual(r.response()[0], 103)
            s.sendall(b"hi")
            self.assertEqual(r.response()[2], b"got hi")
        answer = self.gate.ask(request("/x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.assertTrue(answer.endswith(b"app /x"))

    def test_second_response_goes_nowhere(self):
        with self.gate.connect() as s:
            s.sendall(request("/two") + request("/after"))
            r = Reader(s)
            self.assertEqual(r.response()[2], b"one")
            self.assertEqual(r.response()[2], b"app /after")

    def test_app_faults(self):
        for path in ("/hang-up", "/garbage", "/unasked"):
            answer = self.gate.ask(request(path))
            self.assertIn(b"HTTP/1.1 502 ", answer, path)
            self.assertIn(b"Connection: close", answer)
        start = time.monotonic()
        for path, part in (("/cut", b"half"), ("/cut-chunk", b"5\r\nhel"),
                           ("/bad-chunk", b"2\r\nok\r\n1")):
            answer = self.gate.ask(request(path))
            self.assertIn(b"HTTP/1.1 200 ", answer)
            self.assertTrue(answer.endswith(part), answer)
        self.assertLess(time.monotonic() - start, DEADLINE / 2)  # nobody waited for the app
        answer = self.gate.ask(request("/early", "POST", "Content-Length: 100000000\r\n",
                                       b"x" * 1000000))
        self.assertIn(b"HTTP/1.1 413 ", answer)
        self.assertTrue(answer.endswith(b"too much"))

    def test_app_gone_and_back(self):
        with self.gate.connect() as s:
            s.sendall(request("/wait"))
            self.wait(lambda: self.app.heads)
            self.app.die()
            self.assertEqual(Reader(s).response()[0], 502)
        page = self.gate.ask(request(headers="Accept: text/html\r\n")).decode()
        self.assertIn("HTTP/1.1 502 ", page)
        self.assertIn("/_workspace/status", page)
        self.gate.wait_status(KEY, lambda t: '"ready":false' in t)
        self.app.listen()
        self.gate.wait_status(KEY, lambda t: '"ready":true' in t)
        self.assertEqual(self.one("/back")[2], b"app /back")

    @staticmethod
    def wait(test):
        end = time.monotonic() + DEADLINE
        while not test():
            assert time.monotonic() < end
            time.sleep(0.005)  # polls a condition; nothing depends on the length

    def open_ws(self, path="/ws", early=b""):
        s = self.gate.connect()
        s.sendall(request(path, headers=UPGRADE) + early)
        r = Reader(s)
        status, head, _ = r.response()
        self.assertEqual(status, 101)
        self.assertIn("Upgrade: websocket\r\n", head)
        return s, r

    def test_tunnel(self):
        seed = random.randrange(1 << 32)
        print("seed", seed, file=sys.stderr)
        rnd = random.Random(seed)
        data = rnd.randbytes(8 << 20)
        s, r = self.open_ws(early=b"early bytes")
        self.assertEqual(r.exactly(11), b"early bytes")

        def feed():
            at = 0
            while at < len(data):
                n = rnd.choice((1, 7, 1000, 65536, 300000))
                s.sendall(data[at:at + n])
                at += n
            s.shutdown(socket.SHUT_WR)

        t = threading.Thread(target=feed)
        t.start()
        got = r.buf + read_all(s)
        t.join()
        s.close()
        # The half-close went through: the app answered it, and that came back.
        self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(data + b"bye").digest())

    def test_tunnel_of_an_app_that_dies(self):
        s, r = self.open_ws()
        s.sendall(b"x")
        self.assertEqual(r.exactly(1), b"x")
        self.app.die()
        self.assertEqual(read_all(s), b"")
        s.close()
        self.gate.traffic(lambda t: t["websockets"] == 0 and t["connections"] == 0)

    def test_client_resets(self):
        for path in ("/ws", "/wait", "/download?n=50000000"):
            s = self.gate.connect()
            s.sendall(request(path, headers=UPGRADE if path == "/ws" else ""))
            self.wait(lambda: self.app.heads)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
            self.app.heads.clear()
        self.gate.traffic(lambda t: t["connections"] == 0 and t["requests"] == 3)
        self.assertEqual(self.one("/after")[2], b"app /after")

    def test_half_close(self):
        with self.gate.connect() as s:
            s.sendall(request("/half"))
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(Reader(s).response()[2], b"after the half-close")
        with self.gate.connect() as s:
            s.sendall(request("/a") + request("/b"))
            s.shutdown(socket.SHUT_WR)
            answer = read_all(s)
            self.assertIn(b"app /a", answer)
            self.assertTrue(answer.endswith(b"app /b"))
        # A body that the client cuts short is no request.
        with self.gate.connect() as s:
            s.sendall(request("/upload", "POST", "Content-Length: 100\r\n", b"short"))
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(s), b"")

    def test_large_download_to_a_slow_reader(self):
        n = 64 << 20
        before = self.gate.rss_kb()
        with self.gate.connect() as s:
            s.sendall(request("/download?n=%d" % n))
            r = Reader(s)
            r.until(b"\r\n\r\n")
            # Nothing is read until the gate has stopped taking from the app.
            self.wait_still()
            self.assertLess(self.gate.rss_kb() - before, 1024 * (20 if SANITIZED else 2))
            h = hashlib.sha256(r.buf)
            left = n - len(r.buf)
            while left:
                b = s.recv(1 << 20)
                self.assertTrue(b)
                h.update(b)
                left -= len(b)
        want = hashlib.sha256(fake.pattern(1 << 20) * 64)
        self.assertEqual(h.digest(), want.digest())
        self.assertLess(self.gate.rss_kb() - before, 1024 * (20 if SANITIZED else 2))

    def test_app_dies_behind_a_slow_reader(self):
        """A hang-up on a side that is not read from must not keep the gate busy."""
        n = 64 << 20
        with self.gate.connect() as s:
            s.sendall(request("/download?n=%d" % n))
            r = Reader(s)
            r.until(b"\r\n\r\n")
            self.wait_still()
            self.app.die()
            self.wait_still()
            got = r.buf + read_all(s)
        self.assertLess(len(got), n)
        self.assertGreater(len(got), 65536)
        self.assertTrue((fake.pattern(1 << 20) * 64).startswith(got))

    def wait_still(self):
        """Until the gate uses no processor time: it waits, it does not spin."""
        last, same = -1, 0
        end = time.monotonic() + DEADLINE
        while same < 10:
            assert time.monotonic() < end, "the gate is busy"
            now = self.gate.cpu_ticks()
            same = same + 1 if now == last else 0
            last = now
            time.sleep(0.02)  # the sampling period

    def test_large_upload_to_a_slow_app(self):
        data = fake.pattern(32 << 20)
        before = self.gate.rss_kb()
        with self.gate.connect() as s:
            t = threading.Thread(target=lambda: s.sendall(request(
                "/upload?slow", "PUT", "Content-Length: %d\r\n" % len(data), data)))
            t.start()
            self.wait(lambda: self.app.heads)
            self.wait_still()
            self.assertLess(self.gate.rss_kb() - before, 1024 * (20 if SANITIZED else 2))
            self.app.release.set()
            t.join()
            self.assertEqual(Reader(s).response()[2].decode(), hashlib.sha256(data).hexdigest())
            s.sendall(request("/next"))
            self.assertEqual(Reader(s).response()[2], b"app /next")

    def test_chunked_upload(self):
        data = fake.pattern(3 << 20)
        raw = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 70001]), data[i:i + 70001])
                       for i in range(0, len(data), 70001)) + b"0\r\n\r\n"
        status, _, body = self.one("/chunked-upload", "POST", "Transfer-Encoding: chunked\r\n", raw)
        self.assertEqual((status, body.decode()), (200, hashlib.sha256(data).hexdigest()))

    def test_many_tunnels_in_little_memory(self):
        before = self.gate.rss_kb()
        all_ws = []
        for _ in range(100):
            s, r = self.open_ws()
            s.sendall(b"y" * 60000)
            r.exactly(60000)
            all_ws.append(s)
        t = self.gate.traffic(lambda t: t["websockets"] == 100)
        self.assertEqual((t["connections"], t["open_age_ms"]), (100, 0))
        self.wait_still()
        self.assertLess(self.gate.rss_kb() - before, 1024 * (40 if SANITIZED else 3))
        for s in all_ws:
            s.close()
        t = self.gate.traffic(lambda t: t["connections"] == 0)
        self.assertGreaterEqual(t["open_age_ms"], 0)
        self.assertEqual(t["bytes_in"], 100 * 60000)

    def test_stopping(self):
        """What is open goes on; new requests see the page; a page that reconnects gets in."""
        s, r = self.open_ws()
        self.gate.app_down()
        self.gate.wait_status(KEY, lambda t: '"ready":false' in t)
        s.sendall(b"last text")
        self.assertEqual(r.exactly(9), b"last text")
        self.assertEqual(self.one("/")[0], 503)
        self.assertEqual(self.one("/ws", headers=UPGRADE)[0], 503)
        again, r2 = self.open_ws("/ws?reconnectionToken=1&reconnection=true")
        again.close()
        self.app.die()
        self.assertEqual(read_all(s), b"")
        s.close()
        self.app.listen()
        self.gate.probe(5)
        self.assertEqual(self.gate.app_up()[0], 5)
        self.assertEqual(self.one("/again")[0], 200)

    def test_link_gone(self):
        """Both ends of the channel go: the relay does not notice."""
        s, r = self.open_ws()
        self.gate.link.close()
        self.gate.theirs.close()
        s.sendall(b"still")
        self.assertEqual(r.exactly(5), b"still")
        self.assertEqual(self.one("/x")[0], 200)
        self.wait_still()
        s.close()
        self.assertTrue(self.gate.alive())

    def test_nonsense_on_the_channel(self):
        self.gate.link.send(b"x")
        self.gate.link.send(b"y" * 5000)
        self.gate.send(999)
        self.gate.send(2, struct.pack("=II", 1, 1) + b"no path")
        self.assertEqual(self.one("/x")[0], 200)

    def test_gate_killed_and_started(self):
        self.gate.kill()
        self.gate.start()
        self.gate.config()
        self.assertEqual(self.one("/x")[0], 200)

    def test_connection_cap(self):
        held = []
        try:
            for _ in range(1024):
                held.append(self.gate.connect())
            with self.gate.connect() as s:
                self.assertIn(b"HTTP/1.1 503 ", read_all(s))
            held.pop().close()
            held[0].sendall(request("/x"))
            self.assertEqual(Reader(held[0]).response()[0], 200)
            self.wait(lambda: b" 503 " not in self.gate.ask(
                request("/y", headers="Connection: close\r\n")))
        finally:
            for s in held:
                s.close()

    def test_out_of_descriptors(self):
        self.gate.close()
        self.gate = Gate(self.worker, self.app.path, nofile=32)
        self.gate.config()
        held = [self.gate.connect() for _ in range(64)]
        self.wait_still()  # the listener is not asked again and again
        for s in held:
            s.close()
        self.wait(lambda: self.one_ok())

    def one_ok(self):
        try:
            return self.one("/x")[0] == 200
        except (OSError, EOFError):
            return False


if __name__ == "__main__":
    GateCase.worker = os.path.abspath(sys.argv.pop(1))
    with open(GateCase.worker, "rb") as f:
        SANITIZED = b"__asan_init" in f.read()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    unittest.main(verbosity=2)
