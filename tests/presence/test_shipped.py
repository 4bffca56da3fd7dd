#!/usr/bin/env python3
"""The shipped recordings and the replay of them, held against each other, and against rules that are wrong.

    test_shipped.py --tool PRESENCE_REPLAY [--recordings DIR] [unittest's arguments]

In the quick tier (WS_TEST_FULL unset or 0) some of the recordings, by WS_TEST_SEED; else all.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import names  # noqa: E402
import planted  # noqa: E402
import recording  # noqa: E402
import synthetic  # noqa: E402

RULES = os.path.join(HERE, "../../images/code-server/presence.json")
RECORDINGS = os.path.join(HERE, "recordings")
TOOL = None
SIZE_MAX = 4 << 20  # of one recording
TOTAL_MAX = 40 << 20
QUICK = 3


def shipped():
    return sorted(os.path.join(RECORDINGS, n) for n in os.listdir(RECORDINGS)
                  if os.path.exists(os.path.join(RECORDINGS, n, "recording.json")))


def some():
    all_, seed = shipped(), int(os.environ.get("WS_TEST_SEED", "0"))
    if os.environ.get("WS_TEST_FULL", "0") != "0":
        return all_
    print("seed %d: %d of %d recordings" % (seed, min(QUICK, len(all_)), len(all_)))
    first = seed * QUICK % max(len(all_), 1)
    return (all_[first:] + all_[:first])[:QUICK]


def run(*args):
    done = subprocess.run([sys.executable, os.path.join(HERE, "run"), "--tool", TOOL, "--json", *args], capture_output=True,
                          text=True, check=False)
    return done, json.loads(done.stdout) if done.stdout.startswith("{") else None


def decoded(folder):
    """Names of messages to their counts, by the decoder under test."""
    done = subprocess.run([TOOL, "--rules", RULES, "--trace", folder], capture_output=True, text=True, check=True)
    found = re.findall(r"^ *[\d.]+ c\d+ +(?:method|command) +(\S+)", done.stderr, re.M)
    return collections.Counter(found)


def read(folder):
    """The same by names.py, which shares nothing with it; without what it adds to the names."""
    counts = collections.Counter()

    def say(_t, _c, kind, name, _detail):
        word = re.split(r"[ \[]", name.removeprefix("listen "))[0]
        if kind in ("mgmt", "exthost") and (word.startswith("$") or "." in word):
            counts[word] += 1

    names.walk(folder, say)
    return counts


class Recordings(unittest.TestCase):
    def test_are_whole_real_and_small(self):
        total = 0
        self.assertTrue(shipped(), "%s has no recordings" % RECORDINGS)
        for folder in shipped():
            rec = recording.Recording(folder)
            size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
            total += size
            with self.subTest(rec.name):
                self.assertEqual(os.path.basename(folder), rec.name)
                self.assertEqual(rec.about.get("scale"), 1, "minutes that were played faster are no evidence")
                self.assertTrue(rec.labels.get("person"))
                self.assertTrue(any(e["e"] == "mark" and e["k"] == "act" for e in rec.events))
                self.assertFalse(os.path.exists(os.path.join(folder, "failed.png")), "the scenario had failed")
                self.assertLess(size, SIZE_MAX)
        self.assertLess(total, TOTAL_MAX)

    def test_last_and_were_not_all_known_to_who_wrote_the_rules(self):
        late = 0
        for folder in shipped():
            rec = recording.Recording(folder)
            late += str(rec.labels.get("written", "")).startswith("after")
            with self.subTest(rec.name):
                self.assertGreaterEqual(rec.end, 30 * 60000)
                self.assertTrue(os.path.exists(os.path.join(HERE, "scenarios", rec.name + ".mjs")), "by which scenario?")
        self.assertGreaterEqual(late, 5)

    def test_both_readers_of_the_protocol_agree(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for f in [synthetic.thinks().close(os.path.join(folder.name, "thinks")), *some()]:
            with self.subTest(os.path.basename(f)):
                ours, theirs = decoded(f), read(f)
                self.assertEqual(ours - theirs, collections.Counter())
                self.assertEqual(theirs - ours, collections.Counter())
                self.assertTrue(ours)


class OtherLimits(unittest.TestCase):
    """What the usual limit hardly shows: jobs that outlast it, and evidence that a night repeats before the stop."""

    def ours(self, *args):
        done, doc = run(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [(r, r["rules"]["ours"]) for r in doc["recordings"]]

    def test_jobs_that_outlast_the_limit_hold(self):
        jobs = [os.path.join(RECORDINGS, name) for name in ("build_closed", "notebook")]
        for rec, r in self.ours("--limit", "5m", "--replay", *jobs):
            self.assertGreater(r["job_minutes"], 5, rec["name"])

    def test_nights_are_judged_by_what_is_repeated(self):
        in_the_night = [s for rec, r in self.ours("--limit", "2h", "--replay", RECORDINGS) if rec["looped"]
                        for s in r["stops"] if s["t_ms"] > rec["looped"]["to_ms"]]
        self.assertGreater(len(in_the_night), 10)


class WrongRules(unittest.TestCase):
    def test_one_that_only_a_night_shows(self):
        """At 2 hours an untouched page is stopped in the night; with its chatter for a person it must not be."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(planted.as_person(RULES, "$onFileEvent"), f)
            f.flush()
            done, doc = run("--rules", f.name, "--limit", "2h", "--replay", os.path.join(RECORDINGS, "git_chatter"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertGreater(doc["recordings"][0]["rules"]["ours"]["wasted_minutes"], 60)

    def test_the_planted_rules_fail(self):
        done, doc = run("--rules", os.path.join(HERE, "planted/wrong-rules.json"), "--replay", RECORDINGS)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertGreater(doc["totals"]["ours"]["scenarios_bad"], 0)

    def test_typing_as_a_machine_stops_somebody(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(planted.as_machine(RULES), f)
            f.flush()
            done, doc = run("--rules", f.name, "--replay", RECORDINGS)
        self.assertEqual(done.returncode, 1, done.stderr)
        stopped = [r["name"] for r in doc["recordings"] if r["rules"]["ours"]["false_stops"] > 0]
        self.assertIn("slow_typing", stopped)


def option(name, otherwise):
    if name not in sys.argv:
        return otherwise
    at = sys.argv.index(name)
    value = sys.argv[at + 1]
    del sys.argv[at:at + 2]
    return value


if __name__ == "__main__":
    TOOL = option("--tool", None)
    RECORDINGS = option("--recordings", RECORDINGS)
    unittest.main()
