"""What the pages say about each error code, for the person in front of the screen."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

_WORDS = {
    "access_denied": _("The login was not allowed: it was declined, or your account has no access."),
    "user_not_allowed": _("Your login worked, but your account may not be used on this site."),
    "organization_not_allowed": _("Your login worked, but this organization may not be used on this site."),
    "unauthorized": _("Your account may not be used here. It may be blocked."),
    "login_required": _("You are not logged in."),
    "consent_required": _("The login needs your consent, which was not given."),
    "interaction_required": _("The login needs a step that was not finished."),
    "state_missing": _("This page was opened without a login under way."),
    "state_unknown": _("This login was not started in this browser, or it was finished already."),
    "state_expired": _("This login was started too long ago."),
    "invalid_grant": _("This login was used already, or it took too long."),
    "login_loop": _("You were logged in several times in a row without getting any further."),
    "client_rejected": _("The login service does not accept this site. Its operators need to look at the set-up."),
    "tenant_unreachable": _("The login service can't be reached at the moment."),
    "tenant_timeout": _("The login service takes too long to answer."),
    "rate_limited": _("The login service has too much to do at the moment."),
    "refresh_busy": _("Your login is being renewed. Please try again in a moment."),
    "scopes": _("Your account does not have the access that this page needs."),
    "permissions": _("Your account does not have the permission that this page needs."),
    "organization": _("This page belongs to an organization that you are not logged in to."),
    "max_age": _("This page needs a login from a moment ago."),
    "acr_values": _("This page needs a stronger login, for example with a second factor."),
    "no_access_token": _("This login can't be used for what this page does."),
}
_LOGIN_FAILED = _("The login did not succeed.")


def words_for(code: str) -> str:
    """Return one sentence about ``code`` in the visitor's language."""
    return str(_WORDS.get(code, _LOGIN_FAILED))
