"""``manage.py demo --walk``: a whole login, step by step, each step checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import requests
from site_config import clock

from .browser import Browser, Form
from .people import PATIENT, TOKEN_LIFETIME
from .wire import Hop, tell

if TYPE_CHECKING:
    from django_auth0_flow.testing.tenant import LoggedRequest

    from .cli import Screen
    from .stage import Stage

PARALLEL = 8


class StepFailed(Exception):
    """A step found something else than it should."""

    def __init__(self, what: str, expected: object, found: object) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}")


class Walk:
    """One browser's way through the site. ``fault`` goes wrong at the tenant once, from step ``fault_step`` on."""

    def __init__(self, stage: Stage, screen: Screen, *, fault: str = "", fault_step: int = 1) -> None:
        self.stage, self.screen = stage, screen
        self._fault, self._fault_step = fault, fault_step
        self.browser = Browser()
        self.hops: list[Hop] = []
        self._number = 0
        self._told: set[tuple[str, ...]] = set()

    def run(self) -> int:
        """Take every step, stop at the first that fails; return the exit code."""
        steps = self.steps()
        try:
            for step in steps:
                step()
        except (StepFailed, requests.RequestException) as error:
            self._tell()
            self.screen.say(self.screen.bad(f"    ✗ {error}"))
            self.screen.say(self.screen.bad(f"Step {self._number} of {len(steps)} failed."))
            return 1
        tenant = self.stage.tenant
        counts = f"{self.token_calls('refresh_token')} refreshes, {tenant.families_revoked} families revoked"
        self.screen.say(self.screen.good(f"All {len(steps)} steps went well: {counts}."))
        return 0

    def steps(self) -> list[Callable[[], None]]:
        """Return the steps in their order."""
        return [
            self.begin,
            self.log_in,
            self.come_back,
            self.land,
            self.call_again,
            self.outlive_the_token,
            self.outlive_it_in_parallel,
            self.try_a_closed_door,
            self.log_out,
            self.look_back,
        ]

    # -- the steps ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        with self.step("A visitor wants the appointments page; the site prepares a login") as done:
            self.open("/appointments/")
            self.browser.open(self.browser.next_url())
            self.expect("status", 302, self.browser.answer.status_code)
            target = self.browser.next_url()
            self.expect("redirect", f"{self.stage.tenant.issuer}authorize", target.partition("?")[0])
            asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            self.expect("response_type", "code", asked.get("response_type"))
            self.expect("PKCE", "S256", asked.get("code_challenge_method"))
            self.expect("state, nonce and challenge are sent", True, {"state", "nonce", "code_challenge"} <= set(asked))
            self.expect("token requests", 0, self.token_calls())
            done("off to /authorize with state, nonce and PKCE S256; no token request")

    def log_in(self) -> None:
        with self.step(f"The tenant shows its login page; {PATIENT} types her password") as done:
            self.expect("status", 200, self.browser.follow().status_code)
            password = next(user.password for user in self.stage.tenant.users.values() if user.email == PATIENT)
            self.browser.submit(self.form(with_field="password"), username=PATIENT, password=password or "")
            self.browser.follow(until=f"{self.stage.url}/auth0/callback/")
            back = urlsplit(self.browser.next_url())
            self.expect("redirect", "/auth0/callback/", back.path)
            self.expect("parameters", ["code", "state"], sorted(parse_qs(back.query)))
            done("the tenant sends the browser back with code and state")

    def come_back(self) -> None:
        with self.step("The callback exchanges the code, checks the ID token, logs in") as done:
            before = self.browser.cookie("clinic_session")
            self.browser.open(self.browser.next_url())
            self.expect("status", 302, self.browser.answer.status_code)
            self.expect("redirect", f"{self.stage.url}/appointments/", self.browser.next_url())
            self.expect("code exchanges", 1, self.token_calls("authorization_code"))
            self.expect("a new session key", True, self.browser.cookie("clinic_session") not in (None, before))
            done("1 token request; the session key is a new one; on to the page asked for")

    def land(self) -> None:
        with self.step("The page calls the API in her name") as done:
            page = self.browser.follow()
            self.expect("status", 200, page.status_code)
            self.expect("appointments on the page", 3, self.appointments())
            self.expect("token requests, the login's included", 1, self.token_calls())
            done("3 appointments; no token request")

    def call_again(self) -> None:
        with self.step("Once more, with a live token") as done:
            self.open("/appointments/")
            self.expect("appointments on the page", 3, self.appointments())
            hops = self._take()
            self.expect("requests to the tenant", 0, sum(hop.is_tenants for hop in hops))
            done("nothing was asked of the tenant")

    def outlive_the_token(self) -> None:
        with self.step(f"{TOKEN_LIFETIME} seconds later the token has expired") as done:
            clock.put_forward(TOKEN_LIFETIME + 1)
            self.open("/appointments/")
            self.expect("appointments on the page", 3, self.appointments())
            self.expect("refreshes", 1, self.token_calls("refresh_token"))
            self.expect("refreshes told on the page", "1", self.shown("refreshes"))
            done("1 refresh, then the call")

    def outlive_it_in_parallel(self) -> None:
        with self.step(f"It expires again, and {PARALLEL} requests arrive at once") as done:
            clock.put_forward(TOKEN_LIFETIME + 1)
            gate = Barrier(PARALLEL)

            def visit(window: Browser) -> int:
                gate.wait()
                return window.open(f"{self.stage.url}/appointments/").status_code

            with ThreadPoolExecutor(PARALLEL) as pool:
                statuses = list(pool.map(visit, [self.browser.twin() for _ in range(PARALLEL)]))
            self.expect("statuses", [200] * PARALLEL, statuses)
            self.expect("refreshes, the one before included", 2, self.token_calls("refresh_token"))
            sent = [entry.form["refresh_token"][0] for entry in self.refreshes()]
            self.expect("different refresh tokens sent", 2, len(set(sent)))
            self.expect("families revoked", 0, self.stage.tenant.families_revoked)
            done(f"{PARALLEL} pages, 1 refresh, made with the rotated refresh token; 0 families revoked")

    def try_a_closed_door(self) -> None:
        with self.step("The rota needs a permission that she lacks") as done:
            self.open("/rota/")
            page = self.browser.follow()
            self.expect("status", 403, page.status_code)
            self.expect("address", "/rota/", urlsplit(page.url).path)
            done("asked at the tenant once, without a page; then a plain 403")

    def log_out(self) -> None:
        with self.step("She logs out: here, her refresh token, the tenant") as done:
            self.browser.submit(self.form(to="/auth0/logout/"))
            hint = parse_qs(urlsplit(self.browser.next_url()).query)
            self.expect("ID token hint", True, "id_token_hint" in hint)
            revoked = self.stage.tenant.count("/oauth/revoke")
            self.expect("refresh tokens revoked", True, revoked >= 1)
            page = self.browser.follow()
            self.expect("status", 200, page.status_code)
            self.expect("address", f"{self.stage.url}/", page.url)
            self.expect("the page offers to log in", True, "/auth0/login/" in page.text)
            done("logged out in all three places and back at the start")

    def look_back(self) -> None:
        with self.step("The appointments page wants a login again") as done:
            self.open("/appointments/")
            page = self.browser.follow()
            self.expect("address", "/u/login", urlsplit(page.url).path)
            self.expect("families revoked", 0, self.stage.tenant.families_revoked)
            done("the tenant asks for the password again")

    # -- tools -------------------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Announce a step; the block tells with the function it gets how the step went."""
        self._number += 1
        if self._fault and self._number == self._fault_step:
            self.stage.tenant.fault(self._fault)
        self._take()
        self.hops.clear()
        self.screen.say(self.screen.bold(f"{self._number:>2}  {title}"))
        said: list[str] = []
        yield said.append
        self._tell()
        for line in said:
            self.screen.say(self.screen.good(f"    ✓ {line}"))

    def expect(self, what: str, expected: object, found: object) -> None:
        if found != expected:
            raise StepFailed(what, repr(expected), repr(found))

    def form(self, *, to: str = "", with_field: str = "", to_itself: bool = False) -> Form:
        form = self.browser.form(to=to, with_field=with_field, to_itself=to_itself)
        if form is None:
            raise StepFailed("the page", f"a form with {to or with_field or 'no action'}", "none")
        return form

    def open(self, path: str) -> None:
        self.browser.open(self.stage.url + path)

    def token_calls(self, grant_type: str | None = None) -> int:
        return self.stage.tenant.count("/oauth/token", grant_type=grant_type)

    def refreshes(self) -> list[LoggedRequest]:
        return [entry for entry in self.stage.tenant.requests if entry.grant_type == "refresh_token"]

    def appointments(self) -> int:
        return self.browser.answer.text.count('<span class="day">')

    def shown(self, name: str) -> str:
        """Return the text that the page shows under an id."""
        found = re.search(rf'id="{name}">([^<]*)<', self.browser.answer.text)
        return found[1] if found else ""

    def _take(self) -> list[Hop]:
        self.hops += self.stage.take_news()
        return self.hops

    def _tell(self) -> None:
        for line in tell(self._take(), self.screen.width, self._told):
            self.screen.say(self.screen.soft(line))
