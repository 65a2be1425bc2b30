"""What an answer tells the caches on its way: whose it is, and whether it may be kept at all.

``private`` stands in all of them: Django's own cache middleware went by that word alone until 5.2.15, and stored what
said only ``no-store`` or was asked for with an ``Authorization`` header.
"""

from __future__ import annotations

from typing import TypeVar

from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

#: What an answer to an access token depends on: a bound token is good with its proof only.
TOKEN_HEADERS = ("Authorization", "DPoP")

Answer = TypeVar("Answer", bound=HttpResponseBase)


def keep_private(answer: Answer, *varies_on: str) -> Answer:
    """Keep an answer out of shared caches, and from requests with other ``varies_on`` headers.

    What is stricter stays (``no-store``, ``max-age=0``); ``public`` gives way: an answer behind a login has no such.
    A view that returned no answer is for Django to report.
    """
    if isinstance(answer, HttpResponseBase):
        patch_cache_control(answer, private=True)
        patch_vary_headers(answer, varies_on)
    return answer


def forbid_storing(answer: Answer) -> Answer:
    """Forbid storing an answer, whatever it said before."""
    answer["Cache-Control"] = "private, no-store"
    return answer
