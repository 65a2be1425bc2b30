"""Booking an appointment: the page and the API judge it by the same form."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .models import Appointment, Doctor

SLOTS = [f"{hour:02}:{minute:02}" for hour in range(9, 17) for minute in (0, 30)]


def next_weekday() -> date:
    day = timezone.localdate() + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day


class BookingForm(forms.Form):
    doctor = forms.ChoiceField(label=_("Doctor"), choices=Doctor.choices)
    day = forms.DateField(
        label=_("Day"), initial=next_weekday, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    time = forms.ChoiceField(label=_("Time"), choices=[(slot, slot) for slot in SLOTS])
    reason = forms.CharField(label=_("Reason (optional)"), max_length=80, required=False)

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        today = timezone.localdate()
        if not today < day <= today + timedelta(days=365):
            raise forms.ValidationError(_("Please choose a day from tomorrow on, within a year."))
        if day.weekday() > 4:
            raise forms.ValidationError(_("The clinic is closed at weekends."))
        return day

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and Appointment.objects.filter(doctor=values["doctor"], starts_at=self.starts_at).exists():
            self.add_error("time", _("This time is taken already."))
        return values

    @property
    def starts_at(self) -> datetime:
        """When the appointment begins; for a form whose day and time are valid."""
        start = datetime.combine(self.cleaned_data["day"], time.fromisoformat(self.cleaned_data["time"]))
        return timezone.make_aware(start).astimezone(UTC)
