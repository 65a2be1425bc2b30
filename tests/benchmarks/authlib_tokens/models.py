"""``OAuth2Token``, as in the chapter about Django clients of Authlib's documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import models


class OAuth2Token(models.Model):
    """One user's token, in clear."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=40)
    token_type = models.CharField(max_length=40)
    access_token = models.TextField()
    refresh_token = models.TextField(default="")
    expires_at = models.PositiveIntegerField()

    objects: models.Manager[OAuth2Token] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_per_user")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def keep(cls, name: str, user: Any, token: Mapping[str, Any]) -> None:
        """Store the token set of a login."""
        fields = ("token_type", "access_token", "refresh_token", "expires_at")
        values = {field: token[field] for field in fields if field in token}
        cls.objects.update_or_create(user=user, name=name, defaults=values)

    def to_token(self) -> dict[str, Any]:
        """Return what Authlib wants."""
        return {
            "access_token": self.access_token,
            "token_type": self.token_type,
            "refresh_token": self.refresh_token,
            "expires_at": self.expires_at,
        }
