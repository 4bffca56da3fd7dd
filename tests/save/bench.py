"""A storage server, a student's home and the two worker roles, as real processes."""
import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

STUDENT = 61234 if os.geteuid() == 0 else os.geteuid()
WORKSPACE = "ws-testtesttest"
PROFILE = {
    "name": "test",
    "app": {"argv": ["true"], "path": "/usr/bin:/bin"},
    "health": {"path": "/healthz"},
    "save": {"include": ["."], "exclude": [".cache", "**/vscode.lock"]},
}


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def wait_until(what, test, seconds=20):
    """Poll for a state with a deadline; the state is the synchronisation, not the time."""
    deadline = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        check(time.monotonic() < deadline, f"timed out waiting until {what}")
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def as_student(fn):
    """Run fn() in a child that has the student's uid."""
    pid = os.fork()
    if pid == 0:
        try:
            drop()
            os.umask(0o022)
            fn()
            os._exit(0)
        except BaseException as e:  # the child must never return into the driver
            print(f"as_student: {e!r}", flush=True)
            os._exit(1)
    check(os.waitpid(pid, 0)[1] == 0, "a step as the student failed")


def drop():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(STUDENT)
        os.setuid(STUDENT)


def sha256_file(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def snapshot(home):
    """Everything that must come back, by path as bytes."""
    found, first_name = {}, {}
    base = os.fsencode(home)
    for folder, folders, files in os.walk(base):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            rel = os.path.relpath(path, base)
            kind = stat.S_IFMT(st.st_mode)
            entry = [kind, st.st_mtime_ns]
            if kind == stat.S_IFLNK:
                entry.append(os.readlink(path))
            else:
                entry.append(st.st_mode & 0o7777)
            if kind == stat.S_IFREG:
                entry += [st.st_size, sha256_file(path)]
                if st.st_nlink > 1:
                    first_name.setdefault(st.st_ino, []).append(rel)
            found[rel] = entry
    links = sorted(sorted(names) for names in first_name.values() if len(names) > 1)
    return found, links


def difference(want, got):
    lines = []
    for path in sorted(set(want[0]) | set(got[0])):
        a, b = want[0].get(path), got[0].get(path)
        if a != b:
            lines.append(f"{path!r}: {a} -> {b}")
    if want[1] != got[1]:
        lines.append(f"hard links: {want[1]} -> {got[1]}")
    return lines


class Bench:
    def __init__(self, bin_dir, worker="save_worker"):
        self.dir = tempfile.mkdtemp(prefix="save-test-")
        os.chmod(self.dir, 0o755)
        self.tool = os.path.join(bin_dir, "save_tool")
        # A copy: the student cannot enter a build folder below /root.
        self.worker = shutil.copy(os.path.join(bin_dir, worker), self.dir)
        self.root = os.path.join(self.dir, "storage")
        self.key = os.path.join(self.dir, "master.key")
        self.profile = os.path.join(self.dir, "profile.json")
        with open(self.key, "wb") as f:
            f.write(os.urandom(32))
        os.chmod(self.key, 0o600)
        self.set_profile(PROFILE)
        self.mounts = []
        self.server = None
        self.port = free_port()
        self.n_homes = 0

    def set_profile(self, profile):
        with open(self.profile, "w") as f:
            json.dump(profile, f)
        os.chmod(self.profile, 0o644)

    def close(self):
        self.stop_server()
        for mount in reversed(self.mounts):
            subprocess.run(["umount", mount], check=True)
        if os.environ.get("SAVE_KEEP"):
            print(f"kept: {self.dir}", flush=True)
            return
        subprocess.run(["chmod", "-R", "u+rwx", self.dir], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", self.dir])

    def make_dir(self, name, mode=0o700):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        os.chown(path, STUDENT, STUDENT if os.geteuid() == 0 else -1)
        os.chmod(path, mode)
        return path

    def new_home(self):
        self.n_homes += 1
        return self.make_dir(f"home{self.n_homes}", 0o755)

    def tmpfs(self, path, size):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
        self.mounts.append(path)

    # ---- the server ----

    def start_server(self, options=(), env=None):
        """On the folder, or on what the options name."""
        root = [] if "--s3" in options else ["--root", self.root]
        self.server = subprocess.Popen(
            [self.tool, "storage", "--listen", f"127.0.0.1:{self.port}", *root,
             "--key-file", self.key, *options], env=env)
        wait_until("the storage answers", self.answers)

    def answers(self):
        check(self.server.poll() is None, "the storage server has ended")
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status
        except OSError:
            return None

    def stop_server(self, sig=signal.SIGTERM):
        if self.server:
            self.server.send_signal(sig)
            self.server.wait()
            self.server = None

    def grant(self, op, generation, seq=0, expires=None, max_bytes=0):
        """The address where objects are granted."""
        expires = int(time.time()) + 3600 if expires is None else expires
        path = subprocess.run([self.tool, "grant", self.key, op, WORKSPACE, str(generation),
                               str(seq), str(expires), str(max_bytes)],
                              check=True, capture_output=True, text=True).stdout.strip()
        return f"http://127.0.0.1:{self.port}{path}"

    def granted(self, url, objects):
        """What the storage answers to a request for these: (status, document or text)."""
        request = urllib.request.Request(url, json.dumps({"objects": objects}).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, json.load(reply)["objects"]
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    @staticmethod
    def object(generation, seq, name):
        return f"{WORKSPACE}/{generation}-{seq}/{name}"

    def object_path(self, generation, seq, name="0-00000.tar.zst"):
        return os.path.join(self.root, self.object(generation, seq, name))

    # ---- the roles ----

    def life(self, home):
        """The private folder of the task that has this home."""
        return self.make_dir("run-" + os.path.basename(home))

    def scratch(self, home):
        return self.make_dir("run-" + os.path.basename(home) + "/save")

    def start(self, args, request, home, run_dir=None, env=None):
        """The role with its request and result descriptors. Returns (process, result fd)."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        req = os.memfd_create("request")
        os.write(req, body)
        os.lseek(req, 0, os.SEEK_SET)
        result_r, result_w = os.pipe()

        def prepare():
            a, b = os.dup(req), os.dup(result_w)  # not in the way of 7 and 8
            while a in (7, 8) or b in (7, 8):
                a, b = os.dup(a), os.dup(b)
            os.dup2(a, 7)
            os.dup2(b, 8)
            drop()

        environ = {"WS_HOME": home, "WS_RUN_DIR": run_dir or self.life(home),
                   "WS_PROFILE": self.profile, "WS_WORKSPACE": os.path.join(home, "workspace")}
        environ.update(env or {})
        p = subprocess.Popen([self.worker] + args, env=environ, preexec_fn=prepare,
                             pass_fds=(7, 8), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(req)
        os.close(result_w)
        return p, result_r

    def finish(self, p, result_r):
        with os.fdopen(result_r, "rb") as f:
            text = f.read()
        self.progress = []  # (done, total); roles.h, struct role_progress
        while text.startswith(b"\1progres"):
            self.progress.append(struct.unpack("=QQ", text[8:24]))
            text = text[24:]
        log = p.stderr.read().decode(errors="replace")
        status = p.wait()
        p.stderr.close()
        check("Sanitizer" not in log, log)
        result = json.loads(text.decode("utf-8")) if text else None
        return status, result, log

    def run(self, args, request, home, **kw):
        return self.finish(*self.start(args, request, home, **kw))

    def save_request(self, seq, generation=1, committed=0, max_bytes=1 << 30):
        request = {
            "workspace": WORKSPACE, "generation": generation, "seq": seq, "max_bytes": max_bytes,
            "grants": [self.grant("put", generation, seq, max_bytes=max_bytes)],
        }
        if committed:
            request["committed_seq"] = committed
        return request

    def save(self, home, seq, final=False, **kw):
        """A save that must succeed: its result."""
        request = self.save_request(seq, **{k: kw.pop(k) for k in ("generation", "committed",
                                                                   "max_bytes") if k in kw})
        status, result, log = self.run(["save"] + (["--final"] if final else []), request, home, **kw)
        check(status == 0 and result and result["ok"], f"save: {status} {result} {log}")
        return result

    def restore_request(self, saves, generation=2):
        """saves: [(generation, seq, length, sha256)], newest first."""
        return {"workspace": WORKSPACE, "generation": generation,
                "grants": [self.grant("get", generation)],
                "saves": [{"generation": g, "seq": s, "length": length, "sha256": sha256}
                          for g, s, length, sha256 in saves]}

    def restore(self, home, saves, args=(), rest=True, **kw):
        """The essentials and then, unless told not to, the rest."""
        request = self.restore_request(saves)
        status, result, log = self.run(["restore", *args], request, home, **kw)
        if rest and status == 0 and result["left"] > 0:
            again, more, log = self.run(["restore", "--rest"], request, home, **kw)
            check(again == 0 and more["ok"] and more["left"] == 0, f"--rest: {more} {log}")
        return status, result, log

    def saved(self, home, seq, **kw):
        """Save and return what a restore request names it by."""
        generation = kw.get("generation", 1)
        result = self.save(home, seq, **kw)
        return (generation, seq, result["length"], result["sha256"])

    def uploads_left(self):
        try:
            return os.listdir(os.path.join(self.root, ".tmp"))
        except OSError as e:
            check(e.errno == errno.ENOENT, str(e))
            return []
