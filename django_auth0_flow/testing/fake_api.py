"""A stand-in for the APIs that ``request.auth0.api`` calls: answers without network, and remembers the calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import jwt
import requests

from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.signals import api_session_created

from .canned import CannedAdapter, canned_response, json_response


class UnexpectedCall(AssertionError):
    """The code under test called an address that no answer was given for, or called it without an access token."""


@dataclass(frozen=True)
class ApiCall:
    """A call that arrived. ``url`` without its query; ``access_token`` as sent, whether bearer or DPoP."""

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    access_token: str = field(repr=False)

    @property
    def claims(self) -> dict[str, Any]:
        """The access token's claims, unverified; empty for an opaque token."""
        try:
            found: dict[str, Any] = jwt.decode(self.access_token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return {}
        return found

    @property
    def scopes(self) -> frozenset[str]:
        """The access token's scopes."""
        return frozenset(str(self.claims.get("scope", "")).split())

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Any
    text: str | None
    headers: Mapping[str, str]
    error: requests.RequestException | None

    def response(self) -> requests.Response:
        if self.error is not None:
            raise self.error
        if self.text is None:
            return json_response(self.status, self.body, self.headers)
        return canned_response(self.status, self.text.encode(), {"Content-Type": "text/plain", **self.headers})


class FakeApi:
    """Answers what ``request.auth0.api``, ``api_for`` and ``login_session.api`` send, while the context lasts.

    Everything about the token stays real: it is refreshed when stale, it goes to allowed origins only, a 401 refreshes it
    once. A call without an answer, or without an access token, raises UnexpectedCall (an AssertionError).
    """

    def __init__(self) -> None:
        #: Every call so far, oldest first.
        self.calls: list[ApiCall] = []
        self._answers: dict[tuple[str, str], list[_Answer]] = {}
        self._adapter = CannedAdapter(self._respond)

    def on(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        text: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        error: requests.RequestException | None = None,
    ) -> Self:
        """Answer ``method`` at ``url`` with this; the query of a call is not compared.

        Given several times, the answers follow each other and the last one stays. ``error`` is raised instead, as
        ``requests`` would: ``requests.ConnectionError()``.
        """
        answer = _Answer(status, json, text, headers or {}, error)
        self._answers.setdefault((method.upper(), _bare(url)), []).append(answer)
        return self

    def called(self, method: str, url: str) -> list[ApiCall]:
        """Return the calls of ``method`` at ``url``."""
        return [call for call in self.calls if (call.method, call.url) == (method.upper(), _bare(url))]

    def __enter__(self) -> Self:
        api_session_created.connect(self._mount, weak=False)
        return self

    def __exit__(self, *error: object) -> None:
        api_session_created.disconnect(self._mount)

    def _mount(self, session: ApiSession, **kwargs: Any) -> None:
        for prefix in ("https://", "http://"):
            session.mount(prefix, self._adapter)

    def _respond(self, request: requests.PreparedRequest) -> requests.Response:
        call = _call_of(request)
        self.calls.append(call)
        if not call.access_token:
            raise UnexpectedCall(f"{call.method} {call.url} came without an access token.")
        answers = self._answers.get((call.method, call.url))
        if not answers:
            known = ", ".join(" ".join(key) for key in self._answers) or "none yet"
            raise UnexpectedCall(f"No answer for {call.method} {call.url}; there are answers for: {known}.")
        return (answers.pop(0) if len(answers) > 1 else answers[0]).response()


def _bare(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _call_of(request: requests.PreparedRequest) -> ApiCall:
    body = request.body or b""
    if not isinstance(body, (str, bytes)):
        body = body.read() if hasattr(body, "read") else b"".join(body)
    scheme, _, token = str(request.headers.get("Authorization", "")).partition(" ")
    url = request.url or ""
    return ApiCall(
        request.method or "",
        _bare(url),
        dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
        dict(request.headers),
        body.encode() if isinstance(body, str) else body,
        token if scheme in ("Bearer", "DPoP") else "",
    )
