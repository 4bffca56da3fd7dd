#!/usr/bin/env python3
"""The local storage server: an object takes room once however often it is uploaded at a time, and no user of this
machine holds all connections."""
import argparse
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

OTHER = 61234  # a uid that nobody has


def check(ok, what):
    if not ok:
        raise SystemExit(f"FAIL: {what}")


def until(what, fn, limit=60):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if fn():
            return
        time.sleep(0.02)
    raise SystemExit(f"FAIL: not within {limit} s: {what}")


class Server:
    def __init__(self, bin_dir, program):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ws-local-storage."))
        self.root = self.dir / "storage"
        self.tool = pathlib.Path(bin_dir) / "save_tool"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.log = open(self.dir / "log", "w")
        self.process = subprocess.Popen(
            [program or str(pathlib.Path(bin_dir) / "wscontroller"), "storage", "--listen", f"127.0.0.1:{self.port}",
             "--key-file", str(self.dir / "key"), "--root", str(self.root)], stderr=self.log)
        until("the server answers", self.healthy)

    def healthy(self, timeout=5):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            c.request("GET", "/healthz")
            return c.getresponse().status == 200
        except OSError:
            return False

    def granted(self, file, data):
        """Where this may be put, as part of ws-a's save 1-1."""
        words = [str(self.tool), "grant", str(self.dir / "key"), "put", "ws-a", "1", "1", str(int(time.time()) + 600), str(1 << 30)]
        grant = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        wanted = {"name": file, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        c.request("POST", grant, json.dumps({"objects": [wanted]}))
        reply = c.getresponse()
        text = reply.read()
        check(reply.status == 200, f"a grant: {reply.status} {text}")
        url = json.loads(text)["objects"][0]["url"]
        return url[url.index("/o/"):]

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)


def used(server):
    return sum(f.stat().st_blocks * 512 for f in (server.root / ".tmp").iterdir())


def begin(server, target, data, part):
    s = socket.create_connection(("127.0.0.1", server.port), 30)
    s.sendall(f"PUT {target} HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:part])
    return s


def answer(s):
    text = b""
    while True:
        try:
            more = s.recv(4096)
        except TimeoutError:
            return text.decode()
        text += more
        if not more or b"\r\n\r\n" in text and (b"try later" in text or b"stored" in text):
            return text.decode()


def test_once(server):
    data = os.urandom(4 << 20)
    target = server.granted("0-00000.tar.zst", data)
    first = begin(server, target, data, 1000)
    until("its room is taken", lambda: used(server) >= len(data))
    for _ in range(8):
        said = answer(begin(server, target, data, 1000))
        check(said.startswith("HTTP/1.1 409") and "another upload of this object is under way" in said, f"a second: {said!r}")
    check(used(server) < 2 * len(data), f"room is taken once: {used(server)}")
    first.sendall(data[1000:])
    check(answer(first).startswith("HTTP/1.1 201"), "the first goes on")
    check((server.root / "ws-a/1-1/0-00000.tar.zst").read_bytes() == data, "what was uploaded")
    # One that breaks off leaves its place to the next.
    target = server.granted("0-00001.tar.zst", data)
    begin(server, target, data, 1000).close()
    until("its room is given back", lambda: used(server) == 0)
    again = begin(server, target, data, len(data))
    check(answer(again).startswith("HTTP/1.1 201"), "the next is taken")


def hold_all(port, ready):
    """As another user: as many connections as there are at all, without a word."""
    held = []
    for _ in range(1200):
        try:
            held.append(socket.create_connection(("127.0.0.1", port), 30))
        except OSError:
            break
    os.write(ready, b"1")
    signal.pause()


def test_hog(server):
    if os.geteuid() != 0:
        print("SKIP: one user among others: needs root to be another user")
        return
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        os.setresgid(OTHER, OTHER, OTHER)
        os.setresuid(OTHER, OTHER, OTHER)
        hold_all(server.port, write)
        os._exit(0)
    try:
        check(os.read(read, 1) == b"1", "it has its connections")
        threads = lambda: len(os.listdir(f"/proc/{server.process.pid}/task"))
        check(threads() <= 70, f"{threads()} threads serve one user")
        from_now = time.monotonic()
        for _ in range(20):
            check(server.healthy(30), "others are served")
        check(time.monotonic() - from_now < 25, f"others wait: {time.monotonic() - from_now:.1f} s")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--server", help="another program that has the subcommand storage")
    a = p.parse_args()
    server = Server(a.bin, a.server)
    try:
        test_once(server)
        test_hog(server)
    finally:
        server.close()
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
