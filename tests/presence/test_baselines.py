#!/usr/bin/env python3
"""The rules of others, on events small enough to be judged by hand."""
import unittest

from baselines import AnyTraffic, ConnectionOpen, TtyWatcher
from recording import night

MIN = 60 * 1000
LIMIT = 30 * MIN
OK = "HTTP/1.1 200 OK"
UPGRADE = "HTTP/1.1 101 Switching Protocols"


def event(t, kind, **fields):
    return dict(fields, t=t, e=kind)


def after(rule, events, now):
    for e in events:
        rule.feed(e)
    return rule.active_at(now)


class Connection(unittest.TestCase):
    def test_open_is_active_and_closed_is_not(self):
        events = [event(0, "open", c=1), event(MIN, "close", c=1)]
        self.assertEqual(after(ConnectionOpen(), events[:1], 5 * MIN), 5 * MIN)
        self.assertEqual(after(ConnectionOpen(), events, 5 * MIN), MIN)

    def test_a_night_closes_no_connection_twice(self):
        events = [event(0, "open", c=1), event(12 * MIN, "close", c=1)]
        self.assertEqual(after(ConnectionOpen(), night(events, (10 * MIN, 20 * MIN), 60 * MIN), 60 * MIN), 12 * MIN)


class Traffic(unittest.TestCase):
    def test_a_good_answer_counts_at_its_end(self):
        events = [event(0, "open", c=1), event(1, "up", c=1, n=9), event(2, "down", c=1, n=9, head=OK), event(MIN, "down", c=1, n=9)]
        self.assertIsNone(after(AnyTraffic(), events, 2 * MIN))
        self.assertEqual(after(AnyTraffic(), [*events, event(MIN + 1, "close", c=1)], 2 * MIN), MIN)
        self.assertEqual(after(AnyTraffic(), [*events, event(MIN + 1, "up", c=1, n=9)], 2 * MIN), MIN)

    def test_a_refusal_does_not(self):
        events = [event(1, "up", c=1, n=9), event(2, "down", c=1, n=9, head="HTTP/1.1 404 Not Found"), event(3, "close", c=1)]
        self.assertIsNone(after(AnyTraffic(), events, MIN))

    def test_of_a_websocket_the_client_counts(self):
        events = [event(1, "up", c=1, n=9), event(2, "down", c=1, n=9, head=UPGRADE), event(MIN, "up", c=1, n=9),
                  event(2 * MIN, "down", c=1, n=9)]
        self.assertEqual(after(AnyTraffic(), events, 3 * MIN), MIN)


class Tty(unittest.TestCase):
    PROCESSES = [dict(pid=2, ppid=1, pgrp=2, tty=0, start=1, comm="node"), dict(pid=3, ppid=2, pgrp=3, tty=34816, start=2, comm="bash")]

    def watcher(self, comm, read=None, events=()):
        w = TtyWatcher(LIMIT)
        for p in [*self.PROCESSES, dict(pid=4, ppid=3, pgrp=4, tty=34816, tpgid=4, start=3, comm=comm)]:
            w.feed(event(0, "proc", **p))
        if read is not None:
            w.feed(event(read, "times", tty=[dict(n=0, atime=0, mtime=0)]))
        for e in events:
            w.feed(e)
        return w

    def test_what_never_reads_is_work(self):
        self.assertEqual(self.watcher("make").active_at(60 * MIN), 60 * MIN)
        self.assertIsNone(self.watcher("top").active_at(60 * MIN))

    def test_what_reads_is_as_active_as_its_terminal(self):
        self.assertEqual(self.watcher("vim", 40 * MIN).active_at(50 * MIN), 50 * MIN)
        self.assertIsNone(self.watcher("vim", 10 * MIN).active_at(60 * MIN))

    def test_a_night_begins_no_process_anew(self):
        again = event(40 * MIN, "proc", pid=4, ppid=3, pgrp=4, tty=34816, tpgid=4, start=3, comm="vim")
        self.assertIsNone(self.watcher("vim", 10 * MIN, [again]).active_at(41 * MIN))
        other = dict(again, start=9)
        self.assertEqual(self.watcher("vim", 10 * MIN, [other]).active_at(41 * MIN), 41 * MIN)


if __name__ == "__main__":
    unittest.main()
