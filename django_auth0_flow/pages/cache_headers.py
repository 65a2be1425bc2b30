"""What an answer tells caches: whom it is for, and whether it may be stored at all.

Every answer says ``private``. Until 5.2.15 Django's own cache middleware went by that word alone: it stored answers that
said only ``no-store``, and answers to requests with an ``Authorization`` header.
"""

from __future__ import annotations

from typing import TypeVar

from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

#: The headers that an answer to an access token depends on: a bound token is valid with its proof only.
TOKEN_HEADERS = ("Authorization", "DPoP")

Answer = TypeVar("Answer", bound=HttpResponseBase)


def keep_private(answer: Answer, *varies_on: str) -> Answer:
    """Keep an answer out of shared caches, and from requests with other ``varies_on`` headers.

    Stricter directives stay (``no-store``, ``max-age=0``); ``public`` is replaced. A view that returned no answer is left
    for Django to report.
    """
    if isinstance(answer, HttpResponseBase):
        patch_cache_control(answer, private=True)
        patch_vary_headers(answer, varies_on)
    return answer


def forbid_storing(answer: Answer) -> Answer:
    """Forbid storing an answer, whatever it said before."""
    answer["Cache-Control"] = "private, no-store"
    return answer
