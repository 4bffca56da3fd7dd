"""Checks of an app that init starts ahead of its claim: it becomes the app, or the app's argv is started. early.py is the program."""
import json, os, shutil, signal, tempfile

from agent import (AHEAD, APP, BACKOFF, EXITED, FINAL, PRIME, RESTORE, RESTORE_DONE, RUNNING, SAVE, SAVE_DONE, SECRET, START, STATE, STOP,
                   STOPPED, STUDENT, WAIT, Agent)
from checks import Failed, children_of, need, wait_for

here = os.path.dirname(os.path.abspath(__file__))
ORDINARY = APP + "(: > $WS_RUN_DIR/prime/y) 2> /dev/null && echo > primes; echo > ready; " + WAIT


class Ahead:
    """An agent whose profile names early.py, with a folder that it writes its notes to."""

    def __init__(self, bin_dir, prefix, mode):
        self.notes = tempfile.mkdtemp(prefix="ws-early-")
        os.chmod(self.notes, 0o777)
        shutil.copy(here + "/early.py", self.notes)
        app = {"argv": ["/bin/sh", "-c", ORDINARY], "env": {"X": "${HOME}"}, "defaults": {".config/app.json": {"a": 1}},
               "ahead": ["python3", "-B", self.notes + "/early.py", mode, self.notes]}
        self.agent = Agent(bin_dir, prefix, ORDINARY, profile={"app": app})

    def __enter__(self):
        a = self.agent
        a.accept()
        a.send(START, 1, PRIME)
        a.expect(STATE, id=1)
        a.send(STOP, 2)
        a.expect(STOPPED, id=2)
        a.send(RESTORE, 3, AHEAD)
        wait_for(self.lives, "the app to be started ahead")
        return self

    def __exit__(self, *failure):
        self.agent.__exit__(*failure)
        shutil.rmtree(self.notes, ignore_errors=True)

    def lives(self):
        try:
            return [int(p) for p in open(self.notes + "/lives").read().split()]
        except FileNotFoundError:
            return []

    def note(self, name):
        wait_for(lambda: os.path.exists(f"{self.notes}/{name}"), f"the note {name}")
        with open(f"{self.notes}/{name}") as f:
            return json.load(f)

    def waiting(self):
        """The processes of it that are there, by the test's own numbers."""
        def is_it(p):
            try:
                with open(f"/proc/{p}/cmdline") as f:
                    return "early.py" in f.read()
            except OSError:
                return False
        return [p for p in children_of(self.agent.pid) if is_it(p)]

    def loaded(self, says=True):
        """It has noted what it sees and, unless it never does, said that it has loaded."""
        def heard():
            with open(self.agent.dir + "/log") as f:
                return "app has loaded ahead" in f.read()
        self.note("before")
        if says:
            wait_for(heard, "init to hear that it has loaded")
        return self.waiting()[0]

    def ordinary(self, n=1):
        """The app's argv runs: its n-th life, and early.py does not."""
        pids = self.agent.app_pids(n)
        wait_for(lambda: not self.waiting(), "the one that was started ahead to be gone")
        need(not os.path.exists(self.notes + "/after"), "it became the app")
        return pids


