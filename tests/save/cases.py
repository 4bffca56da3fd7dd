"""The cases of tests/save/run. Each takes a Bench and returns None, or why it was skipped."""
import hashlib
import http.client
import http.server
import io
import json
import os
import signal
import socket
import stat
import subprocess
import tarfile
import threading
import time

from bench import (PROFILE, STUDENT, WORKSPACE, Bench, as_student, check, difference, free_port,
                   snapshot, wait_until)

ALL = {}


def case(fn):
    ALL[fn.__name__] = fn
    return fn


def write(path, data=b"", mode=None, mtime_ns=None):
    with open(path, "wb") as f:
        f.write(data)
    if mode is not None:
        os.chmod(path, mode)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def small_home(bench, text=b"hello\n"):
    home = bench.new_home()

    def fill():
        os.mkdir(f"{home}/workspace")
        write(f"{home}/workspace/a.txt", text)
        write(f"{home}/workspace/b.bin", os.urandom(300000))
    as_student(fill)
    return home


def nasty_home(bench):
    home = bench.new_home()
    b = os.fsencode(home)
    may_open_all = os.geteuid() == 0  # the driver has to read what it compares

    def fill():
        w = b + b"/workspace"
        os.mkdir(w)
        write(w + b"/plain", b"x" * 70000, 0o640, 1234567890123456789)
        write(w + b"/empty")
        write(w + b"/old", b"1", mtime_ns=-5 * 10**9)
        write(w + b"/run.sh", b"#!/bin/sh\n", 0o755)
        write(w + b"/setuid", b"x", 0o4755)
        write(w + b"/not-utf8-\xff\xfe\x80", b"bytes")
        write(w + "/composed-\u00e9".encode(), b"nfc")
        write(w + "/decomposed-e\u0301".encode(), b"nfd")
        write(w + b"/new\nline \\ and \"quote\"", b"odd")
        write(w + b"/-rf", b"dash")
        write(w + b"/n" * 1 + b"a" * 199, b"200 characters")
        write(w + b"/\xe9" + b"b" * 254, b"255 bytes, not utf-8")
        if may_open_all:
            write(w + b"/secret", b"own but closed", 0o000)
        os.mkdir(w + b"/empty-dir", 0o750)
        os.mkdir(w + b"/sticky")
        os.chmod(w + b"/sticky", 0o1777)
        deep = w
        for i in range(30):
            deep += b"/" + bytes(f"level-{i:02}-", "ascii") + b"d" * 80
            os.mkdir(deep)
        write(deep + b"/bottom", b"deep")
        write(w + b"/one-name", b"linked")
        os.link(w + b"/one-name", w + b"/other-name")
        os.mkdir(w + b"/links")
        os.link(w + b"/one-name", w + b"/links/third-name")
        os.symlink(b"plain", w + b"/link-inside")
        os.symlink(b"/etc/passwd", w + b"/link-outside")
        os.symlink(b"../../../../etc", w + b"/link-up")
        os.symlink(b"nowhere", w + b"/link-dangling")
        os.symlink(b"l" * 1000, w + b"/link-long")
        os.mkfifo(w + b"/fifo")
        s = socket.socket(socket.AF_UNIX)
        os.chdir(w)
        s.bind("socket")
        os.chdir("/")
        with open(w + b"/sparse", "wb") as f:
            f.truncate(300 << 20)
            f.seek(100 << 20)
            f.write(b"island" * 1000)
        with open(deep + b"/sparse-at-a-long-path", "wb") as f:
            f.truncate(50 << 20)
            f.seek(20 << 20)
            f.write(b"island" * 1000)
        with open(w + b"/all-hole", "wb") as f:
            f.truncate(10 << 20)
        os.mkdir(b + b"/.cache")
        write(b + b"/.cache/not-saved", b"no")
        os.makedirs(b + b"/.local/share/app")
        os.chmod(b + b"/.local", 0o700)
        write(b + b"/.local/share/app/vscode.lock", b"no")
        write(b + b"/.local/share/app/settings.json", b"{}", 0o600)
        write(b + b"/.bash_history", b"ls\n", 0o600)
        os.mkdir(w + b"/read-only-dir")
        write(w + b"/read-only-dir/inside", b"ro", 0o444)
        os.chmod(w + b"/read-only-dir", 0o555)
        if may_open_all:
            os.mkdir(w + b"/closed-dir")
            write(w + b"/closed-dir/inside", b"closed")
            os.chmod(w + b"/closed-dir", 0o000)
        os.mkdir(b + b"/read-only-top")
        write(b + b"/read-only-top/inside", b"ro")
        os.chmod(b + b"/read-only-top", 0o555)
    as_student(fill)
    return home


def expected(home):
    """What a restore of this home has to give."""
    found, links = snapshot(home)
    gone = [p for p, e in found.items()
            if e[0] in (stat.S_IFIFO, stat.S_IFSOCK) or p == b".cache" or p.startswith(b".cache/")
            or p.endswith(b"vscode.lock")]
    for path in gone:
        del found[path]
    for entry in found.values():
        if entry[0] != stat.S_IFLNK:
            entry[2] &= 0o777
    return found, links


