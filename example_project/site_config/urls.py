"""Addresses of the site: the pages, their API, the login, the admin."""

from __future__ import annotations

from clinic import api, views, ways
from clinic.conf import has_ways
from django.contrib import admin
from django.urls import include, path

from django_auth0_flow.conf import DEFAULT, configuration_names

urlpatterns = [
    path("", views.home, name="home"),
    path("appointments/", views.appointments, name="appointments"),
    path("appointments/book/", views.book, name="book"),
    path("appointments/expire-token/", views.expire_token, name="expire_token"),
    path("results/", views.results, name="results"),
    path("rota/", views.rota, name="rota"),
    path("profile/", views.profile, name="profile"),
    path("api/appointments/", api.appointments, name="api_appointments"),
    path("auth0/", include("django_auth0_flow.urls"), {"configuration": DEFAULT}),
    path("admin/", admin.site.urls),
]
if has_ways():
    urlpatterns += [
        path("ways/", ways.overview, name="ways"),
        path("ways/silent/", ways.silent, name="silent"),
        path("ways/access-token/", ways.access_token, name="access_token"),
        path("ways/invoices/", ways.invoices, name="invoices"),
        path("ways/calendar/", ways.calendar, name="calendar"),
        path("ways/outbox/", ways.outbox, name="outbox"),
        path("api/invoices/", api.invoices, name="api_invoices"),
        # Each configuration has its login, callback and logout below an address of its own.
        *(
            path(f"ways/{name}/", include("django_auth0_flow.urls", namespace=name), {"configuration": name})
            for name in configuration_names()
            if name != DEFAULT
        ),
    ]
