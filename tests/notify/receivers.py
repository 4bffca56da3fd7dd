"""Receivers of notifications: an HTTP server that checks signatures and misbehaves on demand, and a mail server."""
import base64
import email
import email.header
import hashlib
import hmac
import http.server
import json
import re
import socketserver
import threading
import time


def signature_wrong(secret, header, body, now):
    """What is wrong with it, or None; as wscontroller(8) tells receivers to check."""
    m = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", header or "")
    if not m:
        return f"no signature: {header}"
    if abs(now - int(m.group(1))) > 300:
        return "too old"
    mac = hmac.new(secret, m.group(1).encode() + b"." + body, hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(mac, m.group(2)) else "the signature does not fit"


class Hook(http.server.ThreadingHTTPServer):
    """/hook (signed) and /pager. `plan`: kind -> list of answers for the next ones: a status, "hang", "drip", "cut"."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port, secret=b""):
        super().__init__(("127.0.0.1", port), Handler)
        self.secret, self.plan, self.got, self.lock = secret, {}, [], threading.Condition()
        self.release = threading.Event()
        self.hung = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.release.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass

    def next_answer(self, kind):
        with self.lock:
            plan = self.plan.get(kind) or self.plan.get("*") or []
            return plan.pop(0) if plan else 200

    def accepted(self, test=lambda n: True, path="/hook"):
        with self.lock:
            return [n for p, n, a in self.got if p == path and a == 200 and test(n)]

    def tries(self, test=lambda n: True, path="/hook"):
        with self.lock:
            return [(n, a) for p, n, a in self.got if p == path and test(n)]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        notice = json.loads(body)
        kind = notice.get("kind") or notice.get("dedup_key")
        if self.path == "/hook":
            wrong = signature_wrong(self.server.secret, self.headers["X-Workspaces-Signature"], body, time.time())
            expected = notice["id"] + (":resolved" if notice.get("state") == "resolved" else "")
            if not wrong and self.headers["Idempotency-Key"] != expected:
                wrong = "the Idempotency-Key is not the id"
            if not wrong and self.headers["X-Workspaces-Kind"] != kind:
                wrong = "X-Workspaces-Kind is not the kind"
            answer = 401 if wrong else self.server.next_answer(kind)
            notice["_wrong"], notice["_raw"], notice["_signature"] = wrong, body, self.headers["X-Workspaces-Signature"]
        else:
            answer = self.server.next_answer("pager")
        with self.server.lock:
            self.server.got.append((self.path, notice, answer))
            self.server.hung += answer == "hang"
        if answer == "hang":
            self.server.release.wait(60)
            return
        if answer == "cut":
            self.connection.close()
            return
        if answer == "drip":
            for c in "HTTP/1.1 200 OK\r\nX: " + "a" * 1000:
                if self.server.release.wait(0.05):
                    return
                self.wfile.write(c.encode())
            return
        self.send_response(answer)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Mail(socketserver.ThreadingTCPServer):
    """`plan`: answers to the next DATA, such as 451. `mails`: (from, [to], message)."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Session)
        self.plan, self.mails, self.commands = [], [], []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass

    def find(self, test):
        return [m for m in list(self.mails) if test(m[2])]


def subject(message):
    return str(email.header.make_header(email.header.decode_header(message["Subject"])))


def text(message):
    return message.get_payload(decode=True).decode()


class Session(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def read_data(self):
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def handle(self):
        sender, to = None, []
        self.say("220 test")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            self.server.commands.append(verb)
            if verb in ("EHLO", "HELO"):
                self.say("250-test")
                self.say("250 AUTH PLAIN LOGIN")
            elif verb == "MAIL":
                sender = line[10:].split(" ")[0]
                self.say("250 ok")
            elif verb == "RCPT":
                to.append(line[8:].split(" ")[0])
                self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                data = self.read_data()
                status = self.server.plan.pop(0) if self.server.plan else 250
                if status == 250:
                    self.server.mails.append((sender, to, email.message_from_bytes(data)))
                self.say(f"{status} said")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("502 no")


def tampered(notice):
    """The same with one byte of the body changed."""
    return notice["_raw"].replace(b'"kind"', b'"Kind"', 1)


__all__ = ["Hook", "Mail", "base64", "signature_wrong", "subject", "tampered", "text"]
