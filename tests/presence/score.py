"""The score of a rule on one recording: how often it stopped somebody, and how long it kept what nobody used.

All times are milliseconds from the recording's beginning, which is the claim. A rule's timeline is a list of stops,
each with the time at which the next person's act resumed the workspace, or None.
"""
import dataclasses

JOB_BOUND_MS = 2 * 60 * 60 * 1000  # a job may hold the workspace for so long after the last act
JOB_LINGER_MS = 2 * 60 * 1000      # and is over at most so long after its end
# A mark is written behind the act that it names, when the browser has answered: what anyone can know of is older. In the
# recordings by less than a second, with every limit that was tried.
MARK_SLACK_MS = 2000
WASTED_MINUTES_MAX = 2.0


@dataclasses.dataclass
class Truth:
    """What really happened: when a person acted, and when labelled jobs ran."""
    end: int
    acts: list                                     # ascending; the claim is put in front
    jobs: list = dataclasses.field(default_factory=list)  # (start, end); end None: still running at the end

    def __post_init__(self):
        self.acts = sorted({0, *self.acts})
        self.jobs = [(start, self.end if end is None else end) for start, end in self.jobs]


@dataclasses.dataclass
class Score:
    false_stops: int
    wasted_minutes: float
    job_minutes: float
    why: list  # a sentence for each false stop

    def bad(self):
        return self.false_stops > 0 or self.wasted_minutes > WASTED_MINUTES_MAX


def truth_of(events, end):
    """Marks to truth. A job is named by its note; a job without an end runs on."""
    acts, jobs, running = [], [], {}
    for e in events:
        if e.get("e") != "mark":
            continue
        kind, t, note = e.get("k"), e["t"], e.get("note", "")
        if kind == "act":
            acts.append(t)
        elif kind == "job":
            running.setdefault(note, t)
        elif kind == "job_end":
            # A job may be ended by another note than it began with; then it is the one that began last.
            name = note if note in running else next(reversed(running), None)
            if name is not None:
                jobs.append((running.pop(name), t))
    jobs += [(start, None) for start in running.values()]
    return Truth(end, acts, sorted(jobs, key=lambda j: j[0]))


def last_act(truth, t):
    return max(a for a in truth.acts if a <= t)


def false_stop(truth, stop, limit, bound):
    """None, or why this stop should not have been."""
    act = last_act(truth, stop)
    if stop - act < limit - MARK_SLACK_MS:
        return "stopped at %s, %s after a person's act" % (minutes(stop), minutes(stop - act))
    for start, end in truth.jobs:
        if start <= stop < min(end, act + bound - MARK_SLACK_MS):
            return "stopped at %s, while a job ran (since %s)" % (minutes(stop), minutes(start))
    return None


def minutes(ms):
    return "%d:%02d min" % (ms // 60000, ms // 1000 % 60)


def overlap(spans, start, end):
    """Length of [start, end] that is covered by the spans, which may overlap each other."""
    covered, at = 0, start
    for a, b in sorted(spans):
        a, b = max(a, at), min(b, end)
        if b > a:
            covered += b - a
            at = b
    return covered


def alive_spans(stops, end):
    spans, since = [], 0
    for stop, resumed in stops:
        spans.append((since, stop))
        if resumed is None:
            return spans
        since = resumed
    return spans + [(since, end)]


def score(truth, stops, limit, bound=JOB_BOUND_MS):
    why = [w for w in (false_stop(truth, stop, limit, bound) for stop, _ in stops) if w]
    wasted = held = 0
    for i, act in enumerate(truth.acts):
        until = truth.acts[i + 1] if i + 1 < len(truth.acts) else truth.end
        jobs = [(start, min(end + JOB_LINGER_MS, act + bound)) for start, end in truth.jobs]
        for a, b in alive_spans(stops, truth.end):
            a, b = max(a, act + limit), min(b, until)
            if b > a:
                by_job = overlap(jobs, a, b)
                held += by_job
                wasted += b - a - by_job
    return Score(len(why), wasted / 60000, held / 60000, why)
