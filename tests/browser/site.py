"""The site in a process of its own on ``localhost``, and its tenant on ``127.0.0.1``: two sites to a browser.

The tests never touch the database: Playwright keeps an event loop running in their thread.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from typing import Any

import requests

from django_auth0_flow.testing.tenant import Tenant, User
from django_auth0_flow.testing.tenant.model import Application
from tests.client_keys import make_certificates
from tests.servers.process import Server, accepts_connections
from tests.storm.harness import ROOT

EMBEDDED_GRANTS = {"password", "mfa", "http://auth0.com/oauth/grant-type/passwordless/otp"}
PASSWORD = "correct horse"
#: What each configuration has beside the client's credentials; the URLs of all but the first lie below their name.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {"ACCOUNT_PAGE": True},
    "posted": {"RESPONSE_MODE": "form_post"},
    "implicit": {"RESPONSE_TYPE": "id_token", "AUDIENCE": "", "SCOPE": "openid profile email"},
    "fragment": {"RESPONSE_TYPE": "id_token token", "SCOPE": "openid profile email"},
    "third": {},
    "embedded": {
        "PASSWORDLESS": ["email-code", "email-link", "sms"],
        "PASSWORD_REALM": "Username-Password-Authentication",
        "SIGN_UP_FIELDS": ["email", "given_name"],
    },
}
_numbers = itertools.count(1)


class Site(Server):
    """A running site with all of ``CONFIGURATIONS``, each an application of its own at ``tenant``.

    ``https``: with a certificate of nobody's, and Django's cookies ``Secure``.
    """

    def __init__(self, tenant: Tenant, *, https: bool = False, **environment: str) -> None:
        self.tenant = tenant
        self.https = https
        self.environment = environment
        self.applications: dict[str, Application] = {}

    @property
    def url(self) -> str:
        """The site's address, without a slash at the end."""
        return f"http{'s' if self.https else ''}://localhost:{self.port}"

    def path_to(self, name: str, configuration: str = "default") -> str:
        return f"/{'auth0' if configuration == 'default' else configuration}/{name}/"

    def add_person(self, name: str, **fields: Any) -> User:
        """Add a user whom no other test knows."""
        nickname = f"{name.partition(' ')[0].lower()}{next(_numbers)}"
        return self.tenant.add_user(email=f"{nickname}@example.com", name=name, password=PASSWORD, **fields)

    def received(self, path: str, method: str) -> list[set[str]]:
        """Return the names of the cookies that came with requests of this kind, oldest first."""
        url = f"{self.url.replace('localhost', '127.0.0.1')}/received/"
        verify = str(self.folder / "ca.pem") if self.https else True
        answer = requests.get(url, params={"path": path, "method": method}, timeout=120, verify=verify)
        return [set(names) for names in answer.json()["cookies"]]

    def _start(self) -> None:
        database = {"NAME": str(self.folder / "site.db"), "OPTIONS": {"timeout": 120, "transaction_mode": "IMMEDIATE"}}
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
            "PYTHONPATH": str(ROOT),
            "TEST_AUTH0": json.dumps({name: self._configuration(name) for name in CONFIGURATIONS}),
            "TEST_DATABASE": json.dumps(database),
            **self.environment,
        }
        if self.https:
            made = make_certificates(self.folder)
            environment["TEST_CERTIFICATE"] = json.dumps([str(made.edge), str(made.edge_key)])
        command = [sys.executable, "-m", "tests.browser.serve", str(self.port)]
        self._spawn(command, until=lambda: accepts_connections(self.port), environment=environment)

    def _configuration(self, name: str) -> dict[str, Any]:
        application = self.tenant.add_application(name=f"Site ({name})", first_party=name != "third")
        application.callbacks = [self.url + self.path_to("callback", name)]
        application.logout_urls = [self.url + self.path_to("logged-out", name)]
        application.grant_types |= EMBEDDED_GRANTS
        self.applications[name] = application
        return {
            "ISSUER": self.tenant.issuer,
            "CLIENT_ID": application.client_id,
            "CLIENT_SECRET": application.client_secret,
            "AUDIENCE": self.tenant.api.identifier,
            "SCOPE": "openid profile email offline_access",
            **CONFIGURATIONS[name],
        }
