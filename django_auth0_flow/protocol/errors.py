"""The exception tree. A class exists where a caller branches on it.

Every error has a ``code``: stable, safe to show and to log. Messages never hold a token, a code, a secret or
a claim's value, except for times, so they are safe to log; text that came from outside stays in attributes that say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Error codes of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6, RFC 9126/9101/9449 and Auth0's own.
#: Only these become part of our ``code``: the tenant's answer may be anything, also text chosen by an attacker.
KNOWN_OAUTH_ERRORS = frozenset(
    """
    access_denied account_selection_required association_required authorization_pending bad.authParams bad.client_id
    bad.connection bad.email bad.phone_number bad.request bad.tenant consent_required expired_token
    interaction_required invalid_client invalid_dpop_proof invalid_grant invalid_request invalid_request_object
    invalid_request_uri invalid_scope invalid_target invalid_token login_required mfa_required password_change_required
    password_leaked registration_not_supported request_not_supported request_uri_not_supported requires_verification
    server_error slow_down sms_provider_error temporarily_unavailable too_many_attempts too_many_requests unauthorized
    unauthorized_client unsupported_challenge_type unsupported_grant_type unsupported_response_type use_dpop_nonce
    """.split()
)


#: Words that refuse a sign-up for the account that is there already; their texts quote what the visitor has typed.
#: Auth0: Authentication API, Signup.
ACCOUNT_EXISTS = frozenset(["invalid_signup", "user_exists", "username_exists"])

#: Codes of a TransportError that say: an answer came, and it can't be used.
UNUSABLE_ANSWERS = frozenset(
    """
    access_token_missing answer_too_large issuer_mismatch malformed_answer metadata_incomplete no_signing_keys
    organization_mismatch
    token_not_bound token_type_unsupported userinfo_unsupported
    """.split()
)


class Auth0Error(Exception):
    """Base of everything this package raises on purpose."""

    code = "auth0_error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message or (code or self.code))
        if code is not None:
            self.code = code


class TransportError(Auth0Error):
    """The tenant gave no usable answer: unreachable, too slow, too large, not JSON, 5xx or rate limited.

    ``retryable``: the same request may succeed later. ``answer_lost``: the request left, the answer did not arrive, so
    the tenant may have acted on it. ``retry_after``: seconds to wait as the tenant said, else None. ``refresh_token``: a
    new one beside an access token that can't be used; the old one may be spent.
    """

    code = "tenant_unreachable"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retryable: bool = True,
        answer_lost: bool = False,
        retry_after: int | None = None,
        status: int | None = None,
        refresh_token: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.refresh_token = refresh_token
        self.retryable = retryable
        self.answer_lost = answer_lost
        self.retry_after = retry_after
        self.status = status

    @property
    def cause(self) -> str:
        """The type of what lies at the root of it, for logs: ``gaierror``, ``SSLCertVerificationError``; else ``none``."""
        root: BaseException = self
        for _ in range(20):
            root = root.__cause__ or root.__context__ or root
        return "none" if root is self else type(root).__name__

    @property
    def is_unusable_answer(self) -> bool:
        """Whether the tenant answered and the answer can't be used: a mistake in a set-up, which waiting does not cure."""
        return self.code in UNUSABLE_ANSWERS


def unusable_answer(message: str, *, code: str = "malformed_answer", status: int | None = None) -> TransportError:
    """Return the error for an answer that asking again does not make usable; ``code`` is one of UNUSABLE_ANSWERS."""
    return TransportError(message, code=code, retryable=False, status=status)


class OAuthError(Auth0Error):
    """The tenant said no. ``error_description`` is text from outside: escape it, never trust it, never log it.

    ``error`` is kept as sent; ``code`` is that same word only when it is a known one, else ``oauth_error``.
    """

    code = "oauth_error"

    def __init__(self, error: str, error_description: str = "", *, status: int | None = None) -> None:
        code = error if error in KNOWN_OAUTH_ERRORS else OAuthError.code
        super().__init__(f"The tenant answered {code}.", code=code)
        self.error = error
        self.error_description = error_description
        self.status = status


