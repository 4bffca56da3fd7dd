"""Checks of `wsagent init`: roles, the app, saves, the way out. The roles are stand-ins."""
import json, os, shutil, signal, socket, stat, struct, subprocess, tempfile, time

from checks import Failed, alive, children_of, namespace_pids, need, status_of, wait_for

here = os.path.dirname(os.path.abspath(__file__))
HEAD = struct.Struct("=IIIiIIIII")
# init/control.h
START, STOP, RESTORE, SAVE, HOLD, SAVED = 1, 2, 3, 4, 5, 6
STATE, EXITED, STOPPED, RESTORE_DONE, SAVE_DONE, TERMINATING, REFUSED, PROGRESS = range(64, 72)
PRIME, FINAL, HELD, REST, AHEAD = 1, 2, 4, 8, 16
NONE, RUNNING, BACKOFF, STOPPING = range(4)
STUDENT, LINK, GATE = 70000, 70001, 70002
SECRET = "5ec2e7" * 10
APP = "trap 'exit 0' TERM; echo $$ >> app.pids; "
WAIT = "while :; do sleep 1000 & wait $!; done"


class Message:
    def __init__(self, data):
        (self.type, self.id, self.flags, self.status, self.count, self.app_state, self.primed,
         self.busy, length) = HEAD.unpack_from(data)
        self.blob = data[HEAD.size:].decode("latin-1")
        need(len(data) == HEAD.size + length, f"length {length} in {len(data)} bytes")


class Agent:
    """wsagent init in a folder of its own, and the test's end of its control channel."""

    def __init__(self, bin_dir, prefix, app, split=True, profile=None, term_grace="30s", real=False,
                 given=None):
        self.dir = tempfile.mkdtemp(prefix="ws-init-")
        os.chmod(self.dir, 0o755)
        self.test = os.path.join(self.dir, "test")
        os.mkdir(self.test)
        os.chmod(self.test, 0o777)
        self.home = os.path.join(self.dir, "home")
        self.app_script = app
        worker = os.path.join(self.dir, "worker")
        shutil.copy(os.path.join(here, "fake_worker"), worker)
        # A copy: the roles' users cannot enter a build folder below /root.
        shutil.copy(bin_dir + "/wsagent-worker", os.path.join(self.dir, "real_worker"))
        shutil.copy(bin_dir + "/init_child", os.path.join(self.dir, "init_child"))
        content = {"name": "test", "app": {"argv": ["/bin/sh", "-c", app], "env": {"X": "${HOME}"},
                                           "defaults": {".config/app.json": {"a": 1}}},
                   "health": {"path": "/"}, "stop_grace": "2s", "kill_grace": "500ms"}
        content.update(profile or {})
        self.app_profile = content
        path = os.path.join(self.dir, "profile.json")
        with open(path, "w") as f:
            json.dump(content, f)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.test + "/socket")
        os.chmod(self.test + "/socket", 0o777)
        self.listener.listen(4)
        self.listener.settimeout(15)
        env = dict(PATH="/usr/bin:/bin", WS_RUN_DIR=self.dir + "/run", WS_HOME=self.home,
                   WS_TEST_DIR=self.test, WS_TEST_SOCKET=self.test + "/socket",
                   WS_TASK_ID="t-1", WS_TASK_SECRET=SECRET, WS_CONTROLLER="tcp://x",
                   WS_TERM_GRACE=term_grace, WS_LOG_LEVEL="debug", AWS_SECRET="no")
        if real:
            env["WS_TEST_REAL"] = "1"
        if given is not None:  # the secret comes on standard input
            del env["WS_TASK_SECRET"]
            env["WS_SECRET_FROM"] = "stdin"
        self.split = split and prefix == [] or split and "--user" not in prefix
        self.split = self.split and os.geteuid() == 0
        if self.split:
            env.update(WS_UID_STUDENT=str(STUDENT), WS_UID_LINK=str(LINK), WS_UID_GATE=str(GATE))
        self.log = open(self.dir + "/log", "w+")
        self.proc = subprocess.Popen(prefix + [bin_dir + "/wsagent", "init", "--profile", path,
                                               "--worker", worker],
                                     env=env, stdout=self.log, stderr=self.log,
                                     stdin=subprocess.DEVNULL if given is None else subprocess.PIPE)
        if given is not None:
            self.proc.stdin.write(given)
            self.proc.stdin.close()
        self.link = None
        self.pid = self.proc.pid if not prefix else \
            wait_for(lambda: children_of(self.proc.pid), "init to start")[0]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.log.seek(0)
            print("      " + "      ".join(self.log.readlines()[-25:]), end="")
        self.proc.kill()
        self.proc.wait()
        self.listener.close()
        if self.link:
            self.link.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def accept(self):
        """The next life of link; its first message, which is the state."""
        if self.link:
            self.link.close()
        self.link, _ = self.listener.accept()
        self.link.settimeout(15)
        m = self.receive()
        need(m.type == STATE, f"first message is {m.type}")
        return m

    def send(self, kind, id=0, flags=0, blob=b"", length=None):
        self.link.send(HEAD.pack(kind, id, flags, 0, 0, 0, 0, 0,
                                 len(blob) if length is None else length) + blob)

    def receive(self):
        try:
            data = self.link.recv(65536)
        except socket.timeout:
            raise Failed("no message from init")
        need(data, "link has gone")
        return Message(data)

    def expect(self, kind, **fields):
        m = self.receive()
        need(m.type == kind, f"message {m.type} instead of {kind}")
        for name, want in fields.items():
            need(getattr(m, name) == want, f"{name} is {getattr(m, name)} instead of {want}")
        return m

    def expect_both(self, one, other):
        """Two messages that may come in either order."""
        got = {self.receive().type, self.receive().type}
        need(got == {one, other}, f"messages {got} instead of {one} and {other}")

    def seen(self, role):
        path = f"{self.test}/{role}.seen"
        wait_for(lambda: os.path.exists(path), f"{role} to start")
        with open(path) as f:
            return json.load(f)

    def mode(self, role, text):
        with open(f"{self.test}/{role}.mode", "w") as f:
            f.write(text)

    def app_pids(self, n=1, folder=None):
        """The process ids (in the namespace) of the first n lives of the app."""
        path = (folder or self.home + "/workspace") + "/app.pids"

        def look():
            try:
                with open(path) as f:
                    lines = f.read().split()
                return lines if len(lines) >= n else None
            except FileNotFoundError:
                return None
        return [int(p) for p in wait_for(look, f"{n} starts of the app")]

    def start(self, id=1):
        self.send(START, id)
        self.expect(STATE, id=id, app_state=RUNNING)
        return self.app_pids()

    def settle(self):
        """Returns when init has read all that was sent to it."""
        self.send(4711)
        self.expect(REFUSED, count=4711)

    def go(self, role):
        open(f"{self.test}/{role}.go", "w").close()

    def runs(self, role):
        """The requests of all runs of a role so far."""
        try:
            return open(f"{self.test}/{role}.runs").read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)
        self.expect(TERMINATING)

    def wait_exit(self, want):
        code = self.proc.wait(20)
        need(code == want, f"init ended with {code} instead of {want}")


