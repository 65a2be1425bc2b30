"""TLS contexts that are loaded once: reading a bundle of authorities costs more CPU than all the rest of a login.

requests reads the bundle for every new connection. Here connections with the same files share one context; a file that
changed on disk (a bundle brought up to date, a client certificate renewed) is read again for the next connection.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

#: Path, time of the last change in nanoseconds, size.
_File = tuple[str, int, int]


class SharedTlsAdapter(HTTPAdapter):
    """An HTTPAdapter whose connections share their TLS context. ``verify`` and ``cert`` mean what they mean to requests."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        """Put the shared context into the place of the files that it holds."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https" or not verify:
            return host, pool
        try:
            context = _shared_context(verify, cert)
        except OSError:
            return host, pool  # requests itself says best what is wrong with the files
        return host, {"cert_reqs": "CERT_REQUIRED", "ssl_context": context}

    def cert_verify(self, conn: Any, url: str, verify: bool | str | None, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # its stubs leave it bare
        if conn.conn_kw.get("ssl_context") is not None:
            # They are in the context; named here, they would be read again for each connection.
            conn.ca_certs = conn.ca_cert_dir = conn.cert_file = conn.key_file = None


def _shared_context(verify: bool | str, cert: Any) -> ssl.SSLContext:
    """Return the context for what requests calls ``verify`` and ``cert``. Raises OSError for a file that can't be used."""
    bundle = _stat(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)
    files = (cert,) if isinstance(cert, str) else tuple(cert or ())
    return _context(bundle, tuple(_stat(path) for path in files))


def _stat(path: str) -> _File:
    found = os.stat(path)  # noqa: PTH116  # a Path costs more than the look
    return path, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=16)
def _context(bundle: _File, certificate: tuple[_File, ...]) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    path = bundle[0]
    if os.path.isdir(path):  # noqa: PTH112  # as above
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
    if certificate:
        context.load_cert_chain(*(path for path, _, _ in certificate))
    return context
