#!/usr/bin/env python3
"""The S3 backend, presigned grants and the agent's roles against a strict fake S3.

    tests/storage/test_s3.py --bin DIR [--seed N] [NAME...]
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import os
import random
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "save")]

from bench import (WORKSPACE, Bench, Failed, as_student, check, difference, free_port, snapshot,
                   wait_until)
from fake_s3 import FakeS3

ALL = {}
WS = WORKSPACE


def case(fn):
    ALL[fn.__name__] = fn
    return fn


# ---- a client of our own: what the fake must take, and each thing that it must refuse ----


class Client:
    """Signs by the documentation, with knobs to do it wrong."""

    def __init__(self, s3, access="AKIDTEST", secret="secret/of+test", token=None):
        self.s3, self.access, self.secret, self.token = s3, access, secret, token

    def presign(self, method, key, headers=(), expires=60, age=0):
        at = datetime.datetime.fromtimestamp(time.time() - age, datetime.timezone.utc)
        stamp = f"{at:%Y%m%dT%H%M%SZ}"
        scope = f"{stamp[:8]}/{self.s3.region}/s3/aws4_request"
        host = f"127.0.0.1:{self.s3.port}"
        signed = sorted([("host", host)] + [(k.lower(), v) for k, v in headers])
        names = ";".join(k for k, _ in signed)
        query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.access}/{scope}",
                 "X-Amz-Date": stamp, "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": names}
        if self.token:
            query["X-Amz-Security-Token"] = self.token
        pairs = "&".join(f"{urllib.parse.quote(k, safe='-._~')}={urllib.parse.quote(v, safe='-._~')}"
                         for k, v in sorted(query.items()))
        path = urllib.parse.quote(f"/{self.s3.bucket}/{key}", safe="/-._~")
        text = "\n".join((method, path, pairs, "".join(f"{k}:{v}\n" for k, v in signed), names,
                          "UNSIGNED-PAYLOAD"))
        text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(text.encode()).hexdigest()))
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return f"{path}?{pairs}&X-Amz-Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"

    def send(self, method, target, headers=(), body=None):
        """(status, code of the error or body)."""
        conn = http.client.HTTPConnection("127.0.0.1", self.s3.port, timeout=10)
        conn.request(method, target, body=body, headers=dict(headers))
        reply = conn.getresponse()
        data = reply.read()
        conn.close()
        text = data.decode(errors="replace")
        return reply.status, text.split("<Code>")[1].split("<")[0] if "<Code>" in text else data


def put_headers(body):
    checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return [("Content-Length", str(len(body))), ("If-None-Match", "*"),
            ("x-amz-checksum-sha256", checksum)]


@case
def fake_is_strict(t):
    """Defects that it must notice; each beside the same request without the defect."""
    with FakeS3() as s3:
        c, body = Client(s3), b"content"
        headers = put_headers(body)

        def put(key, sign=None, send=None, data=body, client=c, **kw):
            target = client.presign("PUT", key, headers if sign is None else sign, **kw)
            return client.send("PUT", target, headers if send is None else send, data)
        check(put("a")[0] == 200 and s3.objects["a"][0] == body, "a good one")
        check(put("a") == (412, "PreconditionFailed"), "an overwritten object")
        check(put("b", client=Client(s3, secret="wrong")) == (403, "SignatureDoesNotMatch"), "secret")
        check(put("b", client=Client(s3, access="AKIDNO")) == (403, "InvalidAccessKeyId"), "key")
        check(put("b", client=Client(s3, token="t")) == (400, "InvalidToken"), "an unknown token")
        check(put("b", sign=headers[:1] + headers[2:]) == (403, "AccessDenied"),
              "an unsigned If-None-Match")
        check(put("b", sign=headers[:2]) == (403, "AccessDenied"), "an unsigned checksum")
        check(put("b", send=headers + [("x-amz-acl", "public-read")]) == (403, "AccessDenied"),
              "an unsigned header")
        check(put("b", send=headers[:1] + headers[2:]) == (403, "SignatureDoesNotMatch"),
              "a signed header that is not sent")
        check(put("b", send=[("Content-Length", "8")] + headers[1:], data=b"content2") ==
              (403, "SignatureDoesNotMatch"), "another length")
        check(put("b", data=b"CONTENT") == (400, "BadDigest"), "another content")
        check(put("b", age=61)[1] == "AccessDenied", "expired")
        check(put("b", age=-1000)[1] == "AccessDenied", "of the future")
        target = c.presign("PUT", "b", headers)
        check(c.send("PUT", target.replace("/b?", "/c?"), headers, body)[0] == 403, "another name")
        check(c.send("PUT", target.replace("Expires=60", "Expires=61"), headers, body)[0] == 403,
              "another expiry")
        check(c.send("GET", c.presign("HEAD", "a"))[0] == 403, "another method")
        check(c.send("GET", c.presign("GET", "a")) == (200, body), "get")
        check(c.send("GET", f"/{s3.bucket}/a") == (403, "AccessDenied"), "no signature")
        check(list(s3.objects) == ["a"], f"{list(s3.objects)}")
        s3.skew = 1000
        code = t.tool(s3, "stat", "a")
        check(code == (1, "error EACCES"), f"a clock that is 1000 s off: {code}")


# ---- the backend ----


def fill(s3, names, at=None):
    for name in names:
        body = f"content of {name}".encode()
        s3.objects["pre/fix/" + name] = (body, hashlib.sha256(body).digest(), at or time.time())


@case
def backend(t):
    for style in ("on", "off"):
        with FakeS3(page=3) as s3:
            t.path_style = style
            names = sorted(f"{WS}/{g}-{q}/0-00000.tar.zst" for g in (1, 2) for q in range(1, 6))
            fill(s3, names + ["ws-other/1-1/manifest.mtree.zst"])
            body = s3.objects["pre/fix/" + names[0]][0]
            code, out = t.tool(s3, "list", WS)
            check(code == 0 and [l.split()[0] for l in out.split("\n")] == names, f"{out}")
            check(out.split()[1] == str(len(body)) and abs(int(out.split()[2]) - time.time()) < 60,
                  f"{out}")
            check(sum(1 for l in s3.log if l[1].endswith("/")) >= 4, "pages")
            check(t.tool(s3, "list", "ws-none") == (0, ""), "an empty list")
            digest = hashlib.sha256(body).hexdigest()
            check(t.tool(s3, "stat", names[0]) == (0, f"{len(body)} {digest}"), "stat")
            s3.keeps_checksums = False
            check(t.tool(s3, "stat", names[0]) == (0, f"{len(body)} {digest}"), "stat by reading")
            check(t.tool(s3, "stat", f"{WS}/9-9/0-00000.tar.zst") == (1, "error ENOENT"), "missing")
            check(t.tool(s3, "read", names[0], "7") == (0, "content"), "a range")
            check(t.tool(s3, "read", names[0], "1000") == (0, body.decode()), "the whole")
            check(t.tool(s3, "put", f"{WS}/1-1/pinned", "x" * 20) == (0, ""), "put")
            check(s3.objects[f"pre/fix/{WS}/1-1/pinned"][0] == b"x" * 20, "put")
            check(t.tool(s3, "remove", names[0], names[1]) == (0, ""), "remove two")
            check(s3.log[-1][0] == "POST", f"{s3.log[-1]}")
            check(t.tool(s3, "remove", names[2])[0] == 0 and s3.log[-1][0] == "DELETE", "remove one")
            s3.wants_md5 = True
            check(t.tool(s3, "remove", names[3], names[4])[0] == 0, "one by one")
            left = [k for k in s3.objects if f"/{WS}/" in k]
            check(len(left) == 6, f"{left}")
            s3.wants_md5, s3.undeletable = False, {"pre/fix/" + names[5]}
            check(t.tool(s3, "remove", names[5], names[6]) == (1, "error EIO"), "not removed")
    t.path_style = "on"


@case
def backend_faults(t):
    """Each fault at each request of each operation: repeated, or said plainly."""
    name = f"{WS}/1-1/0-00000.tar.zst"
    orders = [("list", WS), ("stat", name), ("read", name, "1000"), ("put", f"{WS}/1-1/pinned", "x"),
              ("remove", name), ("remove", name, f"{WS}/1-1/manifest.mtree.zst")]
    with FakeS3(page=2) as s3:
        for order in orders:
            fill(s3, [name] + [f"{WS}/1-1/0-0000{i}.tar.zst" for i in range(1, 4)])
            s3.plan()
            want = t.tool(s3, *order)
            n = s3.n_requests
            for k in range(1, n + 1):
                for fault in t.some("503", "500", "502", "429", "cut", "lost", "400"):
                    fill(s3, [name])
                    s3.plan({k: fault, k + 1: fault} if fault == "503" else {k: fault})
                    got = t.tool(s3, *order)
                    check(got[0] == 0 and (order[0] == "list" or got == want),
                          f"{order} {fault} at {k}: {got} in place of {want}")
        for fault, error in (("403", "EACCES"), ("quota", "ENOSPC"), ("full", "ENOSPC")):
            fill(s3, [name])
            s3.plan(every=fault)
            for order in orders:
                got = t.tool(s3, *order)
                # HEAD has no body that could say what it is.
                if order[0] == "stat" and fault == "quota":
                    error_ = "EACCES"
                else:
                    error_ = error
                check(got == (1, f"error {error_}"), f"{order} {fault}: {got}")
            check(s3.n_requests == len(orders), f"{fault} was repeated: {s3.log}")
        s3.plan(every="503")
        began = time.monotonic()
        check(t.tool(s3, "stat", name) == (1, "error EIO"), "always 503")
        check(s3.n_requests == 7, f"{s3.n_requests} attempts")
        check(time.monotonic() - began > 1, "without a pause")
    check(t.tool(s3, "list", "ws-a") == (1, "error EIO"), "nobody there")


# ---- credentials ----


class Endpoint(http.server.BaseHTTPRequestHandler):
    """The ECS task's credentials."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        status = server.status.pop(0) if server.status else 200
        expires = datetime.datetime.fromtimestamp(time.time() + server.ttl, datetime.timezone.utc)
        body = json.dumps({"AccessKeyId": "AKIDTASK", "SecretAccessKey": "task", "RoleArn": "x",
                           "Token": server.token, "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}"})
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def endpoint():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.asked, server.status, server.ttl, server.token = [], [], 3600, "tok/+="
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@case
def credentials(t):
    with FakeS3() as s3:
        fill(s3, [f"{WS}/1-1/0-00000.tar.zst"])
        s3.keys["AKIDFILE"] = ("from file", "token-of-file")
        s3.keys["AKIDTASK"] = ("task", "tok/+=")
        path = os.path.join(t.bench.dir, "credentials")
        none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

        def listed(**env):
            return t.tool(s3, "stat", f"{WS}/1-1/0-00000.tar.zst", **{**none, **env})[0] == 0
        check(not listed(), "without any")
        check("set storage_credentials" in t.said, f"no cure is named: {t.said}")
        open(path, "w").write("[other]\naws_access_key_id=NO\n[default]\n# it\n"
                              "aws_access_key_id = AKIDFILE\naws_secret_access_key = from file\n"
                              "aws_session_token=token-of-file\n")
        check(listed(S3_CREDENTIALS=path), f"from a file: {t.said}")
        check(listed(S3_CREDENTIALS=path, AWS_ACCESS_KEY_ID="AKIDNO"), "the file comes first")
        open(path, "w").write("aws_access_key_id = AKIDFILE\n")
        check(not listed(S3_CREDENTIALS=path), "half a file")
        check(listed(AWS_ACCESS_KEY_ID="AKIDFILE", AWS_SECRET_ACCESS_KEY="from file",
                     AWS_SESSION_TOKEN="token-of-file"), "from the environment")
        check(not listed(AWS_ACCESS_KEY_ID="AKIDFILE", AWS_SECRET_ACCESS_KEY="from file"), "no token")
        task = endpoint()
        uri = f"http://127.0.0.1:{task.server_address[1]}/v2/credentials/x"
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a"}
        check(listed(**env), f"from the task's endpoint: {t.said}")
        check(task.asked == [("/v2/credentials/x", "a")], f"{task.asked}")
        task.status = [500]
        check(not listed(**env), "an endpoint that fails")
        # The storage says that they have expired: new ones are asked for.
        task.asked.clear()
        s3.expired_tokens = {"tok/+="}
        check(not listed(**env) and len(task.asked) > 1, f"{task.asked}")
        task.shutdown()
        task.server_close()


