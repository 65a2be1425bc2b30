"""Accounts at providers, as django-allauth names them."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class SocialAccount(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    provider = models.CharField(max_length=200)
    uid = models.CharField(max_length=255)

    class Meta:
        app_label = "socialaccount"

    def __str__(self) -> str:
        return self.uid
