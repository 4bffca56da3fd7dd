"""A real terminal by tmux, on a socket of its own: what is on it, keys for it, another size."""
import os
import subprocess
import tempfile
import time


class Terminal:
    made = 0

    def __init__(self, argv, columns=80, rows=24, env=None, name='ws-ctl'):
        Terminal.made += 1
        self.socket = f'{name}-{os.getpid()}-{Terminal.made}'
        self.config = tempfile.NamedTemporaryFile('w', suffix='.conf')
        self.config.write('set -g remain-on-exit on\nset -s escape-time 10\nset -g status off\nset -g default-terminal screen-256color\n')
        self.config.flush()
        # tmux hands on the PATH that it has itself, whatever -e says.
        self.env = {**os.environ, **({'PATH': env['PATH']} if env and 'PATH' in env else {})}
        environment = [x for k, v in (env or {}).items() for x in ('-e', f'{k}={v}')]
        self.tmux('-f', self.config.name, 'new-session', '-d', '-x', str(columns), '-y', str(rows), *environment, *argv)

    def tmux(self, *argv):
        p = subprocess.run(['tmux', '-L', self.socket, *argv], capture_output=True, text=True, timeout=30, env=self.env)
        if p.returncode:
            raise AssertionError(f'tmux {argv}: {p.stderr}')
        return p.stdout

    def screen(self, colours=False):
        return self.tmux('capture-pane', '-p', *(['-e'] if colours else []))

    def lines(self):
        return self.screen().split('\n')

    def keys(self, *keys):
        self.tmux('send-keys', *keys)

    def text(self, text):
        self.tmux('send-keys', '-l', text)

    def resize(self, columns, rows):
        self.tmux('resize-window', '-x', str(columns), '-y', str(rows))

    def get(self, what):
        return self.tmux('display-message', '-p', '#{%s}' % what).strip()

    def until(self, fn, what, seconds=60):
        """`fn` of the screen's text."""
        end = time.monotonic() + seconds
        while True:
            s = self.screen()
            if fn(s):
                return s
            if time.monotonic() > end:
                raise AssertionError(f'not seen in {seconds} s: {what}; the screen has:\n{s}')
            time.sleep(0.05)

    def until_get(self, what, value, seconds=60):
        end = time.monotonic() + seconds
        while self.get(what) != value:
            if time.monotonic() > end:
                raise AssertionError(f'{what} is {self.get(what)!r}, wanted {value!r}; the screen has:\n{self.screen()}')
            time.sleep(0.05)

    def close(self):
        subprocess.run(['tmux', '-L', self.socket, 'kill-server'], capture_output=True, timeout=30)
        self.config.close()
