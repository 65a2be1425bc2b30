"""``mfa_required`` and the MFA API: challenge, associate, authenticators, and the three MFA grants."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from .client_auth import authenticate_client
from .errors import ApiRefusal, missing
from .factors import authenticator_shows
from .model import MFA_OOB, MFA_OTP, MFA_RECOVERY_CODE, Application, Authenticator, FactorKind, User
from .parameters import Parameters, json_response
from .records import Authorization, Message
from .state import TenantState

if TYPE_CHECKING:
    from .token_endpoint import Grant, TokenRequest

_LIFETIME = 600
_CODE_LIFETIME = 300
_WRONG_CODES = 10
_POLLS_PER_MINUTE = 12
_REQUIREMENT = {"otp": "otp", "sms": "phone", "voice": "phone", "push": "push-notification", "email": "email"}
_CHANNEL: dict[FactorKind, str] = {"sms": "sms", "voice": "voice", "push": "auth0", "email": "email"}
_KIND = {channel: kind for kind, channel in _CHANNEL.items()}


@dataclass
class Challenge:
    """A code sent, or a push notification waiting for its answer."""

    authenticator: Authenticator
    binding_code: str | None = field(default=None, repr=False)
    expires_at: float = 0
    #: The answer to a push notification; None until there is one.
    approved: bool | None = None
    polls: list[float] = field(default_factory=list)


@dataclass
class PendingMfa:
    """A login that waits for its second factor. ``refresh_token`` when it was a refresh."""

    authorization: Authorization
    grant_type: str
    expires_at: float
    refresh_token: str | None = field(default=None, repr=False)
    challenges: dict[str, Challenge] = field(default_factory=dict, repr=False)
    enrolling: list[Authenticator] = field(default_factory=list)
    wrong_codes: int = 0


def demand_mfa(asked: TokenRequest, authorization: Authorization) -> ApiRefusal:
    """Return the ``mfa_required`` refusal of a login or refresh."""
    state = asked.state
    pending = PendingMfa(
        authorization,
        asked.grant_type,
        state.clock.now() + _LIFETIME,
        asked.parameters.get("refresh_token"),
    )
    # Kept for longer than it is good, so that «expired» can be told from «malformed»
    token = state.keep("mfa", pending, 10 * _LIFETIME, value=f"Fe26.2*1*{secrets.token_hex(24)}")
    extra: dict[str, Any] = {"mfa_token": token}
    if state.mfa_requirements:
        kinds = [factor.kind for factor in _active(state.users[authorization.sub])]
        names = list(dict.fromkeys(_REQUIREMENT.get(kind, kind) for kind in kinds))
        challenge = [{"type": name} for name in names]
        enroll = [] if challenge else [{"type": name} for name in state.mfa_factors]
        extra["mfa_requirements"] = {"challenge": challenge} if challenge else {"enroll": enroll}
    return ApiRefusal(403, "mfa_required", "Multifactor authentication required", extra=extra)


def _active(user: User) -> list[Authenticator]:
    return [factor for factor in user.authenticators if factor.active]


def pending_mfa(state: TenantState, token: str, application: Application | None) -> PendingMfa:
    """Return what an ``mfa_token`` stands for."""
    pending = state.peek("mfa", token)
    if not isinstance(pending, PendingMfa):
        raise ApiRefusal(403, "invalid_grant", "Malformed mfa_token")
    if pending.expires_at <= state.clock.now():
        raise ApiRefusal(401, "expired_token", "mfa_token is expired")
    if application is not None and pending.authorization.client_id != application.client_id:
        raise ApiRefusal(400, "invalid_request", "mfa_token not issued to this client")
    return pending


def mfa_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("mfa", __name__, url_prefix="/mfa")

    @blueprint.post("/challenge")
    def challenge() -> Response:
        parameters = Parameters.of_body(request)
        application = authenticate_client(state, request, parameters)
        pending = pending_mfa(state, parameters.require("mfa_token"), application)
        return json_response(_challenge(state, pending, parameters))

    @blueprint.post("/associate")
    def associate() -> Response:
        parameters = Parameters.of_body(request)
        pending = pending_mfa(state, _bearer(), authenticate_client(state, request, parameters))
        return json_response(_associate(state, pending, parameters))

    @blueprint.get("/authenticators")
    def authenticators() -> Response:
        user = state.users[pending_mfa(state, _bearer(), None).authorization.sub]
        return json_response([_described(factor) for factor in user.authenticators])

    return blueprint


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise ApiRefusal(401, "access_denied", "Unauthorized")
    return token


def _described(factor: Authenticator) -> dict[str, Any]:
    if factor.kind in _CHANNEL:
        described: dict[str, Any] = {"id": factor.id, "authenticator_type": "oob", "active": factor.active}
        return {**described, "oob_channel": _CHANNEL[factor.kind], "name": _masked(factor)}
    return {"id": factor.id, "authenticator_type": factor.kind, "active": factor.active}


def _masked(factor: Authenticator) -> str:
    if factor.kind in {"sms", "voice"}:
        return "X" * max(0, len(factor.name) - 4) + factor.name[-4:]
    if factor.kind == "email":
        local, _, domain = factor.name.partition("@")
        return "*" * len(local) + "@" + domain[:4] + "*" * max(0, len(domain) - 4)
    return factor.name


def _challenge(state: TenantState, pending: PendingMfa, parameters: Parameters) -> dict[str, Any]:
    factors = [factor for factor in _active(state.users[pending.authorization.sub]) if factor.kind != "recovery-code"]
    if not factors:
        raise ApiRefusal(403, "association_required", "User is not enrolled with any authenticator")
    wanted = parameters.get("authenticator_id")
    types = (parameters.get("challenge_type") or "otp oob").split()
    fitting = [
        factor
        for factor in factors
        if ("oob" if factor.kind in _CHANNEL else "otp") in types and wanted in (None, factor.id)
    ]
    if not fitting:
        description = "User does not have any enrolled authenticator of the requested challenge types"
        raise ApiRefusal(400, "unsupported_challenge_type", description)
    if fitting[0].kind == "otp":
        return {"challenge_type": "otp"}
    return {"challenge_type": "oob", **_send_challenge(state, pending, fitting[0])}


def _send_challenge(state: TenantState, pending: PendingMfa, factor: Authenticator) -> dict[str, Any]:
    """Send a code or a push notification and return its ``oob_code``."""
    oob_code = f"Fe26.2*1*{secrets.token_hex(16)}"
    challenge = Challenge(factor, expires_at=state.clock.now() + _CODE_LIFETIME)
    if factor.kind == "push":
        pending.challenges[oob_code] = challenge
        state.pushes.append(challenge)
        return {"oob_code": oob_code}
    challenge.binding_code = f"{secrets.randbelow(1_000_000):06d}"
    pending.challenges[oob_code] = challenge
    state.say_to(Message(factor.name, f"mfa-{factor.kind}", code=challenge.binding_code))
    return {"oob_code": oob_code, "binding_method": "prompt"}


def _associate(state: TenantState, pending: PendingMfa, parameters: Parameters) -> dict[str, Any]:
    """Begin a first enrolment; the token request that follows confirms it."""
    user = state.users[pending.authorization.sub]
    if _active(user):
        raise ApiRefusal(403, "access_denied", "User is already enrolled")
    types = parameters.values.get("authenticator_types")
    if not isinstance(types, list) or not types:
        raise missing("authenticator_types")
    recovery = Authenticator("recovery-code", secret=secrets.token_hex(12).upper())
    codes = {"recovery_codes": [recovery.secret]}
    if types[0] == "otp":
        secret = base64.b32encode(secrets.token_bytes(20)).decode()
        pending.enrolling = [Authenticator("otp", secret=secret), recovery]
        label = quote(f"Local tenant:{user.email or user.sub}")
        uri = f"otpauth://totp/{label}?secret={secret}&issuer=Local%20tenant&algorithm=SHA1&digits=6&period=30"
        return {"authenticator_type": "otp", "secret": secret, "barcode_uri": uri, **codes}
    channels = parameters.values.get("oob_channels")
    kind = _KIND.get(channels[0]) if isinstance(channels, list) and channels else None
    if types[0] != "oob" or kind is None:
        raise ApiRefusal(400, "invalid_request", "oob_channels must name one of sms, voice, auth0, email")
    name = parameters.require("phone_number") if kind in {"sms", "voice"} else parameters.get("email") or user.email
    factor = Authenticator(kind, name=name or "phone")
    pending.enrolling = [factor, recovery]
    sent = _send_challenge(state, pending, factor)
    answer = {"authenticator_type": "oob", "oob_channel": _CHANNEL[kind], **sent, **codes}
    if kind == "push":
        answer["barcode_uri"] = f"otpauth://totp/tenant:user?enrollment_tx_id={secrets.token_hex(8)}"
    return answer


# The grants


def mfa_otp(asked: TokenRequest) -> dict[str, Any]:
    pending = pending_mfa(asked.state, asked.parameters.require("mfa_token"), asked.application)
    otp = asked.parameters.require("otp")
    secrets_known = [factor.secret for factor in _candidates(asked, pending) if factor.kind == "otp"]
    if not any(authenticator_shows(asked.state, secret, otp) for secret in secrets_known):
        raise _wrong(asked, pending, "Invalid otp_code.")
    return _finish(asked, pending)


def mfa_oob(asked: TokenRequest) -> dict[str, Any]:
    pending = pending_mfa(asked.state, asked.parameters.require("mfa_token"), asked.application)
    challenge = pending.challenges.get(asked.parameters.require("oob_code"))
    if challenge is None:
        raise ApiRefusal(400, "invalid_request", "The oob_code doesn't match the mfa_token")
    if challenge.binding_code is None:
        _check_push(asked, challenge)
    else:
        sent = asked.parameters.require("binding_code")
        in_time = challenge.expires_at > asked.state.clock.now()
        if not in_time or not hmac.compare_digest(challenge.binding_code.encode(), sent.encode()):
            raise _wrong(asked, pending, "Invalid binding_code.")
    return _finish(asked, pending)


def _check_push(asked: TokenRequest, challenge: Challenge) -> None:
    now = asked.state.clock.now()
    challenge.polls = [then for then in challenge.polls if now - then < 60] + [now]
    if len(challenge.polls) > _POLLS_PER_MINUTE:
        raise ApiRefusal(400, "slow_down", "You are polling too fast.")
    if challenge.approved is None:
        description = "Authorization pending: please repeat the request in a few seconds."
        raise ApiRefusal(400, "authorization_pending", description)
    if not challenge.approved:
        raise ApiRefusal(400, "access_denied", "MFA Authorization rejected.")


def mfa_recovery_code(asked: TokenRequest) -> dict[str, Any]:
    """Log in with the recovery code, which is replaced: the answer holds the new one."""
    pending = pending_mfa(asked.state, asked.parameters.require("mfa_token"), asked.application)
    code = asked.parameters.require("recovery_code")
    for factor in _candidates(asked, pending):
        if factor.kind == "recovery-code" and hmac.compare_digest(factor.secret.encode(), code.encode()):
            answer = _finish(asked, pending)
            factor.secret = secrets.token_hex(12).upper()
            return {**answer, "recovery_code": factor.secret}
    raise _wrong(asked, pending, "Invalid recovery_code.")  # reference 3.9: the text is not documented


def _candidates(asked: TokenRequest, pending: PendingMfa) -> list[Authenticator]:
    return [*_active(asked.state.users[pending.authorization.sub]), *pending.enrolling]


def _wrong(asked: TokenRequest, pending: PendingMfa, description: str) -> ApiRefusal:
    with asked.state.lock:
        pending.wrong_codes += 1
    if pending.wrong_codes > _WRONG_CODES:
        return ApiRefusal(429, "too_many_attempts", "Too many failed codes. Wait for some minutes before retrying.")
    return ApiRefusal(asked.state.invalid_grant_status, "invalid_grant", description)


def _finish(asked: TokenRequest, pending: PendingMfa) -> dict[str, Any]:
    """Give the answer of the grant that was interrupted, and confirm an enrolment."""
    from .token_endpoint import finish_refresh

    if asked.state.take("mfa", asked.parameters.require("mfa_token")) is None:
        raise ApiRefusal(403, "invalid_grant", "Malformed mfa_token")
    asked.state.users[pending.authorization.sub].authenticators.extend(pending.enrolling)
    if pending.refresh_token is not None:
        return finish_refresh(asked, pending.refresh_token)
    return asked.answer(pending.authorization)


def mfa_grants() -> dict[str, Grant]:
    return {MFA_OTP: mfa_otp, MFA_OOB: mfa_oob, MFA_RECOVERY_CODE: mfa_recovery_code}
