"""Raw facts from inside a workspace, one JSON line each: processes, terminals, files, and the file times that other
products look at. Runs in the workspace's PID and mount namespaces as the student. FORMAT.md says what the lines mean.

    sampler.py HOME WORKSPACE PERIOD_S
"""
import ctypes
import json
import os
import select
import struct
import sys
import time

HOME, WORKSPACE, PERIOD = sys.argv[1], sys.argv[2], float(sys.argv[3])
USER_DATA = os.path.join(HOME, ".local/share/code-server")
TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
PAGE_WAIT_MS = 200  # terminal and file events of one kind are merged for so long

libc = ctypes.CDLL(None, use_errno=True)
ACCESS, MODIFY, ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 1, 2, 4, 8, 0x40, 0x80, 0x100, 0x200
ISDIR, IGNORED, OVERFLOW = 0x40000000, 0x8000, 0x4000
FILE_KINDS = {MODIFY: "modify", CLOSE_WRITE: "write", MOVED_FROM: "gone", MOVED_TO: "moved", CREATE: "create",
              DELETE: "gone"}


def now_ms():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000


def emit(kind, **fields):
    sys.stdout.write(json.dumps({"t": now_ms(), "e": kind, **fields}, separators=(",", ":")) + "\n")


class Watches:
    def __init__(self):
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.by_wd = {}
        self.last = {}

    def add(self, path, mask, what):
        wd = libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask | 0x02000000))
        if wd >= 0:
            self.by_wd[wd] = (what, path)

    def tree(self, top):
        for folder, names, _ in os.walk(top):
            names[:] = [n for n in names if os.path.join(folder, n) not in (USER_DATA, os.path.join(HOME, ".cache"))]
            self.add(folder, MODIFY | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE, "file")

    def terminals(self):
        self.add("/dev/pts", CREATE | DELETE, "pts")
        for n in os.listdir("/dev/pts"):
            if n.isdigit():
                self.add("/dev/pts/" + n, ACCESS | MODIFY, "tty")

    def once(self, key):
        t = now_ms()
        if t - self.last.get(key, -10 ** 9) < PAGE_WAIT_MS:
            return False
        self.last[key] = t
        return True

    def read(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            wd, mask, _, n = struct.unpack_from("iIII", data, at)
            name = os.fsdecode(data[at + 16:at + 16 + n].rstrip(b"\0"))
            at += 16 + n
            if mask & OVERFLOW:
                emit("lost")
            elif mask & IGNORED:
                self.by_wd.pop(wd, None)
            elif wd in self.by_wd:
                self.event(*self.by_wd[wd], mask, name)

    def event(self, what, path, mask, name):
        if what == "tty":
            n = int(path.rsplit("/", 1)[1])
            for bit, kind in ((ACCESS, "read"), (MODIFY, "print")):
                if mask & bit and self.once((n, kind)):
                    emit("tty", n=n, k=kind)
        elif what == "pts":
            if name.isdigit():
                emit("tty", n=int(name), k="open" if mask & CREATE else "close")
                if mask & CREATE:
                    self.add("/dev/pts/" + name, ACCESS | MODIFY, "tty")
        else:
            full = os.path.join(path, name)
            if full == USER_DATA:
                return
            if mask & ISDIR and mask & (CREATE | MOVED_TO):
                self.tree(full)
            for bit, kind in FILE_KINDS.items():
                if mask & bit and self.once((full, kind)):
                    emit("file", path=os.path.relpath(full, HOME), k=kind)


def listening():
    inodes = set()
    for f in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            for line in open(f):
                w = line.split()
                if w[3] == "0A":
                    inodes.add("socket:[%s]" % w[9])
        except OSError:
            pass
    return inodes


def process(pid, inodes):
    base = "/proc/%d/" % pid
    with open(base + "stat", "rb") as f:
        raw = f.read().decode("utf-8", "replace")
    comm, rest = raw[raw.index("(") + 1:raw.rindex(")")], raw[raw.rindex(")") + 2:].split()
    with open(base + "cmdline", "rb") as f:
        argv = f.read(400).split(b"\0")
    p = {"pid": pid, "ppid": int(rest[1]), "pgrp": int(rest[2]), "sid": int(rest[3]), "tty": int(rest[4]),
         "tpgid": int(rest[5]), "start": int(rest[19]), "comm": comm, "state": rest[0],
         "cpu": sum(int(t) for t in rest[11:15]) * TICK_MS,  # with the children it has waited for
         "argv": [a.decode("utf-8", "replace")[:120] for a in argv[:6] if a]}
    try:
        with open(base + "io") as f:
            io = dict(line.split(": ") for line in f.read().splitlines())
        p["io"] = int(io["rchar"]) + int(io["wchar"])
    except OSError:
        p["io"] = -1
    p["listen"] = 0
    try:
        for fd in os.listdir(base + "fd"):
            if os.readlink(base + "fd/" + fd) in inodes:
                p["listen"] = 1
                break
    except OSError:
        pass
    return p


def newest(top, keep=lambda path: True):
    best = 0
    for folder, _, names in os.walk(top):
        for n in names:
            full = os.path.join(folder, n)
            try:
                if keep(full):
                    best = max(best, os.lstat(full).st_mtime)
            except OSError:
                pass
    return best


def age(mtime, wall):
    return -1 if mtime == 0 else max(0, int((wall - mtime) * 1000))


def mtime(path):
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


class Processes:
    def __init__(self):
        self.seen = {}

    def sample(self):
        mine = os.getpid()
        inodes = listening()
        alive = {}
        for n in os.listdir("/proc"):
            if not n.isdigit() or int(n) == mine:
                continue
            try:
                alive[int(n)] = process(int(n), inodes)
            except OSError:
                pass
        for pid in self.seen.keys() - alive.keys():
            emit("exit", pid=pid)
        for pid, p in alive.items():
            old = self.seen.get(pid)
            if old is None or old["start"] != p["start"]:
                emit("proc", **p)
            else:
                d = {k: v for k, v in p.items() if old[k] != v}
                if d:
                    emit("proc", pid=pid, **d)
        self.seen = alive
        emit("sample", n=len(alive))

    @staticmethod
    def times():
        wall = time.time()
        emit("times", user_data=age(newest(USER_DATA), wall), heartbeat=age(mtime(USER_DATA + "/heartbeat"), wall),
             history=age(newest(USER_DATA + "/User/History"), wall),
             workspace=age(newest(WORKSPACE, lambda p: "/.git/" not in p), wall),
             tty=[{"n": int(n), "atime": age(os.stat("/dev/pts/" + n).st_atime, wall),
                   "mtime": age(os.stat("/dev/pts/" + n).st_mtime, wall)}
                  for n in os.listdir("/dev/pts") if n.isdigit()])


def main():
    w, p = Watches(), Processes()
    w.terminals()
    w.tree(HOME)
    emit("watching")
    due = time.monotonic()
    while True:
        ready, _, _ = select.select([w.fd], [], [], max(0, due - time.monotonic()))
        if ready:
            w.read()
        if time.monotonic() >= due:
            p.sample()
            try:
                p.times()
            except FileNotFoundError:
                pass  # a terminal closed between the listing and the look
            sys.stdout.flush()
            due += PERIOD


main()