def check_roles(make):
    with make(APP + WAIT) as a:
        first = a.accept()
        need(first.app_state == NONE and first.busy == 0, "wrong first state")
        want_fds = {"link": [0, 1, 2, 3, 4, 5], "gate": [0, 1, 2, 4, 6, 9], "sense": [0, 1, 2, 5]}
        uids = {"link": LINK, "gate": GATE, "sense": STUDENT}
        for role, fds in want_fds.items():
            seen = a.seen(role)
            extra = 2 if role == "link" else 0  # the stand-in's own: test socket
            got = [f for f in seen["fds"] if f < 100]
            need(got[:len(fds)] == fds and len(got) <= len(fds) + extra, f"{role} has {got}")
            need(seen["nnp"] == "1", f"{role} may gain privileges")
            need(int(seen["blocked"], 16) == 0, f"{role} has signals blocked")
            if a.split:
                need(seen["uid"] == uids[role] == seen["gid"] and seen["groups"] == [],
                     f"{role} is {seen['uid']} {seen['gid']} {seen['groups']}")
                need(int(seen["bounding"], 16) == 0, f"{role} has capabilities to gain")
            need(("WS_TASK_SECRET" in seen["env"]) == (role == "link"), f"secret and {role}")
            need(("WS_CONTROLLER" in seen["env"]) == (role == "link"), f"controller and {role}")
            need("AWS_SECRET" not in seen["env"], f"foreign variable in {role}")
        with open(f"/proc/{a.pid}/environ", "rb") as f:
            need(SECRET.encode() not in f.read(), "the secret is in init's environment")
        need(status_of(a.pid)["Threads"] == "1", "threads")
        with open(a.dir + "/run/gate.addr") as f:
            need(f.read().startswith("127.0.0.1:"), "gate.addr")
        print(f"      init: RSS {status_of(a.pid)['VmRSS']}, anonymous "
              f"{status_of(a.pid)['RssAnon']}")


