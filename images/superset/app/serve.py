"""Serve a student's Superset on a Unix socket.

    serve.py SOCKET

gunicorn's master is this process, so that the agent's SIGTERM is the graceful stop: requests that
run are answered, and then the worker and the master end. The master loads Superset and forks the
worker, which can be started again at once.

The home holds all that is to be saved, in ~/.superset: superset.db (copied from the template that
prepare.py made, the first time), data.db (an empty database to upload tables to) and secret_key.
"""

import gc
import logging
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TEMPLATE = os.environ.get("WS_SUPERSET_TEMPLATE", os.path.join(HERE, "..", "template"))
THREADS = 8
# Behind it a worker is told to end; the agent's own limit (stop_grace) stands above.
GRACEFUL_S = 8


def home():
    return os.path.join(os.environ["HOME"], ".superset")


def put_database(folder):
    """The template's database, whole or not at all; the address of data.db is this home's."""
    target = os.path.join(folder, "superset.db")
    if os.path.exists(target):
        return
    new = target + ".new"
    shutil.copyfile(os.path.join(TEMPLATE, "superset.db"), new)
    data = os.path.join(folder, "data.db")
    with sqlite3.connect(new) as db:
        db.execute("UPDATE dbs SET sqlalchemy_uri = ? WHERE database_name = 'Workspace'",
                   (f"sqlite:///{data}",))
    db.close()
    sqlite3.connect(data).close()
    os.replace(new, target)


def secret_of(folder):
    """The key of this home, made once. Only its owner can read it."""
    path = os.path.join(folder, "secret_key")
    try:
        with open(path, encoding="ascii") as f:
            key = f.read().strip()
        if len(key) >= 32:
            return key
    except FileNotFoundError:
        pass
    fd, new = tempfile.mkstemp(dir=folder)
    with os.fdopen(fd, "w", encoding="ascii") as f:
        f.write(secrets.token_urlsafe(48))
        f.flush()
        os.fsync(f.fileno())
    os.replace(new, path)
    return secret_of(folder)


def open_home(folder):
    os.makedirs(folder, mode=0o700, exist_ok=True)
    put_database(folder)
    return secret_of(folder)


def load(folder, secret):
    """Superset's application on the home `folder`."""
    os.environ["SUPERSET_HOME"] = folder
    os.environ["WS_SUPERSET_SECRET"] = secret
    os.environ["SUPERSET_CONFIG_PATH"] = os.path.join(HERE, "superset_config.py")
    os.environ.setdefault("SCARF_ANALYTICS", "false")
    from superset.app import create_app

    app = create_app()
    del os.environ["WS_SUPERSET_SECRET"]
    return app


def leave(code):
    """End without taking Superset apart object by object: that takes 5 to 10 s on a busy machine, and
    the last save waits for it. All requests are answered by then."""
    sys.stderr.flush()
    os._exit(code)


def main():
    if len(sys.argv) != 2:
        print("usage: serve.py SOCKET", file=sys.stderr)
        return 64
    began = time.monotonic()
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        def load_config(self):
            for key, value in {
                "bind": f"unix:{sys.argv[1]}",
                "umask": 0,  # who may connect is a matter of the socket's folder
                "workers": 1,
                "worker_class": "gthread",
                "threads": THREADS,
                "preload_app": True,
                "timeout": 120,
                "graceful_timeout": GRACEFUL_S,
                "keepalive": 75,  # the default of 2 s closes between two clicks
                "proc_name": "superset",
                "loglevel": "warning",
                "worker_exit": lambda server, worker: leave(0 if worker.booted else 3),
                "on_exit": lambda server: leave(0),
            }.items():
                self.cfg.set(key, value)

        def load(self):
            folder = home()
            app = load(folder, open_home(folder))
            gc.freeze()  # the worker shares what was loaded, instead of touching it all
            print(f"superset loaded after {time.monotonic() - began:.2f} s", file=sys.stderr)
            return app

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    Server().run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
