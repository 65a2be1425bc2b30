"""A certified OpenID provider that nobody here wrote: npm ``oidc-provider`` with Auth0's paths.

``oidc_provider/`` holds its small wrapper; ``npm ci`` in that folder installs it. ``configuration.mjs`` knows these
options: ``accessTokenLifetime``, ``idTokenLifetime``, ``refreshTokenLifetime`` in seconds, ``rotateRefreshTokens``,
``dpopNonceRequired``, ``parRequired``, ``pkceRequired``, ``apiScopes``, ``users`` (subject to extra claims),
``signingKeys``.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import requests

from django_auth0_flow.testing.tenant import AuthorizationAnswer
from tests import programs
from tests.forms import forms_on
from tests.http_browser import TIMEOUT, HttpBrowser
from tests.servers.process import START_SECONDS, stop

FOLDER = Path(__file__).with_name("oidc_provider")
WHY = "the tests against a certified OpenID provider need Node.js 20 and, once, `npm ci` in tests/servers/oidc_provider"
MAX_STEPS = 12


class ProviderBrowser(HttpBrowser):
    """A person's browser at the provider; whether someone is asked to log in depends on its cookies."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer.rstrip("/"))

    def authorize(self, url: str, username: str | None = None, *, deny: bool = False) -> AuthorizationAnswer:
        """Visit an authorization URL, log in where a page asks for a user name, and return what the browser brings back."""
        self.open(url)
        for _ in range(MAX_STEPS):
            if target := self.next_url:
                if not self.is_here(target):
                    return AuthorizationAnswer("GET", target, dict(parse_qsl(urlsplit(target).query)))
                self.open(target)
            elif 'name="username"' in self.answer.text:
                self.submit("username", username=username or "", action="deny" if deny else "login")
            elif form := next((form for form in forms_on(self.answer.text) if not self.is_here(form.action)), None):
                return AuthorizationAnswer("POST", form.action, form.hidden)
            else:
                raise AssertionError(f"the provider answered {self.answer.status_code}: {self.answer.text}")
        raise AssertionError("the provider redirects without end")

    def login(self, authorize_url: str, username: str, *, deny: bool = False) -> str:
        """Return the callback URL that ``authorize`` ends at."""
        answer = self.authorize(authorize_url, username, deny=deny)
        assert answer.method == "GET", self.answer.text
        return answer.url

    def logout(self, logout_url: str) -> str:
        """Confirm the logout and return the address the provider sends the browser to in the end."""
        self.open(logout_url)
        assert self.answer.status_code == 200, self.answer.text
        self.submit("xsrf", logout="yes")
        return self.next_url


class OidcProvider:
    """The provider as a process of its own on a free loopback port; a context manager."""

    def __init__(self, clients: Sequence[Mapping[str, Any]] = (), **options: Any) -> None:
        self.clients = list(clients)
        self.options = options
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start on the port it had before, if any; tokens and keys of the run before are gone."""
        node = programs.require("node", WHY)
        if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
            programs.missing("npm oidc-provider", WHY)
        self._error_file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        options = {**self.options, "port": self.port, "clients": self.clients}
        self.process = subprocess.Popen(
            [node, "server.mjs"],
            cwd=FOLDER,
            env={**os.environ, "NODE_ENV": "production", "OIDC_PROVIDER_OPTIONS": json.dumps(options)},
            stdin=subprocess.PIPE,  # its end ends the provider, should this process die
            stdout=subprocess.PIPE,
            stderr=self._error_file,
            text=True,
        )
        self.port = self._wait_for_port()

    def stop(self) -> None:
        stop(self.process)
        for file in (self.process.stdin, self.process.stdout, self._error_file):
            if file is not None:
                file.close()

    def errors(self) -> str:
        """Return what the running provider has written to its standard error."""
        self._error_file.seek(0)
        return self._error_file.read().decode(errors="replace")

    def restart(self) -> None:
        """Come back on the same port with new signing keys, remembering nothing."""
        self.stop()
        self.start()

    def register(self, *clients: Mapping[str, Any]) -> None:
        """Add or replace clients: dictionaries of OpenID client metadata, with ``authorization_code`` and
        ``refresh_token`` as grants and ``client_secret_post`` unless they say otherwise.
        """
        self.clients = [*self.clients, *clients]
        self._control("clients", clients=list(clients))

    def browser(self) -> ProviderBrowser:
        """Return a browser nobody has logged in with."""
        return ProviderBrowser(self.issuer)

    def login(self, authorize_url: str, username: str) -> str:
        """Log in with a fresh browser and return the callback URL; the user name becomes the subject."""
        return self.browser().login(authorize_url, username)

    def counts(self) -> dict[str, Any]:
        """Return what the provider has seen since the start or the last ``reset``.

        ``token_requests`` by grant type (``{"refresh_token": {"ok": 1, "failed": 0}}``), ``requests`` by path,
        ``refresh_tokens_reused``, ``grants_revoked`` (families, for whatever reason), ``backchannel_logouts``,
        ``refresh_tokens_stored``.
        """
        return self._control("counts")

    def advance(self, seconds: float) -> None:
        """Move the provider's clock forward."""
        self._control("advance", seconds=seconds)

    def revoke(self, username: str) -> int:
        """End all of a user's grants, as an administrator would, and return how many there were."""
        ended: int = self._control("revoke", username=username)["ended"]
        return ended

    def reset(self) -> None:
        """Forget every client, session, token and count, and set the clock right; the signing keys stay."""
        self.clients = []
        self._control("reset")

    def _control(self, action: str, **body: Any) -> dict[str, Any]:
        response = requests.post(f"{self.issuer}_control/{action}", json=body, timeout=TIMEOUT)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def _wait_for_port(self) -> int:
        output = self.process.stdout
        if output is None:
            raise RuntimeError("the provider has no standard output")
        while select.select([output], [], [], START_SECONDS)[0]:
            line = output.readline()
            if match := re.fullmatch(r"ready (\d+)\n", line):
                return int(match[1])
            if not line:
                break
        errors = self.errors()
        self.stop()
        raise RuntimeError(f"the OpenID provider did not start:\n{errors}")