@case
def credentials_refresh(t):
    """A server that runs on: asked again ahead of expiry, and an endpoint that is away then."""
    with FakeS3() as s3:
        s3.keys["AKIDTASK"] = ("task", "tok/+=")
        task = endpoint()
        task.ttl = 200  # less than the five minutes ahead of which they are refreshed
        uri = f"http://127.0.0.1:{task.server_address[1]}/c"
        t.start_server(s3, AWS_ACCESS_KEY_ID="", AWS_CONTAINER_CREDENTIALS_FULL_URI=uri)
        wanted = [{"name": "0-00000.tar.zst", "length": 1, "sha256": "0" * 64}]

        def grant():
            code, objects = t.bench.granted(t.bench.grant("put", 1, 1, max_bytes=9), wanted)
            return urllib.parse.parse_qs(objects[0]["url"].partition("?")[2]) if code == 200 else code
        q = grant()
        check(q["X-Amz-Security-Token"] == ["tok/+="], f"{q}")
        check(int(q["X-Amz-Expires"][0]) <= 200, "an address may not outlive its credentials")
        check(grant()["X-Amz-Security-Token"] == ["tok/+="] and len(task.asked) == 1,
              "not at every request")
        task.shutdown()
        task.server_close()
        check(isinstance(grant(), dict), "the old ones still work")


