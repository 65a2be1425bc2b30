"""Would a login get as far as the tenant's login page: the authorization request of real logins, without a user."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from django_auth0_flow.doctor.browser_answers import BrowserAnswer, read_answer
from django_auth0_flow.doctor.examined import Subject
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.refusals import find_mistake
from django_auth0_flow.login import transactions
from django_auth0_flow.protocol.addresses import is_loopback_host
from django_auth0_flow.protocol.authorization import AuthorizationRequest, kinds_of
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

#: How ``prompt=none`` is answered where nobody is logged in, or a page is due.
_SILENT_ANSWERS = ("login_required", "consent_required", "interaction_required", "account_selection_required")

#: Mistakes after which every further request of the client would be refused alike.
CREDENTIALS_REFUSED = ("SM13", "SM71")

_STATE = "auth0-doctor"


def login_request(
    subject: Subject, *, without: Collection[str] = (), parameters: dict[str, str] | None = None
) -> AuthorizationRequest:
    """Return the authorization request of a bare login of this configuration."""
    conf = subject.conf
    extra = {**conf.authorization_params, **(parameters or {})}
    if isinstance(conf.organization, str) and conf.organization:
        extra["organization"] = conf.organization
    if kinds_of(conf.response_type) != {"id_token"}:
        wanted = {"audience": conf.audience, "resource": conf.resource}
        extra = {**{name: value for name, value in wanted.items() if value}, **extra}
    scope = extra.pop("scope", conf.scope)
    transaction = transactions.new_transaction(
        conf.name,
        redirect_uri=subject.callback,
        scope=scope,
        next_url="",
        parameters={name: value for name, value in extra.items() if name not in without},
        response_type=conf.response_type,
        response_mode=conf.response_mode,
    )
    return transaction.request(_STATE)


def _ask(subject: Subject, request: AuthorizationRequest) -> BrowserAnswer:
    """Send the request as a login does, pushed where it pushes, and return the answer."""
    try:
        url = subject.client.authorization_url(request)
    except OAuthError as error:
        return BrowserAnswer(error.status or 400, error=error.error, text=error.error_description, was_pushed=True)
    return read_answer(subject.get_page(url), asked=url, back=subject.callback)


def probe_authorize(subject: Subject) -> Iterator[Finding]:
    yield from _local_findings(subject)
    if subject.conf.pushed_authorization and not _takes_pushed_requests(subject):
        subject.lost["authorize"] = "authorization requests can't be pushed"
        yield finding("SM59", "authorize", "no pushed_authorization_request_endpoint in the discovery document")
        return
    without: list[str] = []
    for _ in range(len(_WITHOUT)):
        request = login_request(subject, without=without)
        answer = _ask(subject, request)
        if not answer.is_refusal:
            yield from _onward_findings(subject, answer)
            return
        mistake = _mistake_of(subject, answer, request)
        if mistake == "SM25" and callable(subject.conf.organization):
            subject.lost["authorize"] = "AUTH0['ORGANIZATION'] depends on the request"
            return
        yield finding(mistake, "authorize", answer.describe(subject.literal), detail=_detail(subject, mistake))
        further = [name for name in _WITHOUT.get(mistake, ()) if name in request.parameters]
        if not further:
            subject.lost["authorize"] = "the tenant refuses authorization requests"
            if mistake == "SM12":
                subject.lost["client"] = "the tenant does not know the client id"
            if answer.was_pushed and mistake in CREDENTIALS_REFUSED:
                subject.lost["credentials"] = "the tenant refuses the client's credentials"
            return
        without += further


def _takes_pushed_requests(subject: Subject) -> bool:
    return subject.client.issuer.metadata().pushed_authorization_request_endpoint is not None


def _mistake_of(subject: Subject, answer: BrowserAnswer, request: AuthorizationRequest) -> str:
    mistake = find_mistake(answer.error, answer.text, answer.status)
    if answer.was_pushed and mistake in (None, "SM60"):
        return "SM59"
    if mistake == "SM14" and not {"audience", "resource"} & set(request.parameters):
        return "SM70"
    return refused_client(subject, mistake) or "D09"


def refused_client(subject: Subject, mistake: str | None) -> str | None:
    """Return ``mistake`` in the words that fit how this client proves itself."""
    return "SM71" if mistake == "SM13" and subject.conf.client_auth == "private_key_jwt" else mistake


def _detail(subject: Subject, mistake: str) -> str:
    return f"The URL: {subject.callback}" if mistake == "SM10" else ""


def _local_findings(subject: Subject) -> Iterator[Finding]:
    conf, callback = subject.conf, urlsplit(subject.callback)
    if conf.client_id.startswith("tpc_"):
        yield finding("SM68", "authorize")
    if callback.scheme == "http" and not is_loopback_host(callback.hostname):
        yield finding("D12", "authorize")
    if conf.api_origins and not conf.api_audience:
        yield finding("SM40", "authorize")


def _onward_findings(subject: Subject, answer: BrowserAnswer) -> Iterator[Finding]:
    """Judge where a good request goes on to: with shared keys a provider sends its answer to Auth0's shared host."""
    host = urlsplit(answer.fields.get("redirect_uri", "")).hostname or ""
    if host.startswith("login.") and host.endswith(".auth0.com") and host != urlsplit(subject.conf.issuer).hostname:
        yield finding(
            "SM48", "authorize", subject.literal(f"{answer.status}, on to {answer.leads_to}, which answers to {host}")
        )


def probe_silent(subject: Subject) -> Iterator[Finding]:
    """Nobody is logged in, so the error must come back to the callback, with our state and the issuer's name."""
    request = login_request(subject, parameters={"prompt": "none"})
    answer = _ask(subject, request)
    literal = answer.describe(subject.literal)
    if not answer.is_refusal:
        return
    if not answer.came_back:
        yield finding(find_mistake("", answer.text, answer.status) or "D10", "silent", literal)
        return
    if answer.error not in _SILENT_ANSWERS:
        yield finding(_mistake_of(subject, answer, request), "silent", literal)
    if answer.fields.get("state") != _STATE:
        yield finding("D09", "silent", literal, detail="Its answer does not bring the request's state back.")
    announced = subject.client.issuer.metadata().authorization_response_iss_parameter_supported
    named = answer.fields.get("iss")
    if named != subject.conf.issuer and (announced or named is not None):
        yield finding("D11", "silent", subject.literal(f"iss {named!r}"))