@case
def round_trip(bench):
    """Everything nasty that a home can hold comes back byte for byte."""
    bench.start_server()
    home = nasty_home(bench)
    want = expected(home)
    ref = bench.saved(home, 1, final=True)
    check(difference(want, expected(home)) == [], "the save changed the home")
    fresh = bench.new_home()
    status, result, log = bench.restore(fresh, [ref])
    check(status == 0 and result["ok"], f"restore: {result} {log}")
    check(not result["fell_back"] and result["seq"] == 1, f"{result}")
    lines = difference(want, snapshot(fresh))
    check(not lines, "not as it was:\n" + "\n".join(lines[:20]))
    blocks = os.stat(f"{fresh}/workspace/sparse").st_blocks * 512
    check(blocks < 20 << 20, f"the holes were filled: {blocks} bytes")
    deep = subprocess.run(["find", fresh, "-name", "sparse-at-a-long-path", "-printf", "%b"], capture_output=True)
    check(0 < int(deep.stdout) * 512 < 5 << 20, f"the holes at a long path were filled: {deep}")
    check(not os.path.exists(f"{fresh}/.ws-restore"), "the staging folder was left")
    check(os.lstat(f"{fresh}/workspace/plain").st_uid == STUDENT, "owner")


@case
def ordinary_tools_read_it(bench):
    bench.start_server()
    home = small_home(bench)
    bench.save(home, 1)
    path = bench.object_path(1, 1)
    out = subprocess.run(["tar", "--zstd", "-tf", path], capture_output=True, text=True)
    check(out.returncode == 0 and "workspace/a.txt" in out.stdout, f"{out}")
    lines = unzstd(open(bench.object_path(1, 1, "manifest.mtree.zst"), "rb").read()).split(b"\n")
    check(lines[0] == b"#mtree" and json.loads(lines[1][4:])["format"] == 2, f"{lines}")


def settled_save(bench, home, first_seq, **kw):
    """Saves until the files are old enough that times prove something."""
    seq = [first_seq - 1]

    def once():
        seq[0] += 1
        return not bench.save(home, seq[0], **kw)["racy"]
    wait_until("a save is not racy", once)
    return seq[0]


@case
def unchanged(bench):
    bench.start_server()
    home = small_home(bench)
    seq = settled_save(bench, home, 1)
    r = bench.save(home, seq + 1, committed=seq)
    check(r["unchanged"] and not os.path.exists(bench.object_path(1, seq + 1)), f"{r}")
    r = bench.save(home, seq + 2)
    check(not r["unchanged"], "nothing is committed: a save must be made")
    r = bench.save(home, seq + 3, committed=seq, final=True)
    check(r["unchanged"] and r["final"], f"a last save of the same bytes: {r}")
    path = f"{home}/workspace/a.txt"
    times = os.stat(path)

    def edit():
        write(path, b"HELLO\n", mtime_ns=times.st_mtime_ns)  # same size, same mtime
    as_student(edit)
    r = bench.save(home, seq + 4, committed=seq)
    check(not r["unchanged"], "a change under a restored mtime was missed")
    as_student(lambda: write(f"{home}/.cache-not", b""))
    r = bench.save(home, seq + 5, committed=seq + 4)
    check(not r["unchanged"], "a new empty file was missed")


@case
def exists_is_not_overwritten(bench):
    bench.start_server()
    home = small_home(bench)
    ref = bench.saved(home, 1)
    before = open(bench.object_path(1, 1), "rb").read()
    as_student(lambda: write(f"{home}/workspace/a.txt", b"other"))
    status, r, _ = bench.run(["save"], bench.save_request(1), home)
    check(status == 1 and r["code"] == "exists" and r["retry"], f"{r}")
    check(open(bench.object_path(1, 1), "rb").read() == before, "the object was replaced")
    check(bench.restore(bench.new_home(), [ref])[0] == 0, "the first save is gone")