# ---- grants and the agent ----


@case
def grants(t):
    with FakeS3() as s3:
        t.start_server(s3)
        body = b"some content"
        digest = hashlib.sha256(body).hexdigest()
        wanted = {"name": "0-00000.tar.zst", "length": len(body), "sha256": digest}
        code, objects = t.bench.granted(t.bench.grant("put", 1, 1, max_bytes=1000), [wanted])
        check(code == 200, f"{objects}")
        o, c = objects[0], Client(s3)
        target = o["url"].removeprefix(s3.endpoint)
        headers = dict(h.split(": ", 1) for h in o["headers"])
        check_target = o["check"]["url"].removeprefix(s3.endpoint)
        check_headers = dict(h.split(": ", 1) for h in o["check"]["headers"])
        check(c.send("HEAD", check_target, check_headers)[0] == 404, "not there yet")
        check(c.send("PUT", target, headers, body + b"x")[1] == "SignatureDoesNotMatch", "longer")
        check(c.send("PUT", target, headers, b"SOME CONTENT")[1] == "BadDigest", "other content")
        check(c.send("PUT", target, {}, body)[0] == 403, "without the headers")
        check(c.send("PUT", target.replace("0-00000", "0-00001"), headers, body)[0] == 403, "name")
        check(c.send("PUT", target, headers, body)[0] == 200, "as granted")
        check(s3.objects[f"pre/fix/{WS}/1-1/0-00000.tar.zst"][0] == body, "under its name")
        check(c.send("PUT", target, headers, body) == (412, "PreconditionFailed"), "twice")
        check(c.send("HEAD", check_target, check_headers)[0] == 200, "there now")
        check(c.send("DELETE", target)[0] == 403, "another method")
        code, objects = t.bench.granted(t.bench.grant("get", 1), [{"name": "1-1/0-00000.tar.zst"}])
        check(objects[0]["headers"] == [] and "check" not in objects[0], f"{objects}")
        check(c.send("GET", objects[0]["url"].removeprefix(s3.endpoint)) == (200, body), "get")
        code, text = t.bench.granted(t.bench.grant("put", 1, 1, max_bytes=3), [wanted])
        check(code == 413 and "larger than allowed" in text, f"{text}")
        many = [{"name": f"0-{i:05}.tar.zst", "length": 32 << 20, "sha256": digest}
                for i in range(64)]
        code, objects = t.bench.granted(t.bench.grant("put", 1, 1, max_bytes=4 << 30), many)
        check(code == 200 and len(objects) == 64, "64 at a time")