def check_app(make):
    script = APP + "(exec ls /proc/self/fd) > fds; env > env; pwd > cwd; id -u > uid; echo > ready; " + WAIT
    with make(script) as a:
        a.accept()
        pid = a.start(7)[0]
        work = a.home + "/workspace/"
        wait_for(lambda: os.path.exists(work + "ready"), "the app")
        env = dict(line.rstrip("\n").split("=", 1) for line in open(work + "env") if "=" in line)
        need(open(work + "fds").read().split() == ["0", "1", "2", "3"], "descriptors: " +
             open(work + "fds").read())
        need(env["HOME"] == a.home == env["X"] == env["WS_HOME"], f"HOME {env}")
        need(not {"WS_TASK_SECRET", "WS_TASK_ID", "WS_CONTROLLER", "AWS_SECRET", "WS_TEST_DIR"} &
             set(env), f"environment {env}")
        need(open(work + "cwd").read().strip() == a.home + "/workspace", "cwd")
        with open(a.home + "/.config/app.json") as f:
            need(json.load(f) == {"a": 1}, "default file")
        if a.split:
            need(int(open(work + "uid").read()) == STUDENT, "uid")
            s = os.stat(a.dir + "/run/app")
            need((s.st_uid, s.st_gid, stat.S_IMODE(s.st_mode)) == (STUDENT, GATE, 0o2710),
                 f"socket folder {s}")
        need(pid != os.getpid(), "pid")
        a.send(START, 8)
        a.expect(REFUSED, id=8, count=START)


def check_defaults_stay(make):
    with make(APP + "echo > ready; " + WAIT) as a:
        a.accept()
        os.mkdir(a.home + "/.config")
        with open(a.home + "/.config/app.json", "w") as f:
            f.write("mine")
        a.start()
        wait_for(lambda: os.path.exists(a.home + "/workspace/ready"), "the app")
        need(open(a.home + "/.config/app.json").read() == "mine", "the student's file is gone")


def check_prime(make):
    with make(APP + "exit 4") as a:
        a.accept()
        a.send(START, 1, PRIME)
        a.expect(STATE, id=1, app_state=RUNNING, primed=1)
        a.expect(EXITED, status=4, app_state=NONE, primed=1)
        a.app_pids(1, a.dir + "/run/prime/workspace")
        need(not os.path.exists(a.home + "/workspace"), "priming touched the student's home")
        a.send(STOP, 2)
        a.expect(STOPPED, id=2, count=0)


def check_crash(make):
    with make(APP + "[ -e stay ] || exit 9; " + WAIT) as a:
        a.accept()
        a.send(START, 1)
        a.expect(STATE, id=1)
        times = []
        for _ in range(3):
            a.expect(EXITED, status=9, app_state=BACKOFF)
            times.append(time.monotonic())
            a.expect(STATE, id=0, app_state=RUNNING)
        gaps = [b - a for a, b in zip(times, times[1:])]
        need(gaps[0] >= 0.45 and gaps[1] >= 0.95, f"back-off {gaps}")


def check_link_crashes(make):
    with make(APP + WAIT) as a:
        a.accept()
        app = a.start()
        gate = a.seen("gate")["pid"]
        gaps = []
        for _ in range(4):
            start = time.monotonic()
            a.link.send(b"die")
            m = a.accept()
            need(m.app_state == RUNNING, f"state {m.app_state}")
            gaps.append(time.monotonic() - start)
        for gap, want in zip(gaps, (0.1, 0.2, 0.4, 0.8)):
            need(gap >= want, f"back-off {gaps}")
        need(a.app_pids() == app, "the app was started again")
        need(a.seen("gate")["pid"] == gate, "gate was started again")
        a.send(STOP, 3)
        a.expect(STOPPED, id=3)


def check_gate_crash(make):
    with make(APP + WAIT) as a:
        a.mode("gate", "crash")
        a.accept()
        app = a.start()
        lives = set()
        wait_for(lambda: lives.add(a.seen("gate")["pid"]) or len(lives) >= 3, "gate to restart")
        need(a.app_pids() == app, "the app was started again")


