"""The escape suite's tasks as containers of an engine that it starts: an image without any bind, default
capabilities, half a processor and 1 GB, as on Fargate."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, '..', '..')
BASE = 'workspaces/code-server:test'
IMAGE = 'ws-isolation'
STUDENT = 1000  # in the image
HOME = '/home/student'
LIMITS = 'cpu = 0.5\nmemory = 1G\npids = 512'
DOCKERFILE = f"""FROM {BASE}
COPY isolation-app attempts.py /opt/ws/app/
COPY app.json /etc/ws/profile.json
COPY agent /opt/ws/bin/
RUN chmod 755 /opt/ws/app/*
"""


class Cannot(Exception):
    """This machine runs no engine; the reason."""


class Engine:
    def __init__(self, bin_dir):
        self.bin = bin_dir
        self.dir = tempfile.mkdtemp(prefix='ws-escape.', dir='/tmp')
        self.script = os.path.join(ROOT, 'images', 'local', 'engine')
        r = subprocess.run([self.script, 'start', f'{self.dir}/e'], stdout=subprocess.PIPE, text=True)
        if r.returncode:
            shutil.rmtree(self.dir)
            if r.returncode == 77:
                raise Cannot(r.stdout.strip().removeprefix('SKIP: '))
            raise AssertionError(f'the engine does not start: {r.stdout}')
        self.socket, self.gateway = r.stdout.split()

    def run(self, argv, **more):
        r = subprocess.run(argv, env={**os.environ, 'DOCKER_HOST': f'unix://{self.socket}', 'DOCKER_BUILDKIT': '0', 'EXTENSIONS': ''},
                           capture_output=True, text=True, timeout=600, **more)
        if r.returncode:
            raise OSError(f'{" ".join(argv)[:200]}: {r.stderr.strip()[-1000:]}')
        return r.stdout.strip()

    def docker(self, *args, **more):
        return self.run(['docker', *args], **more)

    def build_base(self):
        for c in self.docker('ps', '-aq').split():  # of a test that was cut short
            self.docker('rm', '-f', '-v', c)
        self.run([f'{ROOT}/images/code-server/build', '--tree', '--tag', BASE, '--bin', self.bin])

    def image(self, name, agent=None):
        """The attempts in an image; `agent`: instead of the image's own."""
        with tempfile.TemporaryDirectory(dir=self.dir) as d:
            for f in ('isolation-app', 'attempts.py'):
                shutil.copy(os.path.join(HERE, f), d)
            os.mkdir(f'{d}/agent')
            if agent:
                shutil.copy(agent, f'{d}/agent/wsagent')
                subprocess.run(['strip', f'{d}/agent/wsagent'], capture_output=True)
            with open(f'{d}/app.json', 'w') as f:
                # All containers' students are one user for the kernel: `pids` limits each, as in the image.
                json.dump({'name': 'app', 'app': {'argv': ['/opt/ws/app/isolation-app', '${APP_SOCKET}'], 'path': '/usr/bin:/bin'},
                           'health': {'path': '/healthz'}, 'prime': {'path': '/'}, 'save': {'include': ['.'], 'exclude': []}, 'save_after': '1s',
                           'limits': {'processes': 0}, 'stop_grace': '1s', 'kill_grace': '1s'}, f)
            with open(f'{d}/Dockerfile', 'w') as f:
                f.write(DOCKERFILE)
            self.docker('build', '-q', '-t', name, d)
        return name

    def close(self):
        for image in (IMAGE, f'{IMAGE}-planted'):
            with contextlib.suppress(OSError):
                self.docker('rmi', '-f', image)
        subprocess.run([self.script, 'stop', f'{self.dir}/e'], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Containers:
    """How the suite reaches tasks that are containers."""

    def __init__(self, engine, image):
        self.engine, self.image = engine, image

    def options(self, free_port):
        g = self.engine.gateway
        return {'provider': 'docker', 'docker_socket': self.engine.socket, 'listen_agents': f'tcp://{g}:{free_port()}',
                'listen_storage': f'{g}:{free_port()}'}

    def type_lines(self):
        return f'image = {self.image}\n{LIMITS}'

    def container(self, task):
        return self.engine.docker('ps', '-q', '--filter', f'label=workspaces.task={task}')

    def address(self, task):
        return self.engine.docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', self.container(task))

    def told(self, w, alice, bob):
        host = self.address(bob)
        # The root cannot be written at all: what only Landlock refuses is where it can.
        self.engine.docker('exec', self.container(alice), 'sh', '-c',
                           f'mkdir /run/ws/own /run/ws/open && chown {STUDENT} /run/ws/own && chmod 777 /run/ws/open')
        return {'TEST_NEIGHBOUR': f'{host}:8000', 'TEST_NEIGHBOUR_PORT': f'{host}:{self.read(w, bob, "port.txt")}',
                'TEST_HTTP': f'{self.engine.gateway}:{w.port}', 'TEST_ENGINE': self.engine.socket, 'TEST_MACHINE': self.engine.gateway,
                'TEST_OWN_FOLDER': '/run/ws/own'}

    def write(self, w, task, name, text):
        """As the student, whole or not at all."""
        script = f'cat >{HOME}/{name}.new && mv {HOME}/{name}.new {HOME}/{name}'
        self.engine.docker('exec', '-i', '-u', str(STUDENT), self.container(task), 'sh', '-c', script, input=text)

    def read(self, w, task, name):
        return self.engine.docker('exec', self.container(task), 'cat', f'{HOME}/{name}')

    def planted_root(self):
        """The attempts as root, without an agent, in a container that was given more than the provider gives, the engine's
        socket included."""
        more = ['--cap-add', 'SYS_ADMIN', '--cap-add', 'SYS_BOOT', '--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined',
                '-v', f'{self.engine.socket}:/var/run/docker.sock']
        return json.loads(self.engine.docker('run', '--rm', *more, '-e', 'WS_TASK_SECRET=planted', '-e', 'HOME=/root', '--entrypoint', 'python3',
                                             self.image, '/opt/ws/app/attempts.py'))