def home_of(t):
    home = t.bench.new_home()

    def make():
        os.mkdir(f"{home}/workspace")
        for i in range(30):
            with open(f"{home}/workspace/f{i}", "wb") as f:
                f.write(os.urandom(t.random.randint(0, 200000)))
    as_student(make)
    return home


@case
def round_trip(t):
    """Save, verify, restore, salvage, list, pin, sweep and erase, all against the bucket."""
    with FakeS3(page=4) as s3:
        t.start_server(s3)
        home = home_of(t)
        want = snapshot(home)
        refs = [t.bench.saved(home, 1)]
        for seq in (2, 3, 4):
            as_student(lambda: open(f"{home}/workspace/new", "w").write(f"{seq}"))
            refs.append(t.bench.saved(home, seq, committed=seq - 1))
        fresh = t.bench.new_home()
        status, r, log = t.bench.restore(fresh, [refs[0]])
        check(status == 0 and not difference(want, snapshot(fresh)), f"{r} {log}")
        _, seq, length, sha = refs[3]
        check(t.tool(s3, "verify", WS, "1", "4", str(length), sha) == (0, "0"), f"{t.said}")
        check(t.tool(s3, "verify", WS, "1", "4", str(length + 1), sha)[1].startswith("1 "), "length")
        check(t.tool(s3, "salvage", WS, "1", "0") == (0, f"4 {length} {sha}"), "salvage")
        check(t.tool(s3, "salvage", WS, "1", "4") == (0, "0 0"), "nothing newer")
        check(t.tool(s3, "pin", WS, "1", "1", "on") == (0, "0"), "pin")
        code, out = t.tool(s3, "saves", WS)
        check([l.split()[0] for l in out.split("\n")] == ["1-4", "1-3", "1-2", "1-1"], f"{out}")
        check(out.endswith(" 1") and out.split("\n")[0].endswith(" 0"), f"{out}")
        for key in list(s3.objects):  # three hours pass
            body, digest, at = s3.objects[key]
            s3.objects[key] = (body, digest, at - 3 * 3600)
        check(t.tool(s3, "sweep", WS, "1", "2", "1") == (0, ""), f"sweep: {t.said}")
        code, out = t.tool(s3, "saves", WS)
        check([l.split()[0] for l in out.split("\n")] == ["1-4", "1-1"], f"{out}")
        for ref in (refs[0], refs[3]):
            check(t.tool(s3, "verify", WS, "1", str(ref[1]), str(ref[2]), ref[3]) == (0, "0"),
                  f"{ref} after the sweep: {t.said}")
        part = [k for k in s3.objects if "/1-4/" in k and "manifest" not in k]
        if part:
            s3.objects[part[0]] = (b"x",) + s3.objects[part[0]][1:]
            code, out = t.tool(s3, "verify", WS, "1", "4", str(length), sha)
            check(out == "1 a part has another length than the manifest says", f"{out}")
        check(t.tool(s3, "erase", WS, "1") == (0, ""), "erase")
        check(not s3.objects, f"{list(s3.objects)}")


