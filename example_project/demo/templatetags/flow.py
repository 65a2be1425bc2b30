"""``{% flow %}``: the picture of a login. The steps of this browser's login that have been taken are lit."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.testing.demo import flow as demo_flow

register = template.Library()

_LANES = {
    "browser": (45, _("Browser")),
    "site": (135, _("This site")),
    "tenant": (225, _("Tenant")),
    "api": (315, _("API")),
}
#: From whom, to whom, what happens, what to look at.
_STEPS: dict[str, tuple[str, str, Any, Any]] = {
    "ask": ("browser", "site", _("You ask for a page that needs a login."), "auth0_login_required"),
    "authorize": (
        "browser",
        "tenant",
        _("The site sends the browser on to the tenant, where you log in."),
        "/authorize?state&nonce&code_challenge",
    ),
    "callback": (
        "browser",
        "site",
        _("The tenant sends it back with a code that is good for one minute."),
        "/callback?code&state",
    ),
    "exchange": (
        "site",
        "tenant",
        _("The site exchanges the code for tokens, and checks the ID token."),
        "POST /oauth/token code_verifier",
    ),
    "api": ("site", "api", _("The site calls the API in your name."), "Authorization: Bearer"),
    "refresh": (
        "site",
        "tenant",
        _("The access token has expired: a new one is fetched, and you notice nothing."),
        "grant_type=refresh_token",
    ),
    "logout": ("browser", "tenant", _("You log out, here and at the tenant."), "/oidc/logout"),
}


@register.inclusion_tag("demo/flow_picture.html", takes_context=True)
def flow(context: RequestContext) -> dict[str, Any]:
    assert context.request is not None
    state = demo_flow.state_of(context.request)
    steps = []
    for number, (name, (source, target, text, detail)) in enumerate(_STEPS.items(), 1):
        start, end, y = _LANES[source][0], _LANES[target][0], 62 + 44 * (number - 1)
        steps.append(
            {
                "name": name,
                "number": number,
                "text": text,
                "detail": detail,
                "line": f"M{start} {y}H{end - 9}",
                "head": f"M{end - 12} {y - 6}l10 6-10 6z",
                "x": start,
                "y": y,
                "taken": state["taken"].get(name),
                "is_latest": name == state["latest"],
            }
        )
    bottom = 62 + 44 * (len(steps) - 1) + 28
    return {"lanes": list(_LANES.values()), "steps": steps, "bottom": bottom}
