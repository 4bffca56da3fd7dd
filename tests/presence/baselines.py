"""The rules of others, from their public documentation and source, over the same recorded facts.

All get the same limit, and to all the claim and each resume count as activity, so that none is blamed for how it starts.
What a product knows besides (its own pings, its users' settings) is not modelled. A rule says when it last saw activity;
the workspace is stopped when that is `limit` ago, looked at every 10 s.
"""
import re

TICK_MS = 10000
PTS_MAJOR = 136


def newer(a, b):
    return b if a is None else max(a, b)


class Rule:
    """feed() takes events in order; active_at(now) is when the rule last saw activity, or None."""
    name = title = ""

    def feed(self, e):
        raise NotImplementedError

    def active_at(self, now):
        raise NotImplementedError


class ConnectionOpen(Rule):
    """Coder, ShinyProxy: a connection that is open is activity.

    Coder: "An idle IDE window with an open connection counts as active; a closed connection counts as inactive, even if
    a background process is still running" (coder.com/docs, workspace scheduling, activity detection). ShinyProxy: each
    request, and each WebSocket's ping every 10 s, is a heartbeat (shinyproxy.io, proxy.heartbeat-timeout).
    """
    name, title = "connection", "connection open (Coder, ShinyProxy)"

    def __init__(self):
        self.open, self.closed = set(), None

    def feed(self, e):
        if e["e"] == "open":
            self.open.add(e["c"])
        elif e["e"] == "close" and e["c"] in self.open:  # a night repeats the end of what is no more
            self.open.discard(e["c"])
            self.closed = e["t"]

    def active_at(self, now):
        return now if self.open else self.closed


class Heartbeat(Rule):
    """code-server's own --idle-timeout-seconds, by its heartbeat file.

    Each request but /healthz beats, and a beat is repeated after 60 s while any connection is open; the idle timer starts
    when the last beat is 60 s old (coder/code-server src/node/heart.ts, src/node/main.ts, docs/FAQ.md). The file's time is
    the recorded one. Without a sampler: the connections alone, as isActive() counts them.
    """
    name, title = "heartbeat", "code-server heartbeat"
    INTERVAL_MS = 60000

    def __init__(self):
        self.connections, self.beat = ConnectionOpen(), None

    def feed(self, e):
        self.connections.feed(e)
        if e["e"] == "times" and e.get("heartbeat", -1) >= 0:
            self.beat = newer(self.beat, e["t"] - e["heartbeat"])

    def active_at(self, now):
        if self.beat is None:
            return self.connections.active_at(now)
        return min(now, self.beat + self.INTERVAL_MS)


class AnyTraffic(Rule):
    """JupyterHub: requests that are answered well, and whatever a client sends on a WebSocket.

    configurable-http-proxy renews a route's last_activity at the end of a response below 300, and with each piece that
    comes from the client of an upgraded connection; what the server sends there is not listened to (its lib/configproxy.js,
    handleProxy). jupyterhub-idle-culler stops what was silent for its timeout (README).
    """
    name, title = "traffic", "any traffic (JupyterHub)"

    def __init__(self):
        self.at, self.status, self.answered = None, {}, {}

    def feed(self, e):
        c = e.get("c")
        if e["e"] == "down":
            status = re.match(r"HTTP/1\.1 (\d{3})", e.get("head", ""))
            self.status[c] = int(status[1]) if status else self.status.get(c)
            self.answered[c] = e["t"]
        elif e["e"] == "up" and self.status.get(c) == 101:
            self.at = e["t"]
        elif e["e"] in ("up", "close") and c in self.answered:  # that was the end of the response
            last = self.answered.pop(c)
            if 200 <= (self.status.get(c) or 0) < 300:
                self.at = newer(self.at, last)

    def active_at(self, now):
        return self.at


class UserDataTimes(Rule):
    """SageMaker Code Editor's auto-stop-idle script: the newest file under User/History, the editor's local history.

    aws-samples/sagemaker-studio-apps-lifecycle-config-examples, code-editor/auto-stop-idle, auto_stop_idle.py: newest
    st_mtime in <user data>/User/History and <user data>/User/Backups/empty-window/untitled, "as these paths track updates
    to both unsaved and saved editor content". In a browser the second does not exist: backups are the page's own.
    """
    name, title = "user-data", "user-data file times (SageMaker)"

    def __init__(self):
        self.at = None

    def feed(self, e):
        if e["e"] == "times" and e.get("history", -1) >= 0:
            self.at = newer(self.at, e["t"] - e["history"])

    def active_at(self, now):
        return self.at


