"""People at browsers, for the soak: each acts by chance, and notes what should not have happened."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.benchmarks.tls import FrontedTenant
from tests.http_browser import HttpBrowser

#: How the token endpoint fails, with the fault's options.
HICCUPS: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 503, "body": "no healthy upstream"}),
    ("drop", {}),
    ("slow", {"seconds": 5}),
    ("drop-after", {}),
    ("rate-limit", {"retry_after": 1}),
    ("reset", {}),
    ("global-limit", {}),
    ("html", {}),
    ("truncated", {"processed": True}),
]
#: Seconds after a hiccup in which its errors may still show: the longest wait for a refresh.
AFTERMATH = 3
#: What somebody who is logged in does next, and how often of all.
HABITS = {"read": 30, "call": 40, "call_async": 20, "log_out": 5, "be_ended": 5}


@dataclass
class Traffic:
    """What everybody shares: the site, the pace, and the notes.

    ``until`` is the end, on the monotonic clock; ``spoilt`` counts the requests that met a hiccup.
    """

    tenant: FrontedTenant
    address: str
    api: str
    rate: float
    until: float = 0
    done: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    hiccups: int = 0
    spoilt: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: float = 0
    _well_since: float = 0
    _asked_before: int = 0

    def take_turn(self) -> bool:
        """Wait for the next page that may be asked for; tell whether the time is not over yet."""
        with self._lock:
            mine = self._next = max(self._next + 1 / self.rate, time.monotonic())
        self.over.wait(max(0.0, min(mine, self.until) - time.monotonic()))
        return mine < self.until

    def begin_hiccup(self, name: str, options: dict[str, Any]) -> None:
        self.hiccups += 1
        self._asked_before = self.tenant.count("/oauth/token")
        self._well_since = float("inf")
        self.tenant.fault(name, None, **options)

    def end_hiccup(self) -> None:
        self.tenant.clear_faults()
        self.spoilt += self.tenant.count("/oauth/token") - self._asked_before
        self._well_since = time.monotonic() + AFTERMATH

    def note(self, notes: Counter[str], what: str) -> None:
        with self._lock:
            notes[what] += 1

    def note_error(self, what: str, asked_at: float) -> None:
        """Note an answer that nobody wanted to what was asked then; hiccups excuse those that met one."""
        self.note(self.unexplained if asked_at > self._well_since else self.excused, what)


class Person:
    """Somebody of whom the tenant knows, with a browser of their own."""

    def __init__(self, traffic: Traffic, number: int) -> None:
        self.traffic, self.is_logged_in = traffic, False
        self.user = traffic.tenant.add_user(sub=f"auth0|person-{number}", email=f"person-{number}@example.com")
        self.browser = HttpBrowser(traffic.address)
        self._chance = random.Random(number)  # the same habits in each run
        self._habits: dict[str, Callable[[], None]] = {name: getattr(self, name) for name in HABITS}

    def live(self) -> None:
        while self.traffic.take_turn():
            if self.is_logged_in:
                (habit,) = self._chance.choices(list(HABITS), list(HABITS.values()))
                self._habits[habit]()
            else:
                self.log_in()

    def look_again(self) -> None:
        """See that who was logged in still is, and the others are not."""
        if self.is_logged_in:
            self.read()
            self.call()
        else:
            self._see_nothing()

    def log_in(self) -> None:
        traffic, asked_at = self.traffic, time.monotonic()
        self.browser.open("/auth0/login/?next=/bare/")
        back = traffic.tenant.login(self.browser.next_url, self.user)
        self.browser.open(back)
        if self.browser.next_url != f"{traffic.address}/bare/":
            traffic.note_error(f"callback {self.browser.answer.status_code}", asked_at)
            return
        self.is_logged_in = True
        traffic.note(traffic.done, "logins")
        self.read()

    def read(self) -> None:
        self._see("pages read", "/bare/", f"bare {self.user.sub}")

    def call(self, path: str = "/call/") -> None:
        address = urlencode({"url": f"{self.traffic.api}/whose"})
        self._see("API calls", f"{path}?{address}", self.user.sub)

    def call_async(self) -> None:
        self.call("/async-call/")

    def log_out(self) -> None:
        self.browser.open("/auth0/logout/")
        self.browser.submit(to="logout")
        self._leave()

    def be_ended(self) -> None:
        """Be logged out by the tenant's message, as after a logout at another site."""
        tenant, asked_at = self.traffic.tenant, time.monotonic()
        token = tenant.make_logout_token(sub=self.user.sub)
        status = tenant.send_logout_token(f"{self.traffic.address}/auth0/backchannel-logout/", token)
        if status == 200:
            self._leave()
        else:
            self.traffic.note_error(f"logout token {status}", asked_at)

    def _leave(self) -> None:
        self.is_logged_in = False
        self.traffic.note(self.traffic.done, "logouts")
        self._see_nothing()

    def _see(self, what: str, path: str, expected: str) -> None:
        traffic, asked_at = self.traffic, time.monotonic()
        answer = self.browser.open(path)
        place = path.partition("?")[0]
        if answer.status_code == 200 and answer.text == expected:
            traffic.note(traffic.done, what)
        elif answer.status_code == 200:
            traffic.note(traffic.lost, f"somebody else's {place}")
        elif answer.is_redirect:
            self.is_logged_in = False
            traffic.note(traffic.lost, place)
        else:
            traffic.note_error(f"{place} {answer.status_code}", asked_at)

    def _see_nothing(self) -> None:
        if not self.browser.open("/bare/").is_redirect:
            self.traffic.note(self.traffic.unexplained, "logged in after the logout")
