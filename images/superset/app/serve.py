"""Serve a student's Superset on a Unix socket.

    serve.py [--ahead] SOCKET

gunicorn's master is this process, so that the agent's SIGTERM is the graceful stop: requests that
run are answered, and then the worker and the master end. The master loads Superset and forks the
worker, which can be started again at once.

The home holds all that is to be saved, in ~/.superset: superset.db (copied from the template that
prepare.py made, the first time), data.db (an empty database to upload tables to) and secret_key.

With --ahead it is started before anybody came (wsagent(8), STARTED AHEAD): it makes the application on
a scratch home, asks it for the first page, and waits. What it is handed then names the student's home;
address of the database and key are exchanged for that home's, what was cached is thrown away, and the
master begins.
"""

import gc
import logging
import os
import secrets
import shutil
import sqlite3
import sys
import socket
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


def load_ahead():
    """The application on a home that nobody owns, warm; the folder that it knows and the key."""
    folder = tempfile.mkdtemp(prefix="superset.")
    secret = open_home(folder)
    app = load(folder, secret)
    answer = app.test_client().get("/superset/welcome/")
    if answer.status_code != 200:
        raise SystemExit(f"the first page of the scratch home: {answer.status}")
    forget(app)
    shutil.rmtree(folder)
    return app, folder, secret


def forget(app):
    """Nothing of the database that was in use is left: no connection, no cached answer."""
    from superset.extensions import cache_manager, db

    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        for cache in (cache_manager.cache, cache_manager.data_cache, cache_manager.thumbnail_cache):
            cache.clear()


def wait(end):
    """Say that all is loaded; the environment and the folder that come with the claim, made ours."""
    end.sendall(b"!")
    given = b"".join(iter(lambda: end.recv(65536), b""))
    if not given.endswith(b"\0\0"):
        leave(0)  # nobody came
    folder, *env = os.fsdecode(given[:-2]).split("\0")
    os.environ.clear()
    os.environ.update(var.split("=", 1) for var in env)
    os.chdir(folder)


def move(app, was, secret_was):
    """The application from the home that nobody owned to this one, whatever the names of the settings
    in which the folder and the key stand."""
    folder = home()
    secret = open_home(folder)
    for key, value in list(app.config.items()):
        if isinstance(value, str):
            app.config[key] = value.replace(secret_was, secret).replace(was, folder)


def leave(code):
    """End without taking Superset apart object by object: that takes 5 to 10 s on a busy machine, and
    the last save waits for it. All requests are answered by then."""
    sys.stderr.flush()
    os._exit(code)


def main():
    ahead = sys.argv[1:2] == ["--ahead"]
    if len(sys.argv) != 2 + ahead:
        print("usage: serve.py [--ahead] SOCKET", file=sys.stderr)
        return 64
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    if not ahead:
        serve(sys.argv[1], load_home)
        return 0
    import gunicorn.arbiter  # noqa: F401
    import gunicorn.workers.gthread  # noqa: F401

    app, folder, secret = load_ahead()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(os.environ["WS_AHEAD_FD"])) as end:
        wait(end)
    move(app, folder, secret)
    serve(sys.argv[2], lambda: app)
    return 0


def load_home():
    folder = home()
    return load(folder, open_home(folder))


def serve(address, application):
    """Until it is told to end."""
    began = time.monotonic()
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        def load_config(self):
            for key, value in {
                "bind": f"unix:{address}",
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
            app = application()
            gc.freeze()  # the worker shares what was loaded, instead of touching it all
            print(f"superset loaded after {time.monotonic() - began:.2f} s", file=sys.stderr)
            return app

    Server().run()


if __name__ == "__main__":
    sys.exit(main())