def check_stop_waits(make):
    # The main process ends at once; a nohup job, a daemon and a shell stay.
    with make("exec $HOME/../init_child family") as a:
        a.accept()
        a.send(START, 1)
        a.expect(STATE, id=1)
        wait_for(lambda: os.path.exists(a.home + "/workspace/ready"), "the family")
        a.send(STOP, 5)
        a.expect(STOPPED, id=5, count=0, app_state=NONE)
        left = student_pids(a)
        need(not left, f"still there: {left}")
        need(os.path.exists(a.home + "/workspace/history"), "the shell got no SIGHUP")


def student_pids(a):
    """Processes of the namespace besides init and its roles."""
    return [p for p in namespace_pids(a.pid) if "worker" not in open(f"/proc/{p}/cmdline").read()]


def check_stop_kills(make):
    with make("exec $HOME/../init_child stubborn") as a:
        a.accept()
        a.send(START, 1)
        a.expect(STATE, id=1)
        wait_for(lambda: any(status_of(p).get("SigIgn", "0")[-1] in "3bf7" for p in
                             student_pids(a)), "the stubborn app")
        start = time.monotonic()
        a.send(STOP, 2)
        m = a.expect(STOPPED, id=2)
        took = time.monotonic() - start
        need(m.count == 1, f"killed {m.count}")
        need(2.4 <= took <= 4.0, f"took {took:.2f} s; stop_grace 2 s + kill_grace 0.5 s")
        need(not student_pids(a), "still there")


def check_stop_stopped(make):
    """A process in the state of SIGSTOP ends without SIGKILL."""
    with make(APP + "sh -c 'trap \"\" HUP; trap \"echo > ended; exit 0\" TERM; kill -STOP $$; :' & "
              + WAIT) as a:
        a.accept()
        a.start()
        wait_for(lambda: any(status_of(p).get("State", "")[:1] == "T" for p in student_pids(a)),
                 "the child to be stopped")
        a.send(STOP, 2)
        a.expect(STOPPED, id=2)
        need(os.path.exists(a.home + "/workspace/ended"), "it was killed")


def check_jobs(make):
    with make(APP + WAIT) as a:
        a.accept()
        a.send(RESTORE, 1, blob=b"first")
        a.expect(RESTORE_DONE, id=1, status=0, blob="result of first")
        seen = a.seen("restore")
        need(seen["fds"][:5] == [0, 1, 2, 7, 8], f"descriptors {seen['fds']}")
        need(not a.split or seen["uid"] == STUDENT, "uid")
        a.start()
        a.send(RESTORE, 2, blob=b"x")
        a.expect(REFUSED, id=2, count=RESTORE)
        a.send(SAVE, 3, FINAL, b"x")
        a.expect(REFUSED, id=3, count=SAVE)
        a.send(SAVE, 4, blob=b"background")
        a.expect(SAVE_DONE, id=4, status=0, flags=0, blob="result of background")
        seen = a.seen("save")
        need(seen["argv"] == ["save"], "arguments")
        need(seen["nice"] == 10 and seen["disk"] == 3, f"nice {seen['nice']}, disk {seen['disk']}")
        a.mode("save", "fail")
        a.send(SAVE, 5, blob=b"bad")
        a.expect(SAVE_DONE, id=5, status=1, blob="result of bad")
        a.mode("save", "big")
        a.send(SAVE, 6, blob=b"big")
        a.expect(SAVE_DONE, id=6, blob="")
        a.mode("save", "hold")
        a.send(SAVE, 7, blob=b"b" * 32768)
        a.send(SAVE, 8, blob=b"x")
        a.expect(REFUSED, id=8, count=SAVE, busy=1 | 8)
        a.send(STOP, 9)
        a.expect(STOPPED, id=9)  # a save is no process of the student
        open(a.test + "/save.go", "w").close()
        a.expect(SAVE_DONE, id=7)
        a.mode("save", "ok")
        a.send(SAVE, 10, FINAL, b"last")
        a.expect(SAVE_DONE, id=10, flags=FINAL)
        seen = a.seen("save")
        need(seen["argv"] == ["save", "--final"], "arguments")
        need(seen["nice"] == 0 and seen["disk"] != 3, "the last save stands back")


