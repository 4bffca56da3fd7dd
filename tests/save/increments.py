"""More cases of tests/save/run: increments, what comes later, databases, faults, quotas."""
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time

from bench import PROFILE, Bench, as_student, check, difference, snapshot, wait_until
from cases import case, expected, settled_save, small_home, unzstd, write

LATER = dict(PROFILE, save=dict(PROFILE["save"], later=["**/node_modules", "workspace/late"]))


def manifest(bench, seq, generation=1):
    """(header, archives, entries by path) of a save."""
    lines = unzstd(open(bench.object_path(generation, seq, "manifest.mtree.zst"), "rb").read()).split(b"\n")
    archives = [json.loads(line[9:]) for line in lines if line.startswith(b"#archive ")]
    entries = {}
    for line in lines:
        if line.startswith(b"./"):
            words = line.split(b" ")
            path = re.sub(rb"\\(\d{3})", lambda m: bytes([int(m.group(1), 8)]), words[0][2:])
            entries[path] = dict(w.split(b"=", 1) for w in words[1:])
    return json.loads(lines[1][4:]), archives, entries


def ref_of(r, seq, generation=1):
    return (generation, seq, r["length"], r["sha256"])


def restored_like(bench, ref, want, text):
    fresh = bench.new_home()
    status, r, log = bench.restore(fresh, [ref])
    check(status == 0 and r["ok"], f"{text}: restore: {r} {log}")
    lines = difference(want, snapshot(fresh))
    check(not lines, f"{text}: not as it was:\n" + "\n".join(lines[:10]))
    return fresh


# ---- random trees, random edits ----


class Tree:
    """A home that is changed at random in every way a home can be."""
    NAMES = [b"a", b"b", b"ab", b"a-b", b"a.b", b"A", b"\xff\xfe", b"sp ace", b"new\nline", b"eq=ual", b"h#ash",
             b"back\\slash", b"node_modules", "\u00e9".encode(), b"x" * 200]

    def __init__(self, dice, home):
        self.dice, self.base = dice, os.fsencode(home) + b"/workspace"

    def dirs(self):
        return [d for d, _, _ in os.walk(self.base)]

    def files(self):
        return [os.path.join(d, f) for d, _, fs in os.walk(self.base) for f in fs]

    def new_path(self):
        return os.path.join(self.dice.choice(self.dirs()), self.dice.choice(self.NAMES))

    def content(self):
        kind = self.dice.random()
        if kind < 0.2:
            return b""
        return self.dice.randbytes(self.dice.choice([1, 100, 5000, 70000])) if kind < 0.9 else b"z" * 300000

    def edit(self):
        dice, path = self.dice, self.new_path()
        some = self.files()
        act = dice.choice("file file file dir dir link hard hard delete delete rename chmod touch same sparse xattr "
                          "swap append hidden".split())
        with contextlib.suppress(FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, OSError):
            if act == "file":
                write(path, self.content(), dice.choice([None, 0o600, 0o755, 0o444]))
            elif act == "dir":
                os.mkdir(path)
            elif act == "link":
                os.symlink(dice.choice([b"a", b"../x", b"/etc/passwd", b"\xff", b"sp ace"]), path)
            elif act == "hard" and some:
                os.link(dice.choice(some), path, follow_symlinks=False)
            elif act == "delete":
                subprocess.run([b"rm", b"-rf", path])
            elif act == "rename" and some:
                os.rename(dice.choice(some + self.dirs()[1:]), path)
            elif act == "chmod" and os.path.isfile(path) and not os.path.islink(path):
                os.chmod(path, dice.choice([0o600, 0o640, 0o755]))
            elif act == "touch" and os.path.exists(path):
                os.utime(path, ns=(1, dice.choice([0, -5 * 10**9, 10**18 + 7])), follow_symlinks=False)
            elif act == "same" and some:  # same size, same mtime, other bytes
                victim = dice.choice(some)
                st = os.lstat(victim)
                with open(victim, "r+b") as f:
                    f.write(dice.randbytes(min(st.st_size, 10)))
                os.utime(victim, ns=(st.st_mtime_ns, st.st_mtime_ns))
            elif act == "sparse":
                with open(path, "wb") as f:
                    f.truncate(dice.choice([1 << 20, 3 << 20]))
                    f.seek(dice.randrange(1 << 20))
                    f.write(b"island")
            elif act == "xattr" and some:
                os.setxattr(dice.choice(some), "user.test", dice.randbytes(5), follow_symlinks=False)
            elif act == "swap" and os.path.isdir(path):
                subprocess.run([b"rm", b"-rf", path])
                write(path, b"a file where a folder was")
            elif act == "append" and some:
                with open(dice.choice(some), "ab") as f:
                    f.write(b"more\n")
            elif act == "hidden":
                os.makedirs(os.path.join(os.path.dirname(path), b".hid"), exist_ok=True)


def xattrs(home):
    found = {}
    for folder, folders, files in os.walk(os.fsencode(home)):
        for name in folders + files:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                found[os.path.relpath(path, os.fsencode(home))] = [
                    (n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))]
    return {p: x for p, x in found.items() if x}


