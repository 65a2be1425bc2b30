"""An issuer's discovery metadata and signing keys, cached, refetched sparingly, kept when a refetch fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWTError

from django_auth0_flow.protocol.errors import SigningKeyNotFound, TransportError
from django_auth0_flow.protocol.http import Http, HttpAnswer, rate_limited

logger = logging.getLogger(__name__)

#: Seconds that metadata and keys are used without asking again. Auth0 advises at least 5 to 10 minutes.
CACHE_SECONDS = 600

#: Seconds between two refetches caused by an unknown ``kid``, however many tokens name one.
REFETCH_COOL_DOWN = 30

#: A fetch that failed is repeated by the next caller after this many seconds at the earliest, if old data is at hand.
RETRY_SECONDS = 15


class SharedCache(Protocol):
    """What of Django's cache API is used, so that worker processes share one fetch."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any, timeout: float) -> None: ...


def is_loopback_host(host: str | None) -> bool:
    """Tell whether ``host`` names this machine only, so that plain http is acceptable for development."""
    return host in ("localhost", "127.0.0.1", "::1") or bool(host and host.endswith(".localhost"))


def is_acceptable_endpoint(url: object) -> bool:
    """Tell whether ``url`` may get credentials: https, or http on loopback."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host))


@dataclass(frozen=True)
class Metadata:
    """The members of the discovery document that a relying party uses. OpenID Connect Discovery 1.0 §3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    mfa_challenge_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False


#: Where the browser goes, or nobody shows a certificate.
_FOR_BROWSERS = ("authorization_endpoint", "end_session_endpoint", "jwks_uri")


def parse_metadata(document: Mapping[str, Any], issuer: str, *, mtls: bool = False) -> Metadata:
    """Return the metadata of ``issuer``, or raise TransportError saying what is wrong with the document.

    The document's issuer must be ``issuer`` to the letter: at Auth0 the trailing slash counts. Discovery 1.0 §4.3.
    ``mtls``: the client shows a certificate, so endpoints come from ``mtls_endpoint_aliases`` where they stand there (RFC
    8705 §5); the browser has no such certificate and goes to the usual ones.
    """
    if document.get("issuer") != issuer:
        raise TransportError(
            "The discovery document belongs to another issuer than the one configured. Auth0's ends in a slash, and a "
            "custom domain has its own.",
            code="issuer_mismatch",
            retryable=False,
        )
    values: dict[str, Any] = {"issuer": issuer}
    aliases = document.get("mtls_endpoint_aliases") if mtls else None
    for name in Metadata.__dataclass_fields__:
        url = document.get(name)
        if isinstance(aliases, dict) and name not in _FOR_BROWSERS:
            url = aliases.get(name, url)
        if not name.endswith(("_endpoint", "_uri")) or not isinstance(url, str) or not is_acceptable_endpoint(url):
            continue
        # Plain http on loopback is for issuers that live there themselves.
        if urlsplit(url).scheme == "https" or urlsplit(issuer).scheme == "http":
            values[name] = url
    values["authorization_response_iss_parameter_supported"] = (
        document.get("authorization_response_iss_parameter_supported") is True
    )
    try:
        return Metadata(**values)
    except TypeError:
        raise TransportError(
            "The discovery document lacks an endpoint, or has one that is not https.",
            code="metadata_incomplete",
            retryable=False,
        ) from None


class _SharedFailure:
    """A failed fetch counts for everybody who waited for it: a queue of callers must not time out one by one."""

    def __init__(self) -> None:
        self._error: TransportError | None = None
        self._at = 0.0

    def remember(self, error: TransportError) -> None:
        self._error, self._at = copy(error), time.monotonic()  # a copy: without the frames of the traceback

    def check(self, asked: float) -> None:
        """Raise the failure again for a caller who asked, at ``asked`` on the monotonic clock, before it happened."""
        if self._error is not None and asked < self._at:
            raise copy(self._error)


class Issuer:
    """One issuer (an Auth0 tenant): its endpoints and the keys it signs with.

    ``url`` is the exact issuer identifier; ``mtls`` as in ``parse_metadata``. All methods may be called from any thread; a
    fetch is made once for concurrent callers. Raises TransportError when nothing is cached and the tenant gives no usable
    answer.
    """

    def __init__(self, url: str, *, http: Http, cache: SharedCache | None = None, mtls: bool = False) -> None:
        self.url = url
        self._http = http
        self._cache = cache
        self._mtls = mtls
        self._lock = threading.Lock()
        self._metadata: Metadata | None = None
        self._metadata_until = 0.0
        self._metadata_failure = _SharedFailure()
        self._keys: KeyClient | None = None

    def metadata(self) -> Metadata:
        """Return the discovery metadata; no network while the cached copy is fresh."""
        metadata = self._metadata
        if metadata is not None and time.monotonic() < self._metadata_until:
            return metadata
        asked = time.monotonic()
        with self._lock:
            if self._metadata is not None and time.monotonic() < self._metadata_until:
                return self._metadata
            self._metadata_failure.check(asked)
            try:
                self._metadata = self._load_metadata()
                self._metadata_until = time.monotonic() + CACHE_SECONDS
            except TransportError as error:
                if self._metadata is None:
                    self._metadata_failure.remember(error)
                    raise
                logger.warning("metadata_refetch_failed code=%s: the copy at hand is used", error.code)
                self._metadata_until = time.monotonic() + RETRY_SECONDS
            return self._metadata

    def signing_keys(self, kid: str | None) -> list[PyJWK]:
        """Return the published signing keys that may have signed a token with ``kid`` in its header.

        One key for a known ``kid``; for None all of them, since a provider with a single key may leave ``kid`` out.
        Raises SigningKeyNotFound after at most one refetch per cool-down, TransportError when no keys can be had.
        """
        keys = self._key_client()
        try:
            if kid is None:
                return keys.get_signing_keys()
            return keys.known_keys(kid) or [keys.get_signing_key(kid)]
        except PyJWTError as error:
            raise SigningKeyNotFound(
                "kid", "the tenant publishes no such signing key", code="signing_key_not_found"
            ) from error

    def _key_client(self) -> KeyClient:
        uri = self.metadata().jwks_uri
        keys = self._keys
        if keys is None or keys.uri != uri:
            with self._lock:
                if self._keys is None or self._keys.uri != uri:
                    self._keys = KeyClient(uri, http=self._http, cache=self._cache)
                keys = self._keys
        return keys

    def _load_metadata(self) -> Metadata:
        cache_key = f"auth0_flow:metadata:{self.url}"
        document = self._cache.get(cache_key) if self._cache else None
        if isinstance(document, dict):
            try:
                return parse_metadata(document, self.url, mtls=self._mtls)
            except TransportError:
                pass
        url = self.url.rstrip("/") + "/.well-known/openid-configuration"
        document = _json_of(self._http.get(url))
        metadata = parse_metadata(document, self.url, mtls=self._mtls)
        if self._cache:
            self._cache.set(cache_key, document, CACHE_SECONDS)
        return metadata