def check_rest(make):
    with make(APP + WAIT) as a:
        a.accept()
        a.send(RESTORE, 1, REST, b"x")
        a.expect(REFUSED, id=1, count=RESTORE, flags=REST)  # there is no app beside it
        a.send(START, 2, PRIME)
        a.expect(STATE, id=2)
        a.send(RESTORE, 3, REST, b"x")
        a.expect(REFUSED, id=3, flags=REST)  # nor is this the student's
        a.send(STOP, 4)
        a.expect(STOPPED, id=4)
        a.start(5)
        a.mode("rest", "hold")
        a.send(RESTORE, 6, REST, b"the rest")
        seen = a.seen("rest")
        need(seen["argv"] == ["restore", "--rest"] and seen["request"] == "the rest", "arguments")
        need(seen["nice"] == 10 and seen["disk"] == 3, f"nice {seen['nice']}, disk {seen['disk']}")
        a.send(RESTORE, 7, REST, b"x")
        a.expect(REFUSED, id=7, flags=REST, busy=8 | 16)
        a.send(SAVE, 8, blob=b"beside it")
        a.expect(SAVE_DONE, id=8, status=0)
        need(a.seen("save")["beside_rest"], "the save was not beside it")
        a.link.send(b"die")
        need(a.accept().busy == 8 | 16, "the next link is not told of it")
        a.go("rest")
        a.expect(RESTORE_DONE, id=6, flags=REST, status=0, blob="result of the rest")
        a.send(RESTORE, 9, REST, b"again")
        wait_for(lambda: len(a.runs("rest")) == 2, "the second run")
        os.kill(wait_for(lambda: [p for p in children_of(a.pid) if "--rest" in
                                  open(f"/proc/{p}/cmdline").read()], "its process")[0],
                signal.SIGKILL)
        a.expect(RESTORE_DONE, id=9, flags=REST, status=128 + signal.SIGKILL, app_state=RUNNING)


def check_ahead(make):
    """A restore that is started before its request: it is the one that then restores, or it goes."""
    def waiting(a):
        return [p for p in children_of(a.pid) if "restore" in open(f"/proc/{p}/cmdline").read().split("\0")]
    with make(APP + WAIT) as a:
        a.accept()
        a.send(RESTORE, 1, AHEAD)
        pid = wait_for(lambda: waiting(a), "its process")[0]
        a.send(RESTORE, 2, AHEAD)
        a.settle()
        need(waiting(a) == [pid], "a second one was started")
        need(not os.path.exists(a.test + "/restore.seen"), "it ran without a request")
        a.link.send(b"die")
        need(a.accept().busy == 0, "one that waits counts as a restore")
        a.send(START, 3, PRIME)
        a.expect(STATE, id=3)
        a.send(STOP, 4)
        a.expect(STOPPED, id=4)
        need(waiting(a) == [pid], "it was ended with the app that was primed")
        a.send(RESTORE, 5, blob=b"r" * 32768)
        a.expect(RESTORE_DONE, id=5, status=0, flags=0)
        seen = a.seen("restore")
        need(len(a.runs("restore")) == 1 and seen["request"] == "r" * 32768, "its request")
        need(seen["fds"][:5] == [0, 1, 2, 7, 8], f"descriptors {seen['fds']}")
        need(not a.split or seen["uid"] == STUDENT, "uid")
        a.send(RESTORE, 6, AHEAD)
        pid = wait_for(lambda: waiting(a), "its process")[0]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
        a.send(RESTORE, 7, blob=b"without it")
        a.expect(RESTORE_DONE, id=7, status=0, blob="result of without it")
        a.send(RESTORE, 8, AHEAD)
        wait_for(lambda: waiting(a), "its process")
        a.start(9)
        wait_for(lambda: not waiting(a), "its end when the student's app starts")
        a.send(RESTORE, 10, AHEAD)
        a.settle()
        need(not waiting(a), "started beside a student")


def check_rest_stop(make, how):
    """The rest is ended before the last save begins, whether it likes that or not."""
    with make(APP + WAIT) as a:
        a.accept()
        a.start()
        a.mode("rest", "stubborn" if how == "deaf" else "hold")
        a.send(HOLD, 0, blob=b"held request")
        a.send(RESTORE, 2, REST, b"the rest")
        a.seen("rest")
        if how == "SIGTERM":
            a.terminate()
        else:
            a.send(STOP, 3)
        a.expect_both(RESTORE_DONE, STOPPED)
        if how != "SIGTERM":
            a.send(SAVE, 4, FINAL, b"last")
        a.expect(SAVE_DONE, status=0)
        need(not a.seen("save")["beside_rest"], "the last save ran beside it")
        need(a.seen("save")["request"] == ("held request" if how == "SIGTERM" else "last"), "request")
        if how != "SIGTERM":
            a.send(RESTORE, 5, REST, b"x")
            a.expect(REFUSED, id=5, flags=REST)
            return
        a.send(SAVED)
        a.wait_exit(0)


