"""Run a site and a local Auth0 tenant in one process: ``manage.py demo`` for any project.

A project brings settings that take the tenant, the clock and an empty database from the demo. Where its own read no
environment, a module beside them does::

    # mysite/demo_settings.py
    import os

    from mysite.settings import *

    AUTH0 = {
        **AUTH0,
        "DOMAIN": "",
        "ISSUER": os.environ["AUTH0_ISSUER"],
        "CLIENT_ID": os.environ["AUTH0_CLIENT_ID"],
        "CLIENT_SECRET": os.environ["AUTH0_CLIENT_SECRET"],
        "AUDIENCE": os.environ["AUTH0_AUDIENCE"],
        "CLOCK": "django_auth0_flow.testing.demo.clock.now",
    }
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}}
    ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    DEBUG = True

And a branch in ``manage.py``, since the tenant starts before Django reads the settings::

    if sys.argv[1:2] == ["demo"]:
        from django_auth0_flow.testing.demo import Demo, run_demo

        os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.demo_settings"
        sys.exit(run_demo(Demo(title="My site", page="/appointments/"), sys.argv[2:]))

``manage.py demo`` serves the site and prints what goes over the wire. ``manage.py demo --walk`` logs in, lets tokens
expire and logs out by itself; it needs a ``page`` that requires a login and fetches an access token. A subclass of
``Demo`` has more users, applications and rows in the database; a subclass of ``Walk`` has more steps. The package's own
example project has both.
"""

from . import clock
from .browser import Browser, NoSuchForm
from .command import run_demo
from .stage import Demo, Stage
from .walk import Walk

__all__ = ["Browser", "Demo", "NoSuchForm", "Stage", "Walk", "clock", "run_demo"]
