"""A page under Django's own decorator, without our URLs."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.urls import path

from tests import sample_views

urlpatterns = [path("django-login-required/", login_required(sample_views.plain))]
