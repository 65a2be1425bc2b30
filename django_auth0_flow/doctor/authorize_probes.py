"""Does a login get as far as the tenant's login page: the authorization request of real logins, without a user."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from django_auth0_flow.doctor.browser_answers import BrowserAnswer, read_answer
from django_auth0_flow.doctor.examined import Examined, Test
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.refusals import find_mistake
from django_auth0_flow.login import transactions
from django_auth0_flow.protocol.addresses import is_loopback_host
from django_auth0_flow.protocol.authorization import AuthorizationRequest
from django_auth0_flow.protocol.connected_accounts import CREATE, my_account_audience
from django_auth0_flow.protocol.errors import OAuthError

#: What to leave out to see what else is wrong.
_WITHOUT = {
    "SM14": ("audience", "resource"),
    "SM17": ("audience", "resource"),
    "SM26": ("organization",),
    "SM27": ("organization",),
    "SM28": ("organization",),
    "SM62": ("screen_hint",),
}

#: How ``prompt=none`` is answered where no one is logged in, or a page has to be shown.
_SILENT_ANSWERS = ("login_required", "consent_required", "interaction_required", "account_selection_required")

#: Mistakes that make the tenant refuse every further request of the client.
CREDENTIALS_REFUSED = ("SM13", "SM71")

_STATE = "auth0-doctor"


def login_request(
    examined: Examined, *, without: Collection[str] = (), parameters: dict[str, str] | None = None
) -> AuthorizationRequest:
    """Return the authorization request of a login of this configuration that no view adds to."""
    conf = examined.conf
    extra = {**conf.authorization_params, **(parameters or {})}
    if isinstance(conf.organization, str) and conf.organization:
        extra["organization"] = conf.organization
    if conf.response_kinds != {"id_token"}:
        wanted = {"audience": conf.audience, "resource": conf.resource}
        extra = {**{name: value for name, value in wanted.items() if value}, **extra}
    scope = extra.pop("scope", conf.scope)
    transaction = transactions.new_transaction(
        conf.name,
        redirect_uri=examined.callback,
        scope=scope,
        next_url="",
        parameters={name: value for name, value in extra.items() if name not in without},
        response_type=conf.response_type,
        response_mode=conf.response_mode,
    )
    return transaction.request(_STATE)


def _ask(examined: Examined, request: AuthorizationRequest) -> BrowserAnswer:
    """Send the request as a login does, pushed where it pushes, and return the answer."""
    try:
        url = examined.client.authorization_url(request)
    except OAuthError as error:
        return BrowserAnswer(error.status or 400, error=error.error, text=error.error_description, was_pushed=True)
    return read_answer(examined.get_page(url), asked=url, back=examined.callback)


def probe_authorize(examined: Examined) -> Iterator[Finding]:
    yield from _local_findings(examined)
    if examined.conf.pushed_authorization and not _takes_pushed_requests(examined):
        examined.lost["authorize"] = "authorization requests can't be pushed"
        yield finding("SM59", "authorize", "no pushed_authorization_request_endpoint in the discovery document")
        return
    without: list[str] = []
    for _ in range(len(_WITHOUT)):
        request = login_request(examined, without=without)
        answer = _ask(examined, request)
        if not answer.is_refusal:
            yield from _onward_findings(examined, answer)
            yield from _other_name_findings(examined, without)
            return
        mistake = _mistake_of(examined, answer, request)
        if mistake == "SM25" and callable(examined.conf.organization):
            examined.lost["authorize"] = "AUTH0['ORGANIZATION'] depends on the request"
            return
        yield finding(mistake, "authorize", answer.describe(examined.printable), detail=_detail(examined, mistake))
        further = [name for name in _WITHOUT.get(mistake, ()) if name in request.parameters]
        if not further:
            examined.lost["authorize"] = "the tenant refuses authorization requests"
            if mistake == "SM12":
                examined.lost["client"] = "the tenant does not know the client id"
            if answer.was_pushed and mistake in CREDENTIALS_REFUSED:
                examined.lost["credentials"] = "the tenant refuses the client's credentials"
            return
        without += further


def _takes_pushed_requests(examined: Examined) -> bool:
    return examined.client.issuer.metadata().pushed_authorization_request_endpoint is not None


def _mistake_of(examined: Examined, answer: BrowserAnswer, request: AuthorizationRequest) -> str:
    mistake = find_mistake(answer.error, answer.text, answer.status)
    if answer.was_pushed and mistake in (None, "SM60"):
        return "SM59"
    if mistake == "SM14" and not {"audience", "resource"} & set(request.parameters):
        return "SM70"
    return refused_client(examined, mistake) or "D09"


def refused_client(examined: Examined, mistake: str | None) -> str | None:
    """Return ``mistake``, or the one that fits how this client proves itself."""
    return "SM71" if mistake == "SM13" and examined.conf.client_auth == "private_key_jwt" else mistake


def _detail(examined: Examined, mistake: str) -> str:
    return f"The URL: {examined.callback}" if mistake == "SM10" else ""


def _local_findings(examined: Examined) -> Iterator[Finding]:
    conf, callback = examined.conf, urlsplit(examined.callback)
    if conf.client_id.startswith("tpc_"):
        yield finding("SM68", "authorize")
    if callback.scheme == "http" and not is_loopback_host(callback.hostname):
        yield finding("D12", "authorize")
    if conf.api_origins and not conf.api_audience:
        yield finding("SM40", "authorize")


def _onward_findings(examined: Examined, answer: BrowserAnswer) -> Iterator[Finding]:
    """Judge where a good request leads: with Auth0's developer keys, the provider answers to Auth0's own host."""
    host = urlsplit(answer.fields.get("redirect_uri", "")).hostname or ""
    if host.startswith("login.") and host.endswith(".auth0.com") and host != urlsplit(examined.conf.issuer).hostname:
        yield finding(
            "SM48",
            "authorize",
            examined.printable(f"{answer.status}, on to {answer.leads_to}, which answers to {host}"),
        )


def _other_name_findings(examined: Examined, without: Collection[str]) -> Iterator[Finding]:
    """Ask with this machine's other name, unless BASE_URL says which one it is: people may open the site at either."""
    callback = urlsplit(examined.callback)
    other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}.get(callback.hostname or "")
    if other is None or examined.conf.base_url:
        return
    port = f":{callback.port}" if callback.port else ""
    elsewhere = replace(examined, callback=examined.callback.replace(callback.netloc, f"{other}{port}", 1))
    answer = _ask(elsewhere, login_request(elsewhere, without=without))
    if answer.is_refusal and find_mistake(answer.error, answer.text, answer.status) == "SM10":
        yield finding("D17", "authorize", answer.describe(examined.printable), detail=f"The URL: {elsewhere.callback}")


