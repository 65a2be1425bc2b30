"""The authorization request and response: building the one, judging the other."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django_auth0_flow.protocol.base64url import base64url_encode
from django_auth0_flow.protocol.errors import AuthorizationError, CallbackError

#: Parameters of the request that this package sets: extra parameters never replace them.
RESERVED_PARAMETERS = frozenset(
    "client_id redirect_uri response_type response_mode state nonce code_challenge code_challenge_method request"
    " request_uri dpop_jkt".split()
)

MAX_PARAMETER_LENGTH = 4096

#: Tokens in a response may be longer.
_MAX_TOKEN_LENGTH = 64 * 1024

#: The response types that log a person in. ``token`` alone does not: it only fetches an access token for a login.
RESPONSE_TYPES = ("code", "id_token", "code id_token", "id_token token")

_RESPONSE_PARAMETERS = frozenset(
    "code connect_code state iss error error_description error_uri id_token access_token token_type expires_in"
    " scope".split()
)

_TOKEN_ANSWER = ("access_token", "token_type", "expires_in", "scope")


def kinds_of(response_type: str) -> frozenset[str]:
    """Return what a response type asks for; the order of its words does not matter. RFC 6749 §3.1.1."""
    return frozenset(response_type.split())


def parse_max_age(text: str) -> int | None:
    """Return the seconds of a ``max_age`` parameter, None for anything else: a visitor may have chosen it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def response_modes(kinds: frozenset[str]) -> tuple[str, ...]:
    """Return the modes that a response may come in, the default first: tokens never in a query."""
    if kinds == {"code"}:
        return ("query", "form_post")
    return ("fragment", "form_post") if "token" in kinds else ("form_post",)


def default_response_mode(kinds: frozenset[str]) -> str:
    """Return the mode of a configuration that names none."""
    return response_modes(kinds)[0]


def new_secret() -> str:
    """Return 256 random bits as 43 characters, good for a nonce and for a PKCE verifier. RFC 7636 §4.1."""
    return secrets.token_urlsafe(32)


def code_challenge(verifier: str) -> str:
    """Return the S256 code challenge of a PKCE verifier. RFC 7636 §4.2."""
    return base64url_encode(hashlib.sha256(verifier.encode()).digest())


@dataclass(frozen=True)
class AuthorizationRequest:
    """What leaves for ``/authorize``, and what must be remembered until the response is back.

    ``parameters`` are further request parameters (``audience``, ``organization``, ``prompt``, ``max_age``, …).
    ``dpop_key``: the key that the tokens will be bound to, as ``dpop.DPoPKey.dump`` wrote it; the code is bound to it too.
    """

    redirect_uri: str
    scope: str
    state: str = field(repr=False)
    nonce: str = field(default_factory=new_secret, repr=False)
    code_verifier: str = field(default_factory=new_secret, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    response_type: str = "code"
    response_mode: str = "query"
    dpop_key: str | None = field(default=None, repr=False)

    @property
    def kinds(self) -> frozenset[str]:
        """What the response is to bring: ``code``, ``id_token``, ``token``."""
        return kinds_of(self.response_type)

    def query(self, client_id: str) -> dict[str, str]:
        """Return all parameters of the request. OpenID Connect Core §3.1.2.1, RFC 7636 §4.3, Auth0: Authorize."""
        extra = {name: value for name, value in self.parameters.items() if name not in RESERVED_PARAMETERS}
        query = {
            **extra,
            "response_type": self.response_type,
            "client_id": client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
        }
        if self.response_mode != "query":
            query["response_mode"] = self.response_mode
        if "code" in self.kinds:
            query |= {"code_challenge": code_challenge(self.code_verifier), "code_challenge_method": "S256"}
            if self.dpop_key is not None:
                from django_auth0_flow.protocol.dpop import DPoPKey

                query["dpop_jkt"] = DPoPKey.load(self.dpop_key).thumbprint
        return query


@dataclass(frozen=True)
class AuthorizationResponse:
    """A response that was read, not yet judged against its transaction."""

    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    iss: str | None = None
    error: str | None = None
    error_description: str = field(default="", repr=False)
    id_token: str | None = field(default=None, repr=False)
    #: ``access_token``, ``token_type``, ``expires_in`` and ``scope``, as in the answer of a token endpoint.
    token_answer: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: In the place of ``code``: an account was connected. Auth0: Connected Accounts.
    connect_code: str | None = field(default=None, repr=False)


def parse_authorization_response(parameters: Mapping[str, Sequence[str]]) -> AuthorizationResponse:
    """Read the parameters of an authorization response, each name with all of its values.

    Unknown parameters are ignored, known ones must stand once (RFC 6749 §3.1). ``error`` wins over ``code``.
    Raises CallbackError. The response's ``iss`` is judged by ``judge_response``; its ``state`` finds the transaction.
    """
    values: dict[str, str] = {}
    for name in _RESPONSE_PARAMETERS:
        found = parameters.get(name)
        if not found:
            continue
        if len(found) > 1:
            raise CallbackError("A parameter stands twice in the response.", code="parameter_repeated")
        value = found[0]
        # Error texts come from people and identity providers, with any characters: cut here, escaped later.
        if name in ("error_description", "error_uri"):
            values[name] = value[:2000]
            continue
        if len(value) > (_MAX_TOKEN_LENGTH if name in ("id_token", "access_token") else MAX_PARAMETER_LENGTH):
            raise CallbackError("A parameter of the response is too long.", code="parameter_too_long")
        if not value.isascii() or not value.isprintable():
            raise CallbackError(
                "A parameter of the response has characters that don't belong there.", code="malformed_request"
            )
        values[name] = value
    state = values.get("state", "")
    if not state:
        raise CallbackError("The response has no state.", code="state_missing")
    return AuthorizationResponse(
        state=state,
        code=values.get("code") or None,
        iss=values.get("iss"),
        error=values.get("error"),
        error_description=values.get("error_description", ""),
        id_token=values.get("id_token") or None,
        token_answer={name: values[name] for name in _TOKEN_ANSWER if name in values},
        connect_code=values.get("connect_code") or None,
    )


def code_of(response: AuthorizationResponse) -> str:
    """Return the code of a response that must have one. Raises CallbackError."""
    if response.code is None:
        raise CallbackError("The response has neither a code nor an error.", code="code_missing")
    return response.code


def judge_response(response: AuthorizationResponse, *, issuer: str, iss_required: bool) -> None:
    """Check that a response comes from ``issuer`` and is no error; tokens in it are not judged.

    Its ``state`` is the caller's to judge, who finds the transaction by it. ``iss`` is compared whenever it is there and
    must be there when the metadata announces it. RFC 9207 §2.4. Raises CallbackError, or AuthorizationError when the
    tenant said no.
    """
    if response.iss is None and iss_required:
        raise CallbackError("The response does not name its issuer.", code="iss_missing")
    if response.iss is not None and response.iss != issuer:
        raise CallbackError("The response comes from another issuer.", code="iss_mismatch")
    if response.error is not None:
        raise AuthorizationError(response.error, response.error_description)
