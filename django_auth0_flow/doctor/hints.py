"""What can't be tested from here, for a person to look at: each line only if the settings make it matter."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.protocol.addresses import is_loopback_host

_APP = "Applications > Applications > (app)"

_API = "Applications > APIs > (API)"


def _refreshes(conf: Auth0Settings) -> bool:
    return "offline_access" in conf.scope.split()


def _has_embedded_logins(conf: Auth0Settings) -> bool:
    return conf.has_embedded_logins


def _always(conf: Auth0Settings) -> bool:
    return True


def _has_api(conf: Auth0Settings) -> bool:
    return bool(conf.api_audience)


#: (when it matters, what to look at)
_HINTS: tuple[tuple[Callable[[Auth0Settings], bool], str], ...] = (
    (
        lambda conf: _has_api(conf) and _refreshes(conf),
        f"SM37: {_API} > Settings > Access Settings > Allow Offline Access: off means no refresh tokens, and no error.",
    ),
    (
        _refreshes,
        (
            f"SM38: {_APP} > Settings > Refresh Token Rotation > Rotation Overlap Period: some seconds save the login of a "
            "user whose worker is killed between the tenant's answer and the save."
        ),
    ),
    (
        _refreshes,
        f"SM39: {_APP} > Settings > Refresh Token Expiration says after how many idle days users log in again.",
    ),
    (
        _always,
        (
            f"SM43: {_APP} > Settings > Advanced Settings > OAuth > JSON Web Token (JWT) Signature Algorithm must be what "
            "AUTH0['ID_TOKEN_ALGORITHM'] says."
        ),
    ),
    (_has_api, f"SM44: {_API} > Settings > Signing Algorithm: with HS256 /userinfo refuses the access token."),
    (
        _has_api,
        f"SM51: permissions= needs {_API} > RBAC Settings: Enable RBAC, and Add Permissions in the Access Token.",
    ),
    (
        lambda conf: bool(conf.groups_claim),
        (
            "SM53: the claim in AUTH0['GROUPS_CLAIM'] comes from an Action: Actions > Triggers > post-login, deployed and "
            "added."
        ),
    ),
    (
        lambda conf: callable(conf.organization),
        "SM25: the organization of a login depends on the request, so none was tried.",
    ),
    (
        lambda conf: "invitation" in conf.forwarded_params,
        f"SM32: invitations by e-mail need {_APP} > Settings > Application Login URI: the https address of auth0:login.",
    ),
    (
        lambda conf: "session_transfer_token" in conf.forwarded_params,
        (
            f"SM87: a login handed over needs {_APP} > Settings > Session Transfer > Native to Web SSO Methods: Query "
            "Authentication. Why one was refused stands in Monitoring > Logs only."
        ),
    ),
    (
        lambda conf: bool(conf.connected_accounts),
        (
            f"SM72: Token Vault needs {_APP} > Settings > Refresh Token Rotation: off, no MFA policy, and (connection) > "
            "Purpose: Connected Accounts for Token Vault, with offline access."
        ),
    ),
    (
        lambda conf: bool(conf.connected_accounts),
        (
            f"SM91: connected accounts need {_APP} > Multi-Resource Refresh Token: My Account API, permissions too, and "
            "that API's Allow Skipping User Consent."
        ),
    ),
    (
        lambda conf: bool(conf.recheck_seconds),
        (
            "SM46: consent pages keep silent logins from working: "
            f"{_API} > Settings > Access Settings > Allow Skipping User Consent."
        ),
    ),
    (
        _has_embedded_logins,
        (
            f"SM55: {_APP} > Settings > Advanced Settings > OAuth > Trust Token Endpoint IP Header: off means that attack "
            "protection counts all visitors as one."
        ),
    ),
    (
        _has_embedded_logins,
        "SM57: Security > Attack Protection > Bot Detection may refuse logins on this site's own pages at any time.",
    ),
    (
        lambda conf: conf.dpop,
        f"SM61: {_APP} > Settings > Token Sender-Constraining, and the API's own setting, decide whether tokens are bound.",
    ),
    (
        _always,
        (
            f"SM65: logouts elsewhere reach this site by {_APP} > Settings > OpenID Connect Back-Channel Logout: the https "
            "address of auth0:backchannel_logout (Enterprise plan)."
        ),
    ),
)


def hints_for(conf: Auth0Settings, callback: str) -> list[str]:
    """Return what to look at by hand."""
    found = [text for matters, text in _HINTS if matters(conf)]
    parts = urlsplit(callback)
    if parts.scheme == "https" and not conf.base_url and not django_settings.SECURE_PROXY_SSL_HEADER:
        found.append(
            "SM10: neither AUTH0['BASE_URL'] nor SECURE_PROXY_SSL_HEADER is set. If a proxy ends https, real logins send "
            "an http callback URL, whatever was tested here."
        )
    if is_loopback_host(parts.hostname):
        found.append(
            "SM47: with a callback on this machine Auth0 asks to confirm every login, and refuses silent ones."
        )
    return found
