"""Appointments, and a diary of token refreshes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Doctor(models.TextChoices):
    BLACKWELL = "blackwell", "Dr Elizabeth Blackwell"
    OGINO = "ogino", "Dr Ginko Ogino"
    SEACOLE = "seacole", "Nurse Mary Seacole"


ROOMS = {Doctor.BLACKWELL: _("Room 2"), Doctor.OGINO: _("Room 5"), Doctor.SEACOLE: _("Treatment room")}


class Appointment(models.Model):
    """A patient is known by the subject (``sub``) of the access token: the API is never told anything else."""

    subject = models.CharField(max_length=255, db_index=True)
    doctor = models.CharField(max_length=20, choices=Doctor.choices)
    starts_at = models.DateTimeField()
    reason = models.CharField(max_length=80, blank=True)

    objects: ClassVar[models.Manager[Appointment]] = models.Manager()

    class Meta:
        ordering = ["starts_at"]
        constraints = [models.UniqueConstraint(fields=["doctor", "starts_at"], name="one_patient_at_a_time")]

    def __str__(self) -> str:
        return f"{self.doctor_name}, {self.starts_at:%d %B %H:%M}"

    @property
    def doctor_name(self) -> str:
        return str(Doctor(self.doctor).label)

    @property
    def room(self) -> str:
        return str(ROOMS[Doctor(self.doctor)])


class TokenRefresh(models.Model):
    """One refresh of a login's access token, noted by a signal receiver.

    No foreign key: the package deletes ended login sessions by a single conditional statement, and that should stay so.
    """

    login_session_id = models.UUIDField(db_index=True)
    at = models.DateTimeField(help_text="By the clock of the site, which the demo can put forward.")
    milliseconds = models.PositiveIntegerField()

    objects: ClassVar[models.Manager[TokenRefresh]] = models.Manager()

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "token refreshes"

    def __str__(self) -> str:
        return f"{self.at:%d %B %H:%M:%S}, {self.milliseconds} ms"
