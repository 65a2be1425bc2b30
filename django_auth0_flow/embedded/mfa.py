"""The use cases of a second factor: choose or enrol one, answer its challenge. Ends in ``finish_login``."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.sending import RESEND_SECONDS
from django_auth0_flow.embedded.submit import AlreadySubmitted, submit_once
from django_auth0_flow.embedded.visitor_logins import embedded_logins
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.embedded_grants import OOB_CHANNELS, Authenticator, Challenge, Granted
from django_auth0_flow.protocol.errors import MfaRequired, TokenRequestError

logger = logging.getLogger(__name__)

#: What ``mfa_requirements`` calls the kinds of factor.
_REQUIREMENT_KINDS = {
    "otp": ("otp",),
    "phone": ("sms", "voice"),
    "push-notification": ("push",),
    "email": ("email",),
    "recovery-code": ("recovery-code",),
}

#: What a tenant that does not say may let a user enrol.
_ENROLLABLE = ("otp", "sms", "push", "email")

#: Seconds between two questions whether a push notification was approved. Auth0 allows twelve a minute.
PUSH_SECONDS = 5

#: How many challenges of one login stay usable: the back button may lead to an older one.
_MAX_CHALLENGES = 6


def begin_mfa(request: HttpRequest, error: MfaRequired, *, next_url: str, start_url: str) -> WaitingLogin:
    """Keep the ``mfa_token`` of a login that needs a second factor, in a session with a new key.

    ``start_url``: where that login began.
    """
    data = {
        "mfa_token": error.mfa_token,
        "usable": _kinds(error.requirements, "challenge"),
        "enrollable": _kinds(error.requirements, "enroll"),
        "start_url": start_url,
        "challenges": {},
    }
    logger.info("mfa_started configuration=%s", error.configuration)
    return waiting_logins.add_under_new_key(request, "mfa", error.configuration, data, next_url=next_url)


def mfa_factors(request: HttpRequest, waiting: WaitingLogin) -> tuple[WaitingLogin, list[Authenticator]]:
    """Return the factors to choose from, empty for a user who must enrol first; asks the tenant once per login.

    Raises OAuthError or TransportError.
    """
    if "factors" not in waiting.data:
        if waiting.data["enrollable"] and not waiting.data["usable"]:
            found: list[Authenticator] = []
        else:
            found = embedded_logins(waiting.configuration, request).authenticators(waiting.data["mfa_token"])
            found = found or [Authenticator("", kind) for kind in waiting.data["usable"]]
        waiting = waiting_logins.update(request, waiting, factors=[asdict(factor) for factor in found])
    return waiting, [Authenticator(**factor) for factor in waiting.data["factors"]]


def enrollable_kinds(waiting: WaitingLogin) -> list[str]:
    """Return the kinds of factor that the user may enrol, as far as the tenant says."""
    return [kind for kind in waiting.data["enrollable"] if kind in ("otp", *OOB_CHANNELS)] or list(_ENROLLABLE)


def begin_challenge(request: HttpRequest, waiting: WaitingLogin, factor: Authenticator) -> str:
    """Challenge a factor and return the id of its challenge. Raises OAuthError or TransportError."""
    nothing_is_sent = factor.kind in ("otp", "recovery-code")
    for key, known in waiting.data["challenges"].items():
        recent = get_settings(waiting.configuration).clock() - known["at"] < RESEND_SECONDS
        if (known["factor"], known["kind"]) == (factor.id, factor.kind) and (recent or nothing_is_sent):
            return str(key)
    challenge = Challenge()
    if not nothing_is_sent:
        logins = embedded_logins(waiting.configuration, request)
        challenge = logins.challenge(waiting.data["mfa_token"], authenticator_id=factor.id, types="oob")
    return _add_challenge(request, waiting, factor.kind, challenge, factor=factor.id, name=factor.name)


def begin_enrolment(request: HttpRequest, waiting: WaitingLogin, kind: str, *, phone_number: str = "") -> str:
    """Begin to enrol the first second factor; return the id of the challenge that confirms it.

    Raises OAuthError or TransportError.
    """
    logins = embedded_logins(waiting.configuration, request)
    enrolment = logins.associate(waiting.data["mfa_token"], kind, phone_number=phone_number)
    return _add_challenge(
        request,
        waiting,
        kind,
        enrolment.challenge,
        name=phone_number,
        secret=enrolment.secret,
        barcode_uri=enrolment.barcode_uri,
        recovery_codes=list(enrolment.recovery_codes),
    )


def finish_mfa(request: HttpRequest, waiting: WaitingLogin, challenge_id: str, code: str) -> str:
    """Answer a challenge that is there: with a code, or "" for a push notification. Return where to go.

    A recovery code to write down is shown first. Raises as ``finish_passwordless``; ``authorization_pending`` and
    ``slow_down`` are TokenRequestError.
    """
    challenge = waiting.data["challenges"][challenge_id]
    logins, token = embedded_logins(waiting.configuration, request), waiting.data["mfa_token"]

    def ask_tenant() -> Granted:
        if challenge["kind"] == "recovery-code":
            return logins.confirm_recovery_code(token, code)
        if challenge["kind"] == "otp":
            return logins.confirm_otp(token, code)
        return logins.confirm_oob(token, challenge["oob_code"], binding_code=code)

    url, granted = submit_once(request, waiting, ask_tenant)
    codes = [granted.recovery_code] if granted.recovery_code else challenge.get("recovery_codes", [])
    if not codes:
        return url
    name = waiting.configuration
    shown = waiting_logins.add(request, "recovery", name, {"codes": codes}, next_url=url)
    return f"{site_urls.url_of('mfa_recovery_codes', name)}?login={shown.id}"


def poll_push(request: HttpRequest, waiting: WaitingLogin, challenge_id: str) -> str | None:
    """Ask once whether a push notification was approved: where to go then, None while there is no answer.

    Asks no more often than the tenant allows, however often the page is reloaded. Raises as ``finish_mfa``.
    """
    challenge = waiting.data["challenges"][challenge_id]
    now = get_settings(waiting.configuration).clock()
    if now < challenge.get("poll_at", 0):
        return None
    interval = challenge.get("interval", PUSH_SECONDS)
    waiting = _change_challenge(request, waiting, challenge_id, poll_at=now + interval)
    try:
        return finish_mfa(request, waiting, challenge_id, "")
    except AlreadySubmitted:  # another tab asks right now: the next look tells
        return None
    except TokenRequestError as error:
        if error.error == "slow_down":
            interval += PUSH_SECONDS
            _change_challenge(request, waiting, challenge_id, interval=interval, poll_at=now + interval)
        elif error.error != "authorization_pending":
            raise
    return None


def _change_challenge(request: HttpRequest, waiting: WaitingLogin, challenge_id: str, **values: Any) -> WaitingLogin:
    challenges = waiting.data["challenges"]
    challenges = {**challenges, challenge_id: {**challenges[challenge_id], **values}}
    return waiting_logins.update(request, waiting, challenges=challenges)


def _kinds(requirements: Any, name: str) -> list[str]:
    found = requirements.get(name)
    types = [item.get("type") for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [kind for one in types if isinstance(one, str) for kind in _REQUIREMENT_KINDS.get(one, ())]


def _add_challenge(
    request: HttpRequest, waiting: WaitingLogin, kind: str, challenge: Challenge, *, factor: str = "", **values: Any
) -> str:
    challenges = dict(list(waiting.data["challenges"].items())[-_MAX_CHALLENGES + 1 :])
    number = str(int(max(challenges, key=int, default="0")) + 1)
    challenges[number] = {
        "kind": kind,
        "factor": factor,
        "oob_code": challenge.oob_code,
        "asks_for_code": challenge.asks_for_code,
        "at": get_settings(waiting.configuration).clock(),
        **values,
    }
    waiting_logins.update(request, waiting, challenges=challenges)
    return number
