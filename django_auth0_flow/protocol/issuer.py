"""An issuer: its endpoints by discovery, and the keys that it signs with."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from django_auth0_flow.protocol.addresses import is_acceptable_endpoint
from django_auth0_flow.protocol.cached_document import CachedDocument, SharedCache
from django_auth0_flow.protocol.errors import SigningKeyNotFound, TransportError, unusable_answer
from django_auth0_flow.protocol.http import Http

#: The algorithms that a tenant's keys may be for.
_KEY_ALGORITHMS = ("RS256", "PS256")


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
    authorization_response_iss_parameter_supported: bool = False


#: The browser goes there, or no certificate is shown.
_FOR_BROWSERS = ("authorization_endpoint", "end_session_endpoint", "jwks_uri")


def parse_metadata(document: Mapping[str, Any], issuer: str, *, mtls: bool = False) -> Metadata:
    """Return the metadata of ``issuer``, or raise TransportError saying what is wrong with the document.

    The document's issuer must be ``issuer`` to the letter: at Auth0 the trailing slash counts. Discovery 1.0 §4.3.
    ``mtls``: the client shows a certificate, so endpoints come from ``mtls_endpoint_aliases`` where it lists them (RFC
    8705 §5); the browser has no such certificate and goes to the usual ones.
    """
    if document.get("issuer") != issuer:
        raise unusable_answer(
            "The discovery document belongs to another issuer than the one configured. Auth0's ends in a slash, and a "
            "custom domain has its own.",
            code="issuer_mismatch",
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
        raise unusable_answer(
            "The discovery document lacks an endpoint, or has one that is not https.", code="metadata_incomplete"
        ) from None


@dataclass(frozen=True)
class PublishedKey:
    """A public key of the tenant's; ``kid`` and ``algorithm`` are None where it does not say."""

    key: RSAPublicKey
    kid: str | None
    algorithm: str | None


def parse_keys(document: Mapping[str, Any]) -> list[PublishedKey]:
    """Return the public RSA keys of a JWKS document that can verify signatures by our algorithms; the rest is skipped.

    Raises TransportError (``no_signing_keys``) when there is none. RFC 7517 §4, §5.
    """
    members = document.get("keys")
    found = [_parse_key(member) for member in members[:100]] if isinstance(members, list) else []
    keys = [key for key in found if key is not None]
    if not keys:
        raise TransportError("The tenant publishes no signing key.", code="no_signing_keys")
    return keys


def _parse_key(jwk: object) -> PublishedKey | None:
    if not isinstance(jwk, dict) or jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    algorithm, operations, kid = jwk.get("alg"), jwk.get("key_ops", ["verify"]), jwk.get("kid")
    if "alg" in jwk and algorithm not in _KEY_ALGORITHMS:
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = PyJWK({name: jwk[name] for name in ("kty", "n", "e")}, "RS256").key
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        return None
    return PublishedKey(key, kid if isinstance(kid, str) else None, algorithm)


class Issuer:
    """One issuer (an Auth0 tenant): its endpoints and the keys it signs with.

    ``url`` is the exact issuer identifier; ``mtls`` as in ``parse_metadata``. All methods may be called from any thread.
    They raise TransportError when nothing is cached and the tenant gives no usable answer.
    """

    def __init__(self, url: str, *, http: Http, cache: SharedCache | None = None, mtls: bool = False) -> None:
        self.url = url
        self._http = http
        self._cache = cache
        self._lock = threading.Lock()
        self._metadata = CachedDocument(
            url.rstrip("/") + "/.well-known/openid-configuration",
            parse=lambda document: parse_metadata(document, url, mtls=mtls),
            http=http,
            cache=cache,
            cache_key=f"auth0_flow:metadata:{url}",
            failure_event="metadata_refetch_failed",
        )
        self._keys: CachedDocument[list[PublishedKey]] | None = None

    def metadata(self) -> Metadata:
        """Return the discovery metadata; no network while the cached copy is fresh."""
        return self._metadata.get()

    def signing_keys(self, kid: str | None) -> list[PublishedKey]:
        """Return the published keys that may have signed a token with ``kid`` in its header.

        Several keys may share a ``kid``, one per algorithm for example. For None all keys, since a provider with a single
        key may leave ``kid`` out. Raises SigningKeyNotFound after at most one refetch per cool-down.
        """
        document = self._key_document()
        keys = document.get()
        if kid is None:
            return keys
        found = [key for key in keys if key.kid == kid] or [key for key in document.refetch() if key.kid == kid]
        if not found:
            raise SigningKeyNotFound("kid", "the tenant publishes no such signing key", code="signing_key_not_found")
        return found

    def _key_document(self) -> CachedDocument[list[PublishedKey]]:
        """Return the key set at the address in the metadata; another one when that has changed."""
        uri = self.metadata().jwks_uri
        with self._lock:
            if self._keys is None or self._keys.url != uri:
                self._keys = CachedDocument(
                    uri,
                    parse=parse_keys,
                    http=self._http,
                    cache=self._cache,
                    cache_key=f"auth0_flow:jwks:{uri}",
                    failure_event="keys_refetch_failed",
                )
            return self._keys