class TtyWatcher(Rule):
    """Eclipse Che's CLI watcher: processes of terminals, but for the shells themselves.

    Every 60 s, each process with a terminal whose parent has one too (eclipse-che/che-machine-exec,
    timeout/CLI-WATCHER.md and timeout/activity_source_tty.go): never tail, watch, top, htop, nor what is older than 6 h;
    always what is younger than min(5 min, 15 % of the limit); one in the foreground that has read its terminal only if the
    terminal was read from within the activity window; all else is work and counts. Che's editor extension, which sees the
    editor's events, is another part and not modelled: this is what the watcher adds where no such extension runs. Nor is
    what it makes of the kernel function that a process waits in, where the terminal was never read from: not recorded.
    """
    name, title = "tty", "TTY watcher (Che)"
    IGNORED = ("tail", "watch", "top", "htop")
    PERIOD_MS = 60000
    AGE_MS_MAX = 6 * 60 * 60 * 1000

    def __init__(self, limit):
        self.grace = max(60000, min(5 * 60000, int(limit * 0.15)))
        self.window = max(2 * 60000, limit - self.grace - min(5 * 60000, int(limit * 0.2)))
        self.processes, self.read, self.at, self.looked = {}, {}, None, 0

    def feed(self, e):
        if e["e"] == "proc":
            known = self.processes.get(e["pid"])
            if "comm" in e and "ppid" in e and not (known and known.get("start") == e.get("start")):
                self.processes[e["pid"]] = dict(e, since=e["t"])
            elif e["pid"] in self.processes:
                known = self.processes[e["pid"]]
                known.update((k, v) for k, v in e.items() if k != "t")
        elif e["e"] == "exit":
            self.processes.pop(e["pid"], None)
        elif e["e"] == "times":
            for tty in e.get("tty", []):
                if tty.get("atime", -1) >= 0:
                    self.read[tty["n"]] = newer(self.read.get(tty["n"]), e["t"] - tty["atime"])

    def watched(self, p):
        parent = self.processes.get(p["ppid"])
        if p["pid"] == 1 or not p.get("tty") or not parent or not parent.get("tty"):
            return False
        for _ in range(64):  # somewhere above there is one without a terminal
            parent = self.processes.get(parent["ppid"])
            if parent is None or parent["pid"] == 1:
                return False
            if not parent.get("tty"):
                return True
        return False

    def active(self, p, now):
        age = now - p["since"]
        if p["comm"] in self.IGNORED or age > self.AGE_MS_MAX or not self.watched(p):
            return False
        if age < self.grace:
            return True
        read = self.read.get(p["tty"] & 0xFF) if p["tty"] >> 8 == PTS_MAJOR else None
        interactive = p.get("tpgid", -1) == p.get("pgrp") and read is not None and read > p["since"]
        return not interactive or now - read < self.window

    def active_at(self, now):
        if now - self.looked >= self.PERIOD_MS:
            self.looked = now
            if any(self.active(p, now) for p in self.processes.values()):
                self.at = now
        return self.at


def rules(limit):
    return [ConnectionOpen(), Heartbeat(), AnyTraffic(), UserDataTimes(), TtyWatcher(limit)]


TITLES = {r.name: r.title for r in (ConnectionOpen, Heartbeat, AnyTraffic, UserDataTimes, TtyWatcher)}


class Life:
    """One workspace under one rule: stopped when idle, resumed by the next person's act."""

    def __init__(self, rule, limit):
        self.rule, self.limit, self.claim, self.alive, self.stops = rule, limit, 0, True, []

    def tick(self, now):
        at = self.rule.active_at(now)
        if self.alive and now - max(self.claim, at if at is not None else 0) >= self.limit:
            self.alive = False
            self.stops.append([now, None])

    def act(self, now):
        if not self.alive:
            self.alive, self.claim = True, now
            self.stops[-1][1] = now


def simulate(events, end, limit):
    """{rule's name: [(stop, resumed or None), ...]} for all rules in one walk over the events."""
    lives = [Life(r, limit) for r in rules(limit)]
    tick = TICK_MS
    for e in events:
        while tick <= e["t"]:
            for life in lives:
                life.tick(tick)
            tick += TICK_MS
        is_act = e["e"] == "mark" and e.get("k") == "act"
        for life in lives:
            life.rule.feed(e)
            if is_act:
                life.act(e["t"])
    while tick <= end:
        for life in lives:
            life.tick(tick)
        tick += TICK_MS
    return {life.rule.name: [tuple(s) for s in life.stops] for life in lives}