def check_progress(make):
    with make(APP + WAIT) as a:
        a.accept()
        a.mode("restore", "progress")
        a.send(RESTORE, 1, blob=b"first")
        seen = []
        start = time.monotonic()

        def take():
            m = a.receive()
            if m.type == PROGRESS:
                need(m.id == 1 and m.flags == 0, "progress of what?")
                seen.append(struct.unpack("=QQ", m.blob.encode("latin-1")))
            return m
        take()
        need(seen and seen[0][1] == 1000, f"no progress: {seen}")
        a.go("restore")
        m = take()
        while m.type == PROGRESS:
            m = take()
        need(m.type == RESTORE_DONE and m.blob == "result of first", f"{m.type} {m.blob[:40]!r}")
        need(seen == sorted(seen) and len(seen) <= 2 + time.monotonic() - start, f"{seen}")


def check_unread(make):
    """An answer that comes while link is down waits for the next one, behind the state."""
    with make(APP + WAIT) as a:
        a.accept()
        a.mode("save", "hold")
        a.send(SAVE, 4, blob=b"one")
        a.seen("save")
        a.link.send(b"die")
        open(a.test + "/save.go", "w").close()
        a.accept()
        m = a.receive()
        need(m.type == SAVE_DONE and m.id == 4 and m.blob == "result of one", f"got {m.type}")


def check_malformed(make):
    with make(APP + WAIT) as a:
        a.accept()
        app = a.start()
        for data in (b"x", b"\0" * (HEAD.size - 1), b"\xff" * 60000):
            a.link.send(data)
        a.send(SAVE, 1, blob=b"abc", length=2)
        a.send(HOLD, 1, blob=b"", length=5)
        a.send(4711, 77)
        a.expect(REFUSED, id=77, count=4711)
        need(a.app_pids() == app and alive(a.pid), "init or the app is gone")


def check_term(make, case):
    with make(APP + WAIT, term_grace="3s" if case == "save fails" else "30s") as a:
        a.accept()
        a.start()
        if case != "nothing held":
            a.send(HOLD, 0, blob=b"held request")
        if case == "save fails":
            a.mode("save", "fail")
        if case == "saved before":
            a.send(STOP, 1)
            a.expect(STOPPED)
            a.send(SAVED)
        a.settle()
        if case == "link is dead":
            a.link.send(b"die")
            os.kill(a.pid, signal.SIGTERM)
            a.wait_exit(0)
            need(a.seen("save")["request"] == "held request", "request")
            return
        if case == "nothing held":
            a.terminate()  # someone worked here: link has 2 s to give a request
            a.expect(STOPPED)
            a.wait_exit(75)
            need(not os.path.exists(a.test + "/save.seen"), "a save was made")
            return
        if case == "saved before":
            os.kill(a.pid, signal.SIGTERM)
            a.wait_exit(0)  # at once, and link with it
            need(not os.path.exists(a.test + "/save.seen"), "a save was made")
            return
        a.terminate()
        if case == "twice":
            os.kill(a.pid, signal.SIGTERM)
        a.send(START, 3)
        a.expect_both(REFUSED, STOPPED)
        m = a.expect(SAVE_DONE, flags=FINAL | HELD, status=1 if case == "save fails" else 0)
        need(m.blob == "result of held request", m.blob)
        if case == "save fails":
            a.wait_exit(75)
            need(len(a.runs("save")) > 1, "tried once only")
            return
        start = time.monotonic()
        a.send(SAVED)
        a.wait_exit(0)
        need(time.monotonic() - start < 1.5, "did not end at once")


def check_term_restore(make):
    # What was held before a restore is not used to save what the restore left.
    with make(APP + WAIT) as a:
        a.accept()
        a.send(HOLD, 0, blob=b"held request")
        a.mode("restore", "hold")
        a.send(RESTORE, 1, blob=b"request")
        a.settle()
        a.seen("restore")
        os.kill(a.pid, signal.SIGTERM)
        a.wait_exit(0)
        need(not os.path.exists(a.test + "/save.seen"), "a half-restored home was saved")