def one_history(bench, dice, steps, generation):
    """A home that lives through several tasks; every save of it comes back as it was."""
    home, committed, seq, history = bench.new_home(), 0, 0, []
    as_student(lambda: os.mkdir(f"{home}/workspace"))
    tree = Tree(dice, home)
    for step in range(steps):
        as_student(lambda: [tree.edit() for _ in range(dice.randint(1, 25))])
        seq += 1
        final = dice.random() < 0.15
        r = bench.save(home, seq, generation=generation, committed=committed, final=final)
        if r["unchanged"]:
            continue
        committed = seq if dice.random() < 0.8 else committed  # sometimes the controller is away
        history.append((ref_of(r, seq, generation), expected(home), xattrs(home)))
        if final or dice.random() < 0.2:  # the next task
            generation, committed, seq = generation + 1, 0, 0
            home = bench.new_home()
            request = bench.restore_request([history[-1][0]], generation=generation)
            status, result, log = bench.run(["restore"], request, home)
            check(status == 0, f"{result} {log}")
            if result["left"] and dice.random() < 0.7:  # a save may come before the rest has
                check(bench.run(["restore", "--rest"], request, home)[0] == 0, "--rest")
            elif result["left"]:
                seq += 1
                between = bench.save(home, seq, generation=generation)
                history.append((ref_of(between, seq, generation), history[-1][1], history[-1][2]))
                check(bench.run(["restore", "--rest"], request, home)[0] == 0, "--rest")
            tree = Tree(dice, home)
            lines = difference(history[-1][1], snapshot(home))
            check(not lines, f"generation {generation}: " + "\n".join(lines[:10]))
    for (ref, want, attributes) in history:
        fresh = bench.new_home()
        request = bench.restore_request([ref], generation=generation + 1)
        status, r, log = bench.run(["restore"], request, fresh)
        check(status == 0, f"{ref}: {r} {log}")
        if r["left"]:
            check(bench.run(["restore", "--rest"], request, fresh)[0] == 0, "--rest")
        lines = difference(want, snapshot(fresh))
        check(not lines, f"save {ref[:2]}:\n" + "\n".join(lines[:10]))
        check(xattrs(fresh) == attributes, f"save {ref[:2]}: attributes {attributes} -> {xattrs(fresh)}")
        subprocess.run(["rm", "-rf", fresh])
    return len(history)


@case
def random_histories(bench):
    """Property: whatever is done to a home, every save of it restores to what it was."""
    bench.start_server()
    bench.set_profile(LATER)
    saves = 0
    for i in range(3 if bench.rounds < 100 else 60):
        saves += one_history(bench, bench.random, 8 if bench.rounds < 100 else 25, 1 + 100 * i)
    print(f"     {saves} saves", flush=True)


# ---- what an increment holds ----


@case
def increments_hold_what_changed(bench):
    bench.start_server()
    home = small_home(bench)
    seq = settled_save(bench, home, 1)
    as_student(lambda: write(f"{home}/workspace/new", b"1234567890"))
    r = bench.save(home, seq + 1, committed=seq)
    check(r["data_length"] < 2000, f"the increment holds more than the new file: {r}")
    _, archives, entries = manifest(bench, seq + 1)
    check([a["id"] for a in archives] == [f"1-{seq}/0", f"1-{seq + 1}/0"], f"{archives}")
    check(entries[b"workspace/b.bin"][b"archive"] == f"1-{seq}/0".encode(), f"{entries}")
    want = snapshot(home)
    restored_like(bench, ref_of(r, seq + 1), want, "increment")
    as_student(lambda: os.unlink(f"{home}/workspace/b.bin"))
    r = bench.save(home, seq + 2, committed=seq + 1)
    check(r["data_length"] == 0, f"a deletion needs no archive: {r}")
    restored_like(bench, ref_of(r, seq + 2), snapshot(home), "deletion")


@case
def several_parts(bench):
    """A large archive: parts of 8 MiB, more than files for them, whose bytes behind each other are the archive."""
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: [write(f"{home}/workspace/big{i}", os.urandom(15 << 20)) for i in range(5)])
    want = snapshot(home)
    r = bench.save(home, 1)
    header, archives, _ = manifest(bench, 1)
    lengths = [p["length"] for p in archives[0]["parts"]]
    check(lengths[:-1] == [8 << 20] * 9 and len(lengths) == 10, f"{lengths}")
    check(sum(lengths) == archives[0]["length"] == r["data_length"], f"{archives[0]['length']} {r}")
    cat = b"".join(open(bench.object_path(1, 1, f"0-0000{i}.tar.zst"), "rb").read() for i in range(10))
    listed = subprocess.run(["tar", "--zstd", "-tf", "-"], input=cat, capture_output=True)
    check(listed.returncode == 0 and b"workspace/big4" in listed.stdout, f"{listed.stderr}")
    restored_like(bench, ref_of(r, 1), want, "several parts")
    flipped = bench.object_path(1, 1, "0-00001.tar.zst")
    with open(flipped, "r+b") as f:
        f.seek(100)
        f.write(b"wrong")
    fresh = bench.new_home()
    status, r, _ = bench.restore(fresh, [ref_of(r, 1)])
    check(status == 1 and r["code"] == "corrupt" and not os.listdir(fresh), f"{r} {os.listdir(fresh)}")


