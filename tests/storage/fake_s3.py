#!/usr/bin/env python3
"""A strict S3 for tests, of the standard library alone.

    tests/storage/fake_s3.py --port N [--bucket NAME] [--bandwidth BYTES] [--page N]

In a test: `with FakeS3() as s3:`; s3.endpoint, s3.objects, s3.log, s3.faults, s3.keys. What it
checks that lenient ones do not: signatures by headers and presigned (clock skew, expiry, session
token, that each header which matters is signed), If-None-Match, Content-Length, checksums; and it
answers errors as S3's XML.

Faults by number of the request (from 1): s3.faults = {3: "503", 5: "cut"}; or s3.fault_all. Kinds:
503 (SlowDown), 500, 429, cut (no answer; what was sent is not stored), lost (stored, no answer),
slow (2 s), stall (40 s), 403 (expired), quota (403 QuotaExceeded), full (507), 400 (RequestTimeout),
digest (other bytes arrived), 502 (a proxy's, in HTML).
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import http.server
import socket
import socketserver
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

SKEW_S = 900
ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY = hashlib.sha256(b"").hexdigest()
# Headers that change what a request does: they must be signed whenever they are sent.
MUST_SIGN = ("host", "content-md5", "if-none-match", "if-match", "range")
ERRORS = {"AccessDenied": 403, "SignatureDoesNotMatch": 403, "RequestTimeTooSkewed": 403,
          "InvalidAccessKeyId": 403, "InvalidToken": 400, "ExpiredToken": 400, "NoSuchKey": 404,
          "NoSuchBucket": 404, "PreconditionFailed": 412, "BadDigest": 400, "InvalidRequest": 400,
          "XAmzContentSHA256Mismatch": 400, "MissingContentLength": 411, "IncompleteBody": 400,
          "MethodNotAllowed": 405, "InvalidRange": 416, "SlowDown": 503, "InternalError": 500,
          "QuotaExceeded": 403, "StorageFull": 507, "RequestTimeout": 400, "MalformedXML": 400,
          "AuthorizationQueryParametersError": 400, "NotImplemented": 501, "TooManyRequests": 429,
          "InvalidArgument": 400, "": 502}


class Refused(Exception):
    def __init__(self, code, message=""):
        super().__init__(code)
        self.code, self.message = code, message or code


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Pace:
    """Bytes a second for all uploads together."""

    def __init__(self, rate):
        self.rate, self.lock, self.next = rate, threading.Lock(), time.monotonic()

    def take(self, n):
        if not self.rate:
            return
        with self.lock:
            mine = max(self.next, time.monotonic() - 0.1)
            self.next = mine + n / self.rate
        time.sleep(max(0.0, mine - time.monotonic()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args):
        pass

    # ---- requests ----

    def serve(self):
        s3 = self.server.s3
        self.body = None
        with s3.lock:
            s3.n_requests += 1
            fault = s3.faults.get(s3.n_requests, s3.fault_all)
            s3.log.append((self.command, self.path.split("?")[0], fault))
        try:
            self.begin_fault(fault)
            self.route(s3)
        except Refused as e:
            self.refuse(e)
        except Cut:
            self.cut()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve

    def begin_fault(self, fault):
        self.lose = fault == "lost"
        if fault in ("slow", "stall"):
            time.sleep(2 if fault == "slow" else 40)
        if fault == "502":
            raise Refused("")
        if fault == "cut":
            length = int(self.headers.get("Content-Length") or 0)
            if length:
                self.rfile.read(length // 2)
            raise Cut()
        codes = {"503": "SlowDown", "500": "InternalError", "403": "AccessDenied",
                 "quota": "QuotaExceeded", "full": "StorageFull", "400": "RequestTimeout",
                 "429": "TooManyRequests", "digest": "BadDigest"}
        if fault in codes:
            raise Refused(codes[fault], "Request has expired" if fault == "403" else "injected")

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def route(self, s3):
        self.raw_path, _, self.raw_query = self.path.partition("?")
        self.query = [tuple(map(urllib.parse.unquote, p.partition("=")[::2]))
                      for p in self.raw_query.split("&")] if self.raw_query else []
        self.q = dict(self.query)
        if len(self.q) != len(self.query):
            raise Refused("InvalidArgument", "a parameter stands twice")
        payload = self.authenticate(s3)
        host = self.headers["Host"].split(":")[0]
        path = urllib.parse.unquote(self.raw_path)
        if host.startswith(s3.bucket + "."):
            key = path[1:]
        elif path.startswith(f"/{s3.bucket}/"):
            key = path[len(s3.bucket) + 2:]
        else:
            raise Refused("NoSuchBucket")
        if self.command in ("PUT", "POST"):
            self.take_body(s3, payload)
        if key:
            getattr(self, "object_" + self.command.lower(), self.not_allowed)(s3, key)
        elif self.command == "GET" and self.q.get("list-type") == "2":
            self.list_objects(s3)
        elif self.command == "POST" and "delete" in self.q:
            self.delete_objects(s3)
        else:
            raise Refused("NotImplemented")

    def not_allowed(self, *_):
        raise Refused("MethodNotAllowed")

    # ---- signatures ----

    def authenticate(self, s3):
        """The payload's hash as it was signed."""
        if "X-Amz-Signature" in self.q:
            return self.check_presigned(s3)
        return self.check_header(s3)

    def canonical(self, query, signed, payload):
        lines = []
        for name in signed:
            values = self.headers.get_all(name)
            if values is None:
                raise Refused("SignatureDoesNotMatch", f"{name} is signed and was not sent")
            lines.append(f"{name}:{','.join(' '.join(v.split()) for v in values)}\n")
        pairs = "&".join(f"{k}={v}" for k, v in sorted((quote(k), quote(v)) for k, v in query))
        path = quote(urllib.parse.unquote(self.raw_path), "/")
        if path != self.raw_path:
            raise Refused("SignatureDoesNotMatch", "the path is not encoded as it must be")
        return "\n".join((self.command, path, pairs, "".join(lines), ";".join(signed), payload))

    def verify(self, s3, credential, stamp, query, signed, payload, given, token):
        access, date, region, service, last = (credential.split("/") + [""] * 5)[:5]
        if access not in s3.keys:
            raise Refused("InvalidAccessKeyId")
        secret, wanted_token = s3.keys[access]
        if (token or None) != wanted_token:
            raise Refused("InvalidToken")
        if s3.expired_tokens and token in s3.expired_tokens:
            raise Refused("ExpiredToken", "The provided token has expired.")
        if (date, region, service, last) != (stamp[:8], s3.region, "s3", "aws4_request"):
            raise Refused("SignatureDoesNotMatch", "the scope of the credential is wrong")
        if signed != sorted(signed):
            raise Refused("SignatureDoesNotMatch", "signed headers are not sorted")
        self.check_signed_headers(signed)
        text = "\n".join((ALGORITHM, stamp, f"{date}/{region}/s3/aws4_request", hashlib.sha256(
            self.canonical(query, signed, payload).encode()).hexdigest()))
        key = hmac256(hmac256(hmac256(hmac256(b"AWS4" + secret.encode(), date), region), "s3"),
                      "aws4_request")
        if not hmac.compare_digest(hmac256(key, text).hex(), given):
            raise Refused("SignatureDoesNotMatch")

    def check_signed_headers(self, signed):
        for name in map(str.lower, self.headers.keys()):
            if (name in MUST_SIGN or name.startswith("x-amz-")) and name not in signed:
                raise Refused("AccessDenied", f"There were headers present in the request which "
                                              f"were not signed: {name}")
        if "host" not in signed:
            raise Refused("SignatureDoesNotMatch", "host must be signed")

    def at(self, stamp):
        try:
            return datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(
                tzinfo=datetime.timezone.utc).timestamp()
        except ValueError:
            raise Refused("AccessDenied", "the date is not one") from None

    def check_header(self, s3):
        kind, _, rest = (self.headers.get("Authorization") or "").partition(" ")
        fields = dict(p.strip().partition("=")[::2] for p in rest.split(","))
        stamp = self.headers.get("x-amz-date") or ""
        payload = self.headers.get("x-amz-content-sha256")
        if kind != ALGORITHM or set(fields) != {"Credential", "SignedHeaders", "Signature"}:
            raise Refused("AccessDenied", "no signature")
        if payload is None:
            raise Refused("InvalidRequest", "Missing required header: x-amz-content-sha256")
        if abs(self.at(stamp) - s3.now()) > SKEW_S:
            raise Refused("RequestTimeTooSkewed")
        self.verify(s3, fields["Credential"], stamp, self.query,
                    fields["SignedHeaders"].split(";"), payload, fields["Signature"],
                    self.headers.get("x-amz-security-token"))
        return payload

    def check_presigned(self, s3):
        q = self.q
        needed = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
                  "X-Amz-SignedHeaders")
        if any(k not in q for k in needed) or q["X-Amz-Algorithm"] != ALGORITHM:
            raise Refused("AuthorizationQueryParametersError")
        if self.headers.get("Authorization"):
            raise Refused("InvalidArgument", "Only one auth mechanism allowed")
        expires = int(q["X-Amz-Expires"]) if q["X-Amz-Expires"].isdigit() else 0
        if not 1 <= expires <= 604800:
            raise Refused("AuthorizationQueryParametersError", "X-Amz-Expires")
        begun = self.at(q["X-Amz-Date"])
        if begun - s3.now() > SKEW_S:
            raise Refused("AccessDenied", "Request is not yet valid")
        query = [p for p in self.query if p[0] != "X-Amz-Signature"]
        self.verify(s3, q["X-Amz-Credential"], q["X-Amz-Date"], query,
                    q["X-Amz-SignedHeaders"].split(";"), "UNSIGNED-PAYLOAD", q["X-Amz-Signature"],
                    q.get("X-Amz-Security-Token"))
        if s3.now() > begun + expires:
            raise Refused("AccessDenied", "Request has expired")
        self.presigned_headers = q["X-Amz-SignedHeaders"].split(";")
        return "UNSIGNED-PAYLOAD"

    # ---- bodies ----

    def take_body(self, s3, payload):
        length = self.headers.get("Content-Length")
        if length is None or self.headers.get("Transfer-Encoding"):
            raise Refused("MissingContentLength")
        left, pieces = int(length), []
        while left:
            piece = self.rfile.read(min(left, 16384))
            if not piece:
                raise Cut()
            s3.pace.take(len(piece))
            pieces.append(piece)
            left -= len(piece)
        body = b"".join(pieces)
        digest = hashlib.sha256(body)
        if payload not in ("UNSIGNED-PAYLOAD", digest.hexdigest()):
            raise Refused("XAmzContentSHA256Mismatch")
        told = self.headers.get("x-amz-checksum-sha256")
        if told is not None and told != base64.b64encode(digest.digest()).decode():
            raise Refused("BadDigest", "The SHA256 you specified did not match")
        self.body, self.digest = body, digest.digest()

    def reply(self, status, body=b"", headers=(), length=None):
        if self.lose:
            raise Cut()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, e):
        # What was not read of the request stands in the way of the next one.
        unread = self.body is None and (self.headers.get("Content-Length") or "0") != "0"
        self.close_connection = self.close_connection or unread
        text = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{e.code}</Code><Message>'
                f"{escape(e.message)}</Message><RequestId>1</RequestId></Error>").encode()
        headers = [("Content-Type", "application/xml")]
        if not e.code:
            text, headers = b"<html>bad gateway</html>", [("Content-Type", "text/html")]
        if unread:
            headers.append(("Connection", "close"))
        try:
            self.lose = False
            self.reply(ERRORS[e.code], text, headers)
            if unread:  # let the answer be read before a reset can destroy it
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(2)
                while self.rfile.read(65536):
                    pass
        except OSError:
            pass

    # ---- objects ----

    def object_put(self, s3, key):
        condition = self.headers.get("If-None-Match")
        if condition not in (None, "*"):
            raise Refused("NotImplemented")
        if s3.full:
            raise Refused(s3.full)
        with s3.lock:
            if condition == "*" and key in s3.objects:
                raise Refused("PreconditionFailed",
                              "At least one of the pre-conditions you specified did not hold")
            s3.objects[key] = (self.body, self.digest, s3.now())
        self.reply(200, headers=[("ETag", '"x"')])

    def content(self, s3, key):
        try:
            return s3.objects[key]
        except KeyError:
            raise Refused("NoSuchKey") from None

    def checksum(self, s3, digest):
        if self.headers.get("x-amz-checksum-mode") != "ENABLED" or not s3.keeps_checksums:
            return []
        return [("x-amz-checksum-sha256", base64.b64encode(digest).decode())]

    def object_head(self, s3, key):
        body, digest, _ = self.content(s3, key)
        self.reply(200, headers=self.checksum(s3, digest), length=len(body))

    def object_get(self, s3, key):
        body, digest, _ = self.content(s3, key)
        wanted = self.headers.get("Range")
        if not wanted:
            self.reply(200, body, self.checksum(s3, digest))
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        if int(first) >= len(body):
            raise Refused("InvalidRange")
        self.reply(206, body[int(first):int(last) + 1],
                   [("Content-Range", f"bytes {first}-{min(int(last), len(body) - 1)}/{len(body)}")])

    def object_delete(self, s3, key):
        with s3.lock:
            s3.objects.pop(key, None)
        self.reply(204)

    # ---- the bucket ----

    def list_objects(self, s3):
        prefix, after = self.q.get("prefix", ""), ""
        if "continuation-token" in self.q:
            after = base64.b64decode(self.q["continuation-token"]).decode()
        with s3.lock:
            keys = sorted(k for k in s3.objects if k.startswith(prefix) and k > after)
            page = [(k, len(s3.objects[k][0]), s3.objects[k][2]) for k in keys[:s3.page]]
        more = len(keys) > s3.page
        out = [f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"]
        for key, size, at in page:
            stamp = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
            out.append(f"<Contents><Key>{escape(key)}</Key><LastModified>"
                       f"{stamp:%Y-%m-%dT%H:%M:%S.000Z}</LastModified><ETag>&quot;x&quot;</ETag>"
                       f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>")
        if more:
            token = base64.b64encode(page[-1][0].encode()).decode()
            out.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        self.reply(200, ('<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3'
                         '.amazonaws.com/doc/2006-03-01/">' + "".join(out) +
                         "</ListBucketResult>").encode(), [("Content-Type", "application/xml")])

    def delete_objects(self, s3):
        if s3.wants_md5 and not self.headers.get("Content-MD5"):
            raise Refused("InvalidRequest", "Missing required header for this request: Content-MD5")
        if not self.headers.get("Content-MD5") and not self.headers.get("x-amz-checksum-sha256"):
            raise Refused("InvalidRequest", "a checksum is required")
        text = self.body.decode()
        keys = [p.split("</Key>")[0] for p in text.split("<Key>")[1:]]
        if not keys or len(keys) > 1000 or not text.endswith("</Delete>"):
            raise Refused("MalformedXML")
        failed = [k for k in keys if k in s3.undeletable]
        with s3.lock:
            for key in keys:
                if key not in failed:
                    s3.objects.pop(key, None)
        errors = "".join(f"<Error><Key>{k}</Key><Code>AccessDenied</Code></Error>" for k in failed)
        self.reply(200, f"<DeleteResult>{errors}</DeleteResult>".encode())


class Cut(Exception):
    pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, Cut, ValueError)):
            super().handle_error(request, client_address)