class Flaky(http.server.BaseHTTPRequestHandler):
    """Stores, but fails in the ways listed in server.plan, one per request."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["objects"]
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        body = json.dumps({"objects": [
            {"name": o["name"], "url": url + o["name"], "headers": ["X-Told: " + o["sha256"]],
             "check": {"url": url + o["name"], "headers": []}} for o in wanted]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.split("?")[0]
        step = self.server.plan.pop(0) if self.server.plan else "ok"
        if step == "503":
            return self.reply(503)
        if name in self.server.objects:
            return self.reply(409)
        if self.headers["X-Told"] != hashlib.sha256(body).hexdigest():
            return self.reply(400)
        self.server.objects[name] = body
        if step == "lost":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self.reply(201)

    def do_HEAD(self):
        body = self.server.objects.get(self.path.split("?")[0])
        if body is None:
            return self.reply(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Sha256", hashlib.sha256(body).hexdigest())
        self.end_headers()
        return None

    def reply(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def flaky_save(bench, plan):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", bench.port), Flaky)
    server.plan, server.objects = plan, {}
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        return bench.run(["save"], bench.save_request(1), small_home(bench)), server.objects
    finally:
        server.shutdown()
        server.server_close()


@case
def lost_replies_and_errors(bench):
    (status, r, log), objects = flaky_save(bench, ["lost", "503", "ok", "lost"])
    check(status == 0 and r["ok"], f"{r} {log}")
    check(len(objects) == 2, f"{list(objects)}")
    (status, r, _), objects = flaky_save(bench, ["503"] * 4)
    check(status == 1 and r["code"] == "network" and r["retry"] and not objects, f"{r}")


def flip(path, at=0.5):
    with open(path, "r+b") as f:
        f.seek(int(os.path.getsize(path) * at))
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0xFF]))


def two_saves(bench):
    home = small_home(bench, b"first\n")
    old = bench.saved(home, 1)
    want_old = snapshot(home)
    as_student(lambda: write(f"{home}/workspace/a.txt", b"second\n"))
    new = bench.saved(home, 2)
    return old, want_old, new


def corrupt_faults(bench, damage):
    """What is wrong with a restore whose newest save is damaged: [] when all is as it must be."""
    old, want_old, new = two_saves(bench)
    damage(bench)
    fresh = bench.new_home()
    status, r, _ = bench.restore(fresh, [new, old])
    faults = []
    if status != 0 or not r or not r["ok"]:
        faults.append(f"failed: {status} {r}")
    else:
        if not r["fell_back"] or r["seq"] != 1 or not r.get("message"):
            faults.append(f"does not say that it fell back: {r}")
        faults += difference(want_old, snapshot(fresh))
    return faults


DAMAGES = {
    "data flipped": lambda b: flip(b.object_path(1, 2)),
    "data flipped at its end": lambda b: flip(b.object_path(1, 2), 0.999),
    "data cut": lambda b: os.truncate(b.object_path(1, 2),
                                      os.path.getsize(b.object_path(1, 2)) // 2),
    "data grown": lambda b: open(b.object_path(1, 2), "ab").write(b"\0"),
    "data empty": lambda b: os.truncate(b.object_path(1, 2), 0),
    "manifest flipped": lambda b: flip(b.object_path(1, 2, "manifest.mtree.zst")),
    "manifest cut": lambda b: os.truncate(b.object_path(1, 2, "manifest.mtree.zst"), 10),
}


@case
def corrupt_newest_falls_back(bench):
    for name, damage in DAMAGES.items():
        b = Bench(bench.bin_dir)
        try:
            b.start_server()
            faults = corrupt_faults(b, damage)
            check(not faults, f"{name}: {faults}")
        finally:
            b.close()


@case
def planted_restore_without_verification(bench):
    """The checker above has to notice a restore that does not look at hashes."""
    b = Bench(bench.bin_dir, "save_worker_no_verify")
    try:
        b.start_server()
        faults = corrupt_faults(b, DAMAGES["data flipped"])
        check(faults, "the planted defect was not noticed")
    finally:
        b.close()


@case
def all_corrupt(bench):
    bench.start_server()
    old, _, new = two_saves(bench)
    flip(bench.object_path(1, 1))
    flip(bench.object_path(1, 2, "manifest.mtree.zst"))
    fresh = bench.new_home()
    status, r, _ = bench.restore(fresh, [new, old])
    check(status == 1 and r["code"] == "corrupt" and r["message"], f"{r}")
    check(os.listdir(fresh) == [], f"something stands in the home: {os.listdir(fresh)}")


@case
def rest_needs_no_more_than_an_address(bench):
    """Later requests name newer saves; what this task restored is known here. Twice does no harm."""
    bench.start_server()
    bench.set_profile({**PROFILE, "save": {"include": ["."], "later": ["**/node_modules"]}})
    home = small_home(bench)

    def fill():
        os.makedirs(f"{home}/workspace/node_modules/big")
        for i in range(20):
            write(f"{home}/workspace/node_modules/big/{i}", os.urandom(100000))
    as_student(fill)
    ref = bench.saved(home, 1)
    want = snapshot(home)
    run_dir = bench.make_dir("run-rest")
    bench.make_dir("run-rest/save")
    fresh = bench.new_home()
    status, r, _ = bench.run(["restore"], bench.restore_request([ref]), fresh, run_dir=run_dir)
    check(status == 0 and r["left"] > 2000000 and r["at_ms"] > 0, f"{r}")
    total = bench.progress[-1][1] if bench.progress else 0
    check(bench.progress and bench.progress[-1] == (total, total), f"progress {bench.progress}")
    check(bench.progress == sorted(bench.progress), f"it goes back: {bench.progress}")
    check(len(bench.progress) > 1, f"within an archive nothing is said: {bench.progress}")
    check(not os.path.exists(f"{fresh}/workspace/node_modules/big/1"), "it came at once")
    for saves in ([], [(2, 9, 1234, "ab" * 32)]):
        status, r, log = bench.run(["restore", "--rest"], bench.restore_request(saves), fresh,
                                   run_dir=run_dir)
        check(status == 0 and r["ok"] and r["left"] == 0, f"{r} {log}")
        lines = difference(want, snapshot(fresh))
        check(not lines, "\n".join(lines[:5]))
    # Where nothing was restored, nothing is left, whatever was saved since.
    run_dir = bench.make_dir("run-new")
    bench.make_dir("run-new/save")
    status, r, log = bench.run(["restore", "--rest"], bench.restore_request([ref]), bench.new_home(),
                               run_dir=run_dir)
    check(status == 0 and r["ok"] and r["left"] == 0, f"{r} {log}")


@case
def missing_is_not_older(bench):
    bench.start_server()
    old, _, new = two_saves(bench)
    os.unlink(bench.object_path(1, 2))
    fresh = bench.new_home()
    status, r, _ = bench.restore(fresh, [new, old])
    check(status == 1 and r["code"] == "missing", f"{r}")
    check(os.listdir(fresh) == [], "something stands in the home")


@case
def refused_and_expired(bench):
    bench.start_server()
    home = small_home(bench)
    ref = bench.saved(home, 1)
    q = bench.save_request(2)
    q["grants"] = [bench.grant("put", 1, 2, expires=int(time.time()) - 1, max_bytes=1 << 30)]
    status, r, _ = bench.run(["save"], q, home)
    check(status == 1 and r["code"] == "refused" and r["retry"], f"{r}")
    check("the grant has expired" in r["message"], f"{r}")
    q = bench.restore_request([ref])
    q["grants"][0] = q["grants"][0][:-2] + "00"
    fresh = bench.new_home()
    status, r, _ = bench.run(["restore"], q, fresh)
    check(status == 1 and r["code"] == "refused" and os.listdir(fresh) == [], f"{r}")
    check("the signature of the grant is wrong" in r["message"], f"{r}")


@case
def several_addresses(bench):
    """One that is down, one that knows no grants, one that works."""
    bench.start_server()
    home = small_home(bench)
    good = bench.save_request(1)
    nobody = f"http://127.0.0.1:{free_port()}/g/x"
    elsewhere = f"http://127.0.0.1:{bench.port}/healthz"
    good["grants"] = [nobody, elsewhere] + good["grants"]
    status, r, log = bench.run(["save"], good, home)
    check(status == 0 and r["ok"], f"{r} {log}")


@case
def unreachable_is_waited_for(bench):
    bench.start_server()
    home = small_home(bench)
    want = snapshot(home)
    ref = bench.saved(home, 1)
    bench.stop_server()
    fresh = bench.new_home()
    status, r, _ = bench.restore(fresh, [ref], args=["--patience-ms", "600"])
    check(status == 1 and r["code"] == "network" and os.listdir(fresh) == [], f"{r}")
    p, fd = bench.start(["restore"], bench.restore_request([ref]), fresh)
    line = p.stderr.readline()
    check(b"download failed" in line, f"{line}")
    bench.start_server()
    status, r, _ = bench.finish(p, fd)
    check(status == 0 and difference(want, snapshot(fresh)) == [], f"{r}")


@case
def fresh_workspace(bench):
    home = bench.new_home()
    status, r, _ = bench.restore(home, [])
    check(status == 0 and r["ok"] and r["seq"] == 0 and not r["fell_back"], f"{r}")
    check(os.path.isdir(f"{home}/workspace"), "no workspace folder")


@case
def newer_files_stay(bench):
    bench.start_server()
    home = small_home(bench)
    ref = bench.saved(home, 1)
    fresh = bench.new_home()

    def fill():
        os.mkdir(f"{fresh}/workspace")
        write(f"{fresh}/workspace/a.txt", b"newer", mtime_ns=4 * 10**18)
        write(f"{fresh}/workspace/b.bin", b"older", mtime_ns=10**18)
        write(f"{fresh}/workspace/c", b"only here")
    as_student(fill)
    status, r, _ = bench.restore(fresh, [ref])
    check(status == 0, f"{r}")
    check(open(f"{fresh}/workspace/a.txt").read() == "newer", "a newer file was replaced")
    check(os.path.getsize(f"{fresh}/workspace/b.bin") == 300000, "an older file stayed")
    check(open(f"{fresh}/workspace/c").read() == "only here", "a file of the home is gone")


def unzstd(data):
    return subprocess.run(["zstd", "-q", "-d", "-c"], input=data, capture_output=True,
                          check=True).stdout


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def forge(bench, seq, members, lines):
    """A save with right hashes but with these members in its archive and these manifest lines."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    data = zstd(raw.getvalue())
    head = {"format": 2, "workspace": WORKSPACE, "generation": 1, "seq": seq, "at_ms": 0,
            "entries": len(lines), "bytes": 0, "notes": ""}
    part = {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    archive = {"id": f"1-{seq}/0", "length": len(data), "bytes": 0, "live": 0, "later": False,
               "parts": [part]}
    manifest = zstd(f"#mtree\n#ws {json.dumps(head)}\n#archive {json.dumps(archive)}\n".encode())
    manifest += zstd("".join(f"{line} archive=1-{seq}/0\n" for line in lines).encode())
    os.makedirs(os.path.dirname(bench.object_path(1, seq)), exist_ok=True)
    open(bench.object_path(1, seq), "wb").write(data)
    open(bench.object_path(1, seq, "manifest.mtree.zst"), "wb").write(manifest)
    return (1, seq, len(manifest), hashlib.sha256(manifest).hexdigest())


def line(path, kind="file", mode="0644", more=""):
    """A manifest line for a member as `member` makes it."""
    content = f" size=4 sha256digest={hashlib.sha256(b'evil').hexdigest()}" if kind == "file" else ""
    return f"./{path} type={kind} mode={mode} time=1.000000000{content}{more}"


def member(name, kind=tarfile.REGTYPE, data=b"evil", link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    if kind != tarfile.REGTYPE:
        return info, None
    info.size = len(data)
    return info, data


@case
def hostile_archives(bench):
    """Neither names in a manifest nor names in an archive lead out of the home."""
    bench.start_server()
    outside = bench.make_dir("outside", 0o777)
    sym, lnk = tarfile.SYMTYPE, tarfile.LNKTYPE
    up = "a/../../outside/evil"
    attacks = [
        ([member("../outside/evil")], [line("../outside/evil")]),
        ([member("../outside/evil")], [line("x")]),
        ([member(f"{outside}/evil")], [line(f"/{outside}/evil")]),
        ([member(f"{outside}/evil")], [line(outside[1:])]),
        ([member(up)], [line(up)]),
        ([member("a"), member(up)], [line("a", "dir"), line("a/evil")]),
        ([member("link", sym, link=outside), member("link/evil")],
         [line("link", "link", more=f" link={outside}"), line("link/evil")]),
        ([member("link", sym, link=outside), member("link/evil")], [line("link", "dir"), line("link/evil2")]),
        ([member("hard", lnk, link="../outside/target")], [line("hard")]),
        ([member("hard", lnk, link="/etc/passwd")], [line("hard", more=" hardlink=./etc/passwd")]),
        ([member("x")], [line("hard", more=" hardlink=./../outside/target")]),
        ([member("x")], [line("dir", "link", more=f" link={outside}"),
                         line("hard", more=" hardlink=./dir/target")]),
        ([member("x")], [line(".ws-restore/x")]),
        ([member("fifo", tarfile.FIFOTYPE)], [line("fifo")]),
        ([member("dev", tarfile.CHRTYPE)], [line("dev", "char")]),
        ([member("x", data=b"longer than it says")], [line("x")]),
        ([member("x", data=b"sho")], [line("x")]),
        ([member("b"), member("a")], [line("a"), line("b")]),
    ]
    open(f"{outside}/target", "w").write("x")
    os.chmod(f"{outside}/target", 0o666)
    for seq, (members, lines) in enumerate(attacks, 1):
        fresh = bench.new_home()
        status, r, _ = bench.restore(fresh, [forge(bench, seq, members, lines)])
        check(os.listdir(outside) == ["target"], f"attack {seq} wrote outside the home")
        check(os.stat(f"{outside}/target").st_nlink == 1, f"attack {seq} linked to the outside")
        check(os.stat(outside).st_mode & 0o777 == 0o777, f"attack {seq} changed a mode outside")
        check(status == 1 and not os.listdir(fresh), f"attack {seq}: {r} {os.listdir(fresh)}")
        check(r["code"] in ("corrupt", "internal") and r["message"], f"attack {seq}: {r}")
    fresh = bench.new_home()
    as_student(lambda: os.symlink(outside, f"{fresh}/sub"))
    ref = forge(bench, 50, [member("fine"), member("fifo", tarfile.FIFOTYPE), member("sub/x"),
                            member("suid", mode=0o6755)],
                [line("fine"), line("sub", "dir", "0755"), line("sub/x"), line("suid", mode="6755")])
    status, r, _ = bench.restore(fresh, [ref])
    check(status == 0, f"{r}")
    check(sorted(os.listdir(fresh)) == ["fine", "sub", "suid", "workspace"], f"{os.listdir(fresh)}")
    check(os.listdir(outside) == ["target"], "a link in the home led outside")
    check(os.stat(f"{fresh}/suid").st_mode & 0o7777 == 0o755, "a set-id bit came through")


@case
def growing_and_shrinking_files(bench):
    bench.start_server()
    home = small_home(bench)
    path = f"{home}/workspace/log"
    stop = threading.Event()

    def disturb():
        n = 0
        while not stop.is_set():
            n += 1
            with open(path, "ab") as f:
                f.write(b"line\n" * 20000)
            if n % 7 == 0:
                os.truncate(path, 10)
    open(path, "w").close()
    os.chown(path, STUDENT, -1)
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        refs = [bench.saved(home, seq) for seq in range(1, 6)]
    finally:
        stop.set()
        thread.join()
    for ref in refs:
        status, r, _ = bench.restore(bench.new_home(), [ref])
        check(status == 0, f"a save of changing files cannot be restored: {r}")


@case
def unreadable_files(bench):
    if os.geteuid() != 0:
        return "needs root to make files of somebody else"
    bench.start_server()
    home = small_home(bench)
    other = f"{home}/workspace/other"
    write(other, b"not yours", 0o600)
    r = bench.save(home, 1)
    check(r["unreadable"] == 1 and "workspace/other" in r["message"], f"{r}")
    r = bench.save(home, 2, final=True)
    check(r["unreadable"] == 1, f"{r}")
    return None


@case
def storage_disk_full(bench):
    if os.geteuid() != 0:
        return "needs root to mount a small file system"
    bench.tmpfs(bench.root, "1m")
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: write(f"{home}/workspace/big", os.urandom(3 << 20)))
    status, r, _ = bench.run(["save"], bench.save_request(1), home)
    check(status == 1 and r["code"] == "disk-full" and r["retry"], f"{r}")
    check(not os.path.exists(bench.object_path(1, 1)), "an object was left")
    check(bench.uploads_left() == [], "an unfinished upload was left")
    os.unlink(f"{home}/workspace/big")
    bench.save(home, 2)
    return None


@case
def agent_disk_full(bench):
    if os.geteuid() != 0:
        return "needs root to mount a small file system"
    bench.start_server()
    home = small_home(bench)
    ref = bench.saved(home, 1)
    scratch = bench.scratch(home)
    bench.tmpfs(scratch, "128k")
    os.chown(scratch, STUDENT, STUDENT)
    as_student(lambda: write(f"{home}/workspace/big", os.urandom(1 << 20)))
    status, r, _ = bench.run(["save"], bench.save_request(2), home)
    check(status == 1 and r["code"] == "disk-full" and r["retry"], f"{r}")
    check(not os.path.exists(bench.object_path(1, 2)), "an object was left")
    fresh = bench.new_home()
    scratch = bench.scratch(fresh)
    bench.tmpfs(scratch, "128k")
    os.chown(scratch, STUDENT, STUDENT)
    status, r, _ = bench.restore(fresh, [ref])
    check(status == 1 and r["code"] == "disk-full" and os.listdir(fresh) == [], f"{r}")
    return None


@case
def home_disk_full(bench):
    if os.geteuid() != 0:
        return "needs root to mount a small file system"
    bench.start_server()
    ref = bench.saved(small_home(bench), 1)
    fresh = bench.new_home()
    bench.tmpfs(fresh, "128k")
    os.chown(fresh, STUDENT, STUDENT)
    status, r, _ = bench.restore(fresh, [ref])
    check(status == 1 and r["code"] == "disk-full" and os.listdir(fresh) == [], f"{r}")
    return None


@case
def too_big(bench):
    bench.start_server()
    home = small_home(bench)
    status, r, _ = bench.run(["save"], bench.save_request(1, max_bytes=100000), home)
    check(status == 2 and r["code"] == "too-big" and not r["retry"], f"{r}")
    check(not os.path.exists(bench.object_path(1, 1)), "an object was left")


@case
def always_one_result(bench):
    home = small_home(bench)
    for role in ("save", "restore"):
        for body in (b"", b"{", b"[]", b"{}", b'{"workspace":"../x"}', b"\0" * 100, b"x" * 40000):
            status, r, _ = bench.run([role], body, home)
            check(r and r["ok"] is False and r["code"], f"{role} {body[:9]}: {r}")
            # 2: it would fail again (agent/roles.h)
            check(status == (2 if role == "save" and not r["retry"] else 1), f"{role} {body[:9]}: {status} {r}")
    good = bench.save_request(1)
    for env in ({"WS_HOME": "/nonexistent"}, {"WS_PROFILE": "/nonexistent"},
                {"WS_RUN_DIR": "/proc/nothing"}):
        status, r, _ = bench.run(["save"], good, home, env=env)
        check(status == 1 and r and r["code"] == "internal" and r["message"], f"{env}: {r}")


@case
def profile_includes(bench):
    bench.start_server()
    profile = dict(PROFILE)
    profile["save"] = {"include": ["workspace", ".local/share/app"], "exclude": ["workspace/tmp"]}
    bench.set_profile(profile)
    home = small_home(bench)

    def fill():
        os.makedirs(f"{home}/.local/share/app")
        write(f"{home}/.local/share/app/kept", b"1")
        write(f"{home}/.local/share/left", b"1")
        os.mkdir(f"{home}/workspace/tmp")
        write(f"{home}/workspace/tmp/left", b"1")
        write(f"{home}/left", b"1")
    as_student(fill)
    ref = bench.saved(home, 1)
    fresh = bench.new_home()
    bench.restore(fresh, [ref])
    names = sorted(os.path.relpath(os.path.join(d, f), fresh)
                   for d, _, fs in os.walk(fresh) for f in fs)
    check(names == [".local/share/app/kept", "workspace/a.txt", "workspace/b.bin"], f"{names}")


# ---- the server by itself ----


def request(bench, method, url, body=None, headers=None):
    conn = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=10)
    path = url.split(str(bench.port), 1)[1] if url.startswith("http") else url
    conn.request(method, path, body=body, headers=headers or {})
    reply = conn.getresponse()
    data = reply.read()
    conn.close()
    return reply.status, data, dict(reply.getheaders())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@case
