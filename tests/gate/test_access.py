"""Who is let in: links that open a workspace once, the cookie they give, and all that is refused."""
import json
import os
import re
import sys
import time
import unittest

from case import GateCase
from gate import DEADLINE, Reader, access, request, ACCESS, COOKIES, HOST, KEY, UPGRADE

CLOSE = "Connection: close\r\n"
HTML = "Accept: text/html\r\n"
OTHER = "5a" * 32


def ident(n):
    return "%032x" % n


def ticket(n=1, **kw):
    kw.setdefault("expires", int(time.time()) + 600)
    return access("ticket", ident=ident(n), **kw)


def until(test):
    """The channel is read before what comes behind it, but not before the bytes of a client."""
    end = time.monotonic() + DEADLINE
    while not test():
        if time.monotonic() > end:
            raise AssertionError("the gate has not heard")


class Answer:
    def __init__(self, raw):
        head, self.body = raw.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = [tuple(l.split(": ", 1)) for l in lines[1:]]

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def one(self, name):
        v = self.all(name)
        return v[0] if len(v) == 1 else None

    @property
    def cookie(self):
        return self.one("Set-Cookie").split(";")[0]

    @property
    def code(self):
        return json.loads(self.body)["code"]


class AccessTest(GateCase):
    def ask(self, path="/", method="GET", headers="", cookie=None, key=KEY):
        return Answer(self.gate.ask(request(path, method, CLOSE + headers, cookie=cookie, key=key)))

    def denied(self, code, *args, **kw):
        heads = len(self.app.heads)
        a = self.ask(*args, **kw)
        self.assertEqual((a.status, a.code, a.all("Set-Cookie")), (403, code, []))
        self.assertEqual(len(self.app.heads), heads, "the app saw it")

    def test_link(self):
        a = self.ask("/x?folder=/home&ws_access=%s&y" % ticket(), headers=HTML)
        self.assertEqual((a.status, a.one("Location")), (303, "/x?folder=/home&y"))
        self.assertEqual((a.one("Referrer-Policy"), a.one("Cache-Control")), ("no-referrer", "no-store"))
        self.assertRegex(a.one("Set-Cookie"), r"^ws_access=1\.\d+\.[0-9a-f]{32}\.[0-9a-f]{64}; Path=/; "
                         r"Max-Age=600; HttpOnly; SameSite=Lax$")
        self.assertEqual(self.app.heads, [])
        b = self.ask("/echo-head", cookie="a=b; " + a.cookie)
        self.assertEqual(b.status, 200)
        self.assertIn(b"Cookie: a=b\r\n", b.body)
        self.assertNotIn(b"ws_access", b.body)
        self.assertEqual(b.all("Set-Cookie"), [])
        with self.gate.connect() as s:
            s.sendall(request("/ws", headers=UPGRADE + "Origin: http://%s\r\n" % HOST, cookie=a.cookie))
            self.assertEqual(Reader(s).response()[0], 101)
        # A new cookie for each browser.
        self.assertNotEqual(self.ask("/?ws_access=" + ticket(2)).cookie, a.cookie)

    def test_used_twice(self):
        link = "/?ws_access=" + ticket()
        first = self.ask(link)
        self.assertEqual(first.status, 303)
        self.denied("link-used", link)
        # Who has it open goes on, and gets no second cookie for it.
        again = self.ask(link, cookie=first.cookie)
        self.assertEqual((again.status, again.one("Location"), again.all("Set-Cookie")), (303, "/", []))
        page = self.ask(link, headers=HTML)
        self.assertEqual((page.status, page.one("Content-Type")), (403, "text/html; charset=utf-8"))
        self.assertIn("This link was used already", page.body.decode())
        self.assertIn("ask your platform for a new", page.body.decode())

    def test_many_at_once(self):
        """Of many that open one link at one moment, one gets in."""
        raw = request("/?ws_access=" + ticket(), headers=CLOSE, cookie=None)
        socks = [self.gate.connect() for _ in range(40)]
        for s in socks:
            s.sendall(raw)
        answers = [Reader(s).response()[0] for s in socks]
        for s in socks:
            s.close()
        self.assertEqual((answers.count(303), answers.count(403)), (1, 39))

    def test_gate_killed(self):
        """kill -9: who is in goes on, and a used link stays used."""
        link = "/?ws_access=" + ticket()
        cookie = self.ask(link).cookie
        for _ in range(3):
            self.gate.kill()
            self.gate.start()
            self.gate.config()
            self.denied("link-used", link)
            self.assertEqual(self.ask(cookie=cookie).status, 200)

    def test_refused(self):
        now = int(time.time())
        good = ticket()
        for code, text in (("link-expired", ticket(expires=now - 1)),
                           ("link-of-another-start", ticket(generation=2)),
                           ("link-of-another-start", ticket(generation=2, key=OTHER)),
                           ("link-not-valid", ticket(key=OTHER)),
                           ("link-not-valid", access("cookie", expires=now + 99)),
                           ("link-not-valid", good[:-1]), ("link-not-valid", good + "0"),
                           ("link-not-valid", good.replace(".", ",", 1)), ("link-not-valid", ""),
                           ("link-not-valid", "1." + good)):
            self.denied(code, "/?ws_access=" + text)
        for code, text in (("access-ended", access("cookie", expires=now - 1)),
                           ("access-ended", access("cookie", generation=2)),  # of before a stop, or after
                           ("access-ended", access("cookie", key=OTHER)),     # a neighbour's
                           ("access-ended", good), ("access-ended", "x"), ("no-access", None)):
            cookie = text and "ws_access=" + text
            for path, method, headers in (("/", "GET", ""), ("/proxy/8000/", "GET", ""), ("/x", "POST", "Content-Length: 0\r\n"),
                                          ("/ws", "GET", UPGRADE), ("/_workspace/status", "GET", ""),
                                          ("/_workspace/keep", "POST", "Content-Length: 0\r\n")):
                self.denied(code, path, method, headers, cookie=cookie)
        # Without the front door's key nothing of this counts, and no ticket is used up.
        self.assertEqual(self.ask("/?ws_access=" + good, key="x").status, 403)
        self.assertEqual(self.ask("/?ws_access=" + good).status, 303)

    def test_methods(self):
        for method, headers in (("HEAD", ""), ("POST", "Content-Length: 0\r\n"), ("GET", UPGRADE)):
            self.assertEqual(self.ask("/?ws_access=" + ticket(), method, headers).status, 405)
        self.assertEqual(self.app.heads, [])
        self.assertEqual(self.ask("/?ws_access=" + ticket()).status, 303)

    def test_other_origin(self):
        cookie = self.ask("/?ws_access=" + ticket()).cookie
        for origin in ("http://evil.example", "null", "http://ws-b.localhost:8080"):
            a = self.ask("/ws", headers=UPGRADE + "Origin: %s\r\n" % origin, cookie=cookie)
            self.assertEqual(a.status, 403)

    def test_waits(self):
        """While the app is not there a link is shown the page that waits, and is not used up."""
        self.gate.config(phase="restoring", generation=2, wait=False)
        link = "/?ws_access=" + ticket(generation=2)
        while True:
            page = self.ask(link, headers=HTML)
            if page.status != 403:  # until the gate has read its new generation
                break
        self.assertEqual(page.status, 503)
        self.assertIn("location.search", page.body.decode())
        status = self.ask("/_workspace/status?" + link.split("?")[1])
        self.assertEqual((status.status, json.loads(status.body)["phase"]), (200, "restoring"))
        self.gate.probe(1)
        self.gate.app_up()
        self.assertEqual(self.ask(link).status, 303)
        self.denied("link-used", link)

    def test_generations(self):
        """A stop ends every access: the next life has another number and another key."""
        old_link, unused = ("/?ws_access=" + ticket(n) for n in (1, 2))
        old = self.ask(old_link).cookie
        self.gate.config(generation=2, access=OTHER, wait=False)
        while self.ask(cookie=old).status != 403:
            pass
        self.denied("access-ended", cookie=old)
        self.denied("link-of-another-start", old_link)
        self.denied("link-of-another-start", unused)
        self.assertEqual(self.ask("/?ws_access=" + ticket(3, generation=2, key=OTHER)).status, 303)

    def test_keys_change(self):
        """Two keys for a while: who is in goes on and is given a cookie of the new one."""
        cookie = self.ask("/?ws_access=" + ticket()).cookie
        unused = "/?ws_access=" + ticket(2)
        with self.gate.connect() as s:
            s.sendall(request("/ws", headers=UPGRADE, cookie=cookie))
            r = Reader(s)
            self.assertEqual(r.response()[0], 101)
            self.gate.config(access=OTHER, access_old=ACCESS, key="n3w", key_old=KEY)
            a = self.ask("/x", cookie=cookie)
            self.assertEqual(a.status, 200)
            fresh = a.cookie
            self.assertEqual(self.ask("/x", cookie=cookie, key="n3w").status, 200)
            self.assertEqual(self.ask(unused).status, 303)
            self.gate.config(access=OTHER, key="n3w", wait=False)
            while self.ask(cookie=cookie, key="n3w").status != 403:
                pass
            self.denied("access-ended", cookie=cookie, key="n3w")
            b = self.ask("/x", cookie=fresh, key="n3w")
            self.assertEqual((b.status, b.all("Set-Cookie")), (200, []))
            self.assertEqual(self.ask("/x", cookie=fresh).status, 403)
            # What is open was never asked.
            s.sendall(b"\x81\x85\0\0\0\0hello")
            r.exactly(1)

    def test_renewed(self):
        """A cookie that is half over is replaced by the next answer, a handshake's among them."""
        cookie = "ws_access=" + access("cookie", expires=int(time.time()) + 200)
        a = self.ask("/x", cookie=cookie)
        self.assertEqual(a.status, 200)
        self.assertGreater(int(a.cookie.split(".")[1]), int(time.time()) + 300)
        with self.gate.connect() as s:
            s.sendall(request("/ws", headers=UPGRADE, cookie=cookie))
            status, head, _ = Reader(s).response()
            self.assertEqual((status, "\r\nSet-Cookie: ws_access=1." in head), (101, True))

    def test_hidden_by_others(self):
        """A neighbour's page can set cookies of our name for the whole domain: the good one still counts."""
        good = self.ask("/?ws_access=" + ticket()).cookie
        junk = "ws_access=" + access("cookie", key=OTHER)
        for cookie in (junk + "; " + good, good + "; " + junk, "%s\r\nCookie: %s" % (junk, good),
                       "; ".join([junk] * 20 + [good])):
            self.assertEqual(self.ask(cookie=cookie).status, 200, cookie)

    def test_clock(self):
        """Where this machine's clock is not the controller's, links and cookies are judged by the controller's."""
        for n, off in enumerate((-7200, 7200)):
            now = int(time.time()) + off  # what the controller's clock says
            fresh, old = ("/?ws_access=" + ticket(10 * n + m, expires=now + left) for m, left in ((1, 600), (2, -60)))
            # By this machine's clock: the one would be over, the other not.
            cookie, before, after = ((now + 600, 403, 200), (now - 60, 200, 403))[n]
            cookie = "ws_access=" + access("cookie", expires=cookie)
            self.assertEqual(self.ask("/x", cookie=cookie).status, before)
            self.gate.config(clock_off_s=off, wait=False)
            until(lambda: self.ask("/x", cookie=cookie).status == after)
            self.denied("link-expired", old)
            a = self.ask(fresh)
            self.assertEqual(a.status, 303)
            self.assertLess(abs(int(a.cookie.split(".")[1]) - now - 600), 60)
            self.gate.config(wait=False)
            until(lambda: self.ask("/x", cookie=cookie).status == before)

    def test_no_key(self):
        self.gate.config(access="", wait=False)
        while self.ask(cookie=COOKIES).status != 403:
            pass
        self.denied("no-key", cookie=COOKIES)
        self.denied("no-key", "/?ws_access=" + ticket())

    def test_words(self):
        """The controller's words for the cookie, and the way back to the platform."""
        self.gate.config(cookie="; SameSite=None; Secure; Partitioned", platform="https://lms.example/?a=1&b")
        a = self.ask("/?ws_access=" + ticket())
        self.assertTrue(a.one("Set-Cookie").endswith("; HttpOnly; SameSite=None; Secure; Partitioned"))
        page = self.ask(headers=HTML).body.decode()
        self.assertIn('<a href="https://lms.example/?a=1&#38;b">Back to your platform</a>', page)
        self.gate.config(cookie="; x\r\nEvil: 1")
        self.assertTrue(self.ask("/?ws_access=" + ticket(2)).one("Set-Cookie").endswith("; HttpOnly"))

    def test_resume(self):
        """The button of a page that is older than this life leads to the workspace; who is not in gets no further."""
        link = "ws_access=" + ticket()
        for path, to in (("?life=3", "/"), ("?life=3&" + link, "/?" + link), ("", "/"), ("?ws_access=x%0d", "/")):
            for method in "POST", "GET":
                a = self.ask("/_workspace/resume" + path, method, "Content-Length: 0\r\n" + HTML)
                self.assertEqual((a.status, a.one("Location"), a.all("Set-Cookie")), (303, to, []))
        # The link is not used up by it, and opens the workspace where it leads.
        self.assertEqual(self.ask("/?" + link).status, 303)
        self.denied("no-access", "/")

    def test_another_place(self):
        """The way on is a path of this host, whatever the link says."""
        for path, want in (("//evil.example/", "/evil.example/"), ("/\\evil.example/", "/evil.example/"),
                           ("///x?a", "/x?a")):
            mark = "&" if "?" in path else "?"
            n = int(re.sub(r"\D", "", str(time.monotonic_ns())))
            a = self.ask("%s%sws_access=%s" % (path, mark, ticket(n)))
            self.assertEqual((a.status, a.one("Location")), (303, want))


if __name__ == "__main__":
    GateCase.worker = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
