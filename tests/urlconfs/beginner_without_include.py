"""The first site, without our URLs."""

from __future__ import annotations

from tests.urlconfs.beginner import views

urlpatterns = views
