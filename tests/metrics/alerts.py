"""Unit tests of each alert, for `promtool test rules`: what fires, and what just does not.

A world has one healthy controller; a case replaces some of its series (promtool's notation) and says
which alerts fire at a time. Every alert must have a case in which it fires.
"""

MINUTES = 60
HEALTHY = {
    'up{job="workspaces",instance="a"}': "1x60",
    'ws_leader{instance="a"}': "1x60",
    'ws_store_writable{instance="a"}': "1x60",
    'ws_pool_target{instance="a",type="code"}': "10x60",
    'ws_pool_ready{instance="a",type="code"}': "10x60",
    'ws_workspaces{instance="a",state="attention"}': "0x60",
    'ws_tasks_lost_total{instance="a",type="code"}': "0x60",
    'ws_events_dropped_total{instance="a"}': "7x60",
    'ws_notifications_total{instance="a",channel="mail",outcome="dead"}': "0x60",
}
T = 'instance="a",type="code"'


def http(ok, failed, side="api"):
    return {f'ws_http_requests_total{{instance="a",side="{side}",class="2xx"}}': f"0+{ok}x60",
            f'ws_http_requests_total{{instance="a",side="{side}",class="5xx"}}': f"0+{failed}x60"}


def launches(all_, failed):
    return {f'ws_launches_total{{{T}}}': f"0+{all_}x60",
            f'ws_launch_failures_total{{{T},failure="broken"}}': f"0+{failed}x60"}


def histogram(name, labels, slow):
    """100 samples a minute, `slow` of them behind the bound."""
    bound = "0.2" if "http" in name else "30"
    return {f'{name}_bucket{{{labels},le="{bound}"}}': f"0+{100 - slow}x60",
            f'{name}_bucket{{{labels},le="600"}}': "0+100x60",
            f'{name}_bucket{{{labels},le="+Inf"}}': "0+100x60"}


# (what, series in place of the healthy ones, minute, alerts that fire then)
CASES = [
    ("all is well", {}, 59, []),
    ("it does not answer", {'up{job="workspaces",instance="a"}': "1x5 0x55"}, 10, ["ControllerDown"]),
    ("nobody leads", {'ws_leader{instance="a"}': "1x5 0x55"}, 10, ["NobodyLeads"]),
    ("nobody is there at all", {k: "1x5 _x55" for k in ('ws_leader{instance="a"}', 'ws_store_writable{instance="a"}')},
     20, ["NobodyLeads"]),
    ("two lead", {'ws_leader{instance="b"}': "1x60", 'ws_store_writable{instance="b"}': "1x60"}, 10, ["SeveralLead"]),
    ("one leads, one follows", {'ws_leader{instance="b"}': "0x60", 'ws_store_writable{instance="b"}': "0x60"}, 59, []),
    ("the store is away", {'ws_store_writable{instance="a"}': "1x5 0x55"}, 10, ["StoreDown"]),
    ("12 % of the launches fail", launches(100, 12), 30, ["LaunchFailures"]),
    ("9 % of the launches fail", launches(100, 9), 30, []),
    ("nothing is launched", launches(0, 0), 30, []),
    ("the pool is empty", {f'ws_pool_ready{{{T}}}': "10x5 0x55"}, 10, ["PoolDepleted"]),
    ("no pool is wanted", {f'ws_pool_ready{{{T}}}': "0x60", f'ws_pool_target{{{T}}}': "0x60"}, 59, []),
    ("the pool is short for long", {f'ws_pool_ready{{{T}}}': "4x60"}, 30, ["PoolShort"]),
    ("6 % of the requests fail", http(94, 6), 30, ["ApiErrors"]),
    ("4 % of the requests fail", http(96, 4), 30, []),
    ("readyz says 503", http(10, 90, "page"), 30, []),
    ("a follower says 503", {'ws_leader{instance="b"}': "0x60", 'ws_store_writable{instance="b"}': "0x60",
                            **{k.replace('"a"', '"b"'): v for k, v in http(10, 90).items()}}, 30, []),
    ("a save failed", {'ws_workspaces{instance="a",state="attention"}': "0x5 1x55"}, 6, ["SaveFailed"]),
    ("storage is away", {f'ws_save_failures_total{{{T},fault="storage"}}': "0+2x60"}, 30, ["StorageErrors"]),
    ("storage was away once", {f'ws_save_failures_total{{{T},fault="storage"}}': "0x10 1x50"}, 30, []),
    ("work is unsaved", {f'ws_unsaved_age_seconds_max{{{T}}}': "200x60"}, 10, ["UnsavedTooLong"]),
    ("work is unsaved a little", {f'ws_unsaved_age_seconds_max{{{T}}}': "100x60"}, 59, []),
    ("an agent is silent", {f'ws_heartbeat_age_seconds_max{{{T}}}': "100x60"}, 10, ["AgentSilent"]),
    ("a task is lost", {f'ws_tasks_lost_total{{{T}}}': "0x5 1x55"}, 10, ["TasksLost"]),
    ("a task was lost long ago", {f'ws_tasks_lost_total{{{T}}}': "0x5 1x55"}, 40, []),
    ("heartbeats are dropped", {'ws_events_dropped_total{instance="a"}': "7x5 9x55"}, 10, ["EventsDropped"]),
    ("streams are not read", {f'ws_undecoded_streams{{{T}}}': "2x60"}, 40, ["UndecodedStreams"]),
    ("a mail is dead", {'ws_notifications_total{instance="a",channel="mail",outcome="dead"}': "0x5 1x55"}, 10,
     ["NotificationsDead"]),
    ("launches are slow", histogram("ws_claim_seconds", f'{T},start="cold"', 8), 59, ["LaunchSlow"]),
    ("launches are slow for a few", histogram("ws_claim_seconds", f'{T},start="cold"', 4), 59, []),
    ("the API is slow", histogram("ws_http_request_seconds", 'instance="a",side="api",waited="no"', 8), 59, ["ApiSlow"]),
    ("who waits does not count", histogram("ws_http_request_seconds", 'instance="a",side="api",waited="yes"', 90), 59, []),
]
LONG = [  # an hour and more
    ("nobody is there", {f'ws_task_seconds_total{{{T},use="idle"}}': "0+20x600",
                         f'ws_task_seconds_total{{{T},use="person"}}': "0+100x600"}, 100, ["IdleTime"]),
    ("nobody is there a little", {f'ws_task_seconds_total{{{T},use="idle"}}': "0+4x600",
                                  f'ws_task_seconds_total{{{T},use="person"}}': "0+100x600"}, 100, []),
    ("a student is dear", {f'ws_cost_dollars_total{{{T}}}': "0+10x600",
                           'ws_active_users{instance="a",window="30d"}': "20x600"}, 100, ["CostPerStudent"]),
    ("a student is cheap", {f'ws_cost_dollars_total{{{T}}}': "0+10x600",
                            'ws_active_users{instance="a",window="30d"}': "1000x600"}, 100, []),
]


def document(rule_files):
    tests = []
    for what, series, minute, fires in CASES + LONG:
        world = {k: v.replace("x60", "x600") for k, v in HEALTHY.items()} if minute > MINUTES else dict(HEALTHY)
        world.update(series)
        tests.append({
            "name": what, "interval": "1m",
            "input_series": [{"series": k, "values": v} for k, v in world.items()],
            "promql_expr_test": [{
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{a}"}}', "value": 1} for a in fires]}]})
    return {"rule_files": rule_files, "evaluation_interval": "30s", "tests": tests}


def covered():
    return {a for case in CASES + LONG for a in case[3]}