@case
def storage_faults_at_every_request(t):
    """A save goes through each fault that passes; one that stays is named, and a retry gets through."""
    with FakeS3() as s3:
        t.start_server(s3)
        home = home_of(t)
        s3.plan()
        t.bench.save(home, 1)
        n, seq = s3.n_requests, 1
        for k in range(1, n + 1):
            for fault in t.some("503", "500", "502", "429", "cut", "lost", "slow", "400",
                                "digest"):
                seq += 1
                as_student(lambda: open(f"{home}/workspace/f0", "w").write(f"{seq}"))
                s3.plan({k: fault})
                status, r, log = t.bench.run(["save"], t.bench.save_request(seq), home)
                check(status == 0 and r["ok"], f"{fault} at {k}: {r} {log}")
                s3.plan()
                check(t.tool(s3, "verify", WS, "1", str(seq), str(r["length"]), r["sha256"]) ==
                      (0, "0"), f"{fault} at {k}: {t.said}")
        for fault, code in (("403", "refused"), ("quota", "disk-full"), ("full", "disk-full")):
            seq += 1
            s3.plan(every=fault)
            as_student(lambda: open(f"{home}/workspace/f0", "w").write(f"{seq}"))
            status, r, _ = t.bench.run(["save"], t.bench.save_request(seq), home)
            check(status == 1 and r["code"] == code and r["retry"], f"{fault}: {r}")
            check(not [k for k in s3.objects if f"/1-{seq}/manifest" in k], "a save in spite of it")
            s3.plan()
            status, r, _ = t.bench.run(["save"], t.bench.save_request(seq), home)
            check(status == 0 and r["ok"], f"after {fault}: {r}")


