"""``manage.py demo --walk``: a whole login, step by step, each step checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlsplit

import requests

from . import clock
from .browser import Browser, NoSuchForm
from .screen import Screen
from .wire import Hop

if TYPE_CHECKING:
    from django_auth0_flow.testing.tenant import LoggedRequest, User

    from .stage import Stage

PARALLEL = 8


class StepFailed(Exception):
    """A step found something else than it should."""

    def __init__(self, what: str, expected: object, found: object) -> None:
        super().__init__(f"{what}: expected {expected!r}, found {found!r}")


class Walk:
    """One browser's way through the site: the tenant's first user, and the page that the demo names.

    Subclasses add methods named ``step_…``. ``fault`` goes wrong at the tenant once, from step ``fault_step`` on.
    """

    def __init__(self, stage: Stage, *, fault: str = "", fault_step: int = 1) -> None:
        self.stage, self.tenant, self.page = stage, stage.tenant, stage.demo.page
        self.user: User = stage.tenant.user
        self.browser = Browser(stage.url)
        self.hops: list[Hop] = []
        self._screen = Screen(briefly=True)
        self._fault, self._fault_step = fault, fault_step
        self._number = 0
        self._start = 0

    def run(self) -> int:
        """Take every step, stop at the first that fails; return the exit code."""
        steps = self.steps()
        try:
            for step in steps:
                step()
        except (StepFailed, NoSuchForm, requests.RequestException) as error:
            self._screen.tell(self.take_hops())
            self._screen.say(f"    ✗ {error}", "bad")
            self._screen.say(f"Step {self._number} of {len(steps)} failed.", "bad")
            return 1
        refreshes = self.tenant.count("/oauth/token", grant_type="refresh_token")
        counts = f"{refreshes} refreshes, {self.tenant.families_revoked} families revoked"
        self._screen.say(f"All {len(steps)} steps went well: {counts}.", "good")
        return 0

    def steps(self) -> list[Callable[[], None]]:
        """Return the methods named ``step_…`` in the order of their definition, a base class's first."""
        names = (name for each in reversed(type(self).__mro__) for name in vars(each) if name.startswith("step_"))
        return [getattr(self, name) for name in dict.fromkeys(names)]

    def check_page(self) -> None:
        """Check that the demo's page is what the browser sees."""
        self.expect("address", self.page, self.browser.path)
        self.expect("status", 200, self.browser.answer.status_code)

    # -- the steps ---------------------------------------------------------------------------------------------------

    def step_begin(self) -> None:
        with self.step("A visitor wants a page that needs a login; the site prepares one") as done:
            self.browser.open(self.page)
            self.browser.follow(until=f"{self.tenant.issuer}authorize")
            self.expect("status", 302, self.browser.answer.status_code)
            target = self.browser.next_url
            self.expect("redirect", f"{self.tenant.issuer}authorize", target.partition("?")[0])
            asked = dict(parse_qsl(urlsplit(target).query))
            self.expect("response_type", "code", asked.get("response_type"))
            self.expect("PKCE", "S256", asked.get("code_challenge_method"))
            self.expect("state, nonce and challenge are sent", True, {"state", "nonce", "code_challenge"} <= set(asked))
            self.expect("token requests", 0, self.token_calls())
            done("off to /authorize with state, nonce and PKCE S256; no token request")

    def step_log_in(self) -> None:
        with self.step(f"The tenant shows its login page; {self.user.email} types a password") as done:
            self.browser.follow()
            self.send_password(self.user)
            self.browser.follow(until=f"{self.stage.url}/")
            self.expect("parameters", ["code", "state"], sorted(parse_qs(urlsplit(self.browser.next_url).query)))
            done("the tenant sends the browser back with code and state")

    def step_come_back(self) -> None:
        with self.step("The callback exchanges the code, checks the ID token, logs in") as done:
            before = self.session_key()
            self.browser.open(self.browser.next_url)
            self.expect("status", 302, self.browser.answer.status_code)
            self.expect("redirect", f"{self.stage.url}{self.page}", self.browser.next_url)
            self.expect("code exchanges", 1, self.token_calls("authorization_code"))
            self.expect("a new session key", True, self.session_key() not in (None, before))
            done("1 token request; the session key is a new one; on to the page asked for")

    def step_land(self) -> None:
        with self.step("The page calls the API in the user's name") as done:
            self.browser.follow()
            self.check_page()
            self.expect("token requests", 0, self.token_calls())
            done("no token request")

    def step_call_again(self) -> None:
        with self.step("Once more, with a live token") as done:
            self.browser.open(self.page)
            self.check_page()
            self.expect("requests to the tenant", [], [hop.path for hop in self.take_hops() if hop.target == "tenant"])
            done("nothing was asked of the tenant")

    def step_outlive_the_token(self) -> None:
        with self.step(f"{self.tenant.api.lifetime} seconds later the token has expired") as done:
            self.let_the_token_expire()
            self.browser.open(self.page)
            self.check_page()
            self.expect("refreshes", 1, self.token_calls("refresh_token"))
            done("1 refresh, then the call")

    def step_outlive_it_in_parallel(self) -> None:
        with self.step(f"It expires again, and {PARALLEL} requests arrive at once") as done:
            self.let_the_token_expire()
            gate = Barrier(PARALLEL)

            def visit(window: Browser) -> int:
                gate.wait()
                return window.open(self.page).status_code

            with ThreadPoolExecutor(PARALLEL) as pool:
                statuses = list(pool.map(visit, [self.browser.another_window() for _ in range(PARALLEL)]))
            self.expect("statuses", [200] * PARALLEL, statuses)
            self.expect("refreshes", 1, self.token_calls("refresh_token"))
            self.expect("families revoked", 0, self.tenant.families_revoked)
            done(f"{PARALLEL} pages, 1 refresh, made with the rotated refresh token; 0 families revoked")

    def step_log_out(self) -> None:
        from django_auth0_flow.pages.urls import url_of

        with self.step("Logging out: here, the refresh token, the tenant") as done:
            self.browser.visit(url_of("logout"))
            self.browser.submit(to=url_of("logout"))
            self.expect("ID token hint", True, "id_token_hint" in parse_qs(urlsplit(self.browser.next_url).query))
            self.expect("refresh tokens revoked", 1, len(self.requests("/oauth/revoke")))
            page = self.browser.follow()
            self.expect("status", 200, page.status_code)
            self.expect("back on the site", True, page.url.startswith(f"{self.stage.url}/"))
            done("logged out in all three places and back on the site")

    def step_look_back(self) -> None:
        with self.step("The page wants a login again") as done:
            self.browser.visit(self.page)
            self.expect("address", "/u/login", self.browser.path)
            self.expect("families revoked", 0, self.tenant.families_revoked)
            done("the tenant asks for the password again")

    # -- for steps ---------------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Announce a step; the block tells with the function it gets how the step went."""
        self._number += 1
        if self._fault and self._number == self._fault_step:
            self.tenant.fault(self._fault)
        self.take_hops()
        self.hops.clear()
        self._start = len(self.tenant.requests)
        self._screen.say(f"{self._number:>2}  {title}", "bold")
        said: list[str] = []
        yield said.append
        self._screen.tell(self.take_hops())
        for line in said:
            self._screen.say(f"    ✓ {line}", "good")

    def expect(self, what: str, expected: object, found: object) -> None:
        if found != expected:
            raise StepFailed(what, expected, found)

    def let_the_token_expire(self) -> None:
        clock.put_forward(self.tenant.api.lifetime + 1)

    def send_password(self, user: User) -> None:
        """Fill in the page that asks for name and password, the tenant's or the site's own."""
        self.browser.submit("password", username=user.email or "", password=user.password or "")

    def session_key(self) -> str | None:
        from django.conf import settings

        return self.browser.cookie(settings.SESSION_COOKIE_NAME)

    def requests(self, path: str) -> list[LoggedRequest]:
        """Return this step's requests to the tenant's ``path``."""
        return [entry for entry in self.tenant.requests[self._start :] if entry.path == path]

    def last(self, path: str) -> LoggedRequest:
        """Return this step's newest request to the tenant's ``path``."""
        if not (found := self.requests(path)):
            raise StepFailed("requests to the tenant", path, "none")
        return found[-1]

    def token_calls(self, grant_type: str | None = None) -> int:
        """Return the number of this step's requests for tokens."""
        return sum(grant_type in (None, entry.grant_type) for entry in self.requests("/oauth/token"))

    def take_hops(self) -> list[Hop]:
        """Return this step's requests so far."""
        self.hops += self.stage.take_news()
        return self.hops