def grants_are_limited(bench):
    """Each way to ask for more than a grant allows."""
    bench.start_server()
    mib = 1 << 20
    part = {"name": "0-00000.tar.zst", "length": 7, "sha256": "0" * 64}

    def put(max_bytes=100 * mib, expires=None, change="", **fields):
        url = bench.grant("put", 1, 1, expires=expires, max_bytes=max_bytes)
        return bench.granted(url.replace(*change) if change else url, [{**part, **fields}])[0]

    def get(name, generation=2):
        return bench.granted(bench.grant("get", generation), [{"name": name}])[0]
    check(put() == 200, "a part")
    check(put(length=32 * mib) == 200, "a whole part")
    check(put(length=32 * mib + 1) == 413, "a part that is too long")
    check(put(name="0-00012.tar.zst", length=4 * mib) == 200, "the last byte that is allowed")
    check(put(name="0-00012.tar.zst", length=4 * mib + 1) == 413, "over the quota")
    check(put(name="0-00002.tar.zst", length=32 * mib) == 200, "a part of an older agent")
    check(put(name="0-00003.tar.zst", length=8 * mib + 1) == 413, "one over the quota")
    check(put(name="1-00000.tar.zst") == 200, "the second archive")
    check(put(name="manifest.mtree.zst", length=100 * mib, max_bytes=1) == 200, "a manifest")
    check(put(name="manifest.mtree.zst", length=1000 * mib) == 413, "a manifest that is too long")
    for name in ("2-00000.tar.zst", "0-0.tar.zst", "x", "../1-2/0-00000.tar.zst",
                 "1-1/0-00000.tar.zst"):
        check(put(name=name) == 400, name)
    check(put(length=0) == 400 and put(length="7") == 400 and put(sha256="0" * 63) == 400, "fields")
    check(put(expires=1) == 403, "expired")
    for change in (("/1-1?", "/1-2?"), ("max=1", "max=9"), ("op=put", "op=get")):
        check(put(change=change) in (403, 404), f"{change} is signed")
    check(put(change=("op=put", "op=put&x=1")) == 404, "not canonical")
    check(get("2-9/0-00000.tar.zst") == 200 and get("1-1/manifest.mtree.zst") == 200, "get")
    check(get("3-1/0-00000.tar.zst") == 403, "of a later life")
    check(get("0-00000.tar.zst") == 400 and get("../ws-b/1-1/0-00000.tar.zst") == 400, "get")
    url = bench.grant("put", 1, 1, max_bytes=mib)
    check(bench.granted(url, [part] * 64)[0] == 200 and bench.granted(url, [part] * 65)[0] == 400,
          "64 objects at most")
    check(bench.granted(url, [])[0] == 400, "none at all")
    check(request(bench, "POST", url, b"{")[0] == 400, "not a document")
    check(request(bench, "POST", url, b"x" * 20000)[0] == 413, "a document that is too long")
    check(request(bench, "GET", url)[0] == 405, "a grant is asked for by POST")


