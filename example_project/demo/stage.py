"""The tenant and the site, started and stopped together."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from site_config import clock

from .people import furnish_database, furnish_tenant
from .ways import furnish_ways
from .wire import Hop, tenant_hops

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from django.core.servers.basehttp import ThreadedWSGIServer

    from django_auth0_flow.testing.tenant import Tenant

HOST = "127.0.0.1"


class CannotStart(Exception):
    """The demo can't be set up; the text says why and what helps."""


class Stage:
    """A running tenant and a running site over an empty database; a context manager. Port 0 takes a free one.

    One per process: it sets the environment that the site's settings are read from. ``on_answer`` is called from the
    thread of each request that the site has answered. Raises CannotStart.
    """

    tenant: Tenant

    def __init__(
        self, *, port: int, tenant_port: int, log_level: str, on_answer: Callable[[Stage], None] | None = None
    ) -> None:
        self._port, self._tenant_port, self._log_level = port, tenant_port, log_level
        self._on_answer = on_answer
        self._folder = TemporaryDirectory(prefix="clinic-", ignore_cleanup_errors=True)
        self._site: ThreadedWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._hops: list[Hop] = []
        self._told: set[tuple[int, bool]] = set()
        self._news_lock = threading.Lock()

    @property
    def url(self) -> str:
        """The site's address, without a slash at the end."""
        assert self._site is not None
        return f"http://{HOST}:{self._site.server_port}"

    def take_news(self) -> list[Hop]:
        """Return the answered requests, to the site and to the tenant, that were not returned before, oldest first."""
        with self._news_lock:
            everything = [*enumerate(self._hops), *enumerate(tenant_hops(self.tenant))]
            news = {(number, hop.is_tenants): hop for number, hop in everything if hop.status}
            for told in self._told:
                news.pop(told, None)
            self._told.update(news)
        return sorted(news.values(), key=lambda hop: hop.time)

    def __enter__(self) -> Self:
        self.tenant = self._start_tenant()
        try:
            self._site = self._open_site()
            self._set_environment()
            self._start_site(self._site)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._site is not None:
            if self._thread is not None:
                self._site.shutdown()
                self._thread.join()
            self._site.server_close()
        self.tenant.stop()
        self._folder.cleanup()

    def _start_tenant(self) -> Tenant:
        try:
            from django_auth0_flow.testing.tenant import Tenant
        except ImportError as error:
            raise CannotStart(f'{error}. The local tenant needs Flask: pip install -e ".[tenant]"') from error
        tenant = Tenant(self._tenant_port, clock=clock.now)
        furnish_tenant(tenant)
        try:
            return tenant.start()
        except (OSError, SystemExit) as error:
            raise CannotStart(f"Port {self._tenant_port} can't be used; choose another with --tenant-port.") from error

    def _open_site(self) -> ThreadedWSGIServer:
        from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

        class QuietHandler(WSGIRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is http.server's
                """Keep addresses with codes in them off the screen; the demo tells requests in its own way."""

        try:
            site = ThreadedWSGIServer((HOST, self._port), QuietHandler)
        except (OSError, OverflowError) as error:
            raise CannotStart(f"Port {self._port} can't be used; choose another with --port.") from error
        site.daemon_threads = True
        return site

    def _set_environment(self) -> None:
        """Do what somebody with a real tenant does in a shell: the settings know of no demo but its clock."""
        application = self.tenant.application
        hosts = [self.url, self.url.replace(HOST, "localhost")]
        ways = furnish_ways(self.tenant, self.url, hosts)
        for name in ("AUTH0_DOMAIN", "BASE_URL", "AUTH0_SCOPE", "AUTH0_ROLES_CLAIM", "TIME_ZONE"):
            os.environ.pop(name, None)
        os.environ.update(
            DJANGO_SETTINGS_MODULE="site_config.settings",
            DEMO="1",
            DEBUG="0",
            SECRET_KEY=secrets.token_urlsafe(48),
            ALLOWED_HOSTS=f"{HOST},localhost",
            DATABASE=str(Path(self._folder.name) / "clinic.sqlite3"),
            API_URL=f"{self.url}/api/appointments/",
            AUTH0_ISSUER=self.tenant.issuer,
            AUTH0_CLIENT_ID=application.client_id,
            AUTH0_CLIENT_SECRET=application.client_secret,
            AUTH0_AUDIENCE=self.tenant.api.identifier,
            LOG_LEVEL=self._log_level,
            # Nothing here is a proxy's business.
            NO_PROXY=HOST,
            no_proxy=HOST,
            **ways,
        )

    def _start_site(self, site: ThreadedWSGIServer) -> None:
        import django

        django.setup()
        from django.contrib.staticfiles.handlers import StaticFilesHandler
        from django.core.handlers.wsgi import WSGIHandler
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        furnish_database(self.tenant)
        site.set_app(self._recording(StaticFilesHandler(WSGIHandler())))
        self._thread = threading.Thread(target=site.serve_forever, args=(0.05,), name="site", daemon=True)
        self._thread.start()

    def _recording(self, app: WSGIApplication) -> WSGIApplication:
        """Wrap ``app`` so that each request is noted with its answer's status."""

        def recorder(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            hop = Hop.to_site(environ, clock.now())
            self._hops.append(hop)

            def note_status(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                hop.status = int(status[:3])
                return start_response(status, headers, *rest)

            body = app(environ, note_status)
            if self._on_answer is not None:
                self._on_answer(self)
            return body

        return recorder