class AuthorizationError(OAuthError):
    """An error in the authorization response (``access_denied``, ``login_required``, …). RFC 6749 §4.1.2.1."""


class TokenRequestError(OAuthError):
    """An error of the token, revocation or another back-channel endpoint. RFC 6749 §5.2."""


class InvalidGrant(TokenRequestError):
    """``invalid_grant``: the code or refresh token is unknown, expired, used or revoked. Auth0 answers it with 403."""


class MachineTokenRefused(TokenRequestError):
    """The tenant refuses the application a token of its own: a mistake in the setup, never the end of a user's login."""


class PasswordRefused(TokenRequestError):
    """The rules of a database connection refuse a new password; ``policy`` is those rules, text from outside.

    ``code``: ``password_too_weak``, ``password_too_common``, ``password_personal`` or ``password_refused``.
    """

    def __init__(self, refusal: OAuthError, *, code: str, policy: str) -> None:
        super().__init__(refusal.error, refusal.error_description, status=refusal.status)
        self.code = code
        self.policy = policy


class MfaRequired(OAuthError):
    """``mfa_required``: a step, not a failure. ``mfa_token`` lives 10 minutes and never leaves the server.

    ``requirements`` is the ``mfa_requirements`` object as sent, or an empty mapping. ``configuration`` names the
    configuration of the login, and ``next_url`` where it ends, for the answer to an error that left a view.
    """

    configuration = "default"
    next_url = ""

    def __init__(
        self,
        mfa_token: str,
        requirements: Mapping[str, Any] | None = None,
        *,
        error_description: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__("mfa_required", error_description, status=status)
        self.mfa_token = mfa_token
        self.requirements = requirements or {}


class CallbackError(Auth0Error):
    """The authorization response belongs to no login of this browser, or can't be read.

    Codes: ``state_missing``, ``state_unknown``, ``state_expired``, ``iss_mismatch``, ``iss_missing``,
    ``parameter_repeated``, ``parameter_too_long``, ``code_missing``, ``id_token_missing``, ``access_token_missing``,
    ``malformed_request``, ``form_post_needs_https``; at the login view also ``initiator_unknown`` and ``cookies_off``.
    """

    code = "callback_error"


class TokenValidationError(Auth0Error):
    """A token failed a check. ``claim`` names the claim or header member, ``expected`` what was wanted (never secret)."""

    code = "invalid_token"

    def __init__(self, claim: str, message: str, *, expected: object = None, code: str | None = None) -> None:
        super().__init__(f"{claim}: {message}", code=code or f"token_{claim}")
        self.claim = claim
        self.expected = expected


class TokenExpired(TokenValidationError):
    """``exp`` is in the past."""


class SigningKeyNotFound(TokenValidationError):
    """The tenant publishes no key that fits the token's ``kid`` and algorithm, also after a refetch."""


class LoginRequired(Auth0Error):
    """Nothing is left to refresh with: the user must log in again."""

    code = "login_required"


class NoAccessToken(Auth0Error):
    """The login has no access token for what was asked, and another login would not bring one.

    Codes: ``no_access_token`` (the login came without one, as with ``id_token``), ``audience_not_granted``,
    ``connection_token_refused``, ``account_not_connected``.
    """

    code = "no_access_token"


class AccountNotConnected(NoAccessToken):
    """The user has no account connected that Token Vault could give this token from: ``account_not_connected``.

    ``connect_url``: where the user connects one; "" outside a request.
    """

    code = "account_not_connected"
    connect_url = ""

    def __init__(self, connection: str) -> None:
        super().__init__("The user has connected no account at this identity provider.")
        self.connection = connection


class AccountsRefused(OAuthError):
    """An account could not be connected, listed or disconnected; ``error`` is the tenant's word, or its problem's id.

    ``code``: ``connect_declined`` (by a person), ``connect_expired`` or ``accounts_refused``.
    """

    def __init__(self, error: str, description: str = "", *, status: int | None = None, code: str = "") -> None:
        super().__init__(error, description, status=status)
        self.code = code or "accounts_refused"


class OriginNotAllowed(Auth0Error):
    """The outbound client was asked to send the access token to an origin outside ``API_ORIGINS``."""

    code = "api_origin_not_allowed"
