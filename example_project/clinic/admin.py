"""The clinic in Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from django_auth0_flow.admin import IdentityInline, log_out_everywhere

from .models import Appointment, TokenRefresh

admin.site.site_header = "Harbour Clinic"
admin.site.site_title = "Harbour Clinic"
admin.site.register(
    Appointment,
    list_display=["starts_at", "doctor", "subject", "reason"],
    list_filter=["doctor", "starts_at"],
    date_hierarchy="starts_at",
)
admin.site.register(TokenRefresh, list_display=["at", "login_session_id", "milliseconds"])
# Django's page of a user, with the identities at Auth0 and a link to the logins of each.
admin.site.unregister(User)
admin.site.register(User, UserAdmin, inlines=[IdentityInline], actions=[log_out_everywhere])
