"""Who gets in, and what the app sees of it."""
import json
import os
import sys
import unittest

from case import GateCase
from gate import Reader, request, HOST, KEY, UPGRADE, DEADLINE
import gate as harness

STRICTNESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data",
                          "http-strictness")


class DoorTest(GateCase):
    def status(self, raw):
        answer = self.gate.ask(raw)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), answer)
        return int(answer.split(b" ", 2)[1])

    def test_key(self):
        self.assertEqual(self.status(request()[:-2] + b"Connection: close\r\n\r\n"), 200)
        for key in ("", "x", KEY[:-1], KEY + "0", KEY.upper()):
            self.assertEqual(self.status(request(key=key)), 403, key)
        self.assertEqual(self.status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 403)
        self.assertEqual(len(self.app.heads), 1)

    def test_what_the_app_sees(self):
        with self.gate.connect() as s:
            s.sendall(request("/echo-head?a=b%20c", headers=(
                "X-Forwarded-Host: evil.example\r\nforwarded: host=evil.example\r\n"
                "X-FORWARDED-HOST: evil2\r\nCookie: a=1; ws_access=secret; b=2\r\n"
                "Cookie: ws_access=again\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\n"
                "Accept-Encoding: gzip\r\n")))
            _, _, body = Reader(s).response()
        self.assertEqual(body.decode(), (
            "GET /echo-head?a=b%%20c HTTP/1.1\r\nHost: %s\r\nCookie: a=1; b=2\r\n"
            "X-Forwarded-For: 1.2.3.4\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
            % HOST))

    def test_origin(self):
        good, evil = "Origin: http://%s\r\n" % HOST, "Origin: http://evil.example\r\n"
        close = "Connection: close\r\n"
        post = "Content-Length: 0\r\n" + close
        self.assertEqual(self.status(request("/", "POST", post + good)), 200)
        self.assertEqual(self.status(request("/", "POST", post + evil)), 403)
        self.assertEqual(self.status(request("/", "POST", post)), 200)
        self.assertEqual(self.status(request("/", "GET", close + evil)), 200)
        self.assertEqual(self.status(request("/ws", "GET", UPGRADE + evil)), 403)
        self.assertEqual(self.status(request(
            "/ws", "GET", UPGRADE + evil + "X-Forwarded-Host: evil.example\r\n"
            "Forwarded: host=evil.example\r\n")), 403)
        for origin in (good, ""):
            with self.gate.connect() as s:
                s.sendall(request("/ws", "GET", UPGRADE + origin))
                self.assertEqual(Reader(s).response()[0], 101)

    def test_bad_heads(self):
        """Every refused input of the strictness table, over the wire. None reaches the app whole."""
        chunk_inputs = range(30, 38)
        for i in range(49):
            if i in (0, 44):
                continue
            with open(os.path.join(STRICTNESS, "%02d" % i), "rb") as f:
                raw = f.read()
            # With the key, so that nothing but the input's own fault can stop it.
            if i not in (15, 40, 46):
                raw = raw.replace(b"\r\n\r\n",
                                  b"\r\nX-Workspace-Key: %s\r\nCookie: %s\r\n\r\n"
                                  % (KEY.encode(), harness.COOKIES.encode()), 1)
            before, heads = len(self.app.tails), len(self.app.heads)
            status = self.status(raw)
            self.assertIn(status, (400, 501, 505), "input %d" % i)
            self.assertEqual(len(self.app.tails), before)
            if i not in chunk_inputs:
                self.assertEqual(len(self.app.heads), heads, "input %d reached the app" % i)
        # Heads were let in for the chunked inputs alone: their heads are good, their bodies are not.
        self.assertLessEqual(len(self.app.heads), len(chunk_inputs))

    def test_limits(self):
        big = request(headers="X: %s\r\n" % ("x" * 17000))
        self.assertEqual(self.status(big), 431)
        self.assertEqual(self.status(request(headers="X: y\r\n" * 101)), 431)
        answer = self.gate.ask(b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n")
        head, body = answer.split(b"\r\n\r\n", 1)
        self.assertIn(b"Connection: close", head)
        self.assertEqual(json.loads(body), {
            "status": 400, "error": "a header's name holds a byte not allowed there"})

    def test_smuggling(self):
        """Bytes behind a request are the next request or nothing; never part of the body."""
        hidden = request("/hidden", headers="Content-Length: 0\r\n", key="wrong")
        with self.gate.connect() as s:
            s.sendall(request("/a", "POST", "Content-Length: 3\r\n", b"abc" + hidden))
            r = Reader(s)
            self.assertEqual(r.response()[0], 200)
            self.assertEqual(r.response()[0], 403)
        with self.gate.connect() as s:
            s.sendall(request("/b", "POST", "Transfer-Encoding: chunked\r\n",
                              b"3\r\nabc\r\n0\r\n\r\n" + hidden))
            r = Reader(s)
            self.assertEqual(r.response()[0], 200)
            self.assertEqual(r.response()[0], 403)
        self.assertEqual([h.split()[1] for h in self.app.heads], ["/a", "/b"])
        self.assertEqual(self.app.tails, [])

    def test_own_paths(self):
        status = json.loads(self.gate.ask(request(
            "/_workspace/status", headers="Connection: close\r\n")).split(b"\r\n\r\n", 1)[1])
        self.assertEqual((status["phase"], status["generation"], status["ready"]),
                         ("ready", 1, True))
        self.assertEqual(self.status(request("/_workspace/status", key="x")), 403)
        self.assertEqual(self.status(
            "GET /_workspace/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200)
        self.assertEqual(self.app.heads, [])

    def test_phases(self):
        """A new generation closes the door until the app answers its probe."""
        self.gate.config(phase="restoring", generation=2, message="3 <of> 5")
        page = self.gate.ask(request(headers="Accept: text/html\r\nConnection: close\r\n")).decode()
        self.assertIn("HTTP/1.1 503 ", page)
        self.assertIn("Retry-After: 2\r\n", page)
        self.assertIn("3 &#60;of&#62; 5", page)
        self.assertIn("/_workspace/status", page)
        self.assertNotIn("<of>", page)
        answer = self.gate.ask(request(headers="Connection: close\r\n"))
        self.assertIn(b"HTTP/1.1 503 ", answer)
        self.assertEqual(json.loads(answer.split(b"\r\n\r\n", 1)[1])["phase"], "restoring")
        self.app.healthy_after = 3
        self.gate.probe(9)
        self.assertEqual(self.gate.app_up()[0], 9)
        self.assertEqual(self.app.health_asked, 4)
        self.assertEqual(self.status(request(headers="Connection: close\r\n")), 200)

    def test_prime(self):
        """The probe fetches the page once, behind one redirect; the door stays as it is."""
        self.gate.config(phase="priming", generation=3)
        self.gate.probe(11, prime=1, page="/to-page")
        self.assertEqual(self.gate.app_up()[0], 11)
        heads = self.app.heads
        self.assertEqual([h.split()[1] for h in heads],
                         ["/healthz", "/to-page", "/page?folder=x"])
        for h in heads:
            self.assertIn("\r\nHost: localhost\r\n", h)
            self.assertIn("\r\nConnection: close\r\n", h)
            self.assertNotIn("Origin", h)
        self.assertEqual(self.status(request(headers="Connection: close\r\n")), 503)

    def test_prime_without_a_page(self):
        """A profile without a page to prime: the app has answered once, and that is all."""
        self.gate.probe(13, prime=1, page="")
        self.assertEqual(self.gate.app_up()[0], 13)
        self.assertEqual([h.split()[1] for h in self.app.heads], ["/healthz"])

    def test_probe_before_the_app_exists(self):
        self.app.die()
        self.gate.config(phase="app-starting", generation=4)
        self.gate.probe(12)
        self.assertEqual(self.status(request(headers="Connection: close\r\n")), 503)
        self.app.listen()
        ident, waited = self.gate.app_up()
        self.assertEqual(ident, 12)
        self.assertLess(waited, DEADLINE * 1000)

    def test_the_app_appears_where_nobody_could_watch(self):
        """Its folder is not there yet: it is looked for. And where a socket is moved into place."""
        folder = os.path.dirname(self.app.path)
        for ident in (21, 22):
            self.app.die()
            if ident == 21:
                os.rename(folder, folder + ".away")
            self.gate.probe(ident)
            self.gate.ask(request(headers="Connection: close\r\n"))  # it has turned meanwhile
            if ident == 21:
                os.rename(folder + ".away", folder)
                self.app.listen()
            else:
                path, self.app.path = self.app.path, self.app.path + ".new"
                self.app.listen()
                self.app.path = path
                os.rename(path + ".new", path)
            self.assertEqual(self.gate.app_up()[0], ident)

    def test_before_any_config(self):
        self.gate.kill()
        self.gate.start()
        answer = self.gate.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertIn(b"HTTP/1.1 503 ", answer)
        self.assertIn(b'"phase":"starting"', answer)
        self.assertEqual(self.app.heads, [])

    def test_slow_head(self):
        """A head that never ends is answered 408 after 10 s; another client is not kept waiting."""
        with self.gate.connect() as slow, self.gate.connect() as silent:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
            self.assertEqual(self.status(request(headers="Connection: close\r\n")), 200)
            self.assertIn(b"HTTP/1.1 408 ", harness.read_all(slow))
            self.assertEqual(harness.read_all(silent), b"")


if __name__ == "__main__":
    GateCase.worker = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
