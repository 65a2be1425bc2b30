"""The addresses of ``urls.py``, and those of the page "Ways to log in"."""

from __future__ import annotations

from clinic import ways
from django.urls import include, path

from django_auth0_flow.conf import DEFAULT, configuration_names

from .urls import pages

urlpatterns = [
    *pages,
    path("ways/", ways.overview, name="ways"),
    path("ways/silent/", ways.silent, name="silent"),
    path("ways/access-token/", ways.access_token, name="access_token"),
    path("ways/invoices/", ways.invoices, name="invoices"),
    path("ways/calendar/", ways.calendar, name="calendar"),
    path("ways/board/", ways.board, name="board"),
    path("api/board/", ways.board_api, name="api_board"),
    path("ways/old-clinic/", ways.old_clinic, name="old_clinic"),
    path("ways/bill/", ways.bill, name="bill"),
    path("api/invoices/", ways.invoices_api, name="api_invoices"),
    path("api/bill/", ways.bill_api, name="api_bill"),
    # Each configuration has its login, callback and logout below an address of its own.
    path("auth0/", include("django_auth0_flow.urls"), {"configuration": DEFAULT}),
    *(
        path(f"ways/{name}/", include("django_auth0_flow.urls", namespace=name), {"configuration": name})
        for name in configuration_names()
        if name != DEFAULT
    ),
]
