"""Counting and printing checks, waiting for events."""
import glob, os, sys, time


class Failed(Exception):
    pass


class Report:
    def __init__(self, only="", quiet=False):
        self.only, self.quiet = only, quiet
        self.passed, self.failed, self.skipped = [], [], []

    def say(self, text):
        if not self.quiet:
            print(text, flush=True)

    def check(self, name, fn):
        """fn returns True or None when well, else what is wrong; Failed likewise."""
        if self.only not in name:
            return
        start = time.monotonic()
        try:
            wrong = fn()
        except Failed as e:
            wrong = str(e)
        except (OSError, ValueError, KeyError, TypeError) as e:
            wrong = f"{type(e).__name__}: {e}"
        ms = int((time.monotonic() - start) * 1000)
        if wrong is None or wrong is True:
            self.passed.append(name)
            self.say(f"ok    {name} ({ms} ms)")
        else:
            self.failed.append(name)
            self.say(f"FAIL  {name}: {wrong}")

    def skip(self, name, why):
        if self.only in name:
            self.skipped.append(name)
            self.say(f"skip  {name}: {why}")

    def close(self):
        print(f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped")
        return 1 if self.failed or not self.passed else 0


def need(condition, what):
    if not condition:
        raise Failed(what)


def wait_for(fn, what, seconds=10):
    """The first true value of fn; Failed after the deadline."""
    limit = time.monotonic() + seconds
    while True:
        value = fn()
        if value:
            return value
        if time.monotonic() > limit:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(0.005)  # the period of looking, not a synchronisation


def find_build(given, root):
    folders = [given] if given else sorted(
        (d for d in glob.glob(os.path.join(root, "build*"))
         if os.path.exists(d + "/bin/wsagent")), key=lambda d: os.path.getmtime(d + "/bin/wsagent"))
    path = os.path.abspath(folders[-1] + "/bin") if folders else ""
    for name in ("wsagent", "wsagent-worker", "init_child", "init_defective"):
        if not os.path.exists(os.path.join(path, name)):
            sys.exit(f"{name} is not built; build first, or give --build DIR")
    return path


def status_of(pid):
    """/proc/PID/status as a dict, {} when it has gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}
    except (FileNotFoundError, ProcessLookupError):
        return {}


def alive(pid):
    return status_of(pid).get("State", "X")[0] not in "XZ"


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def namespace_pids(init):
    """Living processes in the PID namespace of `init`, except itself."""
    ns = os.readlink(f"/proc/{init}/ns/pid")
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(name) != init and alive(int(name)) and \
                    os.readlink(f"/proc/{name}/ns/pid") == ns:
                found.append(int(name))
        except OSError:
            pass
    return found
