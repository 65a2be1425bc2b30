"""The clinic in Django's admin."""

from __future__ import annotations

from django.contrib import admin

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
