"""A real controller with real tasks (the stand-in app), and a real Prometheus beside it, in a folder of their own."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PROFILE = {"name": "code", "app": {"argv": ["python3", "-S", "-E", "/run/ws/dist/standin.py", "${APP_SOCKET}"],
                                   "path": "/usr/local/bin:/usr/bin:/bin"},
           "health": {"path": "/healthz"}, "prime": {"path": "/"}, "save": {"include": ["."], "exclude": []},
           "save_after": "1s", "stop_grace": "1s", "kill_grace": "1s"}


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def until(what, fn, seconds=30):
    """Ask until it gives something true; the tests' only way to wait."""
    end, last = time.monotonic() + seconds, None
    while True:
        try:
            value = fn()
            if value:
                return value
        except (OSError, http.client.HTTPException, ValueError) as e:
            last = e
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what} ({last})")
        time.sleep(0.05)


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def ask(port, path, method="GET", headers=None, body=None, timeout=40):
    """(status, headers, text)"""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return r.status, dict(r.getheaders()), r.read().decode()
    finally:
        c.close()


class World:
    """tasks: real ones by the stand-in, which needs root; else an agent that cannot start."""

    def __init__(self, bin_dir, options="", type_options="", tasks=True):
        self.bin = os.path.abspath(bin_dir)
        self.dir = tempfile.mkdtemp(prefix="ws-metrics.")
        os.chmod(self.dir, 0o755)
        self.state = os.path.join(self.dir, "state")
        os.mkdir(self.state, 0o700)
        os.mkdir(f"{self.dir}/app")
        shutil.copy(f"{ROOT}/tests/system/standin.py", f"{self.dir}/app")
        with open(f"{self.dir}/profile.json", "w") as f:
            json.dump(PROFILE, f)
        self.agents, self.http, self.storage, self.metrics = free_ports(4)
        self.conf, self.procs = f"{self.dir}/conf", []
        with open(self.conf, "w") as f:
            f.write(f"state_dir = {self.state}\nlisten_agents = tcp://127.0.0.1:{self.agents}\n"
                    f"listen_http = 127.0.0.1:{self.http}\nlisten_storage = 127.0.0.1:{self.storage}\n"
                    f"listen_metrics = 127.0.0.1:{self.metrics}\nquiet = 1s\nheartbeat = 500ms\n"
                    f"agent = {self.bin + '/wsagent' if tasks else '/bin/false'}\n"
                    f"uid_base = {2100000 + os.getpid() % 4000 * 400}\n{options}\n[type code]\n"
                    f"profile = {self.dir}/profile.json\nbind = {self.dir}/app:/run/ws/dist\n{type_options}\n")

    def spawn(self, name, *argv):
        log = open(f"{self.dir}/{name}.log", "ab")
        out = open(f"{self.dir}/{name}.out", "ab")
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True)
        log.close()
        out.close()
        self.procs.append(p)
        return p

    def log(self, name="controller"):
        with open(f"{self.dir}/{name}.log", errors="replace") as f:
            return f.read()

    def out(self, name="controller"):
        with open(f"{self.dir}/{name}.out", errors="replace") as f:
            return f.read()

    def start(self):
        self.controller = self.spawn("controller", f"{self.bin}/wscontroller", "--config", self.conf)

        def ready():
            check(self.controller.poll() is None, f"the controller ended: {self.log()[-1500:]}")
            return ask(self.http, "/readyz")[0] == 200
        until("the controller answers", ready)
        with open(f"{self.state}/api.token") as f:
            self.token = f.read().strip()

    def api(self, method, path, body=None, headers=None):
        head = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            head["Content-Type"] = "application/json"
        status, _, text = ask(self.http, path, method, head, body and json.dumps(body))
        return status, json.loads(text) if text.startswith(("{", "[")) else text

    def launch(self, user):
        status, w = self.api("POST", "/v1/workspaces", {"user_id": user, "workspace_type": "code"}, {"Prefer": "wait=30"})
        check(status == 200 and w["status"] == "ready", f"launch of {user}: {status} {w}")
        return w["id"]

    def stop(self, workspace):
        status, text = self.api("POST", f"/v1/workspaces/{workspace}/stop")
        check(status < 300, f"stop: {status} {text}")
        until("it is stopped", lambda: self.api("GET", f"/v1/workspaces/{workspace}")[1]["state"] == "stopped")

    def exposition(self):
        status, _, text = ask(self.metrics, "/metrics")
        check(status == 200, f"/metrics: {status} {text[:200]}")
        return text

    def value(self, series):
        """Of one series as it is written; None when it is not there."""
        for line in self.exposition().split("\n"):
            if line.startswith(series + " "):
                return float(line[len(series) + 1:])
        return None

    def end(self, p):
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def close(self):
        """Saves and stops the tasks, ends what was started here, removes the folder."""
        try:
            if self.procs and self.controller.poll() is None:
                subprocess.run([f"{self.bin}/wsctl", "--state-dir", self.state, "shutdown", "--wait"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
        finally:
            for p in reversed(self.procs):
                self.end(p)
            shutil.rmtree(self.dir, ignore_errors=True)


class Prometheus:
    def __init__(self, world, rule_files):
        self.port = free_ports(1)[0]
        conf = f"{world.dir}/prometheus.json"  # JSON is YAML
        with open(conf, "w") as f:
            json.dump({"global": {"scrape_interval": "500ms", "evaluation_interval": "1s"}, "rule_files": rule_files,
                       "scrape_configs": [{"job_name": "workspaces", "static_configs": [
                           {"targets": [f"127.0.0.1:{world.metrics}"]}]}]}, f)
        self.process = world.spawn("prometheus", "prometheus", f"--config.file={conf}",
                                   f"--storage.tsdb.path={world.dir}/tsdb", f"--web.listen-address=127.0.0.1:{self.port}")
        until("Prometheus is ready", lambda: ask(self.port, "/-/ready")[0] == 200, 60)

    def get(self, path, **params):
        status, _, text = ask(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(params)}")
        return status, json.loads(text)

    def query(self, expr):
        """The samples: [(labels, number)]; a Failure when it does not parse."""
        status, answer = self.get("query", query=expr)
        check(status == 200 and answer["status"] == "success", f"{expr}: {answer.get('error')}")
        data = answer["data"]
        return [(r["metric"], float(r["value"][1])) for r in data["result"]] if data["resultType"] == "vector" else []

    def names(self):
        return set(self.get("label/__name__/values")[1]["data"])
