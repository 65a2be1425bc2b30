"""A login by the token of another system (Custom Token Exchange): a site that moves asks no one to log in again."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.access.current_login import organization_for
from django_auth0_flow.conf import DEFAULT, Auth0Settings, get_client, get_settings
from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake
from django_auth0_flow.embedded.visitor_address import visitor_address
from django_auth0_flow.login.admission import Login, acr_values_demanded, max_age_demanded
from django_auth0_flow.login.finish import finish_login
from django_auth0_flow.login.transactions import BY_SITE
from django_auth0_flow.protocol.claim_checks import check_age, check_strength
from django_auth0_flow.protocol.embedded_grants import FORWARDED_FOR
from django_auth0_flow.protocol.errors import Auth0Error, MfaRequired, OAuthError
from django_auth0_flow.protocol.token_exchange import Exchange, exchange
from django_auth0_flow.tokens.connection_pool import give_back_connection


@sensitive_variables()
def log_in_with_token(
    request: HttpRequest,
    subject_token: str,
    subject_token_type: str,
    *,
    configuration: str = DEFAULT,
    next_url: str = "",
    scope: str = "",
    organization: str = "",
    actor_token: str = "",
    actor_token_type: str = "",
    extra: dict[str, str] | None = None,
) -> str:
    """Log in whom the tenant finds behind another system's token; return where to go. Ends as every login does.

    ``subject_token_type`` names your token exchange profile, whose Action judges the token; ``extra`` reaches it as well.
    ``organization``: default that of ``ORGANIZATION``. What ``AUTHORIZATION_PARAMS`` demands of every login holds here.

    The caller sees to it that the token came from this visitor and not from a page of somebody else's: a cookie of the old
    system, or a form with a CSRF token. Raises Auth0Error; MfaRequired may leave the view, the middleware answers it. Where
    an organization, ``max_age`` or ``acr_values`` is demanded, a second factor is asked for on the tenant's page only: then
    it is ``stronger_login_needed``, which a login by redirect solves.
    With ``RELEASE_CONNECTIONS`` the database connection goes back while the tenant is asked: read no cursor meanwhile.
    """
    conf = get_settings(configuration)
    wanted = organization or organization_for(request, conf) or conf.authorization_params.get("organization", "")
    asked = Exchange(
        subject_token,
        subject_token_type,
        audience=conf.audience,
        scope=scope or conf.scope,
        organization=wanted,
        actor_token=actor_token,
        actor_token_type=actor_token_type,
        extra=extra or {},
    )
    address, began_at = visitor_address(request, conf.trusted_proxy_count), conf.clock()
    headers = {FORWARDED_FOR: address} if address else {}
    give_back_connection(configuration)
    try:
        tokens, claims = exchange(get_client(configuration), asked, is_login=True, headers=headers)
    except MfaRequired as error:
        raise _second_factor_of(error, conf, wanted, next_url) from None
    except OAuthError as error:
        note_setup_mistake(error)
        raise
    _check_demands(conf, claims)
    by = BY_SITE if wanted else ""
    return finish_login(request, Login(configuration, tokens, claims, next_url, began_at, organization_by=by))


@sensitive_variables()
async def alog_in_with_token(request: HttpRequest, subject_token: str, subject_token_type: str, **options: Any) -> str:
    """As ``log_in_with_token``, in the thread of Django's database connections."""

    @sensitive_variables()
    def in_thread() -> str:  # without arguments: a report of an error shows those of asgiref's functions
        return log_in_with_token(request, subject_token, subject_token_type, **options)

    return await sync_to_async(in_thread)()


def _second_factor_of(error: MfaRequired, conf: Auth0Settings, organization: str, next_url: str) -> Auth0Error:
    """Return what to raise: the error for the site's own page, whose logins can't show what is demanded, or another."""
    if organization or acr_values_demanded(conf) or max_age_demanded(conf) is not None:
        text = "What is demanded of this login can't be shown after a second factor on the site's page."
        return Auth0Error(text, code="stronger_login_needed")
    error.configuration, error.next_url = conf.name, next_url
    return error


def _check_demands(conf: Auth0Settings, claims: dict[str, Any]) -> None:
    """Check what the site demands of every login: here no one has proved anything but through the other system."""
    check_strength(claims, acr_values_demanded(conf))
    if (max_age := max_age_demanded(conf)) is not None:
        check_age(claims, max_age, now=conf.clock(), leeway=conf.leeway)
