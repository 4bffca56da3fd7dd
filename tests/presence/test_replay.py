#!/usr/bin/env python3
"""The replay, on recordings made by hand: what must pass passes, what must fail fails, what is broken is said.

    test_replay.py --tool PRESENCE_REPLAY [unittest's arguments]
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import planted  # noqa: E402
import synthetic  # noqa: E402

RULES = os.path.join(HERE, "../../images/code-server/presence.json")
TOOL = None
MIN = 60000


def run(*args):
    done = subprocess.run([sys.executable, os.path.join(HERE, "run"), "--tool", TOOL, "--json", *args], capture_output=True,
                          text=True, check=False)
    return done, json.loads(done.stdout) if done.stdout.startswith("{") else None


def ours(doc, i=0):
    return doc["recordings"][i]["rules"]["ours"]


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tmp = folder.name

    def folder(self, writer, pack=True):
        return writer.close(os.path.join(self.tmp, writer.about["name"]), pack)

    def write_rules(self, rules):
        path = os.path.join(self.tmp, "rules.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(rules, f)
        return path


class RightRules(Base):
    def test_somebody_who_left_is_stopped_in_time(self):
        done, doc = run("--replay", self.folder(synthetic.away()))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ours(doc)["false_stops"], 0)
        self.assertLess(ours(doc)["wasted_minutes"], 2)
        self.assertEqual(ours(doc)["undecoded_share"], 0)
        self.assertEqual(doc["recordings"][0]["looped"]["until_ms"], 8 * 60 * MIN)
        for name in ("connection", "heartbeat", "traffic"):  # an abandoned tab, for ever
            self.assertGreater(doc["recordings"][0]["rules"][name]["wasted_minutes"], 440)

    def test_somebody_who_thinks_is_not_stopped(self):
        done, doc = run("--replay", self.folder(synthetic.thinks()))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ours(doc)["stops"], [])
        self.assertIsNone(doc["recordings"][0]["looped"])

    def test_an_act_resumes(self):
        w = synthetic.Writer("returns", {"person": "leaves, returns, leaves"}, 80)
        p = synthetic.Page(w, 500, 80 * MIN)
        for t in (10000, 40 * MIN):
            w.mark(t, "act", "a key")
            p.key(t)
        p.finish()
        done, doc = run("--no-night", "--replay", self.folder(w))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([s["resumed_ms"] for s in ours(doc)["stops"]], [40 * MIN, None])

    def test_only_the_night_shows_what_is_wasted_in_it(self):
        folder = self.folder(synthetic.away())
        _, short = run("--no-night", "--replay", folder)
        self.assertLess(short["recordings"][0]["rules"]["traffic"]["wasted_minutes"], 15)

    def test_a_program_that_asks_its_terminal_is_nobody(self):
        w = synthetic.Writer("asks", {"person": "leaves"}, 45)
        p = synthetic.Page(w, 500, 45 * MIN)
        w.mark(20000, "act", "a key")
        p.key(20000)
        for t in range(30000, 45 * MIN, 15000):
            p.typed(t, "\x1b[9;1R\x1b[?1;2c")
        p.finish()
        done, doc = run("--replay", self.folder(w))
        self.assertEqual(done.returncode, 0, doc and ours(doc))

    def test_a_shell_that_no_page_started_is_somebody(self):
        w = synthetic.Writer("exec", {"person": "present"}, 70)
        w.request(500, "/")
        w.mark(500, "act", "comes")
        w.event(900, "proc", pid=50, ppid=0, pgrp=50, sid=50, tty=34816, tpgid=50, start=9, comm="bash", cpu=0, io=0, listen=0,
                argv=["bash"])
        w.event(901, "sample", n=1)
        for t in range(60000, 70 * MIN, 5 * MIN):
            w.event(t, "tty", n=0, k="read")
            w.mark(t + 1, "act", "types into it")
        done, doc = run("--replay", self.folder(w))
        self.assertEqual(done.returncode, 0, doc and ours(doc))
        self.assertEqual(doc["recordings"][0]["rules"]["connection"]["false_stops"], 2)

    def test_a_job_holds_and_a_listener_does_not(self):
        for listen, marked in ((0, True), (1, False)):
            w = synthetic.Writer("job%d" % listen, {"person": "leaves"}, 60)
            w.request(500, "/")
            w.mark(500, "act", "starts it")
            proc = {"ppid": 1, "pgrp": 40, "sid": 40, "tty": 0, "tpgid": -1, "start": 1, "comm": "node", "cpu": 0, "io": 0, "listen": 1}
            w.event(1000, "proc", pid=40, argv=["node", "entry"], **proc)
            w.event(1000, "proc", pid=50, **{**proc, "ppid": 40, "pgrp": 50, "sid": 50, "tty": 34816, "comm": "bash", "listen": 0},
                    argv=["bash"])
            w.event(1000, "proc", pid=60, **{**proc, "ppid": 50, "pgrp": 60, "sid": 50, "tty": 34816, "comm": "cc", "listen": listen},
                    argv=["cc"])
            for t in range(5000, 50 * MIN, 5000):
                w.event(t, "proc", pid=60, cpu=t // 2)
                w.event(t + 1, "sample", n=3)
            w.event(50 * MIN, "exit", pid=60)
            w.event(50 * MIN + 1, "sample", n=2)
            if marked:
                w.mark(20000, "job", "build")
                w.mark(50 * MIN, "job_end", "build")
            done, doc = run("--no-night", "--replay", self.folder(w))
            self.assertEqual(done.returncode, 0, doc and ours(doc))
            self.assertEqual(ours(doc)["stops"][0]["rule"], "idle" if listen else "job")
            self.assertEqual(ours(doc)["job_minutes"] > 19, marked)


class WrongRules(Base):
    def test_typing_as_a_machine_stops_somebody(self):
        rules = self.write_rules(planted.as_machine(RULES))
        done, doc = run("--rules", rules, "--replay", self.folder(synthetic.thinks()))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertGreater(ours(doc)["false_stops"], 0)
        self.assertIn("after a person's act", ours(doc)["why"][0])

    def test_a_page_s_own_chatter_as_a_person_wastes_the_night(self):
        rules = self.write_rules(planted.as_person(RULES, "$onFileEvent"))
        done, doc = run("--rules", rules, "--replay", self.folder(synthetic.away()))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertGreater(ours(doc)["wasted_minutes"], 440)

    def test_the_planted_rules_fail(self):
        wrong = os.path.join(HERE, "planted/wrong-rules.json")
        done, doc = run("--rules", wrong, "--replay", self.folder(synthetic.thinks()), self.folder(synthetic.away()))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertFalse(doc["ok"])


class Streams(Base):
    def test_what_can_not_be_read_is_said_and_is_nobody_for_ever(self):
        w = synthetic.Writer("opaque", {"person": "leaves"}, 45)
        s = synthetic.Socket(w, 1000, 2)
        w.mark(1000, "act", "comes")
        for t in range(5000, 45 * MIN, 5000):
            w.up(t, s.c, b"\xff" * 200)
        done, doc = run("--replay", self.folder(w))
        self.assertEqual(done.returncode, 1)  # two hours of doubt, and no more
        self.assertGreater(ours(doc)["undecoded_share"], 0.9)
        self.assertAlmostEqual(ours(doc)["wasted_minutes"], 120, delta=3)
        self.assertEqual(ours(doc)["false_stops"], 0)

    def test_pieces_of_any_size(self):
        whole, pieces = synthetic.away(), synthetic.away()
        pieces.about["name"] = "pieces"
        cut = []
        for t, n, e, data in pieces.events:
            if e["e"] != "up":
                cut.append((t, len(cut), e, data))
            for i in range(0, len(data), 3):
                cut.append((t, len(cut), {**e, "n": len(data[i:i + 3])}, data[i:i + 3]))
        pieces.events = cut
        done, doc = run("--replay", self.folder(whole), self.folder(pieces))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ours(doc, 0)["stops"], ours(doc, 1)["stops"])
        self.assertEqual(doc["recordings"][0]["counts"], doc["recordings"][1]["counts"])


class FromOutside(Base):
    def small(self):
        w = synthetic.Writer("small", {}, 1)
        w.request(500, "/healthz")
        return w

    def broken(self, folder):
        done, doc = run("--replay", folder)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(doc["recordings"], [])
        return doc["broken"][0]

    def events_of(self, folder):
        with open(os.path.join(folder, "events.jsonl"), "rb") as f:
            return f.read().splitlines()

    def change(self, folder, name, change):
        path = os.path.join(folder, name)
        with open(path, "rb") as f:
            data = f.read()
        with open(path, "wb") as f:
            f.write(change(data))

    def test_unknown_kinds_are_counted_and_passed_over(self):
        w = self.small()
        w.event(700, "weather", sun=True)
        w.event(800, "weather", sun=False)
        done, doc = run("--replay", self.folder(w))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(doc["recordings"][0]["ignored"], {"weather": 2})

    def test_without_compression_of_the_files(self):
        done, _ = run("--replay", self.folder(self.small(), pack=False))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_cut_short(self):
        for name in ("streams.bin.zst", "events.jsonl.zst"):
            folder = self.folder(self.small())
            self.change(folder, name, lambda data: data[:-5])
            self.assertIn(name, self.broken(folder))

    def test_not_zstd(self):
        folder = self.folder(self.small())
        self.change(folder, "streams.bin.zst", lambda data: b"hello hello hello")
        self.assertIn("not zstd, or damaged", self.broken(folder))

    def test_more_bytes_than_there_are(self):
        folder = self.folder(self.small(), pack=False)
        self.change(folder, "streams.bin", lambda data: data[:-1])
        self.assertRegex(self.broken(folder), r"line 2: \d+ bytes from the client, but streams.bin has only")

    def test_lines_that_are_wrong(self):
        for wrong, said in ((b'{"t":1,', "line 5"), (b'{"t":1,"e":"sample"}', "earlier than on the line before"),
                            (b'{"e":"sample"}', "line 5"), (b'{"t":900,"e":"up","c":7,"n":0}', "connection 7 is not open"),
                            (b'{"t":900,"e":"up","c":-1,"n":0}', "not a connection's number")):
            folder = self.folder(self.small(), pack=False)
            lines = len(self.events_of(folder))
            self.change(folder, "events.jsonl", lambda data, wrong=wrong: data + wrong + b"\n")
            self.assertIn(said.replace("line 5", "line %d" % (lines + 1)), self.broken(folder))

    def test_about(self):
        for wrong, said in ((b"{", "recording.json"), (b'{"format":2,"name":"x","duration_ms":5}', '"format" is not 1'),
                            (b'{"format":1,"name":"x","duration_ms":5,"looped":{}}', "can not be repeated")):
            folder = self.folder(self.small())
            self.change(folder, "recording.json", lambda data, wrong=wrong: wrong)
            self.assertIn(said, self.broken(folder))

    def test_a_scenario_that_failed_is_not_used(self):
        folder = self.folder(self.small())
        with open(os.path.join(folder, "failed.png"), "wb"):
            pass
        self.assertIn("its scenario failed", self.broken(folder))

    def test_a_folder_without_a_recording(self):
        done, _ = run("--replay", self.tmp)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no recording", done.stderr)

    def test_one_that_is_broken_does_not_hide_the_others(self):
        good, bad = self.folder(self.small()), synthetic.away()
        bad = self.folder(bad)
        self.change(bad, "streams.bin.zst", lambda data: data[:-5])
        done, doc = run("--replay", good, bad)
        self.assertEqual(done.returncode, 2)
        self.assertEqual([r["name"] for r in doc["recordings"]], ["small"])
        self.assertFalse(doc["ok"])


if __name__ == "__main__":
    at = sys.argv.index("--tool")
    TOOL = sys.argv[at + 1]
    del sys.argv[at:at + 2]
    unittest.main()
