"""Begin a login: the address at the tenant to send the browser to."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from django_auth0_flow.conf import DEFAULT, Auth0Settings, get_client, get_settings
from django_auth0_flow.login import form_post_cookie, transactions
from django_auth0_flow.login.admission import parameters_demanded
from django_auth0_flow.pages.urls import absolute_url, url_of
from django_auth0_flow.protocol.authorization import kinds_of
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.storage.session_facts import noted_login


def organization_for(request: HttpRequest, conf: Auth0Settings) -> str:
    """Return the organization that ``ORGANIZATION`` gives this request, "" for none."""
    wanted = conf.organization
    return wanted if isinstance(wanted, str) else wanted(request) or ""


def begin_login(
    request: HttpRequest,
    *,
    configuration: str = DEFAULT,
    next_url: str = "",
    parameters: Mapping[str, str] | None = None,
    forwarded: Mapping[str, str] | None = None,
    requirement: str = "",
    restarts: int = 0,
    any_organization: bool = False,
    purpose: str = transactions.LOGIN,
) -> str:
    """Start a login and return the address at the tenant to send the browser to.

    ``parameters`` join the authorization request (``scope`` replaces the configured one); ``forwarded`` are those that the
    visitor chose, which never replace an organization of this site's. ``next_url`` must have gone through ``safe_next``.
    ``any_organization``: the login is to belong to one, whichever. ``purpose`` as in ``Transaction``. Raises TransportError
    when the tenant's metadata can't be had, and with ``PUSHED_AUTHORIZATION`` as ``Client.authorization_url``.
    """
    conf = get_settings(configuration)
    extra = {**conf.authorization_params, **(forwarded or {}), **(parameters or {})}
    if purpose == transactions.RECHECK:  # looks whether a session lives; how its login was made has been checked then
        extra = {name: value for name, value in extra.items() if name not in ("max_age", "acr_values")}
    else:
        extra |= parameters_demanded(conf, view=parameters or {}, visitor=forwarded or {})
    by_site = (
        (parameters or {}).get("organization")
        or organization_for(request, conf)
        or conf.authorization_params.get("organization")
    )
    if by_site:
        extra["organization"] = by_site
    elif "organization" not in extra:
        extra.pop("invitation", None)
    by = transactions.BY_SITE if by_site else transactions.BY_VISITOR if "organization" in extra else ""
    scope = extra.pop("scope", conf.scope)
    response_type = "token" if purpose == transactions.ACCESS_TOKEN else conf.response_type
    if conf.audience and kinds_of(response_type) != {"id_token"}:
        extra.setdefault("audience", conf.audience)
    if conf.resource and kinds_of(response_type) != {"id_token"}:
        extra.setdefault("resource", conf.resource)
    client = get_client(configuration)
    client.issuer.metadata()
    transaction = transactions.new_transaction(
        configuration,
        redirect_uri=absolute_url(request, url_of("callback", configuration), conf),
        scope=scope,
        next_url=next_url,
        parameters=extra,
        requirement=requirement,
        restarts=restarts,
        response_type=response_type,
        response_mode=conf.response_mode,
        purpose=purpose,
        organization_by=by or (transactions.ANY_ORGANIZATION if any_organization else ""),
        login_id=noted_login(request).get("id", "")
        if purpose in (transactions.RECHECK, transactions.ACCESS_TOKEN)
        else "",
    )
    state = transactions.begin(request, transaction)
    if transaction.response_mode == "form_post":
        form_post_cookie.issue(request, state, configuration)
    try:
        return client.authorization_url(transaction.request(state))
    except Auth0Error:
        transactions.take(request, state)  # the tenant took no pushed request: nothing is under way
        raise
