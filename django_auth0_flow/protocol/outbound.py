"""Calling APIs in the user's name: a requests session that knows where its token may go."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from .errors import NoAccessToken, OriginNotAllowed
from .tokens import TokenSource


def origin_of(url: str) -> str:
    """Return scheme, host and port of ``url`` as ``https://host:port``, the port always spelt out; "" if there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.hostname.lower()}:{port}"


class TokenAuth(AuthBase):
    """Adds the access token to requests for ``origins``, and renews it once when the API answers 401.

    Raises OriginNotAllowed for any other origin: a request never leaves without the token it was meant to carry.
    The repeated request needs a body that can be sent again (none, text, bytes, or a seekable file).
    """

    def __init__(self, source: TokenSource, origins: Collection[str]) -> None:
        self._source = source
        self._origins = frozenset(origin_of(origin) for origin in origins)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        origin = origin_of(request.url or "")
        if not origin or origin not in self._origins:
            raise OriginNotAllowed(
                "The access token only goes to the origins in AUTH0['API_ORIGINS'] (default: the audience's origin)."
            )
        used = self._authorize(request)
        position = _body_position(request)
        renewed = False

        def renew(response: requests.Response, **kwargs: Any) -> requests.Response:
            nonlocal renewed
            if renewed or response.status_code != 401 or position is None or origin_of(response.url) != origin:
                return response
            renewed = True
            return self._send_again(response, used, position, **kwargs)

        request.hooks["response"].append(renew)
        return request

    def _authorize(self, request: requests.PreparedRequest, rejected: str | None = None) -> str:
        tokens = self._source.access_token(rejected=rejected)
        if not tokens.access_token:
            raise NoAccessToken("This login has no access token.")
        request.headers["Authorization"] = f"{tokens.token_type} {tokens.access_token}"
        return tokens.access_token

    def _send_again(self, response: requests.Response, used: str, position: int, **kwargs: Any) -> requests.Response:
        request = response.request.copy()
        if self._authorize(request, rejected=used) == used:
            return response
        if request.body is not None and not isinstance(request.body, (str, bytes)):
            request.body.seek(position)
        # Hand the connection back to its pool before it is used again, as requests' digest authentication does.
        _ = response.content
        response.close()
        request.hooks["response"] = []
        again: requests.Response = response.connection.send(request, **kwargs)
        again.history.append(response)
        again.request = request
        return again


class ApiSession(requests.Session):
    """A ``requests.Session`` for APIs: token, timeout, and no redirect to another origin.

    A redirect within the origin is followed as usual; any other comes back as the 3xx response it is.
    """

    def __init__(self, source: TokenSource, origins: Collection[str], *, timeout: float) -> None:
        super().__init__()
        self.auth = TokenAuth(source, origins)
        self._timeout = timeout

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        if len(args) < 7:
            kwargs.setdefault("timeout", self._timeout)
        return super().request(method, url, *args, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and origin_of(urljoin(resp.url, target)) != origin_of(resp.url):
            return None
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Take along the token that was accepted: redirects stay within the origin; a .netrc must not replace it."""
        if accepted := response.request.headers.get("Authorization"):
            prepared_request.headers["Authorization"] = accepted


def _body_position(request: requests.PreparedRequest) -> int | None:
    """Return where the body starts, or None when it can't be sent twice."""
    body = request.body
    if body is None or isinstance(body, (str, bytes)):
        return 0
    try:
        return int(body.tell()) if hasattr(body, "tell") and hasattr(body, "seek") else None
    except (OSError, ValueError):
        return None