@case
def parts_of_32_mib(bench):
    """What was saved when parts had 32 MiB comes back."""
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: [write(f"{home}/workspace/big{i}", os.urandom(15 << 20)) for i in range(5)])
    want = snapshot(home)
    bench.save(home, 1)
    paths = [bench.object_path(1, 1, f"0-{i:05}.tar.zst") for i in range(10)]
    cat = b"".join(open(p, "rb").read() for p in paths)
    for path in paths:
        os.unlink(path)
    old = [cat[at:at + (32 << 20)] for at in range(0, len(cat), 32 << 20)]
    for path, data in zip(paths, old):
        write(path, data)
    name = bench.object_path(1, 1, "manifest.mtree.zst")
    lines = unzstd(open(name, "rb").read()).splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(b"#archive "))
    archive = json.loads(lines[at][9:])
    archive["parts"] = [{"length": len(d), "sha256": hashlib.sha256(d).hexdigest()} for d in old]
    lines[at] = b"#archive " + json.dumps(archive).encode() + b"\n"
    frames = [b"".join(x for x in lines if x.startswith(b"#") == head) for head in (True, False)]
    data = b"".join(subprocess.run(["zstd", "-q"], input=f, capture_output=True, check=True).stdout for f in frames)
    write(name, data)
    restored_like(bench, (1, 1, len(data), hashlib.sha256(data).hexdigest()), want, "parts of 32 MiB")


def times_faults(bench, worker):
    """[] when a change behind restored times is noticed."""
    b = Bench(bench.bin_dir, worker)
    try:
        b.start_server()
        home = small_home(b)
        seq = settled_save(b, home, 1)
        times = os.stat(f"{home}/workspace/a.txt")

        def edit():
            write(f"{home}/workspace/a.txt", b"HELLO\n", mtime_ns=times.st_mtime_ns)
        as_student(edit)
        r = b.save(home, seq + 1, committed=seq)
        return ["a change under restored times was missed"] if r["unchanged"] else []
    finally:
        b.close()


@case
def planted_ctime_is_ignored(bench):
    check(not times_faults(bench, "save_worker"), "a change under restored times was missed")
    check(times_faults(bench, "save_worker_no_ctime"), "the planted defect was not noticed")


@case
def same_tick_changes(bench):
    """Two changes so close that times cannot tell them apart: the second one is saved as well."""
    bench.start_server()
    home = small_home(bench)
    path = f"{home}/workspace/a.txt"
    committed = 0
    for i in range(10):
        as_student(lambda: write(path, b"%05d\n" % i, mtime_ns=10**18))
        r = bench.save(home, i + 1, committed=committed)
        check(not r["unchanged"], f"change {i} was missed")
        committed = i + 1
    restored_like(bench, ref_of(r, committed), snapshot(home), "last")


@case
def mapped_writes_are_in_the_last_save(bench):
    """The last save reads again what this life has saved, whatever times say."""
    bench.start_server()
    home = small_home(bench)
    seq = settled_save(bench, home, 1)
    index = f"{bench.scratch(home)}/1-{seq}.index"
    text = open(index).read()
    check("life=1" in text, text)
    # As if a write had not shown: the index says of other content that it is the file's.
    line = next(x for x in text.split("\n") if x.startswith("./workspace/a.txt "))
    lie = re.sub(r"sha256digest=\w{8}", "sha256digest=00000000", line)
    write(index, text.replace(line, lie).encode())
    r = bench.save(home, seq + 1, committed=seq)
    check(r["unchanged"], f"the background save goes by times: {r}")
    r = bench.save(home, seq + 2, committed=seq, final=True)
    check(not r["unchanged"], "the last save went by times")


@case
def compaction(bench):
    """Many small archives become one; dead ones go; what is restored is the same."""
    bench.start_server()
    home = small_home(bench)
    seq = settled_save(bench, home, 1)
    as_student(lambda: [write(f"{home}/workspace/f{i}", os.urandom(3000)) for i in range(40)])
    counts = []
    for i in range(40):
        as_student(lambda: write(f"{home}/workspace/f{i}", os.urandom(3000)))
        r = bench.save(home, seq + 1, committed=seq)
        seq += 1
        counts.append(len(manifest(bench, seq)[1]))
    check(max(counts) <= 18, f"archives pile up: {counts}")
    check(max(counts) > 10 and min(counts[20:]) < 5, f"never compacted: {counts}")
    restored_like(bench, ref_of(r, seq), snapshot(home), "after compaction")
    before = manifest(bench, seq)[1]
    as_student(lambda: os.unlink(f"{home}/workspace/b.bin"))
    wait_until("the archive is retired",
               lambda: [a for a in before if a["id"] not in step_ids(bench, home, before, seq)])


def step_ids(bench, home, before, seq):
    """Archives after one more change."""
    n = step_ids.n = getattr(step_ids, "n", seq) + 1
    as_student(lambda: write(f"{home}/workspace/step", b"%d" % n))
    r = bench.save(home, n, committed=n - 1)
    check(r["ok"] and not r["unchanged"], f"{r}")
    return [a["id"] for a in manifest(bench, n)[1]]


@case
def hard_links_in_increments(bench):
    bench.start_server()
    home = small_home(bench)
    w = f"{home}/workspace"
    as_student(lambda: [write(f"{w}/m", b"many names" * 100), os.link(f"{w}/m", f"{w}/n")])
    seq = settled_save(bench, home, 1)
    steps = [
        lambda: os.link(f"{w}/m", f"{w}/z"),       # another name behind
        lambda: os.link(f"{w}/m", f"{w}/a0"),      # another name before all
        lambda: os.unlink(f"{w}/a0"),              # the first name goes
        lambda: os.unlink(f"{w}/m"),
        lambda: write(f"{w}/n", b"other content through one name"),
        lambda: [os.unlink(f"{w}/z"), write(f"{w}/z", b"a file of its own")],
    ]
    for step in steps:
        as_student(step)
        r = bench.save(home, seq + 1, committed=seq)
        seq += 1
        check(not r["unchanged"], "a change of names was missed")
        restored_like(bench, ref_of(r, seq), snapshot(home), f"step {seq}")


