"""Make the template of a home's database, once, when the image is built.

    prepare.py FOLDER [--examples]

FOLDER/superset.db: all tables, all roles and permissions, the only user, and the database
"Workspace" (a SQLite file of the home) to upload tables to. Nothing of it is done again when a
student comes. --examples loads Superset's own examples too (from the network; some hundred MB).
"""

import os
import secrets
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def make(folder, examples):
    # The password is for nobody: the gate lets one student in, who is this user.
    os.environ["SUPERSET_HOME"] = folder
    os.environ["WS_SUPERSET_SECRET"] = secrets.token_urlsafe(48)
    os.environ["SUPERSET_CONFIG_PATH"] = os.path.join(HERE, "superset_config.py")
    os.environ["FLASK_APP"] = "superset.app:create_app()"
    from superset.app import create_app

    app = create_app()
    run = app.test_cli_runner()
    steps = [
        ["db", "upgrade"],
        ["fab", "create-admin", "--username", "student", "--firstname", "Student",
         "--lastname", "Workspace", "--email", "student@localhost",
         "--password", secrets.token_urlsafe(24)],
        ["init"],
    ]
    if examples:
        steps.append(["load-examples"])
    from superset.cli.main import superset as cli

    for step in steps:
        print("prepare:", " ".join(step[:2]), flush=True)
        result = run.invoke(cli=cli, args=step)
        if result.exit_code != 0:
            raise SystemExit(f"{' '.join(step)} failed: {result.output}\n{result.exc_info!r}")
    add_database(app)


def add_database(app):
    from superset.extensions import db
    from superset.models.core import Database

    with app.app_context():
        db.session.add(Database(database_name="Workspace", sqlalchemy_uri="sqlite:////nowhere/data.db",
                                expose_in_sqllab=True, allow_file_upload=True, allow_ctas=True,
                                allow_cvas=True, allow_dml=True,
                                extra='{"schemas_allowed_for_file_upload": ["main"]}'))
        db.session.commit()
        from superset.extensions import security_manager

        for one in db.session.query(Database):
            security_manager.add_permission_view_menu("database_access", one.perm)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


def main():
    if len(sys.argv) < 2:
        print("usage: prepare.py FOLDER [--examples]", file=sys.stderr)
        return 64
    folder = os.path.abspath(sys.argv[1])
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(os.path.join(folder, "superset.db")):
        os.unlink(os.path.join(folder, "superset.db"))
    make(folder, "--examples" in sys.argv[2:])
    db = sqlite3.connect(os.path.join(folder, "superset.db"))
    db.execute("DELETE FROM logs")
    db.commit()
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("VACUUM")
    db.close()
    print(f"prepare: {folder}/superset.db, {os.path.getsize(folder + '/superset.db')} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