class KeyClient(PyJWKClient):
    """PyJWT's key client, fetching through ``Http`` and Django's cache.

    Three rules differ from the base. Only a refetch for an unknown ``kid`` starts the cool-down, so that a key rotated
    right after the first fetch is found. When a refetch fails the keys at hand stay. Junk in the key set is skipped key
    by key, and so is what can't sign: ``use: enc``, symmetric keys, private keys.
    """

    def __init__(self, uri: str, *, http: Http, cache: SharedCache | None) -> None:
        super().__init__(uri, lifespan=CACHE_SECONDS, cooldown_duration=REFETCH_COOL_DOWN)
        self._http = http
        self._shared = cache
        self._last_good: dict[str, Any] | None = None
        self._failure = _SharedFailure()
        self._by_kid: tuple[PyJWKSet | None, dict[str, list[PyJWK]]] = (None, {})

    def known_keys(self, kid: str) -> list[PyJWK]:
        """Return the keys with this ``kid`` in the set at hand, which is fetched if there is none; [] for unknown.

        Several keys may share a ``kid``: one per algorithm, or somebody's junk beside the good one.
        """
        key_set = self.jwk_set_cache.get() if self.jwk_set_cache is not None else None
        indexed, by_kid = self._by_kid
        if key_set is None or key_set is not indexed:
            by_kid = {}
            for key in self.get_signing_keys():
                by_kid.setdefault(str(key.key_id), []).append(key)
            self._by_kid = (key_set, by_kid)
        return by_kid.get(kid, [])

    def get_signing_keys(self, refresh: bool = False) -> list[PyJWK]:
        """Return the keys; concurrent callers with an empty cache share one fetch."""
        if not refresh and self.jwk_set_cache is not None and self.jwk_set_cache.get() is None:
            asked = time.monotonic()
            with self._client_lock:
                self._failure.check(asked)
                return super().get_signing_keys()
        return super().get_signing_keys(refresh)

    def fetch_data(self) -> dict[str, Any]:
        """Return the filtered key set. The base class caches what is returned."""
        cache_key = f"auth0_flow:jwks:{self.uri}"
        forced = self._last_good is not None
        found = self._shared.get(cache_key) if self._shared and not forced else None
        if isinstance(found, dict) and (usable := _usable_keys(found)):
            self._last_good = {"keys": usable}
            return self._last_good
        try:
            keys = {"keys": _usable_keys(_json_of(self._http.get(self.uri)))}
            if not keys["keys"]:
                raise TransportError("The tenant publishes no signing key.", code="no_signing_keys")
        except TransportError as error:
            if self._last_good is None:
                self._failure.remember(error)
                raise
            logger.warning("keys_refetch_failed code=%s: the keys at hand are used", error.code)
            return self._last_good
        self._last_good = keys
        if self._shared:
            self._shared.set(cache_key, keys, CACHE_SECONDS)
        return keys


def _json_of(answer: HttpAnswer) -> dict[str, Any]:
    if answer.status == 429:
        raise rate_limited(answer, time.time())
    if answer.status >= 500:
        raise TransportError("The tenant failed to answer.", status=answer.status)
    if answer.status != 200:
        raise TransportError(
            "The tenant's answer is no document.", code="malformed_answer", retryable=False, status=answer.status
        )
    return answer.json_object()


def _usable_keys(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the public RSA signing keys of a JWKS document that fit our algorithms, each with a ``kid``.

    RFC 7517 §4, §5.
    """
    keys = document.get("keys")
    usable: list[dict[str, Any]] = []
    for position, key in enumerate(keys[:100] if isinstance(keys, list) else []):
        if not isinstance(key, dict) or key.get("kty") != "RSA" or key.get("use", "sig") != "sig" or "d" in key:
            continue
        # PyJWT builds the key by its ``alg``: a word it knows for other kinds of key must not get that far.
        if key.get("alg", "RS256") not in ("RS256", "PS256"):
            continue
        operations = key.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            continue
        public = {name: key[name] for name in ("kty", "n", "e", "alg", "kid") if isinstance(key.get(name), str)}
        if not public.get("kid"):
            public["kid"] = f"(none {position})"
        try:
            if PyJWK(public).key.key_size < 2048:
                continue
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue
        usable.append(public)
    return usable
