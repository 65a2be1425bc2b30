"""The only network code of the core: bounded in time and size, never redirected, JSON in, typed errors out."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3.exceptions

from django_auth0_flow.protocol.adapters import DeadlineAdapter
from django_auth0_flow.protocol.deadline import http_deadline, remaining_time
from django_auth0_flow.protocol.errors import InvalidGrant, MfaRequired, OAuthError, TokenRequestError, TransportError
from django_auth0_flow.protocol.strict_json import parse_json_array, parse_json_object

MAX_BODY = 1024 * 1024

_RETRY_AFTER = re.compile(r"[0-9]{1,6}\Z")

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class HttpAnswer:
    """What came back. ``body`` is at most ``MAX_BODY`` bytes, decoded of its content encoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<HttpAnswer {self.status}, {len(self.body)} bytes>"

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises TransportError (``malformed_answer``)."""
        try:
            return parse_json_object(self.body)
        except ValueError as error:
            raise TransportError(
                "The tenant's answer is not a JSON object.",
                code="malformed_answer",
                retryable=False,
                status=self.status,
            ) from error

    def json_array(self) -> list[Any]:
        """Return the body as a JSON array. Raises TransportError (``malformed_answer``)."""
        try:
            return parse_json_array(self.body)
        except ValueError as error:
            raise TransportError(
                "The tenant's answer is not a JSON array.",
                code="malformed_answer",
                retryable=False,
                status=self.status,
            ) from error


def build_session(certificate: str | tuple[str, str] | None = None) -> requests.Session:
    """Return a session for the tenant; ``Http`` uses its adapter, certificate and headers. No retries.

    ``certificate``: the client certificate to show (mutual TLS): a PEM file that holds its key too, or the two files.
    """
    session = requests.Session()
    session.cert = certificate
    adapter = DeadlineAdapter(max_retries=0, pool_maxsize=32)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
    return session


class Http:
    """Sends requests to the tenant. ``timeout`` in seconds bounds the whole exchange, drip-fed answers included.

    Raises TransportError for everything that is not a complete HTTP answer within time and size. One instance is
    safe to share between threads.
    """

    def __init__(self, *, timeout: float, session: requests.Session | None = None) -> None:
        self.timeout = timeout
        self._session = session or build_session()
        self._headers = dict(self._session.headers)
        self._environments: dict[str, dict[str, Any]] = {}

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send GET."""
        return self._send("GET", url, headers=headers)

    def post_form(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send POST with ``application/x-www-form-urlencoded``."""
        return self._send("POST", url, form=form, headers={**_FORM, **(headers or {})})

    def post_json(self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send POST with ``application/json``."""
        return self._send("POST", url, json=body, headers=headers)

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> HttpAnswer:
        """Send any method, with JSON if there is a body."""
        return self._send(method, url, headers=headers, json=body)

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> HttpAnswer:
        started, timeout = time.monotonic(), None
        try:
            with http_deadline(self.timeout):
                timeout = remaining_time()
                # Without the session's own prepare_request() and send(): they are about cookies, a .netrc file, and
                # redirects, which are read whatever their size.
                sent = {**self._headers, **(headers or {})}
                data = None if form is None else urlencode(form)
                request = requests.Request(method, url, sent, data=data, json=json).prepare()
                adapter = self._session.get_adapter(url)
                with adapter.send(request, timeout=timeout, **self._environment(url)) as response:
                    body = self._read(response)
        except (requests.ConnectTimeout, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise TransportError("The tenant can't be reached.") from error
        except (TimeoutError, requests.Timeout) as error:
            raise TransportError(
                "The tenant took too long to answer.", code="tenant_timeout", answer_lost=True
            ) from error
        except requests.ConnectionError as error:
            # No connection: nothing left this machine. Anything later: the tenant may have acted.
            never_sent = "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)
            too_slow = time.monotonic() - started >= (timeout or 0)
            raise TransportError(
                "The connection to the tenant failed.",
                code="tenant_timeout" if too_slow else None,
                answer_lost=not never_sent,
            ) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise TransportError(
                "The tenant's answer can't be read.", code="malformed_answer", answer_lost=True
            ) from error
        return HttpAnswer(response.status_code, response.headers, body)

    def _environment(self, url: str) -> dict[str, Any]:
        """Return what the environment says about an origin (proxy, certificates), read once per origin."""
        origin = "/".join(url.split("/", 3)[:3])
        found = self._environments.get(origin)
        if found is None:
            found = dict(self._session.merge_environment_settings(url, {}, True, None, None))
            self._environments[origin] = found
        return found

    def _read(self, response: requests.Response) -> bytes:
        """Return the body, bounded. One in a content encoding is not even unpacked: ``identity`` was asked for.

        Of an answer that tells of trouble anyway, status and headers are enough.
        """
        if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
            if response.status_code == 429 or response.status_code >= 500:
                return b""
            raise TransportError(
                "The tenant's answer has a content encoding that was not asked for.",
                code="malformed_answer",
                retryable=False,
                status=response.status_code,
            )
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_content(16384):
            remaining_time()
            size += len(chunk)
            if size > MAX_BODY:
                raise TransportError(
                    "The tenant's answer is too large.",
                    code="answer_too_large",
                    retryable=False,
                    status=response.status_code,
                )
            chunks.append(chunk)
        return b"".join(chunks)


def retry_after(headers: Mapping[str, str], now: float) -> int | None:
    """Return how many seconds the tenant asks to wait: ``Retry-After``, else ``X-RateLimit-Reset`` (epoch seconds)."""
    value = headers.get("Retry-After", "").strip()
    if _RETRY_AFTER.match(value):
        return int(value)
    value = headers.get("X-RateLimit-Reset", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 12 and headers.get("X-RateLimit-Remaining", "0") == "0":
        return max(0, min(int(value) - int(now), 3600))
    return None


def _quota_reset(headers: Mapping[str, str]) -> int | None:
    """Return the seconds until a machine-to-machine quota that is used up is reset, None if none is.

    Auth0: ``b=per_hour;q=10;r=0;t=3540,b=per_day;…``: bucket, quota, remaining, seconds to reset.
    """
    waits = []
    for name in ("Auth0-Client-Quota-Limit", "Auth0-Organization-Quota-Limit"):
        for bucket in headers.get(name, "").split(","):
            fields = dict(part.strip().partition("=")[::2] for part in bucket.split(";"))
            if fields.get("r") == "0" and _RETRY_AFTER.match(fields.get("t", "")):
                waits.append(int(fields["t"]))
    return max(waits, default=None)


def rate_limited(answer: HttpAnswer, now: float, description: str = "") -> TransportError:
    """Return the error for an answer by which the tenant asks to wait: for its rate limit, or for a quota of tokens."""
    wait, reset = retry_after(answer.headers, now), _quota_reset(answer.headers)
    if reset is None and "quota" not in description.lower():
        text = "The tenant limits the rate of requests."
        return TransportError(text, code="rate_limited", retry_after=wait, status=answer.status)
    text = "The quota of tokens for this application or organization is used up."
    wait = wait if reset is None else reset
    return TransportError(text, code="quota_exceeded", retry_after=wait, status=answer.status)


def parse_oauth_answer(answer: HttpAnswer, *, now: float) -> dict[str, Any]:
    """Return the JSON object of a successful answer, or raise what the answer means.

    Raises MfaRequired, InvalidGrant or TokenRequestError for an OAuth error under any status, TransportError for 429,
    5xx, Auth0's 500 «Global limit has been reached» and answers that are neither. Auth0's status codes vary, so the
    error word decides, never the status. RFC 6749 §5.2; Auth0: Authentication API, rate limit policy.
    """
    ok = answer.status == 200
    try:
        body = answer.json_object()
    except TransportError:
        if ok or (answer.status < 500 and answer.status != 429):
            raise
        body = {}
    # Under a good status only ``error`` is one: userinfo may hold a claim called ``code``.
    error = _first_text(body, "error") if ok else _first_text(body, "error", "errorCode", "code")
    if ok and not error and body.get("error"):
        error = "invalid_response"  # an error that is no text is still no success
    description = _first_text(body, "error_description", "message", "description")
    if ok and not error:
        return body
    if "too_many_attempts" not in (error, body.get("code")) and (
        answer.status == 429 or error == "too_many_requests" or "global limit has been reached" in description.lower()
    ):
        raise rate_limited(answer, now, description)
    if error == "mfa_required":
        mfa_token, requirements = body.get("mfa_token"), body.get("mfa_requirements")
        raise MfaRequired(
            mfa_token if isinstance(mfa_token, str) else "",
            requirements if isinstance(requirements, dict) else None,
            error_description=description,
            status=answer.status,
        )
    if (
        answer.status >= 500
        and error in ("", "server_error", "temporarily_unavailable")
        and not _is_setup_error(description)
    ):
        raise TransportError(
            "The tenant failed to answer.", retry_after=retry_after(answer.headers, now), status=answer.status
        )
    if not error:
        raise TransportError(
            "The tenant's answer is neither a success nor an error.",
            code="malformed_answer",
            retryable=False,
            status=answer.status,
        )
    kind: type[OAuthError] = InvalidGrant if error == "invalid_grant" else TokenRequestError
    raise kind(error, description, status=answer.status)


def _is_setup_error(description: str) -> bool:
    """Tell Auth0's answer to an empty Default Directory from a tenant that is really down."""
    return "not configured with default connection" in description


def _first_text(body: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and value:
            return value[:2000]
    return ""
