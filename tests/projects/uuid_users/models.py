"""A user model with a UUID for a key, its own names for things, and neither groups nor permissions."""

from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Member(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    handle = models.CharField(max_length=30, unique=True)
    contact = models.CharField(max_length=50, blank=True)
    logins = models.PositiveSmallIntegerField(null=True)
    badge = models.CharField(max_length=20, unique=True, null=True)  # noqa: DJ001  # NULL is not unique
    born = models.DateField(null=True)

    USERNAME_FIELD = "handle"
    EMAIL_FIELD = "contact"

    def __str__(self) -> str:
        return self.handle