def check_term_retry(make):
    with make(APP + WAIT) as a:
        a.accept()
        a.start()
        a.send(HOLD, 0, blob=b"first")
        a.mode("save", "fail")
        a.settle()
        a.terminate()
        a.expect(STOPPED)
        a.expect(SAVE_DONE, status=1)
        a.mode("save", "ok")
        a.send(HOLD, 0, blob=b"second")
        a.expect(SAVE_DONE, status=0, blob="result of second")
        a.send(SAVED)
        a.wait_exit(0)


def check_term_alone(make):
    """link is dead and the storage fails at first: the same request again, within the grace."""
    with make(APP + WAIT) as a:
        a.accept()
        a.start()
        a.send(HOLD, 0, blob=b"held request")
        a.settle()
        a.mode("save", "fail2")
        a.link.send(b"die")
        os.kill(a.pid, signal.SIGTERM)
        a.wait_exit(0)
        need(a.runs("save") == ["held request"] * 3, f"requests {a.runs('save')}")


def check_term_share(make):
    """Processes that are deaf to SIGTERM have half of the grace, and the save has the other."""
    with make("exec $HOME/../init_child stubborn", term_grace="4s",
              profile={"stop_grace": "60s", "kill_grace": "60s"}) as a:
        a.accept()
        a.send(START, 1)
        a.expect(STATE, id=1)
        wait_for(lambda: any(status_of(p).get("SigIgn", "0")[-1] in "3bf7" for p in
                             student_pids(a)), "the stubborn app")
        a.send(HOLD, 0, blob=b"held request")
        a.settle()
        start = time.monotonic()
        a.terminate()
        a.expect(STOPPED)
        a.expect(SAVE_DONE, status=0, flags=FINAL | HELD)
        took = time.monotonic() - start
        need(took < 3, f"the save came after {took:.2f} s of 4")
        a.send(SAVED)
        a.wait_exit(0)


def check_bad_profile(bin_dir):
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        path = d + "/profile.json"
        with open(path, "w") as f:
            f.write('{"nmae": "x"}')
        r = subprocess.run([bin_dir + "/wsagent", "init", "--profile", path],
                           env=dict(WS_RUN_DIR=d + "/run", WS_HOME=d + "/home"),
                           capture_output=True, text=True, timeout=20)
        need(r.returncode == 78 and "nmae: unknown key" in r.stderr, f"{r.returncode} {r.stderr}")


def check_port_taken(bin_dir, make_profile):
    with tempfile.TemporaryDirectory() as d, socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        r = subprocess.run([bin_dir + "/wsagent", "init", "--profile", make_profile, "--listen",
                            "127.0.0.1:%d" % s.getsockname()[1]],
                           env=dict(WS_RUN_DIR=d + "/run", WS_HOME=d + "/home"),
                           capture_output=True, text=True, timeout=20)
        need(r.returncode == 71 and "cannot listen" in r.stderr, f"{r.returncode} {r.stderr}")


def check_health(bin_dir):
    def ask(answer):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            p = subprocess.Popen([bin_dir + "/wsagent", "healthcheck"], stderr=subprocess.DEVNULL,
                                 env=dict(WS_GATE_ADDR="127.0.0.1:%d" % s.getsockname()[1]))
            c, _ = s.accept()
            need(b"GET /_workspace/health HTTP/1.1\r\n" in c.recv(4096), "request")
            c.sendall(answer)
            c.close()
            return p.wait(10)
    need(ask(b"HTTP/1.1 200 OK\r\n\r\n") == 0, "200")
    need(ask(b"HTTP/1.1 503 No\r\n\r\n") == 1, "503")
    need(ask(b"HT") == 1, "cut")
    need(ask(b"nonsense nonsense") == 1, "nonsense")
    r = subprocess.run([bin_dir + "/wsagent", "healthcheck"], stderr=subprocess.DEVNULL,
                       env=dict(WS_GATE_ADDR="127.0.0.1:1"), timeout=10)
    need(r.returncode == 1, "nobody there")


