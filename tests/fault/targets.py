"""What is run under faults, and how each is judged. A target has folder, run(env, injector) -> fault or None, close()."""
import json
import os
import shutil
import subprocess
import tempfile

from bench import Bench, as_student, check, snapshot, difference
from controller_target import ControllerTarget
from gate_target import GateTarget

TIMEOUT_S = 120


def died(status):
    """A crash, or an assertion: no fault of the surroundings is a reason for either."""
    return f"died by signal {-status}" if status < 0 else None


def may_die(env):
    """OpenSSL, curl and iconv crash when they get no memory. A role that dies has saved nothing and said nothing; init
    and link try again. So for these calls only what is said and what is kept are judged."""
    return env["FAULT_CLASS"] == "alloc-any"


class SaveTarget:
    """The save role, with a healthy storage server."""

    def __init__(self, bin_dir):
        self.bench = Bench(bin_dir)
        self.folder = self.bench.dir
        self.bench.start_server()
        self.home = self.bench.new_home()
        as_student(self.fill)
        self.want = snapshot(self.home)
        self.seq = 0

    def fill(self):
        os.makedirs(f"{self.home}/workspace/folder")
        for i in range(4):
            with open(f"{self.home}/workspace/folder/{i}", "wb") as f:
                f.write(os.urandom(1 << 16))
        os.symlink("0", f"{self.home}/workspace/folder/link")

    def close(self):
        self.bench.close()

    def sound(self, seq, result):
        """A save that is said to be good: it can be verified and holds everything."""
        b = self.bench
        said = subprocess.run([b.tool, "verify", b.root, "ws-testtesttest", "1", str(seq), str(result["length"]),
                               result["sha256"]], capture_output=True, text=True).stdout
        if not said.startswith("0"):
            return f"said to be saved, and storage says {said!r}"
        there = b.new_home()
        try:
            status, said, log = b.restore(there, [(1, seq, result["length"], result["sha256"])])
            if status != 0:
                return f"said to be saved, and cannot be restored: {said} {log}"
            lost = difference(self.want, snapshot(there))
            return f"said to be saved, but {lost}" if lost else None
        finally:
            shutil.rmtree(there, ignore_errors=True)

    def run(self, env, _injector):
        self.seq += 1
        status, result, log = self.bench.run(["save"], self.bench.save_request(self.seq), self.home, env=env)
        if died(status) and not may_die(env):
            return f"{died(status)}: {log}"
        if died(status):
            self.seq += 1
            return self.sound(self.seq, self.bench.save(self.home, self.seq))
        if status == 0 and result and result.get("ok"):
            return self.sound(self.seq, result)
        if status == 0:
            return f"exit 0 with the result {result}"
        if not (result and result.get("code") and result.get("message")) and not log.strip():
            return f"exit {status} without a word"
        return None


class RestoreTarget(SaveTarget):
    """The restore role: all files or a failure, and the next attempt makes it good."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir)
        self.ref = self.bench.saved(self.home, 1)

    def run(self, env, _injector):
        fresh = self.bench.new_home()
        try:
            status, result, log = self.bench.restore(fresh, [self.ref], env=env, args=["--patience-ms", "3000"])
            if died(status) and not may_die(env):
                return f"{died(status)}: {log}"
            good = status == 0 and result and result.get("ok")
            if status == 0 and not good:
                return f"exit 0 with the result {result}"
            if not good:
                if not died(status) and not log.strip() and not (result and result.get("message")):
                    return f"exit {status} without a word"
                status, result, log = self.bench.restore(fresh, [self.ref])
                check(status == 0, f"the next attempt fails: {result} {log}")
            lost = difference(self.want, snapshot(fresh))
            return f"{'restored' if good else 'restored at last'}, but {lost}" if lost else None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


class StorageTarget(SaveTarget):
    """The storage server: what it has said 201 to is there after it has been killed."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir)
        self.bench.stop_server()

    def run(self, env, _injector):
        b = self.bench
        self.seq += 1
        b.server = subprocess.Popen([b.tool, "storage", "--listen", f"127.0.0.1:{b.port}", "--root", b.root,
                                     "--key-file", b.key], env={**os.environ, **env}, stderr=subprocess.PIPE)
        try:
            up = self.wait_up()
            status, result, log = (b.run(["save"], b.save_request(self.seq), self.home) if up
                                   else (1, None, "not up"))
        finally:
            b.server.kill()
            server_log = b.server.stderr.read().decode(errors="replace")
            server_status = b.server.wait()
            b.server.stderr.close()
            b.server = None
        if server_status < 0 and server_status != -9:
            return f"the server {died(server_status)}: {server_log}"
        if status == 0 and result and result.get("ok"):
            b.start_server()  # the next one, without a fault
            try:
                return self.sound(self.seq, result)
            finally:
                b.stop_server()
        if died(status):
            return f"the role {died(status)}: {log}"
        return None if server_log.strip() or result else f"refused without a word: {result} {server_log}"

    def wait_up(self):
        import time
        for _ in range(200):
            if self.bench.server.poll() is not None:
                return False
            try:
                if self.bench.answers():
                    return True
            except Exception:
                pass
            time.sleep(0.01)
        return False