@case
def ignore_files(bench):
    bench.start_server()
    home = small_home(bench)
    w = f"{home}/workspace"

    def fill():
        write(f"{home}/.workspaceignore", b"*.log\n!keep.log\n/workspace/build/\n")
        os.makedirs(f"{w}/build/deep")
        os.makedirs(f"{w}/sub")
        for name in ("build/deep/x", "x.log", "keep.log", "sub/y.log", "sub/z"):
            write(f"{w}/{name}", b"1")
        write(f"{w}/sub/.workspaceignore", b"*\n!y.log\n")
    as_student(fill)
    r = bench.save(home, 1)
    entries = manifest(bench, 1)[2]
    got = sorted(p.decode() for p in entries)
    check(got == [".workspaceignore", "workspace", "workspace/a.txt", "workspace/b.bin", "workspace/keep.log",
                  "workspace/sub", "workspace/sub/.workspaceignore", "workspace/sub/y.log"], f"{got}")
    check(r["files"] == len(got), f"{r}")


@case
def special_files_are_noted(bench):
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: [os.mkfifo(f"{home}/workspace/pipe"), os.mkfifo(f"{home}/workspace/pipe2")])
    r = bench.save(home, 1)
    check("2 sockets, pipes or devices are left out, first: workspace/pipe" in r["message"], f"{r}")
    check("workspace/pipe" in manifest(bench, 1)[0]["notes"], "the manifest does not say it")


# ---- what comes later ----


def later_home(bench):
    home = small_home(bench)

    def fill():
        os.makedirs(f"{home}/workspace/node_modules/m")
        for i in range(50):
            write(f"{home}/workspace/node_modules/m/f{i}", os.urandom(20000), mtime_ns=10**18)
        os.link(f"{home}/workspace/node_modules/m/f1", f"{home}/workspace/node_modules/same")
        os.mkdir(f"{home}/workspace/late")
        write(f"{home}/workspace/late/data", os.urandom(100000))
        os.chmod(f"{home}/workspace/node_modules/m", 0o555)
        with open(f"{home}/workspace/large", "wb") as f:
            f.truncate(20 << 20)
    as_student(fill)
    return home


def pending_faults(bench, worker):
    """What is wrong with a save between a restore and its rest."""
    b = Bench(bench.bin_dir, worker)
    try:
        b.start_server()
        b.set_profile(LATER)
        home = later_home(b)
        want = snapshot(home)
        ref = b.saved(home, 1)
        fresh = b.new_home()
        status, r, _ = b.restore(fresh, [ref], rest=False)
        check(status == 0 and r["left"] > 0, f"{r}")
        check(not os.path.exists(f"{fresh}/workspace/large") and os.path.exists(f"{fresh}/workspace/a.txt"),
              "the essentials are not what came first")
        as_student(lambda: write(f"{fresh}/workspace/a.txt", b"edited", mtime_ns=5))
        as_student(lambda: os.utime(f"{fresh}/workspace", ns=(5, 5)))
        second = ref_of(b.save(fresh, 1, generation=2), 1, 2)
        again = b.new_home()
        request = b.restore_request([second], generation=3)
        check(b.run(["restore"], request, again)[0] == 0, "restore of the save in between")
        b.run(["restore", "--rest"], request, again)
        want[0][b"workspace/a.txt"] = snapshot(fresh)[0][b"workspace/a.txt"]
        want[0][b"workspace"] = snapshot(fresh)[0][b"workspace"]
        return difference(want, snapshot(again))
    finally:
        b.close()


@case
def absence_is_not_deletion(bench):
    faults = pending_faults(bench, "save_worker")
    check(not faults, "\n".join(faults[:10]))


@case
def planted_absence_is_deletion(bench):
    check(pending_faults(bench, "save_worker_absent_is_deleted"), "the planted defect was not noticed")


@case
def rest_never_replaces(bench):
    """What the person made meanwhile stays; what was deleted after the rest came is deleted."""
    bench.start_server()
    bench.set_profile(LATER)
    home = later_home(bench)
    ref = bench.saved(home, 1)
    fresh = bench.new_home()
    request = bench.restore_request([ref])
    check(bench.run(["restore"], request, fresh)[0] == 0, "restore")
    before = os.stat(f"{fresh}/workspace").st_mtime_ns

    def meanwhile():
        os.makedirs(f"{fresh}/workspace/node_modules/m")
        os.chmod(f"{fresh}/workspace/node_modules/m", 0o711)
        write(f"{fresh}/workspace/node_modules/m/f0", b"mine", mtime_ns=7)
        write(f"{fresh}/workspace/late", b"a file where a folder would come")
        os.utime(f"{fresh}/workspace", ns=(before, before))
    as_student(meanwhile)
    status, r, log = bench.run(["restore", "--rest"], request, fresh)
    check(status == 0 and r["left"] == 0, f"{r} {log}")
    w = f"{fresh}/workspace"
    check(open(f"{w}/node_modules/m/f0", "rb").read() == b"mine", "the rest replaced a file")
    check(os.path.isfile(f"{w}/late") and os.path.getsize(f"{w}/node_modules/m/f1") == 20000, "the rest")
    check(os.stat(f"{w}/node_modules/m").st_mode & 0o777 == 0o711, "the person's folder has another mode")
    check(os.path.samefile(f"{w}/node_modules/m/f1", f"{w}/node_modules/same"), "names of one file")
    check(os.stat(w).st_mtime_ns == before, "a folder's time")
    check(bench.run(["restore", "--rest"], request, fresh)[0] == 0, "--rest once more")
    as_student(lambda: os.unlink(f"{w}/node_modules/m/f1"))
    bench.save(fresh, 1, generation=2)
    entries = manifest(bench, 1, 2)[2]
    check(b"workspace/node_modules/m/f1" not in entries, "a deletion after the rest had come was ignored")
    check(b"workspace/node_modules/m/f2" in entries, "the rest is not in the save")
    archived = entries[b"workspace/node_modules/m/f2"][b"archive"]
    check(archived == b"1-1/1", f"what the rest brought was uploaded again: {archived}")


