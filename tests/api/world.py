"""A real controller with the process provider and the smallest app there is, below one temporary folder."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class World:
    def __init__(self, bin_dir, pool=2, name='api', **options):
        self.bin, self.pool = bin_dir, pool
        self.dir = tempfile.mkdtemp(prefix=f'ws-{name}.')
        os.chmod(self.dir, 0o755)
        app = os.path.join(self.dir, 'app')
        os.mkdir(app)
        shutil.copy(os.path.join(bin_dir, 'trivial_app'), app)
        profile = os.path.join(self.dir, 'app.json')
        with open(profile, 'w') as f:
            json.dump({'name': 'app', 'app': {'argv': ['/run/ws/dist/trivial_app', '${APP_SOCKET}'], 'path': '/usr/bin:/bin'},
                       'health': {'path': '/healthz'}, 'prime': {'path': '/'}, 'save': {'include': ['.'], 'exclude': []}, 'save_after': '1s',
                       'stop_grace': '1s', 'kill_grace': '1s'}, f)
        self.port = free_port()
        self.conf = os.path.join(self.dir, 'controller.conf')
        self.state = os.path.join(self.dir, 'state')
        options = {'state_dir': self.state, 'listen_http': f'127.0.0.1:{self.port}', 'listen_agents': f'tcp://127.0.0.1:{free_port()}',
                   'listen_storage': f'127.0.0.1:{free_port()}', 'agent': f'{bin_dir}/wsagent', 'quiet': '1s', 'heartbeat': '1s',
                   'uid_base': 2400000 + (os.getpid() % 4000) * 1200, **options}
        with open(self.conf, 'w') as f:
            f.write(''.join(f'{k} = {v}\n' for k, v in options.items()))
            f.write(f'[type app]\n{self.type_lines(profile, app)}\npool = {pool}\nidle = 30m\n')
        self.options = options
        self.log = open(os.path.join(self.dir, 'controller.log'), 'ab')
        self.proc = None

    def type_lines(self, profile, app):
        """What the tasks are made from."""
        return f'profile = {profile}\nbind = {app}:/run/ws/dist'

    def start(self):
        self.proc = subprocess.Popen([f'{self.bin}/wscontroller', '--config', self.conf], stdin=subprocess.DEVNULL, stdout=self.log,
                                     stderr=self.log, start_new_session=True)
        self.until(lambda: self.ask('GET', '/readyz', token=None)[0] == 200, 'the controller is ready')
        with open(os.path.join(self.state, 'api.token')) as f:
            self.token = f.read().strip()
        return self

    def said(self):
        with open(self.log.name, errors='replace') as f:
            return f.read()

    def until(self, fn, what, seconds=60):
        end = time.monotonic() + seconds
        while True:
            if self.proc.poll() is not None:
                raise AssertionError(f'the controller ended with {self.proc.returncode}: {self.said()[-2000:]}')
            try:
                if fn():
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                raise AssertionError(f'not seen in {seconds} s: {what}; {self.said()[-2000:]}')
            time.sleep(0.02)

    def ask(self, method, path, body=None, headers=None, token=''):
        """(status, what the JSON says)"""
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=70)
        h = {} if token is None else {'Authorization': 'Bearer ' + (token or self.token)}
        if body is not None:
            body = json.dumps(body)
            h['Content-Type'] = 'application/json'
        c.request(method, path, body, {**h, **(headers or {})})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, json.loads(data) if data else None

    def warm(self, n=None):
        n = self.pool if n is None else n
        self.until(lambda: self.ask('GET', '/v1/pools')[1]['pools'][0]['warm'] >= n, f'{n} tasks are warm', 180)

    def close(self):
        """Everything is stopped by the controller itself; what it leaves is an error of the caller's."""
        if self.proc and self.proc.poll() is None:
            subprocess.run([f'{self.bin}/wsctl', '--state-dir', self.state, 'shutdown'], capture_output=True, timeout=30)
            try:
                self.proc.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.proc.pid, signal.SIGKILL)
                self.proc.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
