"""Superset of one workspace: one student, one home, behind the workspace's gate.

Read by Superset as its configuration (SUPERSET_CONFIG_PATH). `serve.py` and `prepare.py` set the
environment that is read here.
"""

import copy
import os

from flask_appbuilder.const import AUTH_DB
from jinja2 import ChoiceLoader, FileSystemLoader
from sqlalchemy_utils import EncryptedType

from superset.config import TALISMAN_CONFIG
from superset.security import SupersetSecurityManager
from superset.utils.encrypt import AbstractEncryptedFieldAdapter
from superset.utils.log import DBEventLogger

DATA_DIR = os.environ["SUPERSET_HOME"]
STUDENT = "student"

SQLALCHEMY_DATABASE_URI = (
    f"sqlite:///{DATA_DIR}/superset.db?check_same_thread=false&timeout=30"
)
# The home's own: see serve.py. It signs the session and encrypts the passwords of databases.
SECRET_KEY = os.environ["WS_SUPERSET_SECRET"]

# The database holds all permissions since it was made; comparing them at each start takes seconds.
FAB_UPDATE_PERMS = False

# The gate and the gateway stand in front.
ENABLE_PROXY_FIX = True
AUTH_TYPE = AUTH_DB
AUTH_RATE_LIMITED = False
RATELIMIT_ENABLED = False

# Everything here is the student's own: databases that are files of the home are no danger.
PREVENT_UNSAFE_DB_CONNECTIONS = False
FEATURE_FLAGS = {"ALERT_REPORTS": False, "ENABLE_TEMPLATE_PROCESSING": False}

# In this process: there is one worker, and what it forgets with its end is only faster to have.
CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 3600}
DATA_CACHE_CONFIG = CACHE_CONFIG


# No picture from elsewhere on every page: it tells its makers who works here, and when.
TALISMAN_CONFIG = copy.deepcopy(TALISMAN_CONFIG)
_images = TALISMAN_CONFIG["content_security_policy"]["img-src"]
_images[:] = [one for one in _images if "scarf.sh" not in one]


class WorkspaceSecurityManager(SupersetSecurityManager):
    """Whoever comes through the gate is the student: there is nobody else, and no password."""

    def request_loader(self, request):
        return super().request_loader(request) or self.find_user(username=STUDENT)


CUSTOM_SECURITY_MANAGER = WorkspaceSecurityManager


class LateKeyAdapter(AbstractEncryptedFieldAdapter):
    """Superset's own encryption, but the key is looked up when it is needed: a process that was
    started before anybody owned it gets the home's key later."""

    def create(self, app_config, *args, **kwargs):
        return EncryptedType(*args, lambda: app_config["SECRET_KEY"], **kwargs)


SQLALCHEMY_ENCRYPTED_FIELD_TYPE_ADAPTER = LateKeyAdapter


class QuietEventLogger(DBEventLogger):
    """Of the event log only what the page "recent activity" shows. A dashboard that refreshes
    itself would write all day else, and each line is a change to be saved."""

    KEPT = {"mount_dashboard", "mount_explorer"}

    def log(self, user_id, action, *args, **kwargs):
        records = [r for r in kwargs.pop("records", []) if r.get("event_name") in self.KEPT]
        if action == "log" and records:
            super().log(user_id, action, *args, records=records, **kwargs)


EVENT_LOGGER = QuietEventLogger()


def FLASK_APP_MUTATOR(app):
    """Our templates before Superset's: the notice of the stop stands in its hook."""
    here = os.path.dirname(os.path.abspath(__file__))
    app.jinja_loader = ChoiceLoader([FileSystemLoader(f"{here}/templates"), app.jinja_loader])
