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
import ssl
import subprocess
import threading
import time
import urllib.parse


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


def sigv4_wrong(key, secret, region, service, headers, body):
    """What is wrong with a POST to / by Signature Version 4, or None; written from AWS' description alone."""
    m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
                     r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", headers["Authorization"] or "")
    if not m or m.group(1) != key or m.group(3) != region or m.group(4) != service:
        return f"no credential of ours: {headers['Authorization']}"
    names = m.group(5).split(";")
    if names != sorted(names) or not {"host", "x-amz-date"} <= set(names):
        return f"signed headers: {names}"
    canonical = "POST\n/\n\n" + "".join(f"{n}:{headers[n].strip()}\n" for n in names) + \
        f"\n{m.group(5)}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{m.group(2)}/{region}/{service}/aws4_request"
    text_ = f"AWS4-HMAC-SHA256\n{headers['X-Amz-Date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    k = b"AWS4" + secret
    for part in (m.group(2), region, service, "aws4_request"):
        k = hmac.new(k, part.encode(), hashlib.sha256).digest()
    good = hmac.new(k, text_.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(good, m.group(6)) else "the signature does not fit"


AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
       "AWS_SESSION_TOKEN": "a-session-token"}


def sns_notice(headers, body):
    """The Publish as a dictionary; `_wrong` when it is not signed as it should be."""
    form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode(), strict_parsing=True).items()}
    secret = AWS["AWS_SECRET_ACCESS_KEY"].encode()
    wrong = sigv4_wrong(AWS["AWS_ACCESS_KEY_ID"], secret, "eu-central-1", "sns", headers, body)
    if headers["X-Amz-Security-Token"] != AWS["AWS_SESSION_TOKEN"]:
        wrong = "no session token"
    # Planted: a changed body and another secret.
    if not sigv4_wrong(AWS["AWS_ACCESS_KEY_ID"], secret, "eu-central-1", "sns", headers, body + b"x") or \
            not sigv4_wrong(AWS["AWS_ACCESS_KEY_ID"], b"other", "eu-central-1", "sns", headers, body):
        wrong = "planted: the check takes anything"
    return {**form, "_wrong": wrong, "kind": json.loads(form["Message"])["kind"]}


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        notice = sns_notice(self.headers, body) if self.path == "/" else json.loads(body)
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
        elif self.path == "/":
            answer = 403 if notice["_wrong"] else self.server.next_answer("sns")
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

    def __init__(self, port, tls=None, implicit=False, password=None):
        super().__init__(("127.0.0.1", port), Session)
        self.plan, self.mails, self.commands = [], [], []
        self.tls, self.implicit, self.password = tls, implicit, password
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


def certificate(folder, name, host):
    """A certificate for `host` that nobody has signed but itself: (PEM file, the server's TLS context)."""
    cert, key = f"{folder}/{name}.pem", f"{folder}/{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    return cert, tls


class Session(socketserver.StreamRequestHandler):
    secure = False

    def encrypt(self):
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.secure = True

    def setup(self):
        super().setup()
        if self.server.implicit:
            self.encrypt()

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
                if self.server.tls and not self.secure:
                    self.say("250-STARTTLS")
                self.say("250 AUTH PLAIN")
            elif verb == "STARTTLS" and self.server.tls and not self.secure:
                self.say("220 go on")
                self.encrypt()
            elif verb == "AUTH":
                word = line.split(" ")[2] if line.count(" ") > 1 else ""
                if not word:
                    self.say("334 ")
                    word = self.rfile.readline().decode().strip()
                right = base64.b64decode(word).split(b"\0")[1:] == [b"ws", self.server.password]
                self.say("235 ok" if right else "535 wrong")
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
                    self.server.mails.append((sender, to, email.message_from_bytes(data), self.secure))
                self.say(f"{status} said")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("502 no")


def tampered(notice):
    """The same with one byte of the body changed."""
    return notice["_raw"].replace(b'"kind"', b'"Kind"', 1)


__all__ = ["AWS", "Hook", "Mail", "certificate", "signature_wrong", "subject", "tampered", "text"]
