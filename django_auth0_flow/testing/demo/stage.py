"""The tenant and the site, started and stopped together."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from . import clock
from .screen import Screen
from .wire import Hop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from django.core.servers.basehttp import ThreadedWSGIServer

    from django_auth0_flow.testing.tenant import Tenant

    from .walk import Walk

HOST = "127.0.0.1"


class CannotStart(Exception):
    """The demo can't be set up; the text says why and what helps."""


class Demo:
    """What a project tells about itself. Override what differs; nothing may import models before ``fill_database``."""

    def __init__(self, title: str, page: str, *, walk: type[Walk] | None = None) -> None:
        self.title, self.page, self.walk = title, page, walk

    def prepare(self, tenant: Tenant, site: str) -> Mapping[str, str]:
        """Furnish the tenant for the site at this address, and return further environment variables for its settings.

        The driver sets ``AUTH0_ISSUER``, ``AUTH0_CLIENT_ID``, ``AUTH0_CLIENT_SECRET``, ``AUTH0_AUDIENCE``, ``DATABASE``
        (the path of a file that does not exist yet) and ``LOG_LEVEL``. It registers the callback and logout addresses
        of every configuration whose client id is one of the tenant's applications.
        """
        return {}

    def fill_database(self, tenant: Tenant) -> None:
        """Make rows for the tenant's users; the migrations have run."""

    def notes(self, tenant: Tenant) -> str:
        """Return what else to print for the people who try the demo."""
        return ""


class Stage:
    """A running tenant and a running site over an empty database; a context manager. Port 0 takes a free one.

    One per process: it sets the environment that the site's settings are read from. With a ``screen`` each request is
    told as soon as the site has answered it. Raises CannotStart.
    """

    tenant: Tenant
    url: str

    def __init__(self, demo: Demo, *, port: int, tenant_port: int, screen: Screen | None = None) -> None:
        self.demo, self._port, self._tenant_port, self._screen = demo, port, tenant_port, screen
        self._at_exit = ExitStack()
        self._answered: list[Hop] = []
        self._told: set[int] = set()
        self._lock = threading.RLock()

    def take_news(self) -> list[Hop]:
        """Return the answered requests, to the site and to the tenant, that were not returned before, oldest first."""
        with self._lock:
            fresh = {
                at: entry for at, entry in enumerate(self.tenant.requests) if entry.status and at not in self._told
            }
            news = self._answered + [Hop.to_tenant(entry) for entry in fresh.values()]
            self._told |= fresh.keys()
            self._answered = []
        return sorted(news, key=lambda hop: hop.time)

    def __enter__(self) -> Self:
        with self._at_exit:
            folder = self._at_exit.enter_context(TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True))
            self.tenant = self._start_tenant()
            self._at_exit.callback(self.tenant.stop)
            server = self._open_site()
            self._at_exit.callback(server.server_close)
            self.url = f"http://{HOST}:{server.server_port}"
            self._set_environment(Path(folder) / "demo.sqlite3")
            self._start_site(server)
            self._at_exit = self._at_exit.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._at_exit.close()

    def _start_tenant(self) -> Tenant:
        try:
            from django_auth0_flow.testing.tenant import Tenant
        except ImportError as error:
            raise CannotStart(str(error)) from error
        try:
            return Tenant(self._tenant_port, clock=clock.now).start()
        except (OSError, OverflowError, SystemExit) as error:
            raise CannotStart(f"Port {self._tenant_port} can't be used; choose another with --tenant-port.") from error

    def _open_site(self) -> ThreadedWSGIServer:
        from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

        class QuietHandler(WSGIRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Keep addresses with codes in them off the screen; the demo tells requests in its own way."""

        try:
            server = ThreadedWSGIServer((HOST, self._port), QuietHandler)
        except (OSError, OverflowError) as error:
            raise CannotStart(f"Port {self._port} can't be used; choose another with --port.") from error
        server.daemon_threads = True
        return server

    def _set_environment(self, database: Path) -> None:
        """Do what somebody with a real tenant does in a shell."""
        for name in [name for name in os.environ if name.startswith("AUTH0_")]:
            del os.environ[name]
        application = self.tenant.application
        os.environ.update(
            AUTH0_ISSUER=self.tenant.issuer,
            AUTH0_CLIENT_ID=application.client_id,
            AUTH0_CLIENT_SECRET=application.client_secret,
            AUTH0_AUDIENCE=self.tenant.api.identifier,
            DATABASE=str(database),
            LOG_LEVEL="INFO" if self._screen else "ERROR",
            # Nothing here is a proxy's business.
            NO_PROXY=HOST,
            no_proxy=HOST,
        )
        os.environ.update(self.demo.prepare(self.tenant, self.url))

    def _start_site(self, server: ThreadedWSGIServer) -> None:
        import django

        django.setup()
        self._check_settings()
        from django.contrib.staticfiles.handlers import StaticFilesHandler
        from django.core.handlers.wsgi import WSGIHandler
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        self.demo.fill_database(self.tenant)
        self._register_addresses()
        server.set_app(self._recording(StaticFilesHandler(WSGIHandler())))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="site", daemon=True)
        thread.start()
        self._at_exit.callback(thread.join)
        self._at_exit.callback(server.shutdown)

    def _check_settings(self) -> None:
        """Refuse settings that are not the demo's: it would write into a database of yours, or ask another tenant."""
        from django.conf import settings

        from django_auth0_flow.conf import get_settings

        conf, database = get_settings(), str(settings.DATABASES["default"]["NAME"])
        for name, is_ours, value in (
            ("DATABASES['default']['NAME']", database == os.environ["DATABASE"], "os.environ['DATABASE']"),
            ("AUTH0['ISSUER']", conf.issuer == self.tenant.issuer, "os.environ['AUTH0_ISSUER']"),
            ("AUTH0['CLOCK']", conf.clock == clock.now, f"'{clock.__name__}.now'"),
            # The tenant would not start beside it either: it is no production server.
            ("DEBUG", settings.DEBUG, "True"),
        ):
            if not is_ours:
                raise CannotStart(f"{name} in {settings.SETTINGS_MODULE} is not the demo's. Set it to {value}.")

    def _register_addresses(self) -> None:
        from django_auth0_flow.conf import configuration_names, get_settings
        from django_auth0_flow.testing.site import register_site

        for name in configuration_names():
            application = self.tenant.applications.get(get_settings(name).client_id)
            if application is not None:
                hosts = self.url, self.url.replace(HOST, "localhost")
                register_site(self.tenant, *hosts, configuration=name, application=application)

    def _recording(self, app: WSGIApplication) -> WSGIApplication:
        """Wrap ``app`` so that each request is noted with its answer's status, those for static files apart."""

        def recorder(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            hop = Hop.to_site(environ, clock.now())

            def note_status(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                hop.status = int(status[:3])
                return start_response(status, headers, *rest)

            body = app(environ, note_status)
            with self._lock:
                self._answered += [hop] * (not hop.path.startswith("/static/"))
                if self._screen is not None:
                    self._screen.tell(self.take_news())
            return body

        return recorder
