"""The page of the recovery codes: to copy, to keep as a file, to print."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.utils.translation import ngettext

from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.views.embedded import EmbeddedView, with_waiting_login


def in_groups(text: str) -> list[str]:
    """Return a key or code in groups of four, as people read and type it."""
    return [text[start : start + 4] for start in range(0, len(text), 4)]


class RecoveryCodesView(EmbeddedView):
    """``auth0:mfa_recovery_codes``: codes to write down, shown until the visitor says so, ten minutes at most."""

    template_name = "mfa_recovery_codes.html"
    waits_for = ("recovery",)

    def waiting(self, request: HttpRequest) -> WaitingLogin | None:
        """Return what holds the codes, to the visitor who is still logged in."""
        return super().waiting(request) if request.user.is_authenticated else None

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        codes = waiting.data["codes"]
        if "download" in request.GET:
            return self.file(request, codes)
        url = rendering.page_path("mfa_recovery_codes", self.configuration, login=waiting.id, download="1")
        return self.show(
            request, codes=codes, grouped_codes=[(code, in_groups(code)) for code in codes], download_url=url
        )

    def file(self, request: HttpRequest, codes: Sequence[str]) -> HttpResponse:
        """Answer with the codes as a text file: no script is needed to keep them."""
        title = ngettext("Recovery code for %(site)s", "Recovery codes for %(site)s", len(codes))
        lines = [title % {"site": request.get_host()}, "", *codes, ""]
        response = HttpResponse("\r\n".join(lines), content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
        response["X-Content-Type-Options"] = "nosniff"
        return rendering.finish_answer(response)

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        waiting_logins.remove(request, waiting)
        return self.go(site_urls.landing_url(site_urls.safe_next(request, waiting.next_url)))
