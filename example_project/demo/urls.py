"""The site's addresses, and the demo's."""

from __future__ import annotations

from django.urls import path
from django.views.generic import TemplateView
from site_config.ways_urls import urlpatterns as site_patterns

from django_auth0_flow.testing.demo import flow

from . import views

urlpatterns = [
    *site_patterns,
    path("demo/expire-token/", views.expire_token, name="expire_token"),
    path("demo/outbox/", TemplateView.as_view(template_name="demo/outbox.html"), name="outbox"),
    path("demo/outbox/messages/", views.outbox_messages, name="outbox_messages"),
    path("demo/flow/", TemplateView.as_view(template_name="demo/flow.html"), name="flow"),
    path("demo/flow/state/", flow.state, name="flow_state"),
]
