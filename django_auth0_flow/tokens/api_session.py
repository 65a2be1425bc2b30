"""Sessions for APIs, with what Django and the site's receivers need of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import requests
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.protocol.tokens import TokenSource
from django_auth0_flow.signals import api_session_created, send


class DiscreetApiSession(ApiSession):
    """Hides the variables of failed calls from Django's error reports: a request's headers hold the access token."""

    @sensitive_variables()
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        return super().send(request, **kwargs)


def api_session(source: TokenSource, origins: Collection[str], configuration: str) -> ApiSession:
    """Return a ``requests.Session`` that sends the source's access token to ``origins``."""
    timeout, prover = get_settings(configuration).http_timeout, get_client(configuration).prover
    session = DiscreetApiSession(source, origins, timeout=timeout, prover=prover)
    send(api_session_created, ApiSession, session=session, configuration=configuration)
    return session
