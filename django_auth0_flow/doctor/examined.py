"""The configuration that is examined, the connection to its tenant that records every answer, and what a test is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.doctor.findings import Finding
from django_auth0_flow.doctor.printable import Printable
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.http import Http, HttpAnswer

USER_AGENT = "django-auth0-flow auth0_doctor"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, between two readings of the configuration's clock (epoch seconds)."""

    url: str = field(repr=False)
    sent_at: float
    received_at: float
    answer: HttpAnswer


class RecordingHttp(Http):
    """An ``Http`` that records the answers and counts the requests."""

    def __init__(self, *, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(**options)
        self._clock = clock
        self.exchanges: list[Exchange] = []
        self.requests = 0

    @property
    def last(self) -> HttpAnswer | None:
        return self.exchanges[-1].answer if self.exchanges else None

    def _send(self, method: str, url: str, **options: Any) -> HttpAnswer:
        options["headers"] = {"User-Agent": USER_AGENT, **(options.get("headers") or {})}
        self.requests += 1
        sent_at = self._clock()
        answer = super()._send(method, url, **options)
        self.exchanges.append(Exchange(url, sent_at, self._clock(), answer))
        return answer


@dataclass
class Examined:
    """One configuration with all that the tests need.

    ``callback`` and ``logged_out`` are the site's addresses as the tenant has to know them. ``client`` is built as for real
    logins, but shares no cache with them. ``lost``: what was found missing although later tests need it, with the reason.
    """

    conf: Auth0Settings
    client: Client
    http: RecordingHttp
    callback: str
    logged_out: str
    printable: Printable
    lost: dict[str, str] = field(default_factory=dict)

    def get_page(self, url: str) -> HttpAnswer:
        """Ask as a browser without cookies would. Raises TransportError, also for answers of 429 and 5xx."""
        answer = self.http.get(url, headers={"Accept": "text/html,application/xhtml+xml"})
        if answer.status == 429 or answer.status >= 500:
            code = "rate_limited" if answer.status == 429 else None
            raise TransportError("The tenant failed to answer.", code=code, status=answer.status)
        return answer

    def last_answer(self) -> str:
        """Return the newest answer in one line."""
        answer = self.http.last
        return f"{answer.status}: {self.printable(answer.body.decode('utf-8', 'replace'))}" if answer else ""


@dataclass(frozen=True)
class Test:
    """One test. ``needs``: what must not be lost before it. ``applies``: whether the settings ask for it."""

    name: str
    probe: Callable[[Examined], Iterator[Finding]]
    needs: tuple[str, ...] = ("tenant",)
    applies: Callable[[Auth0Settings], bool] = lambda conf: True
