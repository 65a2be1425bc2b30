"""``auth0:account``: where people see their logins on this site, and end them."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase

from django_auth0_flow.access.requirements import Requirement
from django_auth0_flow.conf import configuration_names, get_settings
from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake
from django_auth0_flow.error_responses import login_of
from django_auth0_flow.logout import own_logins
from django_auth0_flow.logout.sessions import Ended, end_logins, end_rows
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.deadline import http_deadline
from django_auth0_flow.protocol.errors import AccountsRefused, TransportError
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.views.base import FormView
from django_auth0_flow.views.logout import log_out
from django_auth0_flow.views.protection import check_login

if TYPE_CHECKING:
    from django_auth0_flow.protocol.connected_accounts import ConnectedAccount

logger = logging.getLogger(__name__)

#: Why a login ended, for log and signal.
ENDED_BY_USER = "ended_by_user"

#: Seconds in all that the page waits for the tenant's list of connected accounts.
_ACCOUNTS_SECONDS = 3

#: In the session until the page is shown: how many logins were ended, and how many could not be.
_OUTCOME = "_auth0_account"


class AccountView(FormView):
    """``auth0:account``: a person's logins, whatever their configuration. POST ends one, all others or all.

    With ``CONNECTED_ACCOUNTS`` also the accounts that this login's user has connected; POST disconnects one.
    """

    template_name = "account.html"
    http_method_names = ["get", "head", "post", "options"]

    def is_enabled(self) -> bool:
        """``ACCOUNT_PAGE`` is on."""
        return get_settings(self.configuration).account_page

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let only visitors in who are logged in now."""
        if not self.is_enabled():
            raise Http404("This page is switched off.")
        names = dict.fromkeys([self.configuration, *configuration_names()])
        refusal = check_login(request, Requirement(), configurations=[*names])
        return refusal if refusal is not None else super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        ended, left = request.session.pop(_OUTCOME, (0, 0))
        return self.show(request, ended=ended, left=left)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """End what ``end`` says: ``others``, ``all``, or the id of a login. This browser's own ends as a logout does."""
        if account_id := request.POST.get("disconnect", ""):
            return self.disconnect(request, account_id)
        current, wanted = login_of(request).login_session, request.POST.get("end", "")
        if wanted in ("others", "all"):
            ended = end_logins(request.user, keep=current, reason=ENDED_BY_USER)
            # Who is told that something is left must be logged in to try again.
            return log_out(request) if wanted == "all" and not ended.left else self.show_outcome(request, ended)
        row = own_logins.find_login(request.user, wanted)
        if row is None:
            return self.show(request, status=404, not_found=True)
        if row.pk == current.pk:
            return log_out(request)
        return self.show_outcome(request, end_rows([row], reason=ENDED_BY_USER))

    def disconnect(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Disconnect an account at an identity provider."""
        login = login_of(request)
        if not login.configuration.connected_accounts or len(account_id) > 200:
            raise Http404("No account is connected here.")
        try:
            login.connected_accounts.disconnect(account_id)
        except AccountsRefused as error:
            logger.warning("disconnect_failed code=%s", error.code)
            note_setup_mistake(error)
            return self.show(request, status=502, accounts_failed=True)
        request.session[FACTS_KEY] = {name: fact for name, fact in login.facts.items() if name != "connected"}
        return self.show_outcome(request, Ended())

    def accounts(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the page shows of connected accounts: nothing where the login's configuration has none."""
        login = login_of(request)
        offered = login.configuration.connected_accounts
        if not offered:
            return {}
        try:
            with http_deadline(_ACCOUNTS_SECONDS):
                found = login.connected_accounts.list()
        except (AccountsRefused, TransportError) as error:
            logger.warning("accounts_not_listed code=%s", error.code)
            note_setup_mistake(error)
            return {"accounts_unknown": True}
        shown = [
            {"id": one.id, "provider": own_logins.provider_in_words(one.connection), **_dated(one)} for one in found
        ]
        missing = [name for name in offered if name not in {one.connection for one in found}]
        more = [{"connection": name, "provider": own_logins.provider_in_words(name)} for name in missing]
        here = site_urls.url_of("account", self.configuration)
        return {
            "accounts": shown,
            "connectable": more,
            "connect_action": site_urls.url_of("connect", login.configuration.name),
            "here": here,
        }

    def form_expired(self, request: HttpRequest) -> HttpResponse:
        return self.show(request, status=403, form_expired=True)

    def show(self, request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
        """Show the page."""
        logins = own_logins.logins_of(request.user, login_of(request).login_session)
        values = {
            "logins": logins[: own_logins.MAX_SHOWN],
            "has_more": len(logins) > own_logins.MAX_SHOWN,
            "identities": own_logins.identities_of(request.user),
            **self.accounts(request),
            **context,
        }
        return rendering.page(request, self.template_name, values, status)

    def show_outcome(self, request: HttpRequest, ended: Ended) -> HttpResponse:
        """Lead back to the page, so that a reload ends nothing more."""
        request.session[_OUTCOME] = (ended.login_sessions, ended.left)
        return rendering.finish_answer(HttpResponseRedirect(site_urls.url_of("account", self.configuration)))


def _dated(account: ConnectedAccount) -> dict[str, Any]:
    try:
        return {"since": datetime.fromisoformat(account.created_at)}
    except ValueError:
        return {}
