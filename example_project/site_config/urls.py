"""Addresses of the site: the pages, their API, the login, the admin."""

from __future__ import annotations

from clinic import api, views
from django.contrib import admin
from django.urls import include, path

pages = [
    path("", views.home, name="home"),
    path("appointments/", views.appointments, name="appointments"),
    path("appointments/book/", views.book, name="book"),
    path("results/", views.results, name="results"),
    path("rota/", views.rota, name="rota"),
    path("profile/", views.profile, name="profile"),
    path("api/appointments/", api.appointments, name="api_appointments"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),  # the language switch
]
urlpatterns = [*pages, path("auth0/", include("django_auth0_flow.urls"))]