class FakeS3:
    def __init__(self, port=0, bucket="saves", region="eu-central-1", bandwidth=0, page=1000):
        self.bucket, self.region, self.page = bucket, region, page
        self.keys = {"AKIDTEST": ("secret/of+test", None)}  # access key: (secret, session token)
        self.objects = {}  # key: (body, SHA-256, time)
        self.lock = threading.Lock()
        self.log, self.n_requests = [], 0
        self.faults, self.fault_all = {}, None
        self.full = None  # or the code of an error for every PUT
        self.keeps_checksums, self.wants_md5 = True, False
        self.undeletable, self.expired_tokens = set(), set()
        self.skew = 0
        self.pace = Pace(bandwidth)
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.s3 = self
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def now(self):
        return time.time() + self.skew

    def plan(self, faults=None, every=None):
        """Faults for the requests from now on."""
        with self.lock:
            self.n_requests = 0
            self.log = []
            self.faults, self.fault_all = dict(faults or {}), every

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bucket", default="saves")
    parser.add_argument("--bandwidth", type=int, default=0)
    parser.add_argument("--page", type=int, default=1000)
    o = parser.parse_args()
    FakeS3(o.port, o.bucket, bandwidth=o.bandwidth, page=o.page).server.serve_forever()


if __name__ == "__main__":
    main()