@case
def server_semantics(bench):
    bench.start_server()
    name = bench.object(1, 1, "0-00000.tar.zst")
    body = b"content"
    wanted = {"name": "0-00000.tar.zst", "length": len(body), "sha256": sha256(body)}
    code, granted = bench.granted(bench.grant("put", 1, 1, max_bytes=1000), [wanted])
    check(code == 200, f"{granted}")
    url = granted[0]["url"]
    told = dict(h.split(": ", 1) for h in granted[0]["headers"])

    def status(*args, **kw):
        return request(bench, *args, **kw)[0]

    def get_url(generation=1):
        return bench.granted(bench.grant("get", generation),
                             [{"name": name.split("/", 1)[1]}])[1][0]["url"]
    check(status("PUT", url, body) == 400, "the headers of the grant are required")
    check(status("PUT", url, b"CONTENT", told) == 400, "a wrong hash")
    check(not os.path.exists(bench.object_path(1, 1)), "a wrong hash was stored")
    check(bench.uploads_left() == [], "an upload was left")
    check(status("PUT", url, body + b"x", told) == 413, "longer than granted")
    check(status("PUT", url, body[1:], told) == 400, "shorter than granted")
    for change in (("len=7", "len=8"), ("1-1", "1-2"), ("exp=", "exp=1"),
                   (wanted["sha256"], sha256(b"CONTENT"))):
        check(status("PUT", url.replace(*change), body, told) == 403, f"{change} is signed")
    check(status("PUT", get_url(), body, told) == 403, "the operation is signed")
    chunked = {"Transfer-Encoding": "chunked", **told}
    check(status("PUT", url, iter([body]), chunked) == 411, "a length is required")
    check(status("GET", get_url()) == 404 and status("HEAD", url) == 404, "nothing is there yet")
    check(status("PUT", url, body, told) == 201, "a good upload")
    check(status("PUT", url, body, told) == 409, "no overwrite")
    code, data, headers = request(bench, "GET", get_url())
    check((code, data) == (200, body), f"{code} {data}")
    code, data, headers = request(bench, "HEAD", granted[0]["check"]["url"])
    check(code == 200 and headers["Content-Length"] == "7" and
          headers["X-Content-Sha256"] == sha256(body), f"{code} {headers}")
    check(status("GET", url) == 403, "a put grant does not read")
    check(status("DELETE", url) == 405, "nothing is deleted over HTTP")
    for bad in ("/o/../../etc/passwd?exp=1&max=0&sig=x", "/o/..%2f..%2fetc/passwd", "/", "/o/",
                "/o/.tmp/x", "/o/ws-a/01-1/manifest.mtree.zst?op=get&exp=9&sig=" + "0" * 64,
                f"/o/{name}", f"/o/{name}?op=get&exp=9", f"/o/{name}?exp=9&op=get&sig=0",
                f"/o/{name}x?op=get&exp=9&sig=0", "/o/ws-a/1-1/other?op=get&exp=9&sig=0"):
        check(status("GET", bad) == 404, f"{bad}: {status('GET', bad)}")
    for raw in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"\0" * 50,
                b"PUT /o/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                b"GET /" + b"a" * 40000):
        with socket.create_connection(("127.0.0.1", bench.port), timeout=10) as s:
            s.sendall(raw)
            first = s.recv(100)
            check(first[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), f"{raw[:30]}: {first}")
    check(bench.server.poll() is None, "the server has ended")


