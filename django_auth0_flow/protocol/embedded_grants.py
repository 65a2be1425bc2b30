"""Auth0's logins without a redirect: passwordless codes and links, passwords, and the second factor that may follow.

Auth0: Authentication API, Get Code or Link, Authenticate User, Resource Owner Password, Multi-factor Authentication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.errors import MfaRequired, unusable_answer
from django_auth0_flow.protocol.passwordless_channels import Channel
from django_auth0_flow.protocol.tokens import TokenSet

PASSWORD = "password"
PASSWORD_REALM = "http://auth0.com/oauth/grant-type/password-realm"
PASSWORDLESS_OTP = "http://auth0.com/oauth/grant-type/passwordless/otp"
MFA_OTP = "http://auth0.com/oauth/grant-type/mfa-otp"
MFA_OOB = "http://auth0.com/oauth/grant-type/mfa-oob"
MFA_RECOVERY_CODE = "http://auth0.com/oauth/grant-type/mfa-recovery-code"

FORWARDED_FOR = "auth0-forwarded-for"

#: A text of an answer that a page may show is no longer than this.
_MAX_TEXT = 2000


@dataclass(frozen=True)
class Granted:
    """A login: the token set, the validated claims, and a new recovery code where the old one was used up."""

    tokens: TokenSet
    claims: Mapping[str, Any] = field(repr=False)
    recovery_code: str = field(default="", repr=False)


@dataclass(frozen=True)
class Authenticator:
    """A second factor that the user has enrolled.

    ``kind``: ``otp``, ``sms``, ``voice``, ``push``, ``email`` or ``recovery-code``; ``name`` is the tenant's masked text.
    """

    id: str
    kind: str
    name: str = ""


@dataclass(frozen=True)
class Challenge:
    """A challenge under way. ``oob_code`` is empty for ``otp``; ``asks_for_code`` is False for a push notification."""

    oob_code: str = field(default="", repr=False)
    asks_for_code: bool = True


@dataclass(frozen=True)
class Enrolment:
    """A second factor being enrolled; the token request that follows confirms it. ``secret`` is the TOTP secret."""

    challenge: Challenge
    secret: str = field(default="", repr=False)
    barcode_uri: str = field(default="", repr=False)
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


_CHANNELS = {"sms": "sms", "voice": "voice", "auth0": "push", "email": "email"}

#: Our kind of factor -> Auth0's ``oob_channels``.
OOB_CHANNELS = {kind: channel for channel, kind in _CHANNELS.items()}


class EmbeddedLogins:
    """The embedded logins of one client for one visitor.

    ``parameters`` (``audience``, …) go into the first grant of a login. ``visitor_address`` is the visitor's IP address,
    which attack protection counts instead of this server's; Auth0 believes it only from a client with a secret, with "Trust
    Token Endpoint IP Header" on. All methods raise TokenRequestError, InvalidGrant or TransportError; the grants raise
    MfaRequired and TokenValidationError too.
    """

    def __init__(
        self, client: Client, *, scope: str, parameters: Mapping[str, str] | None = None, visitor_address: str = ""
    ) -> None:
        self._client = client
        self._scope = scope
        self._parameters = dict(parameters or {})
        self._headers = {FORWARDED_FOR: visitor_address} if visitor_address else {}

    # -- passwordless ------------------------------------------------------------------------------------------------

    def start_passwordless(
        self,
        channel: Channel,
        address: str,
        *,
        auth_params: Mapping[str, str] | None = None,
        language: str = "",
    ) -> None:
        """Have a code or link sent to an e-mail address or a telephone number.

        ``auth_params`` are those of the authorization request that a link stands for. An answer says nothing about whether
        a message left.
        """
        body: dict[str, Any] = {"connection": channel.connection, channel.address: address}
        if channel.send:
            body["send"] = channel.send
        if auth_params:
            body["authParams"] = dict(auth_params)
        headers = {**self._headers, **({"x-request-language": language} if language else {})}
        self._client.post_json("passwordless/start", body, headers=headers)

    def log_in_with_code(self, channel: Channel, username: str, otp: str, *, redirect_uri: str) -> Granted:
        """Log in with the code of ``start_passwordless``."""
        form = {"realm": channel.connection, "username": username, "otp": otp, "redirect_uri": redirect_uri}
        return self._grant(PASSWORDLESS_OTP, {**form, **self._parameters, "scope": self._scope}, headers=self._headers)

    # -- password ----------------------------------------------------------------------------------------------------

    def log_in_with_password(self, username: str, password: str, *, realm: str = "") -> Granted:
        """Log in with a password, in the connection ``realm`` or else in the tenant's Default Directory."""
        form = {"username": username, "password": password, **self._parameters, "scope": self._scope}
        if realm:
            return self._grant(PASSWORD_REALM, {**form, "realm": realm}, headers=self._headers)
        return self._grant(PASSWORD, form, headers=self._headers)

    # -- second factor -----------------------------------------------------------------------------------------------

    def authenticators(self, mfa_token: str) -> list[Authenticator]:
        """Return the active second factors that a challenge or a grant can use; unknown kinds are left out."""
        found = [_authenticator(item) for item in self._client.get_list("mfa/authenticators", bearer=mfa_token)[:50]]
        return [authenticator for authenticator in found if authenticator is not None]

    def challenge(self, mfa_token: str, *, authenticator_id: str = "", types: str = "otp oob") -> Challenge:
        """Have a code or a push notification sent, to the authenticator named or to the user's default one."""
        body = {"mfa_token": mfa_token, "challenge_type": types}
        if authenticator_id:
            body["authenticator_id"] = authenticator_id
        return _challenge(self._client.post_json("mfa/challenge", body, headers=self._headers), "challenge_type")

    def associate(self, mfa_token: str, kind: str, *, phone_number: str = "", email: str = "") -> Enrolment:
        """Begin to enrol a user's first second factor. ``kind``: ``otp``, ``sms``, ``voice``, ``push`` or ``email``."""
        body: dict[str, Any] = {"authenticator_types": ["otp" if kind == "otp" else "oob"]}
        if kind != "otp":
            body["oob_channels"] = [OOB_CHANNELS[kind]]
        if phone_number:
            body["phone_number"] = phone_number
        if email:
            body["email"] = email
        headers = {**self._headers, "Authorization": f"Bearer {mfa_token}"}
        answer = self._client.post_json("mfa/associate", body, headers=headers)
        codes = answer.get("recovery_codes")
        return Enrolment(
            challenge=_challenge(answer, "authenticator_type"),
            secret=_text(answer, "secret"),
            barcode_uri=_text(answer, "barcode_uri"),
            recovery_codes=tuple(code[:200] for code in codes[:50] if isinstance(code, str))
            if isinstance(codes, list)
            else (),
        )

    def confirm_otp(self, mfa_token: str, otp: str) -> Granted:
        """Finish the login with a code of the authenticator app."""
        return self._grant(MFA_OTP, {"mfa_token": mfa_token, "otp": otp})

    def confirm_oob(self, mfa_token: str, oob_code: str, *, binding_code: str = "") -> Granted:
        """Finish the login with the code of a message, or after a push notification.

        TokenRequestError ``authorization_pending``: no answer to the notification yet; ``slow_down``: ask less often.
        """
        form = {"mfa_token": mfa_token, "oob_code": oob_code}
        return self._grant(MFA_OOB, {**form, "binding_code": binding_code} if binding_code else form)

    def confirm_recovery_code(self, mfa_token: str, recovery_code: str) -> Granted:
        """Finish the login with a recovery code, which is used up; the answer holds the next one."""
        return self._grant(MFA_RECOVERY_CODE, {"mfa_token": mfa_token, "recovery_code": recovery_code})

    def _grant(self, grant_type: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> Granted:
        try:
            tokens, claims, answer = self._client.grant(
                {"grant_type": grant_type, **form}, scope=self._scope, headers=headers
            )
        except MfaRequired as error:
            if not error.mfa_token:
                raise unusable_answer("The tenant asks for a second factor without saying how to go on.") from None
            raise
        return Granted(tokens, claims, _text(answer, "recovery_code"))


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) and len(value) <= _MAX_TEXT and value.isprintable() else ""


def _authenticator(item: object) -> Authenticator | None:
    if not isinstance(item, dict) or item.get("active") is False or not _text(item, "id"):
        return None
    kind = _text(item, "authenticator_type")
    if kind == "oob":
        kind = _CHANNELS.get(_text(item, "oob_channel"), "")
    if kind not in ("otp", "recovery-code", *OOB_CHANNELS):
        return None
    return Authenticator(item["id"], kind, _text(item, "name")[:100])


def _challenge(answer: Mapping[str, Any], type_member: str) -> Challenge:
    """Judge the answer to a challenge or enrolment."""
    kind = _text(answer, type_member)
    oob_code = answer.get("oob_code")
    if kind == "oob" and isinstance(oob_code, str) and 0 < len(oob_code) <= 16384:
        return Challenge(oob_code, asks_for_code=answer.get("binding_method") == "prompt")
    if kind == "otp":
        return Challenge()
    raise unusable_answer("The tenant's answer names no challenge that this package knows.")