@case
def rest_of_many_replaced(bench):
    """A hundred pending files are made anew before they come: each save is made, and holds the new ones."""
    bench.start_server()
    bench.set_profile(LATER)
    home = bench.new_home()

    def fill():
        os.makedirs(f"{home}/workspace/node_modules/m")
        for i in range(100):
            write(f"{home}/workspace/node_modules/m/n{i:03}", b"old %d" % i)
        write(f"{home}/workspace/a.txt", b"mine")
    as_student(fill)
    ref = bench.saved(home, 1)
    fresh = bench.new_home()
    check(bench.run(["restore"], bench.restore_request([ref]), fresh)[0] == 0, "restore")

    def anew():
        os.makedirs(f"{fresh}/workspace/node_modules/m")
        for i in range(90):
            write(f"{fresh}/workspace/node_modules/m/n{i:03}", b"new %d" % i)
    as_student(anew)
    second = ref_of(bench.save(fresh, 1, generation=2, final=True), 1, 2)
    again = bench.new_home()
    request = bench.restore_request([second], generation=3)
    for role in (["restore"], ["restore", "--rest"]):
        check(bench.run(role, request, again)[0] == 0, f"{role} of the save in between")
    for i in range(100):
        got = open(f"{again}/workspace/node_modules/m/n{i:03}", "rb").read()
        check(got == (b"new %d" if i < 90 else b"old %d") % i, f"n{i:03} is {got}")


@case
def rest_beside_what_was_begun_anew(bench):
    """A large file that a program has begun anew before it came is brought beside that, once."""
    bench.start_server()
    bench.set_profile(LATER)
    home = bench.new_home()
    large = os.urandom(17 << 20)

    def fill():
        os.mkdir(f"{home}/workspace")
        write(f"{home}/workspace/results.csv", large)
    as_student(fill)
    ref = bench.saved(home, 1)
    fresh = bench.new_home()
    request = bench.restore_request([ref])
    check(bench.run(["restore"], request, fresh)[0] == 0, "restore")
    check(not os.path.exists(f"{fresh}/workspace/results.csv"), "a large file came at once")
    as_student(lambda: write(f"{fresh}/workspace/results.csv", b"one line\n"))
    for _ in range(2):
        check(bench.run(["restore", "--rest"], request, fresh)[0] == 0, "--rest")
    check(open(f"{fresh}/workspace/results.csv", "rb").read() == b"one line\n", "the new file was replaced")
    check(open(f"{fresh}/workspace/results.csv.restored", "rb").read() == large, "the old one is gone")
    check(sorted(os.listdir(f"{fresh}/workspace")) == ["results.csv", "results.csv.restored"], "what is there")


@case
def closed_folder_keeps_what_was_saved(bench):
    """A folder that its mode closes is not a folder whose files were deleted."""
    if os.geteuid() != 0:
        return "needs root, to act as another user"
    bench.start_server()
    home = bench.new_home()

    def fill():
        os.makedirs(f"{home}/workspace/project/sub")
        write(f"{home}/workspace/project/sub/a.txt", b"work")
        write(f"{home}/workspace/project/b.txt", b"more work")
        write(f"{home}/workspace/c.txt", b"1")
    as_student(fill)
    bench.save(home, 1)

    def close():
        write(f"{home}/workspace/c.txt", b"2")
        os.chmod(f"{home}/workspace/project", 0o644)
    as_student(close)
    bench.save(home, 2, committed=1)
    entries = manifest(bench, 2)[2]
    for name in (b"workspace/project/sub/a.txt", b"workspace/project/b.txt"):
        check(name in entries, f"{name} is not in the save any more")
        check(entries[name][b"archive"] == b"1-1/0", f"{name}: {entries[name]}")
    check(entries[b"workspace/c.txt"][b"archive"] == b"1-2/0", "the change is not in it")