@case
def server_idle_connections(bench):
    bench.start_server()
    idle = [socket.create_connection(("127.0.0.1", bench.port)) for _ in range(100)]
    check(request(bench, "GET", "/healthz")[0] == 200, "idle connections shut others out")
    for s in idle:
        s.close()


@case
def server_killed_in_upload(bench):
    bench.start_server()
    home = small_home(bench)
    url = bench.granted(bench.grant("put", 1, 1, max_bytes=1 << 30),
                        [{"name": "0-00000.tar.zst", "length": 1000000, "sha256": "0" * 64}])[1][0]["url"]
    s = socket.create_connection(("127.0.0.1", bench.port))
    s.sendall((f"PUT {url.split(str(bench.port), 1)[1]} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
               f"If-None-Match: *\r\n\r\n").encode() + b"x" * 500000)
    wait_until("the upload has begun", bench.uploads_left)
    bench.stop_server(signal.SIGKILL)
    check(bench.uploads_left() != [], "the unfinished upload should still be there")
    bench.start_server()
    check(bench.uploads_left() == [], "a new server must remove unfinished uploads")
    check(not os.path.exists(bench.object_path(1, 1)), "a torn object")
    bench.save(home, 1)
    s.close()


@case
def server_killed_under_a_save(bench):
    """The save goes on against the server that is started again."""
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: write(f"{home}/workspace/big", os.urandom(20 << 20)))
    for seq in range(1, 6):
        p, fd = bench.start(["save"], bench.save_request(seq), home)
        wait_until("the upload has begun", lambda: bench.uploads_left() or p.poll() is not None)
        bench.stop_server(signal.SIGKILL)
        bench.start_server()
        status, r, log = bench.finish(p, fd)
        check(status == 0 and r["ok"], f"{r} {log}")
        check(verify(bench, seq, r["length"], r["sha256"]) == "0", "the save does not verify")