@case
def restore_through_faults(t):
    """Each fault that passes, at each request of a restore; one that stays is named, or waited for."""
    with FakeS3() as s3:
        t.start_server(s3)
        home = home_of(t)
        ref = t.bench.saved(home, 1)
        want = snapshot(home)
        s3.plan()
        t.bench.restore(t.bench.new_home(), [ref])
        n = s3.n_requests
        for k in range(1, n + 1):
            for fault in t.some("503", "500", "502", "429", "cut", "slow", "400"):
                fresh = t.bench.new_home()
                s3.plan({k: fault})
                status, r, log = t.bench.restore(fresh, [ref])
                check(status == 0 and not r["fell_back"], f"{fault} at {k}: {r} {log}")
                check(not difference(want, snapshot(fresh)), f"{fault} at {k}: not as it was")
        s3.plan(every="503")
        status, r, _ = t.bench.restore(t.bench.new_home(), [ref], args=["--patience-ms", "500"])
        check(status == 1 and r["code"] == "network", f"{r}")
        s3.plan(every="403")
        status, r, _ = t.bench.restore(t.bench.new_home(), [ref])
        check(status == 1 and r["code"] == "refused", f"{r}")
        s3.plan()
        part = [k for k in s3.objects if "manifest" not in k][0]
        lost = s3.objects.pop(part)
        status, r, _ = t.bench.restore(t.bench.new_home(), [ref])
        check(status == 1 and r["code"] == "missing", f"{r}")
        s3.objects[part] = (b"x" + lost[0][1:],) + lost[1:]
        status, r, _ = t.bench.restore(t.bench.new_home(), [ref])
        check(status == 1 and r["code"] == "corrupt", f"{r}")


@case
def expired_token(t):
    """Addresses signed with a session token that has expired meanwhile."""
    with FakeS3() as s3:
        s3.keys["AKIDTEST"] = ("secret/of+test", "tok")
        t.start_server(s3, AWS_SESSION_TOKEN="tok")
        home = home_of(t)
        status, r, log = t.bench.run(["save"], t.bench.save_request(1), home)
        check(status == 0 and r["ok"], f"{r} {log}")
        s3.expired_tokens = {"tok"}
        status, r, _ = t.bench.run(["save"], t.bench.save_request(2), home)
        check(status == 1 and r["code"] == "refused" and r["retry"], f"{r}")
        check("ExpiredToken" in r["message"], f"the cause is not said: {r}")


@case
def stalled(t):
    """30 s without a byte are a broken connection: the part goes again."""
    if os.environ.get("WS_TEST_FULL") != "1":
        return "takes a minute; tests/run --full"
    with FakeS3() as s3:
        t.start_server(s3)
        s3.plan({1: "stall"})
        began = time.monotonic()
        status, r, log = t.bench.run(["save"], t.bench.save_request(1), home_of(t))
        check(status == 0 and r["ok"] and time.monotonic() - began > 29, f"{r} {log}")
    return None


@case
def controller(t):
    """wscontroller itself with a bucket: the storage server that it starts grants its objects."""
    with FakeS3() as s3:
        state = t.bench.make_dir("state")
        socket_of_tasks = free_port()
        flags = {"state-dir": state, "storage": f"s3://{s3.bucket}/pre/fix",
                 "storage-endpoint": s3.endpoint, "storage-region": s3.region,
                 "storage-path-style": "on", "listen-storage": f"127.0.0.1:{t.bench.port}",
                 "listen-agents": f"tcp://127.0.0.1:{socket_of_tasks}",
                 "listen-http": f"127.0.0.1:{free_port()}"}
        conf = os.path.join(t.bench.dir, "conf")
        with open(conf, "w") as f:
            f.write(f"[type vscode]\nprofile = {t.bench.profile}\npool = 0\n")
        p = subprocess.Popen([os.path.join(t.bin, "wscontroller"), "--config", conf,
                              *(f"--{k}={v}" for k, v in flags.items())],
                             env=t.environment(), stderr=subprocess.PIPE)
        try:
            t.bench.server = p
            wait_until("the storage server answers", t.bench.answers)
            t.bench.key = os.path.join(state, "master.key")
            t.bench.save(home_of(t), 1)
            check(len(s3.objects) >= 2, f"{list(s3.objects)}")
            p.terminate()
            check(p.wait(timeout=20) == 0, f"exit code {p.returncode}")
        finally:
            t.bench.server = None
            if p.poll() is None:
                p.kill()
                p.wait()
            p.stderr.close()


@case
def another_object_has_the_name(t):
    with FakeS3() as s3:
        t.start_server(s3)
        home = home_of(t)
        t.bench.save(home, 1)
        as_student(lambda: open(f"{home}/workspace/f0", "w").write("other"))
        before = dict(s3.objects)
        status, r, _ = t.bench.run(["save"], t.bench.save_request(1), home)
        check(status == 1 and r["code"] == "exists" and r["retry"], f"{r}")
        check(s3.objects == before, "something was replaced")


