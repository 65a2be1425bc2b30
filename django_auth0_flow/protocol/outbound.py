"""Calling APIs in the user's name: a requests session that knows where its token may go."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase
from requests.sessions import merge_setting
from requests.utils import get_environ_proxies

from django_auth0_flow.protocol.addresses import origin_of, token_origin
from django_auth0_flow.protocol.connection_pool import PooledAdapter, body_position, rewind
from django_auth0_flow.protocol.errors import NoAccessToken, OriginNotAllowed
from django_auth0_flow.protocol.prover import Prover, asks_for_nonce
from django_auth0_flow.protocol.tokens import TokenSource

_PROXY_VARIABLES = "http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY".split()


@lru_cache(maxsize=256)
def _environment_proxies(origin: str, no_proxy: str | None, variables: tuple[str | None, ...]) -> Mapping[str, str]:
    """Return the proxies for an origin while the environment has these variables."""
    return get_environ_proxies(origin, no_proxy)


class TokenAuth(AuthBase):
    """Adds the access token to requests for ``origins``, and renews it once when the API answers 401.

    A token that is bound to a key goes with a proof by ``prover``, made for each request; an API that wants a nonce in it
    gets one, once per request. Raises OriginNotAllowed for any other origin: a request never leaves without the token it
    was meant to carry. The repeated request needs a body that can be sent again (none, text, bytes, or a seekable file).
    """

    def __init__(self, source: TokenSource, origins: Collection[str], prover: Prover | None = None) -> None:
        self._source = source
        self._origins = frozenset(map(token_origin, origins))
        self._prover = prover
        #: The key of the login; all its tokens are bound to it.
        self._dpop_key: str | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        origin = origin_of(request.url or "")
        if not origin or origin not in self._origins:
            allowed = ", ".join(sorted(self._origins - {""}))
            raise OriginNotAllowed(
                f"The access token does not go to {origin or 'an address without an origin'}, only to the origins in "
                "AUTH0['API_ORIGINS'] (default: the audience's origin), "
                + (f"now {allowed}." if allowed else "and there are none: name the API in AUTH0['AUDIENCE'].")
            )
        used = self._authorize(request)
        position = body_position(request)
        renewed = challenged = False

        def repeat_refused(response: requests.Response, **kwargs: Any) -> requests.Response:
            nonlocal renewed, challenged
            wants_nonce = self._note_nonce(response)
            if response.status_code != 401 or position is None or origin_of(response.url) != origin:
                return response
            if wants_nonce and not challenged:
                challenged = True
                request = response.request.copy()
                self.prove(request)
                response = self._send_again(response, request, position, **kwargs)
            if response.status_code != 401 or renewed:
                return response
            renewed = True
            request = response.request.copy()
            try:
                if self._authorize(request, rejected=used) == used:
                    return response
            except BaseException:
                response.close()  # no caller gets it: its connection would stay open until it is collected
                raise
            return self._send_again(response, request, position, **kwargs)

        request.hooks["response"].append(repeat_refused)
        return request

    def prove(self, request: requests.PreparedRequest) -> None:
        """Add the proof for this very request if its token is bound to a key."""
        scheme, _, token = str(request.headers.get("Authorization", "")).partition(" ")
        request.headers.pop("DPoP", None)
        if scheme == "DPoP" and self._prover is not None and self._dpop_key is not None:
            method, url = request.method or "GET", request.url or ""
            request.headers.update(self._prover.headers(self._dpop_key, method, url, access_token=token))

    def _authorize(self, request: requests.PreparedRequest, rejected: str | None = None) -> str:
        tokens = self._source.access_token(rejected=rejected)
        if not tokens.access_token:
            raise NoAccessToken("This login has no access token.")
        self._dpop_key = tokens.dpop_key
        request.headers["Authorization"] = f"{tokens.token_type} {tokens.access_token}"
        self.prove(request)
        return tokens.access_token

    def _note_nonce(self, response: requests.Response) -> bool:
        """Remember the nonce of an answer; tell whether its absence is why the API refused. RFC 9449 §8.2, §9."""
        if self._prover is None or not self._prover.note_nonce(response.url, response.headers):
            return False
        return "DPoP" in response.request.headers and asks_for_nonce(response.headers)

    def _send_again(
        self, response: requests.Response, request: requests.PreparedRequest, position: int, **kwargs: Any
    ) -> requests.Response:
        """Send ``request``, a copy of the one that ``response`` refused, over the same connection."""
        rewind(request, position)
        # Hand the connection back to its pool before it is used again, as requests' digest authentication does.
        _ = response.content
        response.close()
        request.hooks["response"] = []
        again: requests.Response = response.connection.send(request, **kwargs)
        again.history = [*response.history, response]
        again.request = request
        self._note_nonce(again)
        return again


class ApiSession(requests.Session):
    """A ``requests.Session`` for APIs: token, timeout, and no redirect to another origin.

    A redirect within the origin is followed as usual; any other comes back as the 3xx response it is. All sessions of a
    process share their connections, and nothing else.
    """

    def __init__(
        self, source: TokenSource, origins: Collection[str], *, timeout: float, prover: Prover | None = None
    ) -> None:
        super().__init__()
        adapter = PooledAdapter()
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self.auth = self._token_auth = TokenAuth(source, origins, prover)
        self._timeout = timeout

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        if len(args) < 7:
            kwargs.setdefault("timeout", self._timeout)
        return super().request(method, url, *args, **kwargs)

    def merge_environment_settings(
        self,
        url: Any,
        proxies: MutableMapping[str, str] | None,
        stream: bool | None,
        verify: bool | str | None,
        cert: Any,
    ) -> Any:
        """Do as requests does, which goes through the whole environment twice to find the proxies of one call."""
        if self.trust_env:
            if proxies is not None:
                origin, variables = "/".join(url.split("/", 3)[:3]), tuple(map(os.environ.get, _PROXY_VARIABLES))
                for scheme, proxy in _environment_proxies(origin, proxies.get("no_proxy"), variables).items():
                    proxies.setdefault(scheme, proxy)
            if verify is True or verify is None:
                verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or verify
        asked = {"proxies": proxies, "stream": stream, "verify": verify, "cert": cert}
        merge: Any = merge_setting  # its stubs leave it bare
        return {name: merge(value, getattr(self, name)) for name, value in asked.items()}

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and origin_of(urljoin(resp.url, target)) != origin_of(resp.url):
            return None
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Keep the token that was accepted: redirects stay within the origin. A .netrc must not replace it."""
        if accepted := response.request.headers.get("Authorization"):
            prepared_request.headers["Authorization"] = accepted
            self._token_auth.prove(prepared_request)