def check_becomes(bin_dir, prefix, mode="good"):
    with Ahead(bin_dir, prefix, mode) as t:
        a, pid = t.agent, t.loaded()
        before = t.note("before")
        need(before["env"]["HOME"] == a.dir + "/run/prime" == before["env"]["X"], "its home before the claim")
        need(before["cwd"] == a.dir + "/run/prime/workspace", f"its folder before the claim: {before['cwd']}")
        need(SECRET not in str(before["env"]) and "WS_TASK_ID" not in before["env"], "the secret")
        need(before["fds"][:4] == [0, 1, 2, 3], f"descriptors {before['fds']}")
        need(os.listdir(a.home) == [], "there is something in the home before the claim")
        a.send(RESTORE, 4, AHEAD)
        a.settle()
        need(t.waiting() == [pid], "a second one was started")
        a.send(RESTORE, 5, blob=b"request")
        a.expect(RESTORE_DONE, id=5, status=0)
        a.send(START, 6)
        a.expect(STATE, id=6, app_state=RUNNING)
        after = t.note("after")
        need(after["pid"] == before["pid"], "another process")
        need(after["env"]["HOME"] == a.home == after["env"]["X"], f"HOME is {after['env']['HOME']}")
        need("WS_AHEAD_FD" not in after["env"] and after["fds"] == [0, 1, 2], f"descriptors {after['fds']}")
        need(after["cwd"] == a.home + "/workspace", f"its folder is {after['cwd']}")
        need(after["nice"] == 0, f"nice {after['nice']}")
        need(not a.split or after["uid"] == STUDENT, "uid")
        with open(a.home + "/.config/app.json") as f:
            need(json.load(f) == {"a": 1}, "default file")
        # From here on it is any app: it is ended as one, started again by its argv, and nothing is started ahead beside it.
        a.send(RESTORE, 7, AHEAD)
        os.kill(pid, signal.SIGKILL)
        a.expect(EXITED, status=128 + signal.SIGKILL, app_state=BACKOFF)
        a.expect(STATE, app_state=RUNNING)
        wait_for(lambda: os.path.exists(a.home + "/workspace/ready"), "the app's argv")
        primes = os.path.exists(a.home + "/workspace/primes")
        need(after["primes"] == before["primes"] == primes, f"confined otherwise than the app: {after['primes']}, {primes}")
        need(len(t.lives()) == 1, "it was started again")
        a.send(STOP, 8)
        a.expect(STOPPED, id=8, count=0)
        a.send(SAVE, 9, FINAL, b"x")
        a.expect(SAVE_DONE, id=9, status=0)


def check_ends_as_the_app(bin_dir, prefix):
    with Ahead(bin_dir, prefix, "good") as t:
        t.loaded()
        t.agent.send(START, 4)
        t.agent.expect(STATE, id=4, app_state=RUNNING)
        t.note("after")
        t.agent.send(STOP, 5)
        t.agent.expect(STOPPED, id=5, count=0)
        need(not t.waiting(), "it is left")


def check_falls_back(bin_dir, prefix, mode):
    with Ahead(bin_dir, prefix, mode) as t:
        a = t.agent
        if mode in ("dies", "shut"):
            wait_for(lambda: not t.waiting(), "its end")
        else:
            t.loaded(mode != "slow")
        if mode == "another home":
            os.rename(a.home, a.home + ".old")
            os.mkdir(a.home)
            shutil.copystat(a.home + ".old", a.home)
            os.chown(a.home, os.stat(a.home + ".old").st_uid, os.stat(a.home + ".old").st_gid)
        a.send(START, 4)
        a.expect(STATE, id=4, app_state=RUNNING)
        if mode == "fails":
            a.expect(EXITED, status=5, app_state=BACKOFF)
            a.expect(STATE, app_state=RUNNING)
        t.ordinary()


def check_warm_end(bin_dir, prefix, mode):
    with Ahead(bin_dir, prefix, mode) as t:
        t.loaded(mode != "slow")
        t.agent.terminate()
        t.agent.wait_exit(0)
        need(not os.path.exists(t.notes + "/after"), "it became the app")


def check_planted(bin_dir, prefix):
    """What goes on with what it had before the claim is seen."""
    try:
        check_becomes(bin_dir, prefix, "stale")
    except Failed as e:
        need(str(e).startswith("HOME is "), f"it was noticed for another reason: {e}")
        return
    raise Failed("it was not noticed")


def check_all(report, bin_dir, prefix):
    def add(name, fn, *more):
        report.check("init: app ahead: " + name, lambda: fn(bin_dir, prefix, *more))
    add("it becomes the app, with the app's environment, folder, files and confinement", check_becomes)
    add("it is stopped as the app", check_ends_as_the_app)
    for mode, what in (("dies", "one that died"), ("shut", "one that closes its end"), ("slow", "one that has not loaded"), ("fails", "one that fails at the claim"),
                       ("another home", "one whose home was replaced")):
        add(f"{what} is not waited for", check_falls_back, mode)
    for mode in ("good", "slow"):
        add(f"SIGTERM while it waits ({mode}): it ends with the task", check_warm_end, mode)
    add("planted: a program that keeps what it had is noticed", check_planted)