def check_all(report, bin_dir, prefix):
    def make(app, **more):
        return Agent(bin_dir, prefix, app, **more)

    def shared(app):
        return Agent(bin_dir, prefix, app, split=False)

    if os.geteuid() != 0:
        report.skip("init: own user for each role", "not root")
    for name, fn in (("roles: user, descriptors, environment, one thread", check_roles),
                     ("app: folder, environment, descriptors, socket folder", check_app),
                     ("app: default files do not replace the student's", check_defaults_stay),
                     ("app: priming run in a scratch home, not restarted", check_prime),
                     ("app: restarted with back-off when it crashes", check_crash),
                     ("roles: crash loop of link backs off, app and gate untouched",
                      check_link_crashes),
                     ("roles: crash loop of gate leaves the app alone", check_gate_crash),
                     ("stop: waits for shells, daemons and nohup jobs", check_stop_waits),
                     ("stop: SIGKILL after the deadline", check_stop_kills),
                     ("stop: a process in SIGSTOP ends by itself", check_stop_stopped),
                     ("save and restore: request, result, refusals, bounds", check_jobs),
                     ("the rest of a restore: beside app and saves, low priority", check_rest),
                     ("a restore that waits for its request", check_ahead),
                     ("progress of a restore: newest only, the result whole", check_progress),
                     ("answers wait for the next link, behind the state", check_unread),
                     ("malformed orders do no harm", check_malformed)):
        report.check("init: " + name, lambda f=fn: f(make))
    for case in ("link commits", "save fails", "nothing held", "saved before", "link is dead",
                 "twice"):
        report.check(f"init: SIGTERM: {case}", lambda c=case: check_term(make, c))
    report.check("init: SIGTERM: during a restore nothing is saved",
                 lambda: check_term_restore(make))
    report.check("init: SIGTERM: another request, another try", lambda: check_term_retry(make))
    report.check("init: SIGTERM: link is dead, another try", lambda: check_term_alone(make))
    report.check("init: SIGTERM: the save has its share of the grace", lambda: check_term_share(make))
    for how in ("stop", "deaf", "SIGTERM"):
        report.check(f"init: the rest of a restore is ended before the last save: {how}",
                     lambda h=how: check_rest_stop(make, h))
    report.check("init: one user for all: stop waits", lambda: check_stop_waits(shared))
    report.check("init: one user for all: app", lambda: check_app(shared))


def check_given(bin_dir):
    """A secret that is given on standard input: link alone has it, and nothing tells of the way."""
    with Agent(bin_dir, [], APP + WAIT, given=SECRET.encode() + b"\n") as a:
        a.accept()
        need("WS_TASK_SECRET" in a.seen("link")["env"], "link has no secret")
        for role in ("link", "gate", "sense"):
            need("WS_SECRET_FROM" not in a.seen(role)["env"], f"{role} is told where it came from")
        for role in ("gate", "sense"):
            need("WS_TASK_SECRET" not in a.seen(role)["env"], f"{role} has the secret")
    for bad in (b"", b"\n", SECRET.encode()):  # none, an empty one, one that is cut
        with Agent(bin_dir, [], APP, given=bad) as a:
            a.wait_exit(78)


def check_pdeath(bin_dir):
    with Agent(bin_dir, [], "echo $$ >> app.pids; exec sleep 1000") as a:
        a.accept()
        a.start()
        pids = children_of(a.pid)
        need(len(pids) == 4, f"children {pids}")
        os.kill(a.pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(p) for p in pids), "the children to end")


def check_subreaper(report, bin_dir):
    def make(app, **more):
        return Agent(bin_dir, [], app, **more)

    report.check("init: not PID 1: stop finds all descendants", lambda: check_stop_subreaper(make))
    report.check("init: not PID 1: SIGTERM saves", lambda: check_term(make, "link commits"))
    report.check("init: not PID 1: roles and app end with init", lambda: check_pdeath(bin_dir))
    report.check("init: a secret on standard input", lambda: check_given(bin_dir))
    report.check("init: wrong profile is named at start", lambda: check_bad_profile(bin_dir))
    report.check("init: port taken", lambda: check_port_taken(
        bin_dir, os.path.abspath(os.path.join(here, "../../images/code-server/profile.json"))))
    report.check("healthcheck", lambda: check_health(bin_dir))


def check_stop_subreaper(make):
    script = APP + ("setsid sh -c 'echo $$ > daemon; setsid nohup sleep 1000 & echo > ready; wait' "
                    "& " + WAIT)
    with make(script) as a:
        a.accept()
        a.start()
        work = a.home + "/workspace/"
        wait_for(lambda: os.path.exists(work + "ready"), "the daemon")
        daemon = int(open(work + "daemon").read())
        inner = wait_for(lambda: children_of(daemon), "the job")
        a.send(STOP, 1)
        a.expect(STOPPED, id=1)
        need(not alive(daemon) and not any(alive(p) for p in inner), "descendants live")
        need(alive(a.seen("gate")["pid"]), "a role was ended")
