"""Sign-up and forgotten passwords at one of Auth0's database connections.

Auth0: Authentication API, Signup, Change Password. Neither takes client credentials: an application's id is public.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.embedded_grants import FORWARDED_FOR
from django_auth0_flow.protocol.errors import ACCOUNT_EXISTS, PasswordRefused, TokenRequestError
from django_auth0_flow.protocol.http import HttpAnswer, parse_oauth_answer

#: Auth0's word, or text, where a connection takes no sign-ups.
SIGN_UP_DISABLED = "public signup is disabled"

#: The rules of a connection are no longer than this.
_MAX_POLICY = 2000

#: (what the names and texts of a refused password have in them, in lower case; our code)
_REFUSED_PASSWORDS = (
    (("passwordstrength", "too weak"), "password_too_weak"),
    (("passworddictionary", "too common"), "password_too_common"),
    (("passwordnouserinfo", "user information"), "password_personal"),
)


class DatabaseConnection:
    """A database connection, for one visitor of a client; ``visitor_address`` as for ``EmbeddedLogins``.

    Auth0 does not document whether it counts that address here. Both methods raise TokenRequestError or TransportError.
    """

    def __init__(self, client: Client, name: str, *, visitor_address: str = "") -> None:
        self._client = client
        self._name = name
        self._headers = {FORWARDED_FOR: visitor_address} if visitor_address else {}

    def sign_up(self, password: str, profile: Mapping[str, str]) -> None:
        """Make a user; ``profile`` has its identifiers (``email``, …) and names. This is no login yet.

        Raises PasswordRefused too.
        """
        answer = self._post("signup", {**profile, "password": password})
        try:
            parse_oauth_answer(answer, now=self._client.clock())
        except TokenRequestError as error:
            raise _judged(error, answer.json_object()) from None

    def send_reset(self, email: str) -> None:
        """Have a message sent that leads to a new password. The answer is the same whether the address is known."""
        answer = self._post("change_password", {"email": email})
        if answer.status != 200:  # a good answer is a sentence, not JSON
            parse_oauth_answer(answer, now=self._client.clock())

    def _post(self, path: str, body: Mapping[str, str]) -> HttpAnswer:
        url = f"{self._client.issuer.url.rstrip('/')}/dbconnections/{path}"
        document = {**body, "client_id": self._client.client_id, "connection": self._name}
        return self._client.http.post_json(url, document, headers=self._headers)


def _judged(error: TokenRequestError, body: Mapping[str, Any]) -> TokenRequestError:
    """Return what the refusal of a sign-up means."""
    if error.error in ACCOUNT_EXISTS:
        return error
    name = str(body.get("name"))
    said = f"{error.error} {name} {error.error_description}".lower()
    if SIGN_UP_DISABLED.removeprefix("public ") in said:
        return TokenRequestError(SIGN_UP_DISABLED, status=error.status)
    if error.error != "invalid_password" and not name.startswith("Password"):
        return error
    found = next((code for parts, code in _REFUSED_PASSWORDS if any(part in said for part in parts)), "")
    policy = body.get("policy")
    if not isinstance(policy, str) or not policy.strip():
        policy = "\n".join(_rules(body.get("description")))
    return PasswordRefused(error, code=found or "password_refused", policy=policy[:_MAX_POLICY])


def _rules(report: object, *, members: str = "rules", bullet: str = "* ") -> Iterator[str]:
    """Yield the rules of a strength report, with those inside them; their messages are printf formats."""
    rules = report.get(members) if isinstance(report, dict) else None
    for rule in rules[:50] if isinstance(rules, list) else ():
        message, values = (rule.get("message"), rule.get("format")) if isinstance(rule, dict) else (None, None)
        if isinstance(message, str):
            for value in values[:10] if isinstance(values, list) else ():
                message = str(value)[:100].join(re.split("%[ds]", message, maxsplit=1))
            yield bullet + message
            if members == "rules":
                yield from _rules(rule, members="items", bullet=" * ")
