"""An app that is started ahead of its claim, for tests/init/ahead.py: early.py MODE FOLDER.

MODE is good, or what is wrong with it: dies, slow (never says that it has loaded), shut (closes its end, and stays), fails (with what it was handed), stale (goes on
with what it had before). What it sees is noted in FOLDER, before and after.
"""
import json, os, signal, socket, sys, time

mode, folder = sys.argv[1:]


def writable(path):
    try:
        open(path, "w").close()
        return True
    except OSError:
        return False


def note(name):
    fds = sorted(int(f) for f in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{f}"))
    with open(f"{folder}/{name}.new", "w") as f:
        json.dump({"pid": os.getpid(), "uid": os.getuid(), "env": dict(os.environ), "cwd": os.getcwd(), "nice": os.nice(0),
                   "fds": fds, "primes": writable(os.environ["WS_RUN_DIR"] + "/prime/x")}, f)
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")


def take(s):
    given = b"".join(iter(lambda: s.recv(65536), b""))
    if not given.endswith(b"\0\0"):
        sys.exit(4)
    cwd, *env = given[:-2].decode().split("\0")
    if mode != "stale":
        os.environ.clear()
        os.environ.update(v.split("=", 1) for v in env)
        os.chdir(cwd)


with open(f"{folder}/lives", "a") as f:
    f.write(f"{os.getpid()}\n")
if mode == "dies":
    sys.exit(3)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
end = socket.socket(fileno=int(os.environ["WS_AHEAD_FD"]))
note("before")
if mode == "shut":
    end.close()
    time.sleep(1000)
if mode != "slow":
    end.send(b"!")
take(end)
end.close()
if mode == "fails":
    sys.exit(5)
note("after")
while True:
    time.sleep(1000)
