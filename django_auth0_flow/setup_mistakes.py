"""What an error of the tenant says about its set-up, and where in the Auth0 Dashboard to mend it.

For the people who run the site: it goes to the log, and with ``DEBUG`` onto the page. Visitors only learn the code.
"""

from __future__ import annotations

from dataclasses import dataclass

from .protocol.errors import Auth0Error, OAuthError

_GRANT_TYPES = "Applications > Applications > (app) > Settings > Advanced Settings > Grant Types: tick {}, then Save."


@dataclass(frozen=True)
class SetupMistake:
    """``name`` is stable. ``cause`` and ``fix`` are plain words of ours, never text from outside."""

    name: str
    cause: str
    fix: str


#: (found in the error's description, in any case; the mistake). Auth0's statuses vary, its texts hardly do.
_BY_DESCRIPTION: tuple[tuple[str, SetupMistake], ...] = (
    (
        "grant type 'password' not allowed",
        SetupMistake(
            "password_grant_off",
            "The application may not log users in with a password.",
            _GRANT_TYPES.format("Password"),
        ),
    ),
    (
        "grant type 'http://auth0.com/oauth/grant-type/password-realm' not allowed",
        SetupMistake(
            "password_grant_off",
            "The application may not log users in with a password.",
            _GRANT_TYPES.format("Password"),
        ),
    ),
    (
        "not configured with default connection",
        SetupMistake(
            "default_directory_missing",
            "The tenant's Default Directory is empty or misspelt, so it does not know where to look the password up.",
            "Authentication > Database: copy the connection's name; Settings > General > API Authorization Settings > "
            "Default Directory: paste it, then Save. Or name the connection in AUTH0['PASSWORD_REALM'].",
        ),
    ),
    (
        "grant type 'http://auth0.com/oauth/grant-type/passwordless/otp' not allowed",
        SetupMistake(
            "passwordless_grant_off",
            "The application may not log users in with a code.",
            _GRANT_TYPES.format("Passwordless OTP"),
        ),
    ),
    (
        "grant type 'http://auth0.com/oauth/grant-type/mfa-",
        SetupMistake(
            "mfa_grant_off", "The application may not ask for a second factor itself.", _GRANT_TYPES.format("MFA")
        ),
    ),
    (
        "invalid audience specified",
        SetupMistake(
            "audience_unknown",
            "No API of the tenant has the identifier in AUTH0['AUDIENCE'].",
            "Applications > APIs: create the API, or copy its Identifier to the letter, a slash at the end included.",
        ),
    ),
    (
        "service not found",
        SetupMistake(
            "audience_unknown",
            "No API of the tenant has the identifier in AUTH0['AUDIENCE'].",
            "Applications > APIs: create the API, or copy its Identifier to the letter, a slash at the end included.",
        ),
    ),
    (
        "realm",  # the wording is not documented
        SetupMistake(
            "realm_unknown",
            "The connection in AUTH0['PASSWORD_REALM'], or the passwordless one, is not enabled for this application.",
            "Applications > Applications > (app) > Connections: switch it on. Its name is under Authentication.",
        ),
    ),
)
_PASSWORDLESS_OFF = SetupMistake(
    "passwordless_connection_off",
    "The passwordless connection does not exist, or is not enabled for this application.",
    "Authentication > Passwordless > Email or SMS: switch it on, then its Applications tab: tick this application.",
)
_WRONG_SECRET = SetupMistake(
    "client_rejected",
    "The tenant does not know this client id, or the client secret is wrong.",
    "Applications > Applications > (app) > Settings: copy Client ID and Client Secret; Credentials: check the "
    "Authentication Method.",
)
_OTHER_GRANT = SetupMistake(
    "grant_off", "The application may not use this kind of login.", _GRANT_TYPES.format("the kind of login")
)
_REQUEST = SetupMistake(
    "request_refused",
    "The tenant does not accept the request as it was sent.",
    "Monitoring > Logs in the Auth0 Dashboard shows what it misses.",
)


def find_setup_mistake(error: Auth0Error) -> SetupMistake | None:
    """Return the mistake in the set-up that ``error`` tells of, or None if it tells of the visitor or of the weather."""
    if not isinstance(error, OAuthError):
        return None
    description = error.error_description.lower()
    for text, mistake in _BY_DESCRIPTION:
        if text in description:
            return mistake
    if error.error == "bad.connection" and "signup" not in description:
        return _PASSWORDLESS_OFF
    if error.error in ("bad.client_id", "invalid_client") or (error.status == 401 and error.error == "access_denied"):
        return _WRONG_SECRET
    if error.error == "unauthorized_client":
        return _OTHER_GRANT
    if error.error in ("bad.request", "bad.authParams", "bad.tenant", "unsupported_grant_type"):
        return _REQUEST
    return None
