"""The gate under faults: it may refuse, cut off or end with a word; it never says a wrong byte and never crashes."""
import os
import random
import shutil
import sys
import tempfile
import time
from struct import error as struct_error

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "gate"))

import app as fake
import gate as harness
from app import TURNED, pattern
from gate import Gate, Reader, request, UPGRADE

harness.DEADLINE = 8.0  # a gate that has ended is waited for in vain
SIZE = 300000
ROOT = os.path.dirname(os.path.dirname(HERE))


def masked(payload, rng):
    """A client's binary WebSocket frame."""
    key = rng.randbytes(4)
    body = bytes(b ^ key[i & 3] for i, b in enumerate(payload))
    return bytes([0x82, 0xFE]) + len(payload).to_bytes(2, "big") + key + body


class MortalGate(Gate):
    """Who has ended says nothing more: that is not waited for."""

    def receive(self, kind):
        self.link.settimeout(0.2)
        end = time.monotonic() + harness.DEADLINE
        while time.monotonic() < end:
            try:
                return super().receive(kind)
            except TimeoutError:
                if not self.alive():
                    raise EOFError("the gate has ended") from None
        raise AssertionError("no record of kind %d" % kind)


class GateTarget:
    def __init__(self, bin_dir):
        self.folder = tempfile.mkdtemp(prefix="fault-gate-")
        self.worker = os.path.join(bin_dir, "wsagent-worker")
        self.rng = random.Random(1)
        self.sent = [masked(self.rng.randbytes(900), self.rng) for _ in range(20)]

    def close(self):
        shutil.rmtree(self.folder)

    def download(self, gate):
        with gate.connect() as s:
            s.sendall(request("/download?n=%d" % SIZE))
            return self.prefix(s, lambda r: r.response()[2], pattern(1 << 20)[:SIZE])

    def prefix(self, s, read, want):
        """What came is the answer, a refusal, or the beginning of it; without a fault it is the answer."""
        r = Reader(s)
        try:
            got = read(r)
        except (EOFError, ConnectionError) as e:
            if self.strict:
                return f"no whole answer: {e!r}"
            head, _, got = r.buf.partition(b"\r\n\r\n") if r.buf.startswith(b"HTTP/") else (b"", b"", r.buf)
            if head and b" 200 " not in head and b" 101 " not in head:
                return None
            return None if want.startswith(got) else "a cut answer is not the beginning of the right one"
        refusal = not self.strict and (b"<html" in got or len(got) < 300)
        return None if got == want or refusal else "a wrong answer"

    def editor(self, gate):
        """Frames through the decoder, and their echo."""
        sent = b"".join(self.sent)
        with gate.connect() as s:
            s.sendall(request("/editor?deflate&name=a", headers=UPGRADE) + sent)

            def read(r):
                status = r.response()[0]
                return r.exactly(len(sent)) if status == 101 else b""
            return self.prefix(s, read, sent.translate(TURNED))

    def talk(self, gate):
        gate.config()
        return self.download(gate) or self.editor(gate) or self.download(gate)

    def run(self, env, _injector):
        self.strict = env["FAULT_NTH"] == "0"
        path = os.path.join(self.folder, "app.sock")
        app, gate, log = fake.App(path), None, open(os.path.join(self.folder, "log"), "w+b")
        wrong = None
        try:
            gate = MortalGate(self.worker, path, profile=f"{ROOT}/images/code-server/profile.json", log=log, extra=env)
            wrong = self.talk(gate)
        except (OSError, EOFError, AssertionError, IndexError, struct_error) as e:
            # It has ended, or refuses: then it must have said so.
            log.seek(0)
            if self.strict or not log.read().strip():
                wrong = f"fails without a word: {e!r}"
        finally:
            if gate:
                if gate.alive():
                    gate.kill()
                elif gate.proc.returncode < 0:
                    log.seek(0)
                    wrong = f"died by signal {-gate.proc.returncode}: {log.read()[-300:]}"
                gate.close()
            app.release.set()
            app.die()
            log.close()
        return wrong


