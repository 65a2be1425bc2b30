"""How the tenant refuses: as JSON, on its own page, or at the application's callback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GRANT_TYPES_PAGE = "https://auth0.com/docs/clients/client-grant-types"


class ApiRefusal(Exception):
    """A JSON answer ``{"error", "error_description", …}`` with a status."""

    def __init__(
        self,
        status: int,
        error: str,
        description: str | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {"error": error}
        if description is not None:
            self.body["error_description"] = description
        self.body.update(extra or {})
        self.headers = dict(headers or {})

    @property
    def texts(self) -> tuple[str, str]:
        """The error's word and text, whatever members this body has for them."""
        error = self.body.get("error") or self.body.get("code") or self.body.get("title", "")
        found = (self.body.get(name) for name in ("error_description", "message", "description", "detail"))
        return str(error), next((text for text in found if isinstance(text, str)), "")


class PageRefusal(Exception):
    """An HTML page of the tenant: the application never hears of it."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text


class CallbackRefusal(Exception):
    """An error that travels to the application's callback in the response mode of the request."""

    def __init__(self, error: str, description: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


def unauthorized() -> ApiRefusal:
    """Wrong secret and unknown client look the same at Auth0."""
    return ApiRefusal(401, "access_denied", "Unauthorized")


def missing(name: str) -> ApiRefusal:
    return ApiRefusal(400, "invalid_request", f"Missing required parameter: {name}")


def grant_not_allowed(grant_type: str) -> ApiRefusal:
    description = f"Grant type '{grant_type}' not allowed for the client."
    return ApiRefusal(403, "unauthorized_client", description, extra={"error_uri": GRANT_TYPES_PAGE})
