"""The whole controller under faults: it ends with a sentence or goes on; what it has accepted, the next one knows."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from bench import free_port

WAIT_S = 20


class ControllerTarget:
    """Started, asked for a workspace, ended; then started again without a fault. Its tasks can not start (the agent is
    /bin/false), so that the provider's failures are part of it."""

    def __init__(self, bin_dir):
        self.folder = tempfile.mkdtemp(prefix="fault-test-")
        self.bin_dir = bin_dir
        profile = os.path.join(self.folder, "profile.json")
        with open(profile, "w") as f:
            json.dump({"name": "test", "app": {"argv": ["true"], "path": "/usr/bin:/bin"},
                       "health": {"path": "/healthz"}, "save": {"include": ["."]}}, f)
        self.profile = profile

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- one life of a controller ----

    def start(self, env):
        self.port = free_port()
        conf = os.path.join(self.folder, "wscontroller.conf")
        with open(conf, "w") as f:
            f.write(f"state_dir = {self.folder}/state\nagent = /bin/false\nlisten_http = 127.0.0.1:{self.port}\n"
                    f"listen_agents = tcp://127.0.0.1:{free_port()}\nlisten_storage = 127.0.0.1:{free_port()}\n"
                    f"quiet = 0s\n[type code]\nprofile = {self.profile}\npool = 0\n")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.proc = subprocess.Popen([f"{self.bin_dir}/wscontroller", "--config", conf], env={**os.environ, **env},
                                     stdout=subprocess.DEVNULL, stderr=self.log, start_new_session=True)

    def said(self):
        with open(self.log.name) as f:
            return f.read()

    def wait_ready(self):
        """False when it has ended instead."""
        deadline = time.monotonic() + WAIT_S
        while "msg=ready" not in self.said() and 'msg="ready"' not in self.said():
            if self.proc.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise TimeoutError(f"neither ready nor ended: {self.said()[-400:]}")
            time.sleep(0.01)
        return True

    def end(self):
        """Its exit status, by SIGTERM; a fault when it does not end."""
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            return self.proc.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.proc.wait()
            self.log.close()

    def ask(self, method, path, body=None):
        """(status, JSON) or None when there is no answer."""
        try:
            with open(f"{self.folder}/state/api.token") as f:
                token = f.read().strip()
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.port}{path}", method=method, data=body and json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as e:
            return e.code, None
        except (OSError, ValueError, http.client.HTTPException):
            return None

    # ---- the two lives ----

    def faulted(self, env):
        """(what is wrong, ids of accepted workspaces)"""
        accepted = []
        self.start(env)
        try:
            if self.wait_ready():
                for user in ("1", "2"):
                    answer = self.ask("POST", "/v1/workspaces", {"user_id": user, "workspace_type": "code"})
                    if answer and 200 <= answer[0] < 300:
                        accepted.append(answer[1]["id"])
                self.ask("GET", "/v1/workspaces")
        except TimeoutError as e:
            self.end()
            return str(e), accepted
        status = self.end()
        if status is None:
            return f"does not end: {self.said()[-400:]}", accepted
        if status < 0:
            return f"died by signal {-status}: {self.said()[-400:]}", accepted
        if status != 0 and not self.said().strip():
            return f"exit {status} without a word", accepted
        return None, accepted

    def again(self, accepted):
        """The next controller, without a fault."""
        self.start({})
        try:
            if not self.wait_ready():
                return f"the next one does not start: {self.said()[-400:]}"
            missing = [i for i in accepted if (self.ask("GET", f"/v1/workspaces/{i}") or (0,))[0] != 200]
            return f"accepted and forgotten: {missing}" if missing else None
        except TimeoutError as e:
            return f"the next one: {e}"
        finally:
            self.end()

    def run(self, env, _injector):
        shutil.rmtree(os.path.join(self.folder, "state"), ignore_errors=True)
        wrong, accepted = self.faulted(env)
        if env["FAULT_NTH"] == "0":
            return wrong or (None if len(accepted) == 2 else f"accepts {accepted}")
        return wrong or self.again(accepted)
