"""The use cases of a second factor: choose or enrol one, answer its challenge. Ends in ``finish_login``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
from django_auth0_flow.protocol.embedded_grants import Authenticator, Challenge, Granted
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

#: The kinds that can be enrolled, the best first: a code of an app needs no network, and no number can be taken over.
_ENROLLABLE = ("otp", "push", "sms", "voice", "email")

#: What a tenant that does not say may let a user enrol.
_USUAL = ("otp", "push", "sms", "email")

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
            apps = [factor for factor in found if factor.kind == "otp"]
            # A code is good for whichever app shows it: several are one way.
            found = [factor for factor in found if factor not in apps[1:]]
        waiting = waiting_logins.update(request, waiting, factors=[asdict(factor) for factor in found])
    return waiting, [Authenticator(**factor) for factor in waiting.data["factors"]]


def enrollable_kinds(waiting: WaitingLogin) -> list[str]:
    """Return the kinds of factor that the user may enrol, as far as the tenant says, the best first."""
    allowed = [kind for kind in _ENROLLABLE if kind in waiting.data["enrollable"]]
    return allowed or list(_USUAL)


def begin_challenge(
    request: HttpRequest, waiting: WaitingLogin, factor: Authenticator, *, may_resend: bool = True
) -> str:
    """Challenge a factor and return the id of its challenge. Raises OAuthError or TransportError.

    Within RESEND_SECONDS nothing is sent again; with ``may_resend`` False nothing is, however long ago it was sent.
    """
    nothing_is_sent = factor.kind in ("otp", "recovery-code")
    if known := _known_challenge(
        waiting, may_be_old=nothing_is_sent or not may_resend, kind=factor.kind, factor=factor.id, enrols=False
    ):
        return known
    challenge = Challenge()
    if not nothing_is_sent:
        logins = embedded_logins(waiting.configuration, request)
        challenge = logins.challenge(waiting.data["mfa_token"], authenticator_id=factor.id, types="oob")
    return _add_challenge(request, waiting, factor.kind, challenge, factor=factor.id, name=factor.name)


def begin_enrolment(
    request: HttpRequest, waiting: WaitingLogin, kind: str, *, phone_number: str = "", may_resend: bool = True
) -> str:
    """Begin to enrol the first second factor; return the id of the challenge that confirms it.

    ``may_resend`` as in ``begin_challenge``. Raises OAuthError or TransportError.
    """
    if known := _known_challenge(waiting, may_be_old=not may_resend, kind=kind, name=phone_number, enrols=True):
        return known
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
        enrols=True,
    )


def resend(request: HttpRequest, waiting: WaitingLogin, challenge_id: str) -> str:
    """Have the message of a challenge sent again; return the id of the new challenge. Raises as ``begin_challenge``."""
    challenge = waiting.data["challenges"][challenge_id]
    kind, name = challenge["kind"], challenge["name"]
    if challenge.get("enrols"):
        return begin_enrolment(request, waiting, kind, phone_number=name)
    return begin_challenge(request, waiting, Authenticator(challenge["factor"], kind, name))


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


def is_recent(waiting: WaitingLogin, challenge: Mapping[str, Any]) -> bool:
    """Tell whether a challenge was begun a moment ago."""
    return bool(get_settings(waiting.configuration).clock() - challenge["at"] < RESEND_SECONDS)


def _known_challenge(waiting: WaitingLogin, *, may_be_old: bool, **wanted: Any) -> str:
    """Return the newest challenge like ``wanted`` that was begun a moment ago, or whenever; "" without one."""
    found = [
        key
        for key, known in waiting.data["challenges"].items()
        if (may_be_old or is_recent(waiting, known)) and all(known.get(name) == value for name, value in wanted.items())
    ]
    return max(found, key=int, default="")


def _kinds(requirements: Any, name: str) -> list[str]:
    found = requirements.get(name)
    types = [item.get("type") for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [kind for one in types if isinstance(one, str) for kind in _REQUIREMENT_KINDS.get(one, ())]


def _add_challenge(
    request: HttpRequest,
    waiting: WaitingLogin,
    kind: str,
    challenge: Challenge,
    *,
    factor: str = "",
    enrols: bool = False,
    **values: Any,
) -> str:
    challenges = dict(list(waiting.data["challenges"].items())[-_MAX_CHALLENGES + 1 :])
    number = str(int(max(challenges, key=int, default="0")) + 1)
    challenges[number] = {
        "kind": kind,
        "factor": factor,
        "enrols": enrols,
        "oob_code": challenge.oob_code,
        "asks_for_code": challenge.asks_for_code,
        "at": get_settings(waiting.configuration).clock(),
        **values,
    }
    waiting_logins.update(request, waiting, challenges=challenges)
    return number