# ---- kills ----


def verify(bench, seq, length, sha256):
    out = subprocess.run([bench.tool, "verify", bench.root, WORKSPACE, "1", str(seq), str(length),
                          sha256], capture_output=True, text=True, check=True)
    return out.stdout.strip()


def whole(bench, seq):
    """Whether a save looks finished; then it must be."""
    path = bench.object_path(1, seq, "manifest.mtree.zst")
    if not os.path.exists(path):
        return False
    lines = unzstd(open(path, "rb").read()).decode().split("\n")
    data = b""
    for i, part in enumerate(json.loads(lines[2].removeprefix("#archive "))["parts"]):
        piece = open(bench.object_path(1, seq, f"0-{i:05}.tar.zst"), "rb").read()
        check(len(piece) == part["length"] and hashlib.sha256(piece).hexdigest() == part["sha256"],
              f"save {seq} is torn in part {i}")
        data += piece
    test = subprocess.run(["tar", "--zstd", "-tf", "-"], input=data, capture_output=True)
    check(test.returncode == 0, f"save {seq} cannot be read: {test.stderr}")
    return True


@case
def save_killed_at_random(bench):
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: write(f"{home}/workspace/big", os.urandom(8 << 20)))
    took = bench.save(home, 1)["ms"] / 1000 + 0.05
    finished = 0
    for seq in range(2, bench.rounds + 2):
        as_student(lambda: write(f"{home}/workspace/a.txt", os.urandom(16)))
        p, fd = bench.start(["save"], bench.save_request(seq), home)
        try:
            p.wait(bench.random.uniform(0, took))
        except subprocess.TimeoutExpired:
            p.kill()
        p.wait()
        os.close(fd)
        p.stderr.close()
        wait_until("no upload is under way", lambda: not bench.uploads_left())
        done = whole(bench, seq)
        finished += done
        out = subprocess.run([bench.tool, "salvage", bench.root, WORKSPACE, "1", "0"],
                             capture_output=True, text=True, check=True).stdout.split()
        check((int(out[0]) == seq) == done, f"salvage after {seq}: {out}")
        check(verify(bench, out[0], out[1], out[2]) == "0", "what was salvaged does not verify")
    bench.save(home, seq + 1)
    left = [n for n in os.listdir(bench.scratch(home)) if not n.endswith(".index")]
    check(not left, f"temporary files were left: {left}")
    print(f"     {finished} of {bench.rounds} had finished when killed", flush=True)


@case
def restore_killed_at_random(bench):
    bench.start_server()
    home = small_home(bench)

    def fill():
        for i in range(300):
            os.makedirs(f"{home}/workspace/d{i % 20}", exist_ok=True)
            write(f"{home}/workspace/d{i % 20}/f{i}", os.urandom(10000))
        write(f"{home}/.bash_history", b"ls\n")
    as_student(fill)
    want = snapshot(home)
    ref = bench.saved(home, 1)
    began = time.monotonic()
    check(bench.restore(bench.new_home(), [ref])[0] == 0, "restore")
    took = time.monotonic() - began
    for _ in range(bench.rounds):
        fresh = bench.new_home()
        for _ in range(2):
            p, fd = bench.start(["restore"], bench.restore_request([ref]), fresh)
            try:
                p.wait(bench.random.uniform(0, took))
            except subprocess.TimeoutExpired:
                p.kill()
            p.wait()
            os.close(fd)
            p.stderr.close()
        status, r, _ = bench.restore(fresh, [ref])
        check(status == 0, f"{r}")
        lines = difference(want, snapshot(fresh))
        check(not lines, "not whole after kills:\n" + "\n".join(lines[:10]))
