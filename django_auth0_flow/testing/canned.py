"""Answers for ``requests`` that come from this process: no socket is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class CannedAdapter(BaseAdapter):
    """Answers every request by ``answer``; to be mounted on a ``requests.Session``."""

    def __init__(self, answer: Callable[[requests.PreparedRequest], requests.Response]) -> None:
        super().__init__()
        self._answer = answer

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the answer as if it came over a connection."""
        response = self._answer(request)
        response.request = request
        response.url = request.url or ""
        response.connection = self  # type: ignore[assignment]  # as good as one: a retry goes through it
        return response

    def close(self) -> None:
        """Do nothing: there is no connection."""


def canned_response(status: int, body: bytes, headers: Mapping[str, str]) -> requests.Response:
    """Return a response with this body."""
    response = requests.Response()
    response.status_code = status
    response.reason = _PHRASES.get(status, "")
    response.headers = CaseInsensitiveDict(headers)
    response.raw = BytesIO(body)
    return response


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> requests.Response:
    """Return a response with ``body`` as JSON."""
    content_type = {"Content-Type": "application/json"}
    return canned_response(status, json.dumps(body).encode(), {**content_type, **(headers or {})})