class CommandTarget:
    """A command that reads a file: it says yes and is right, or fails with a sentence."""

    def __init__(self, argv, good):
        self.folder = tempfile.mkdtemp(prefix="fault-test-")
        self.argv, self.good = argv(self.folder), good

    def close(self):
        shutil.rmtree(self.folder)

    def run(self, env, _injector):
        p = subprocess.run(self.argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=TIMEOUT_S)
        if died(p.returncode):
            return f"{died(p.returncode)}: {p.stderr}"
        if p.returncode == 0:
            return None if self.good in p.stdout else f"exit 0, and says {p.stdout!r}"
        return None if p.stderr.strip() or p.stdout.strip() else f"exit {p.returncode} without a word"


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def check_config(bin_dir):
    def argv(folder):
        path = os.path.join(folder, "wscontroller.conf")
        with open(path, "w") as f:
            f.write(f"state_dir = {folder}/state\nagent = {bin_dir}/wsagent\n[type vscode]\n"
                    f"profile = {ROOT}/images/code-server/profile.json\n")
        return [f"{bin_dir}/wscontroller", "--config", path, "--check"]
    return CommandTarget(argv, "good")


def check_rules(bin_dir):
    return CommandTarget(lambda _: [f"{bin_dir}/wsagent-worker", "rules", "--check",
                                    f"{ROOT}/images/code-server/presence.json"], "")


class StoreTarget:
    """The SQLite store: what it has called committed is there, whole, also for the next process."""

    def __init__(self, bin_dir):
        self.folder = tempfile.mkdtemp(prefix="fault-test-")
        self.program = os.path.join(bin_dir, "store_turns")
        self.turns = 30

    def close(self):
        shutil.rmtree(self.folder)

    def call(self, verb, n, env):
        return subprocess.run([self.program, verb, os.path.join(self.folder, "state.db"), str(n)],
                              env={**os.environ, **env}, capture_output=True, text=True, timeout=TIMEOUT_S)

    def run(self, env, _injector):
        for name in os.listdir(self.folder):
            if name.startswith("state.db"):
                os.unlink(os.path.join(self.folder, name))
        p = self.call("write", self.turns, env)
        if died(p.returncode):
            return f"{died(p.returncode)}: {p.stderr}"
        said = [int(line.split()[1]) for line in p.stdout.splitlines()]
        if p.returncode == 0 and len(said) != self.turns:
            return f"exit 0 with {len(said)} turns"
        if p.returncode != 0 and not p.stderr.strip():
            return f"exit {p.returncode} without a word"
        p = self.call("read", max(said, default=0), {})
        return None if p.returncode == 0 else f"{max(said, default=0)} turns acknowledged: {p.stdout}{p.stderr}"


class PlantedTarget:
    """A program that does not look at what fsync says: the loss has to be seen."""

    def __init__(self, bin_dir):
        self.folder = tempfile.mkdtemp(prefix="fault-test-")
        self.program = os.path.join(bin_dir, "fault_planted")

    def close(self):
        shutil.rmtree(self.folder)

    def run(self, env, _injector):
        path = os.path.join(self.folder, "lines")
        if os.path.exists(path):
            os.unlink(path)
        p = subprocess.run([self.program, path], env={**os.environ, **env}, capture_output=True, text=True,
                           timeout=TIMEOUT_S)
        if died(p.returncode):
            return died(p.returncode)
        with open(path) as f:
            kept = f.read().split()
        lost = [line for line in p.stdout.split() if line not in kept]
        return f"acknowledged and lost: {lost}" if lost else None


# name: (make, classes, a defect that must be found)
ALL = {
    "save": (SaveTarget, ["alloc", "alloc-any", "disk-full", "short", "read", "emfile", "eintr"], False),
    "restore": (RestoreTarget, ["alloc", "alloc-any", "disk-full", "short", "read", "emfile", "eintr", "name"], False),
    "storage": (StorageTarget, ["alloc", "disk-full", "short", "fsync", "emfile", "eintr", "name"], False),
    "gate": (GateTarget, ["alloc", "short", "emfile", "eintr"], False),
    "store": (StoreTarget, ["alloc", "alloc-any", "disk-full", "short", "fsync", "read", "emfile", "name"],
              False),
    "controller": (ControllerTarget, ["alloc", "disk-full", "short", "fsync", "read", "emfile", "eintr", "name"], False),
    "config": (check_config, ["alloc", "alloc-any", "read", "emfile", "eintr"], False),
    "rules": (check_rules, ["alloc", "alloc-any", "read", "emfile", "eintr"], False),
    "planted": (PlantedTarget, ["fsync", "alloc"], True),
}