@case
def no_index_no_save(bench):
    """A save that does not know what is still to come would forget it: refused."""
    bench.start_server()
    bench.set_profile(LATER)
    ref = bench.saved(later_home(bench), 1)
    fresh = bench.new_home()
    request = bench.restore_request([ref])
    check(bench.run(["restore"], request, fresh)[0] == 0, "restore")
    index = f"{bench.scratch(fresh)}/1-1.index"
    text = open(index, "rb").read()
    for damage in (None, b"", text[:len(text) // 2], text.replace(b"type=", b"tipe=")):
        os.unlink(index) if damage is None else write(index, damage)
        status, r, _ = bench.run(["save"], bench.save_request(1, generation=2), fresh)
        check(status == 1 and r["code"] == "internal" and r["retry"] and "index" in r["message"], f"{r}")
        if damage is None:
            write(index, text)
    check(not os.path.exists(bench.object_path(2, 1, "manifest.mtree.zst")), "a save was made")
    check(bench.run(["restore", "--rest"], request, fresh)[0] == 0, "--rest")
    bench.run(["save"], bench.save_request(2, generation=2), fresh)  # drops the damaged index
    r = bench.save(fresh, 3, generation=2)  # all is there: it is saved in full
    restored = bench.new_home()
    request = bench.restore_request([ref_of(r, 3, 2)], generation=3)
    check(bench.run(["restore"], request, restored)[0] == 0, "restore of the full save")


@case
def unchanged_after_a_restore(bench):
    """The first save of a life refers to what was restored and uploads nothing of it again."""
    bench.start_server()
    home = small_home(bench)
    ref = bench.saved(home, 1)
    fresh = restored_like(bench, ref, snapshot(home), "first")
    r = bench.save(fresh, 1, generation=2)
    check(r["ok"] and not r["unchanged"] and r["data_length"] == 0, f"{r}")
    r = bench.save(fresh, 2, generation=2, committed=1)
    check(r["unchanged"], f"{r}")


# ---- kills ----


def killed(bench, args, request, home, within):
    p, fd = bench.start(args, request, home)
    try:
        p.wait(bench.random.uniform(0, within))
    except subprocess.TimeoutExpired:
        p.kill()
    p.wait()
    os.close(fd)
    p.stderr.close()
    return p.returncode == 0


@case
def increments_killed_at_random(bench):
    """kill -9 in increments and compactions: what was committed stays whole, the next save is right."""
    bench.start_server()
    bench.set_profile(LATER)
    home = later_home(bench)
    seq = committed = 1
    bench.save(home, 1)
    ref, want, done = None, None, 0
    for i in range(max(bench.rounds, 50)):
        as_student(lambda: write(f"{home}/workspace/f{i % 30}", os.urandom(2000)))
        seq += 1
        request = bench.save_request(seq, committed=committed)
        if killed(bench, ["save"], request, home, 0.08):
            done += 1
            committed = seq
        if i % 10 == 9:
            seq += 1
            r = bench.save(home, seq, committed=committed)
            if not r["unchanged"]:
                committed = seq
                ref, want = ref_of(r, seq), snapshot(home)
                restored_like(bench, ref, want, f"after {i + 1} kills")
    print(f"     {done} of {i + 1} had finished when killed", flush=True)


@case
def rest_killed_at_random(bench):
    """kill -9 in restore and --rest, saves beside it: at the end all is there and nothing is lost."""
    bench.start_server()
    bench.set_profile(LATER)
    home = later_home(bench)
    want = snapshot(home)
    ref = bench.saved(home, 1)
    for generation in range(2, 2 + max(bench.rounds // 5, 8)):
        fresh = bench.new_home()
        request = bench.restore_request([ref])
        killed(bench, ["restore"], request, fresh, 0.1)
        check(bench.run(["restore"], request, fresh)[0] == 0, "restore after a kill")
        r = None
        for seq in range(1, 4):
            p, fd = bench.start(["restore", "--rest"], request, fresh)
            r = bench.save(fresh, seq, generation=generation)
            if bench.random.random() < 0.6:
                p.kill()
            p.wait()
            os.close(fd)
            p.stderr.close()
        between = bench.new_home()
        again = bench.restore_request([ref_of(r, 3, generation)], generation=generation + 1)
        check(bench.run(["restore"], again, between)[0] == 0, "restore of a save in between")
        check(bench.run(["restore", "--rest"], again, between)[0] == 0, "its rest")
        lines = difference(want, snapshot(between))
        check(not lines, "a save in between lacks something:\n" + "\n".join(lines[:10]))
        check(bench.run(["restore", "--rest"], request, fresh)[0] == 0, "--rest at last")
        lines = difference(want, snapshot(fresh))
        check(not lines, "not whole after kills:\n" + "\n".join(lines[:10]))
        check(not os.path.exists(f"{fresh}/.ws-restore"), "the staging folder was left")


# ---- databases ----


class Writer:
    """A process that commits rows as long as it lives; .sure() is a row that is committed."""
    CODE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
db.execute("PRAGMA journal_mode=" + sys.argv[2])
db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, a, b)")
n = 0
while True:
    n += 1
    db.execute("BEGIN IMMEDIATE")
    for part in range(3):
        db.execute("INSERT INTO t VALUES (?, ?, ?)", (n * 3 + part, n, "x" * 300))
    db.execute("COMMIT")
    print(n, flush=True)
"""

    def __init__(self, path, mode):
        from bench import drop
        self.process = subprocess.Popen(["python3", "-c", self.CODE, path, mode], stdout=subprocess.PIPE,
                                        preexec_fn=drop)
        self.last = 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.last = int(line)

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()


def database_case(bench, mode):
    bench.start_server()
    home = small_home(bench)
    path = f"{home}/workspace/app.db"
    writer = Writer(path, mode)
    committed = 0
    try:
        wait_until("rows are written", lambda: writer.last > 20)
        for seq in range(1, 9):
            sure = writer.last
            r = bench.save(home, seq, committed=committed)
            check(not r["unchanged"] and "databases" not in r.get("message", ""), f"{r}")
            committed = seq
            names = [p for p in manifest(bench, seq)[2] if b"app.db" in p]
            check(names == [b"workspace/app.db"], f"{names}")
            fresh = bench.new_home()
            check(bench.restore(fresh, [ref_of(r, seq)])[0] == 0, "restore")
            db = sqlite3.connect(f"{fresh}/workspace/app.db")
            check(db.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the copy is damaged")
            rows, most = db.execute("SELECT count(*), max(a) FROM t").fetchone()
            check(most >= sure and rows == most * 3, f"{rows} rows up to {most}, {sure} were committed")
            db.close()
    finally:
        writer.stop()


@case
def database_with_a_log(bench):
    database_case(bench, "WAL")


@case
def database_with_rollback(bench):
    database_case(bench, "DELETE")


@case
def databases_at_rest(bench):
    """Nobody has it open: saved once, then unchanged; one that is none is saved as a file."""
    bench.start_server()
    home = small_home(bench)

    def fill():
        for mode in ("WAL", "DELETE"):
            db = sqlite3.connect(f"{home}/workspace/{mode}.db")
            db.execute(f"PRAGMA journal_mode={mode}")
            db.execute("CREATE TABLE t (x)")
            db.execute("INSERT INTO t VALUES (1)")
            db.commit()
            db.close()
        write(f"{home}/workspace/fake.db", b"SQLite format 3\0" + b"\xff" * 4000)
        write(f"{home}/workspace/fake.db-wal", b"not a log")
        write(f"{home}/workspace/fake.db-shm", b"not its index")
        write(f"{home}/workspace/left.db", b"SQLite format 3\0" + b"\xff" * 4000)
        write(f"{home}/workspace/left.db-wal", b"left behind by somebody who went away")
    as_student(fill)
    seq = settled_save(bench, home, 1)
    r = bench.save(home, seq + 1, committed=seq)
    check(r["unchanged"], f"{r}")
    # Long untouched: the bytes themselves are saved, not a copy that counts one change more.
    made = os.stat(f"{home}/workspace/DELETE.db").st_ctime
    wait_until("the databases are old enough", lambda: time.time() > made + 4.5)
    r = bench.save(home, seq + 2)
    check("1 databases were copied as files, first: workspace/fake.db" in r["message"], f"{r}")
    want = snapshot(home)
    del want[0][b"workspace/fake.db-shm"]
    fresh = restored_like(bench, ref_of(r, seq + 2), want, "at rest")
    for name in ("fake.db-wal", "left.db-wal"):
        check(os.path.exists(f"{fresh}/workspace/{name}"), "what belongs to a copied file was left out")


# ---- faults of the storage ----


class Faulty(http.server.BaseHTTPRequestHandler):
    """A storage in front of the real one that fails in one way at the n-th request."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_any(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with server.lock:
            n, server.count = server.count, server.count + 1
        fault = server.fault if n == server.at else None
        if fault in ("503", "403", "507"):
            return self.answer(int(fault), b"")
        if fault == "cut":
            self.close_connection = True
            return None
        real = http.client.HTTPConnection("127.0.0.1", server.real, timeout=20)
        # Addresses in the answer are those of who was asked: the real one must see our name.
        real.request(self.command, self.path, body=body or None, headers=dict(self.headers))
        reply = real.getresponse()
        data = reply.read()
        real.close()
        if fault == "lost":
            self.close_connection = True
            return None
        if fault == "wrong" and data:
            data = bytes([data[0] ^ 0x55]) + data[1:]
        if fault == "short" and len(data) > 1:
            self.close_connection = True
            return self.answer(reply.status, data[:len(data) // 2], len(data))
        return self.answer(reply.status, data, None, {k: v for k, v in reply.getheaders() if k.startswith("X-")},
                           int(reply.getheader("Content-Length") or 0) if self.command == "HEAD" else None)

    def answer(self, status, data, length=None, more=None, head=None):
        self.send_response(status)
        for key, value in (more or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(head if head is not None else length or len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = handle_any


@contextlib.contextmanager
def faulty(bench, fault, at):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.real, server.fault, server.at, server.count = bench.port, fault, at, 0
    server.lock = threading.Lock()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def through(server, bench, request):
    return json.loads(json.dumps(request).replace(f":{bench.port}/", f":{server.server_address[1]}/"))


SAVE_FAULTS = {"503": 0, "cut": 0, "lost": 0, "403": None, "507": "disk-full"}
RESTORE_FAULTS = {"503": 0, "cut": 0, "short": 0, "wrong": None, "403": None}


@case
def storage_faults_at_every_request(bench):
    """Each request of a save and of a restore fails once in each way: tried again or said."""
    bench.start_server()
    bench.set_profile(LATER)
    home = later_home(bench)
    want = snapshot(home)
    seq = 0
    quick = bench.rounds < 100
    for fault, code in SAVE_FAULTS.items():
        at = total = 0
        while at <= total:
            seq += 1
            with faulty(bench, fault, at) as server:
                status, r, log = bench.run(["save"], through(server, bench, bench.save_request(seq)), home)
                total = server.count - 1 if status == 0 else max(total, at + 1)
            if status == 0:
                restored_like(bench, ref_of(r, seq), want, f"{fault} at {at}")
            else:
                allowed = {code, "refused"} if code is None else {code}
                check(code != 0 and r["code"] in allowed and r["retry"], f"{fault} at request {at}: {r} {log}")
                check(not os.path.exists(bench.object_path(1, seq, "manifest.mtree.zst")), "half a save")
            at += 2 if quick and bench.random.random() < 0.5 else 1
            if at > 12:
                break
    ref = ref_of(bench.save(home, seq + 1), seq + 1)
    for fault, code in RESTORE_FAULTS.items():
        for at in bench.random.sample(range(8), 4) if quick else range(8):
            fresh = bench.new_home()
            with faulty(bench, fault, at) as server:
                request = through(server, bench, bench.restore_request([ref]))
                status, r, log = bench.run(["restore"], request, fresh)
                if status == 0:
                    status, r, log = bench.run(["restore", "--rest"], request, fresh)
            if status == 0:
                lines = difference(want, snapshot(fresh))
                check(not lines, f"{fault} at {at}: " + "\n".join(lines[:5]))
            else:
                check(code != 0 and r["code"] in ("refused", "network"), f"{fault} at request {at}: {r} {log}")


# ---- quotas and hostile homes ----


@case
def quotas_name_the_largest(bench):
    bench.start_server()
    home = small_home(bench)
    as_student(lambda: write(f"{home}/workspace/movie", os.urandom(5 << 20)))
    status, r, _ = bench.run(["save"], bench.save_request(1, max_bytes=2 << 20), home)
    check(status == 2 and r["code"] == "too-big" and not r["retry"], f"{r}")
    check("workspace/movie (5 MB)" in r["message"] and ".workspaceignore" in r["message"], f"{r}")
    check(not os.path.exists(bench.object_path(1, 1, "manifest.mtree.zst")), "a save was made")


@case
def a_huge_sparse_file(bench):
    """50 GB of hole take neither disk nor for ever."""
    bench.start_server()
    home = small_home(bench)

    def fill():
        with open(f"{home}/workspace/huge", "wb") as f:
            f.truncate((2 if bench.rounds < 100 else 50) << 30)
        with open(f"{home}/workspace/absurd", "wb") as f:
            f.truncate(1 << 42)
    as_student(fill)
    r = bench.save(home, 1)
    check(r["unreadable"] == 1 and "workspace/absurd" in r["message"] and r["data_length"] < 1 << 20, f"{r}")
    fresh = bench.new_home()
    check(bench.restore(fresh, [ref_of(r, 1)])[0] == 0, "restore")
    st = os.stat(f"{fresh}/workspace/huge")
    check(st.st_size == os.stat(f"{home}/workspace/huge").st_size and st.st_blocks < 1000, f"{st}")


@case
def very_deep_trees(bench):
    bench.start_server()
    home = small_home(bench)

    def fill():
        os.chdir(f"{home}/workspace")
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        write("bottom", b"x")
        os.chdir("/")
    as_student(fill)
    r = bench.save(home, 1)
    check(r["unreadable"] >= 1 and r["files"] > 400, f"{r}")
    check(bench.restore(bench.new_home(), [ref_of(r, 1)])[0] == 0, "restore")


@case
def swapped_during_the_walk(bench):
    """A folder that becomes a link to elsewhere and back: nothing of elsewhere is ever saved."""
    bench.start_server()
    home = small_home(bench)
    secret = bench.make_dir("elsewhere", 0o755)
    as_student(lambda: [write(f"{secret}/secret-{i}", b"not of this home") for i in range(50)])
    w = f"{home}/workspace"
    as_student(lambda: [os.mkdir(f"{w}/swap"), write(f"{w}/swap/mine", b"mine")])
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(f"{w}/swap", f"{w}/away")
            os.symlink(secret, f"{w}/swap")
            os.unlink(f"{w}/swap")
            os.rename(f"{w}/away", f"{w}/swap")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for seq in range(1, 11):
            bench.save(home, seq)
            leaked = [p for p in manifest(bench, seq)[2] if b"secret-" in p]
            check(not leaked, f"save {seq} holds {leaked[:3]}")
    finally:
        stop.set()
        thread.join()


@case
def too_many_files(bench):
    if bench.rounds < 100:
        return "a million files: --full"
    bench.start_server()
    home = small_home(bench)

    def fill():
        os.mkdir(f"{home}/workspace/many")
        fd = os.open(f"{home}/workspace/many", os.O_RDONLY)
        for i in range(1000001):
            os.close(os.open(f"{i}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
        os.close(fd)
    as_student(fill)
    status, r, _ = bench.run(["save"], bench.save_request(1), home)
    check(status == 2 and r["code"] == "too-big" and "workspace/many" in r["message"], f"{r}")
    return None


@case
def disk_full_at_every_stage(bench):
    """The scratch folder has less and less room: a clear refusal each time, then a good save."""
    if os.geteuid() != 0:
        return "needs root to mount a small file system"
    bench.start_server()
    bench.set_profile(LATER)
    home = later_home(bench)
    want = snapshot(home)
    scratch = bench.scratch(home)
    ref, outcomes = None, []
    bench.tmpfs(scratch, "4k")
    for seq, size in enumerate((4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192), 1):
        subprocess.run(["mount", "-o", f"remount,size={size}k", scratch], check=True)
        os.chown(scratch, *[os.stat(home).st_uid] * 2)
        status, r, log = bench.run(["save"], bench.save_request(seq), home)
        outcomes.append(status)
        if status == 0:
            ref = ref_of(r, seq)
            restored_like(bench, ref, want, f"{size} KB")
        else:
            check(r["code"] == "disk-full" and r["retry"], f"{size} KB: {r} {log}")
            check(not os.path.exists(bench.object_path(1, seq, "manifest.mtree.zst")), "half a save")
    check(outcomes[0] == 1 and outcomes[-1] == 0, f"{outcomes}")
    outcomes = []
    for size in (16, 64, 256, 1024, 1 << 14, 1 << 16):
        fresh = bench.new_home()
        bench.tmpfs(fresh, f"{size}k")
        os.chown(fresh, os.stat(home).st_uid, -1)
        request = bench.restore_request([ref])
        status, r, log = bench.run(["restore"], request, fresh)
        if status == 0:
            status, r, log = bench.run(["restore", "--rest"], request, fresh)
        outcomes.append(status)
        check(status == 0 or r["code"] == "disk-full", f"{size} KB: {r} {log}")
    check(outcomes[0] == 1 and outcomes[-1] == 0, f"{outcomes}")
    return None

