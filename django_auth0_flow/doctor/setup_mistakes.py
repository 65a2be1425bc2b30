"""What an error of the tenant at a login says about its set-up, and where in the Auth0 Dashboard to fix it.

For the people who run the site: it goes to the log, and with ``DEBUG`` onto the page. Visitors only learn the code.
``auth0_doctor`` uses the same texts and finds more.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django_auth0_flow.protocol.errors import ACCOUNT_EXISTS, AccountsRefused, Auth0Error, OAuthError

if TYPE_CHECKING:
    from django_auth0_flow.doctor.catalogue import Mistake

logger = logging.getLogger(__name__)

#: Mistakes that are never the visitor's, nor a passing failure.
_OF_THE_SETUP = frozenset(
    (
        "SM01 SM02 SM03 SM04 SM05 SM06 SM07 SM08 SM12 SM13 SM14 SM15 SM16 SM17 SM19 SM20 SM61 SM63 SM74 SM75 SM76 SM79 "
        "SM83 SM85 SM90 SM91 SM92 SM93 D13"
    ).split()
)

#: What a refusal of the My Account API means, whose texts are hardly documented.
_BY_STATUS = {400: "SM93", 401: "SM91", 403: "SM91"}

_BY_ERROR = {
    "unauthorized_client": "D16",
    "bad.request": "D14",
    "bad.authParams": "D14",
    "bad.tenant": "D14",
    "unsupported_grant_type": "D14",
}


def find_setup_mistake(error: Auth0Error) -> Mistake | None:
    """Return the mistake in the set-up that ``error`` tells of, or None if it is the visitor's or a passing failure."""
    if not isinstance(error, OAuthError) or error.error in ACCOUNT_EXISTS:
        return None
    # The catalogue is large and few logins need it.
    from django_auth0_flow.doctor.catalogue import MISTAKES
    from django_auth0_flow.doctor.refusals import find_mistake

    found = find_mistake(error.error, error.error_description, error.status)
    if found is None and isinstance(error, AccountsRefused) and error.code == "accounts_refused":
        found = _BY_STATUS.get(error.status or 0)
    if found == "SM63" and "signup" in error.error_description.lower():
        return None  # an unknown address, where sign-ups are off
    if found in _OF_THE_SETUP:
        return MISTAKES[found]
    other = _BY_ERROR.get(error.error) if found is None else None
    return MISTAKES[other] if other else None


def note_setup_mistake(error: Auth0Error) -> Mistake | None:
    """Return the mistake in the set-up behind ``error``, if there is one, and tell the log how to fix it."""
    mistake = find_setup_mistake(error)
    if mistake is not None:
        logger.error("setup_mistake name=%s: %s Auth0 Dashboard: %s", mistake.name, mistake.cause, mistake.fix)
    return mistake
