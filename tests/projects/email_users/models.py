"""A user model that is told apart by its e-mail address, with more that is unique and a key of another table."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    username = None  # type: ignore[assignment]  # how Django's documentation removes it
    email = models.EmailField(unique=True)
    badge = models.CharField(max_length=20, unique=True, null=True)  # noqa: DJ001  # NULL is not unique
    card = models.UUIDField(unique=True, default=uuid.uuid4)
    mentor = models.ForeignKey("self", on_delete=models.SET_NULL, null=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
