"""Recordings as the scorer and the baselines see them: labels, events, marks; and a night that is longer than the
recording. The bytes of the streams are presence_replay's alone. FORMAT.md describes the folder.
"""
import json
import os
import subprocess

NIGHT_MS = 8 * 60 * 60 * 1000
LOOP_MS = 20 * 60 * 1000      # so much of the tail is repeated,
LOOP_MS_MIN = 5 * 60 * 1000   # at least this much,
SETTLE_MS = 3 * 60 * 1000     # and nothing of it lies closer behind a mark than this


class Broken(Exception):
    """A recording that can not be used; says which file and why."""


def read(folder, name):
    path = os.path.join(folder, name)
    try:
        if os.path.exists(path + ".zst"):
            done = subprocess.run(["zstd", "-dcq", path + ".zst"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            if done.returncode != 0:
                raise Broken("%s.zst: %s" % (path, done.stderr.decode(errors="replace").strip()))
            return done.stdout
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise Broken("%s: %s (is this the folder of a finished recording?)" % (path, e.strerror)) from e


class Recording:
    def __init__(self, folder):
        self.folder = folder
        try:
            about = json.loads(read(folder, "recording.json"))
            self.name, self.end, self.labels = about["name"], int(about["duration_ms"]), about.get("labels", {})
        except (ValueError, KeyError, TypeError) as e:
            raise Broken("%s/recording.json: %s" % (folder, e)) from e
        self.about = about
        if os.path.exists(os.path.join(folder, "failed.png")):
            raise Broken("%s: its scenario failed while it was recorded (failed.png): record it again" % folder)
        self.events = []
        for n, line in enumerate(read(folder, "events.jsonl").splitlines(), 1):
            if not line:
                continue
            try:
                e = json.loads(line)
                e["t"] = int(e["t"])
                self.events.append(e)
            except (ValueError, KeyError, TypeError) as wrong:
                raise Broken("%s/events.jsonl: line %d: %s" % (folder, n, wrong)) from wrong

    def person_left(self):
        """The last thing that the labels say of the person is that it left."""
        words = str(self.labels.get("person", "")).replace(",", " ").split()
        return bool(words) and words[-1] in ("leaves", "short", "nobody", "never")

    def loop(self):
        """The part of the tail that can stand for the hours behind it: (from, until), or None where it is too short."""
        marks = [e["t"] for e in self.events if e["e"] == "mark"]
        start = max(max(marks, default=0) + SETTLE_MS, self.end - LOOP_MS)
        return (start, self.end) if self.end - start >= LOOP_MS_MIN else None


def night(events, loop, until):
    """The events, and then the loop's again and again with later times, up to `until`."""
    yield from (e for e in events if e["t"] < loop[1])
    start, length = loop[0], loop[1] - loop[0]
    tail = [e for e in events if start <= e["t"] < loop[1] and e["e"] != "mark"]
    later = length
    while start + later < until:
        for e in tail:
            t = e["t"] + later
            if t >= until:
                return
            e = dict(e, t=t)
            if e["e"] == "times":
                shift_ages(e, later, start)
            yield e
        later += length


def shift_ages(times, later, start):
    """A file touched within the loop is touched in each round; one that is older grows older."""
    def shifted(age):
        return age if age < 0 or times["t"] - later - age >= start else age + later

    for key, value in times.items():
        if isinstance(value, int) and key != "t":
            times[key] = shifted(value)
    times["tty"] = [dict(tty, atime=shifted(tty.get("atime", -1)), mtime=shifted(tty.get("mtime", -1)))
                    for tty in times.get("tty", [])]