def probe_sign_up(examined: Examined) -> Iterator[Finding]:
    """Ask for the sign-up page of the password login's connection: /dbconnections/signup itself might make a user."""
    parameters = {"screen_hint": "signup", "connection": examined.conf.database_connection}
    answer = _ask(examined, login_request(examined, parameters=parameters))
    if answer.is_refusal and find_mistake(answer.error, answer.text, answer.status) in ("SM62", "SM83"):
        yield finding("SM83", "sign-up", answer.describe(examined.printable))


def probe_my_account(examined: Examined) -> Iterator[Finding]:
    """Ask for a login to the My Account API: whether it is active and open to the application."""
    audience = my_account_audience(examined.conf.issuer)
    request = login_request(
        examined, without=("resource",), parameters={"audience": audience, "scope": f"openid {CREATE}"}
    )
    answer = _ask(examined, request)
    if answer.is_refusal and find_mistake(answer.error, answer.text, answer.status) in ("SM14", "SM17", "SM90"):
        yield finding("SM90", "my account", answer.describe(examined.printable))


def probe_silent(examined: Examined) -> Iterator[Finding]:
    """Ask without a user logged in: the error must come back to the callback, with our state and the issuer's name."""
    request = login_request(examined, parameters={"prompt": "none"})
    answer = _ask(examined, request)
    said = answer.describe(examined.printable)
    if not answer.is_refusal:
        return
    if not answer.came_back:
        yield finding(find_mistake("", answer.text, answer.status) or "D10", "silent", said)
        return
    if answer.error not in _SILENT_ANSWERS:
        yield finding(_mistake_of(examined, answer, request), "silent", said)
    if answer.fields.get("state") != _STATE:
        yield finding("D09", "silent", said, detail="Its answer does not bring the request's state back.")
    announced = examined.client.issuer.metadata().authorization_response_iss_parameter_supported
    named = answer.fields.get("iss")
    if named != examined.conf.issuer and (announced or named is not None):
        yield finding("D11", "silent", examined.printable(f"iss {named!r}"))


TESTS = (
    Test("authorize", probe_authorize, needs=("tenant", "client")),
    Test("silent", probe_silent, needs=("tenant", "client", "authorize")),
    Test(
        "my account",
        probe_my_account,
        needs=("tenant", "client", "authorize"),
        applies=lambda conf: bool(conf.connected_accounts),
    ),
    Test(
        "sign-up",
        probe_sign_up,
        needs=("tenant", "client", "authorize"),
        applies=lambda conf: bool(conf.sign_up_fields),
    ),
)
