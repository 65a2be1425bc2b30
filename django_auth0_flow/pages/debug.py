"""What a page says with DEBUG, and never without: to the developer, who sees what a visitor must not."""

from __future__ import annotations

from dataclasses import dataclass

from django_auth0_flow.protocol.errors import Auth0Error, OAuthError

#: What to do about an error, by its code.
_FIXES = {
    "state_unknown": "Begin and end at one host: to a browser localhost and 127.0.0.1 are two sites with cookies of their "
    "own. Else the session was lost on the way: SESSION_COOKIE_SECURE on plain http, a cache as session store that was "
    "emptied, another SECRET_KEY.",
    "state_expired": "Is SECRET_KEY the same in all processes? A changed one belongs into SECRET_KEY_FALLBACKS.",
    "token_exp": "Set this machine's clock by NTP; manage.py auth0_doctor compares it with the tenant's. AUTH0['LEEWAY'] "
    "allows for small differences.",
    "user_not_allowed": "The log line login_refused before this one says which step of Auth0Backend refused the user.",
    "organization_not_allowed": "AUTH0['ALLOWED_ORGANIZATIONS'] names those that may log in without being asked for.",
}
_FIXES |= dict.fromkeys(
    ("tenant_unreachable", "tenant_timeout", "issuer_mismatch", "malformed_answer", "metadata_incomplete"),
    "manage.py auth0_doctor says what is wrong. A local tenant has to be started.",
)
_FIXES |= dict.fromkeys(("token_iat", "token_nbf"), _FIXES["token_exp"])

_TESTS = {
    "scopes": "Name the scope in AUTH0['SCOPE'] or at the view, and at Auth0 under Applications > APIs > (API) > "
    "Permissions; with RBAC the user needs a role that has it.",
    "permissions": "Applications > APIs > (API) > RBAC Settings: Enable RBAC, and Add Permissions in the Access Token. "
    "Then User Management > Roles: give the user one that has it.",
    "organization": "Organizations > (org) > Members: add the user.",
    "acr_values": "Security > Multi-factor Auth, or a post-login Action that asks for the factor.",
    "max_age": "The tenant did not ask for the password again: see the view's max_age.",
    "not_staff": "Give the user is_staff, or the group of AUTH0['STAFF_GROUPS'] in the claim; a claim comes from a "
    "post-login Action.",
    "configurations": "Two decorators around this view name different configurations: name both in one.",
}


@dataclass(frozen=True)
class Details:
    """The block of a page: what happened, what is missing, what the login has, and what to do."""

    cause: str = ""
    missing: tuple[str, ...] = ()
    held: tuple[str, ...] | None = None
    fix: str = ""


def details_of_error(error: Auth0Error) -> Details | None:
    """Return the block for a login that failed; None for what the tenant said, which the page has in other words."""
    if isinstance(error, OAuthError):
        return None
    return Details(str(error), fix=_FIXES.get(error.code, ""))


def details_of_test(test: str, *, missing: tuple[str, ...], held: tuple[str, ...], has_audience: bool) -> Details:
    """Return the block for a login that fails a view's test."""
    fix = _TESTS.get(test, "")
    if test in ("scopes", "permissions") and not has_audience:
        fix = f"AUTH0 has no AUDIENCE, so the access token is for no API and grants nothing of one. {fix}"
    return Details(missing=missing, held=held, fix=fix)
