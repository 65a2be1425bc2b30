"""``session_transfer_token``: a native application's login, good once for a minute. It goes to the tenant and nowhere else.

Whatever shows, logs or keeps an address later must not find it there: error pages, error reports, ``next``, the session.
Auth0: Native to Web SSO.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

from django.http import HttpRequest

NAME = "session_transfer_token"

#: Where servers put the address as it came, beside ``QUERY_STRING``.
_RAW_ADDRESSES = ("REQUEST_URI", "RAW_URI")


def take(request: HttpRequest) -> list[str]:
    """Take the token out of this request's address; return its values: one, unless the address is malformed."""
    values = request.GET.getlist(NAME)
    if values:
        query = request.GET.copy()
        del query[NAME]
        request.GET = query  # type: ignore[assignment]  # as immutable as need be: the request is ours here
        request.META["QUERY_STRING"] = query.urlencode()
        if (scope := getattr(request, "scope", None)) is not None:
            scope["query_string"] = query.urlencode().encode()
        for name in _RAW_ADDRESSES:
            if name in request.META:
                request.META[name] = without(request.META[name])
    return values


def without(url: str) -> str:
    """Return an address without the token, all else as it was."""
    path, mark, rest = url.partition("?")
    query, fragment_mark, fragment = rest.partition("#")
    if NAME not in unquote_plus(query):
        return url
    kept = "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) != NAME)
    return f"{path}{mark if kept else ''}{kept}{fragment_mark}{fragment}"
