"""Does a logout come back to the site: the request of real logouts, without a session to end."""

from __future__ import annotations

from collections.abc import Iterator

from django_auth0_flow.doctor.browser_answers import read_answer
from django_auth0_flow.doctor.examined import Examined, Test
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.refusals import find_mistake


def probe_logout(examined: Examined) -> Iterator[Finding]:
    url = examined.client.logout_url(
        id_token_hint=None, post_logout_redirect_uri=examined.logged_out, state="auth0-doctor"
    )
    answer = read_answer(examined.get_page(url), asked=url, back=examined.logged_out)
    mistake = find_mistake(answer.error, answer.text, answer.status)
    if not answer.is_refusal and mistake is None:
        return
    oidc = examined.client.issuer.metadata().end_session_endpoint is not None
    # The text of a refusal at /oidc/logout is not documented, its status is.
    if mistake in ("SM33", None) and answer.status == 400:
        mistake = "SM34" if oidc else "SM33"
    detail = f"The URL: {examined.logged_out}" if mistake in ("SM33", "SM34") else ""
    yield finding(mistake or "D15", "logout", answer.describe(examined.printable), detail=detail)


TESTS = (Test("logout", probe_logout, needs=("tenant", "client")),)
