"""Begin a login: the address at the tenant to send the browser to."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.utils.translation import get_language

from django_auth0_flow.access.current_login import organization_for
from django_auth0_flow.conf import DEFAULT, Auth0Settings, get_client, get_settings
from django_auth0_flow.login import ceiling, form_post_cookie, transactions
from django_auth0_flow.login.admission import parameters_demanded
from django_auth0_flow.pages.rendering import is_click
from django_auth0_flow.pages.urls import callback_url
from django_auth0_flow.protocol.authorization import kinds_of
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.storage.django_session_facts import noted_login

#: Purposes that are about the login that this browser has.
_ABOUT_A_LOGIN = (transactions.RECHECK, transactions.ACCESS_TOKEN)


def begin_login(
    request: HttpRequest,
    *,
    configuration: str = DEFAULT,
    next_url: str = "",
    parameters: Mapping[str, str] | None = None,
    forwarded: Mapping[str, str] | None = None,
    once: Mapping[str, str] | None = None,
    requirement: str = "",
    restarts: int = 0,
    any_organization: bool = False,
    purpose: str = transactions.LOGIN,
) -> str:
    """Start a login and return the address at the tenant to send the browser to.

    ``parameters`` join the authorization request (``scope`` replaces the configured one); ``forwarded`` are those that the
    visitor chose, which never replace an organization of this site's; ``once`` are in this request only, not stored with
    the transaction. ``next_url`` must have gone through ``safe_next``. ``any_organization``: the login must belong to one,
    no matter which. ``purpose`` as in ``Transaction``. Raises as ``Client.authorization_url``, as ``callback_url``, and
    TransportError when the tenant's metadata can't be fetched.
    """
    ceiling.end_login_that_reached_it(request)
    conf, client = get_settings(configuration), get_client(configuration)
    client.issuer.metadata()
    response_type = "token" if purpose == transactions.ACCESS_TOKEN else conf.response_type
    extra, by = _parameters(request, conf, view=parameters or {}, visitor=forwarded or {}, purpose=purpose)
    extra = {**extra, **_apis(conf, response_type), **extra}
    transaction = transactions.new_transaction(
        configuration,
        redirect_uri=callback_url(request, conf),
        scope=extra.pop("scope", conf.scope),
        next_url=next_url,
        parameters=extra,
        requirement=requirement,
        restarts=restarts,
        response_type=response_type,
        response_mode=conf.response_mode,
        purpose=purpose,
        by_hand=is_click(request),
        organization_by=by or (transactions.ANY_ORGANIZATION if any_organization else ""),
        login_id=noted_login(request).get("id", "") if purpose in _ABOUT_A_LOGIN else "",
    )
    state = transactions.begin(request, transaction)
    if transaction.response_mode == "form_post":
        form_post_cookie.issue(request, state, configuration)
    try:
        return client.authorization_url(transaction.request(state, once=once))
    except Auth0Error:
        transactions.take(request, state)  # the request could not be pushed: no login is under way
        raise


def _apis(conf: Auth0Settings, response_type: str) -> dict[str, str]:
    """Return the parameters that name the API of the access token; none for a login that brings no access token."""
    if kinds_of(response_type) == {"id_token"}:
        return {}
    return {name: value for name, value in (("audience", conf.audience), ("resource", conf.resource)) if value}


def _parameters(
    request: HttpRequest,
    conf: Auth0Settings,
    *,
    view: Mapping[str, str],
    visitor: Mapping[str, str],
    purpose: str,
) -> tuple[dict[str, str], str]:
    """Return what joins the authorization request, and who chose its organization (see ``Transaction``)."""
    found = {**conf.authorization_params, **visitor, **view}
    if conf.ui_locales and (language := get_language()):
        found.setdefault("ui_locales", language)
    if purpose == transactions.RECHECK:  # asks only whether the session lives; its login was checked when it was made
        found = {name: value for name, value in found.items() if name not in ("max_age", "acr_values")}
    else:
        found |= parameters_demanded(conf, view=view, visitor=visitor)
    if purpose == transactions.LOGIN and ceiling.is_fresh_login_due(request, conf.name):
        found["prompt"] = "login"
    by_site = (
        view.get("organization") or organization_for(request, conf) or conf.authorization_params.get("organization")
    )
    if by_site:
        return {**found, "organization": by_site}, transactions.BY_SITE
    if "organization" in found:
        return found, transactions.BY_VISITOR
    found.pop("invitation", None)
    return found, ""