@case
def no_credentials(t):
    with FakeS3() as s3:
        t.start_server(s3, AWS_ACCESS_KEY_ID="")
        status, r, _ = t.bench.run(["save"], t.bench.save_request(1), home_of(t))
        check(status == 1 and r["code"] == "network" and r["retry"], f"{r}")


# ---- the limit of the local server ----


@case
def bandwidth(t):
    """Two thirds of the bytes do not arrive in half the time; and nobody is starved."""
    rate, size, n = 4 << 20, 1 << 20, 6
    t.bench.start_server(["--bandwidth", str(rate)])
    done = []

    bodies = [os.urandom(size) for _ in range(n)]
    granted = [t.bench.granted(t.bench.grant("put", 1, seq + 1, max_bytes=size), [
        {"name": "0-00000.tar.zst", "length": size, "sha256": hashlib.sha256(body).hexdigest()}])
        for seq, body in enumerate(bodies)]
    start = threading.Barrier(n + 1)

    def put(seq):
        o = granted[seq][1][0]
        conn = http.client.HTTPConnection("127.0.0.1", t.bench.port, timeout=60)
        conn.connect()
        start.wait()
        conn.request("PUT", o["url"].split(str(t.bench.port), 1)[1], body=bodies[seq],
                     headers=dict(h.split(": ", 1) for h in o["headers"]))
        check(conn.getresponse().status == 201, "put")
        done.append(time.monotonic() - began)
    threads = [threading.Thread(target=put, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    start.wait()
    for thread in threads:
        thread.join()
    took = n * size / rate
    check(len(done) == n and max(done) > took * 0.9, f"faster than the limit: {done}")
    # In turn, all end near the end; one after the other, the first would end at a sixth.
    check(min(done) > max(done) / 2, f"not in turn: {done}")


# ---- running ----


class Test:
    def __init__(self, options, name):
        self.bench = Bench(options.bin)
        self.bin = options.bin
        self.s3_tool = os.path.join(options.bin, "s3_tool")
        self.random = random.Random(f"{options.seed}/{name}")
        self.path_style, self.said = "on", ""

    def some(self, *all_of_them):
        """All in the full tier, else two of them that change with the seed."""
        full = os.environ.get("WS_TEST_FULL") == "1"
        return all_of_them if full else self.random.sample(all_of_them, 2)

    def environment(self, **env):
        return {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDTEST",
                "AWS_SECRET_ACCESS_KEY": "secret/of+test", **env}

    def tool(self, s3, *order, **env):
        """(exit code, output) of s3_tool."""
        # *.localhost is this machine (RFC 6761).
        host = s3.endpoint if self.path_style == "on" else f"http://localhost:{s3.port}"
        out = subprocess.run([self.s3_tool, *order], capture_output=True, text=True, timeout=120,
                             env=self.environment(
                                 S3_URL=f"s3://{s3.bucket}/pre/fix", S3_ENDPOINT=host,
                                 S3_REGION=s3.region, S3_PATH_STYLE=self.path_style, **env))
        self.said = out.stderr
        check("Sanitizer" not in out.stderr, out.stderr)
        return out.returncode, out.stdout.strip()

    def start_server(self, s3, **env):
        self.bench.start_server(["--s3", f"s3://{s3.bucket}/pre/fix", "--endpoint", s3.endpoint,
                                 "--region", s3.region, "--path-style", "on"],
                                env=self.environment(**env))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WS_TEST_SEED")
                                                        or time.time()) % 1000000)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    failed = 0
    for name, fn in ALL.items():
        if options.names and name not in options.names:
            continue
        t, began, text, skipped = Test(options, name), time.monotonic(), "", None
        try:
            skipped = fn(t)
        except Failed as e:
            text = f": {e}"
        except Exception:
            text = "\n" + traceback.format_exc()
        finally:
            t.bench.close()
        failed += bool(text)
        word = "FAIL" if text else "SKIP" if skipped else "ok  "
        print(f"{word} {name} ({time.monotonic() - began:.1f} s){text}"
              f"{': ' + skipped if skipped else ''}", flush=True)
    return 1 if failed else 0


sys.exit(main())
