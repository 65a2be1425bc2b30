"""Request parameters, from a form or from JSON, and the two plainest answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Request, Response

from .errors import ApiRefusal, missing


def json_response(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


def redirect_to(url: str) -> Response:
    return Response("", status=302, headers={"Location": url})


class Parameters:
    """The members of a request body (or query), with Auth0's answer to those that are missing."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    @classmethod
    def of_body(cls, request: Request) -> Parameters:
        """Read a form-encoded or JSON body."""
        if request.mimetype == "application/json":
            try:
                members = json.loads(request.get_data())
            except (ValueError, RecursionError) as error:
                raise ApiRefusal(400, "invalid_request", "Invalid JSON in request body") from error
            if not isinstance(members, dict):
                raise ApiRefusal(400, "invalid_request", "The request body must be a JSON object")
            return cls(members)
        for name, found in request.form.lists():
            if len(found) > 1:
                raise ApiRefusal(400, "invalid_request", f"Parameter '{name}' must not be repeated")
        return cls(request.form.to_dict())

    def get(self, name: str) -> str | None:
        """Return a text member; an empty one counts as missing (RFC 6749 3.1)."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value else None

    def require(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise missing(name)
        return value

    def scopes(self) -> list[str] | None:
        """Return the scopes asked for; ``None`` when the parameter is absent."""
        value = self.get("scope")
        return None if value is None else value.split()
