"""What a page or a JSON answer says for each error code, in the visitor's language."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.protocol.errors import Auth0Error, TokenRequestError

_REJECTED_SITE = _(
    "The login service does not accept this site. The people who run this site need to check its set-up."
)

_WRONG_ADDRESS = _("This site does not know its own address. The people who run this site need to check its set-up.")

_UNUSABLE_ANSWER = _("The login service gave an answer that this site can't use.")

_UNUSABLE_ADDRESS = _("The address that led here is incomplete or damaged.")

_WRONG_TOKEN = _("What the login service sent did not pass this site's security checks.")

_TROUBLE = _("The login service reports a problem of its own.")

_USELESS_HERE = _("This login can't be used for what this page does.")

_NOT_TAKEN_OVER = _("Your login could not be taken over. Please log in here.")

_ENDED = _("Your login on this site has ended.")

_WORDS: dict[str, Promise] = {
    # Refused on purpose.
    "access_denied": _("The login was not allowed: it was declined, or your account has no access."),
    "unauthorized": _("Your account may not be used here. It may be blocked."),
    "user_not_allowed": _("Your login worked, but your account may not be used on this site."),
    "user_inactive": _("Your account on this site is disabled."),
    "user_blocked": _("Your account is blocked."),
    "not_staff": _("This part of the site is for staff, and your account is not a staff account."),
    "organization_login_needed": _("This site needs a login to an organization, on the login service's own page."),
    "stronger_login_needed": _("This site needs a stronger login, on the login service's own page."),
    "organization_not_allowed": _("Your login worked, but this organization may not be used on this site."),
    "password_leaked": _("This password has become known to others. Please choose a new one."),
    "password_change_required": _("This password has to be changed before it can be used again."),
    "requires_verification": _(
        "The login service wants to make sure that no program is logging in. Please log in on its own page."
    ),
    # An account of one's own.
    "sign_up_refused": _(
        "No account could be made with this. If you have one already, log in, or choose a new password if you have "
        "forgotten it."
    ),
    "sign_up_disabled": _("New accounts can't be made here at the moment."),
    "too_many_sign_ups": _("Too many accounts were asked for from where you are. Please try again later."),
    "password_too_weak": _("This password is too weak."),
    "password_too_common": _("This password is too common: others would guess it. Please choose another one."),
    "password_personal": _("This password contains something about you, your name perhaps. Please choose another one."),
    "password_refused": _("The login service does not accept this password. Please choose another one."),
    # What was typed, and messages with codes.
    "wrong_password": _("The name or the password is wrong."),
    "wrong_code": _("This code is wrong, or it was used already."),
    "code_expired": _("This code is too old. Please have a new one sent."),
    "too_many_codes": _("A wrong code was entered too many times. Please start again in a few minutes."),
    "bad.email": _("No message can be sent to this e-mail address."),
    "bad.phone_number": _("No message can be sent to this telephone number."),
    "sms_provider_error": _("The text message could not be sent. Please check the number, or try another way."),
    "link_other_browser": _("Open this link in the browser in which you asked for it, or ask for a new one here."),
    "form_expired": _("This page was open for too long, or you logged in elsewhere meanwhile. Please try again."),
    "already_submitted": _("This login is being checked already, or it was used."),
    "login_expired": _("This login was finished already, or it was started too long ago."),
    # The second factor.
    "mfa_expired": _("The second step took too long. Please log in again."),
    "mfa_rejected": _("The login was refused on your other device."),
    "push_pending": _("The login waits for your answer on your other device."),
    "push_unanswered": _("There is no answer from your device yet. This page looks again within a few seconds."),
    "factor_unusable": _("This way can't be used for your account. Please choose another one."),
    # A step is missing.
    "login_required": _("You are not logged in."),
    "account_selection_required": _("Please choose the account that you want to log in with."),
    "consent_required": _("The login needs your consent, which was not given."),
    "interaction_required": _("The login needs a step that was not finished."),
    "mfa_required": _("The login needs a second step, which was not finished."),
    # The authorization response can't be used.
    "state_missing": _("This page was opened without a login under way."),
    "state_unknown": _("This login was not started in this browser, or it was finished already."),
    "state_expired": _("This login was started too long ago."),
    "invalid_grant": _("This login was used already, or it took too long."),
    "login_loop": _("You were logged in several times in a row, and still could not go on."),
    "cookies_off": _("Your browser keeps no cookies for this site. Please allow them and log in again."),
    "form_post_needs_https": _(
        "In this browser, this login works over https only. Please open the https address, or use another browser."
    ),
    "initiator_unknown": _("This login was begun for another login service than the one that this site uses."),
    "code_missing": _UNUSABLE_ADDRESS,
    "id_token_missing": _UNUSABLE_ADDRESS,
    "iss_missing": _UNUSABLE_ADDRESS,
    "iss_mismatch": _("The answer came from another login service than the one that was asked."),
    "malformed_request": _UNUSABLE_ADDRESS,
    "parameter_repeated": _UNUSABLE_ADDRESS,
    "parameter_too_long": _UNUSABLE_ADDRESS,
    # The set-up.
    "redirect_uri_is_http": _WRONG_ADDRESS,
    "login_at_other_host": _WRONG_ADDRESS,
    "client_rejected": _REJECTED_SITE,
    "invalid_client": _REJECTED_SITE,
    "invalid_request": _REJECTED_SITE,
    "invalid_scope": _REJECTED_SITE,
    "invalid_target": _REJECTED_SITE,
    "unauthorized_client": _REJECTED_SITE,
    "par_unsupported": _REJECTED_SITE,
    "invalid_request_object": _REJECTED_SITE,
    "invalid_request_uri": _REJECTED_SITE,
    "request_not_supported": _REJECTED_SITE,
    "request_uri_not_supported": _REJECTED_SITE,
    "invalid_dpop_proof": _REJECTED_SITE,
    "use_dpop_nonce": _REJECTED_SITE,
    "unsupported_grant_type": _REJECTED_SITE,
    "unsupported_response_type": _REJECTED_SITE,
    # The login service.
    "tenant_unreachable": _("The login service can't be reached at the moment."),
    "tenant_timeout": _("The login service takes too long to answer."),
    "rate_limited": _("The login service is too busy at the moment."),
    "quota_exceeded": _("The login service is too busy at the moment."),
    "too_many_requests": _("The login service is too busy at the moment."),
    "too_many_attempts": _(
        "There were too many attempts to log in. If an account has this name, its owner was sent a message about it."
    ),
    "server_error": _TROUBLE,
    "temporarily_unavailable": _TROUBLE,
    "malformed_answer": _UNUSABLE_ANSWER,
    "organization_mismatch": _UNUSABLE_ANSWER,
    "answer_too_large": _UNUSABLE_ANSWER,
    "issuer_mismatch": _UNUSABLE_ANSWER,
    "metadata_incomplete": _UNUSABLE_ANSWER,
    "no_signing_keys": _UNUSABLE_ANSWER,
    "access_token_missing": _UNUSABLE_ANSWER,
    "token_type_unsupported": _UNUSABLE_ANSWER,
    "token_not_bound": _UNUSABLE_ANSWER,
    "userinfo_unsupported": _UNUSABLE_ANSWER,
    "signing_key_not_found": _WRONG_TOKEN,
    "token_acr": _("This site needs a stronger login, for example with a second factor."),
    # A login that has ended.
    "identity_changed": _ENDED,
    "login_session_ended": _ENDED,
    "login_session_unreadable": _ENDED,
    "session_expired": _("Your login has lasted as long as it may. Please log in again."),
    "session_ended_at_tenant": _("The login service ended this login before this site had finished it."),
    "no_refresh_token": _ENDED,
    "refresh_busy": _("Your login is being renewed."),
    "database_unavailable": _("This site has a problem at the moment."),
    # What a page asks of a login.
    "scopes": _("Your account does not have the access that this page needs."),
    "permissions": _("Your account does not have the permission that this page needs."),
    "organization": _("This page belongs to an organization that you are not logged in to."),
    "max_age": _("This page needs a recent login."),
    "acr_values": _("This page needs a stronger login, for example with a second factor."),
    "configurations": _("This page asks for two different logins at once. That is a mistake of this site."),
    "no_access_token": _USELESS_HERE,
    "audience_not_granted": _USELESS_HERE,
    "connection_token_refused": _USELESS_HERE,
    # Accounts at identity providers.
    "account_not_connected": _("This page needs an account of yours at another service, and none is connected."),
    "connect_declined": _("No account was connected: you, or the other service, declined."),
    "connect_expired": _("No account was connected: it took too long. Please try again."),
    "connect_other_user": _("No account was connected: you logged in again, or out, meanwhile. Please try again."),
    "accounts_refused": _("The login service connects no accounts for this site."),
    "no_caller": _USELESS_HERE,
    "on_behalf_of_refused": _("The login service gives this site no access in your name."),
    # A login that comes from another system.
    "subject_token_invalid": _NOT_TAKEN_OVER,
    "subject_token_type_invalid": _NOT_TAKEN_OVER,
    "actor_token_incomplete": _NOT_TAKEN_OVER,
}

_LOGIN_FAILED = _("Something went wrong while you were being logged in.")


def words_for(code: str) -> str:
    """Return what to say about ``code``, in the visitor's language; ``token_…`` names the claim that failed its check."""
    if code not in _WORDS and code.startswith("token_"):
        return str(_WRONG_TOKEN)
    return str(_WORDS.get(code, _LOGIN_FAILED))


def public_code(error: Auth0Error) -> str:
    """Return the code shown for an error: the tenant refusing the application itself is told from refusing the user."""
    if isinstance(error, TokenRequestError) and (error.status == 401 or error.error == "unauthorized_client"):
        return "client_rejected"
    return error.code
