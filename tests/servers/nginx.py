"""A throw-away nginx that speaks TLS in front of other servers."""

from __future__ import annotations

from collections.abc import Mapping

from tests import programs
from tests.client_keys import make_certificates
from tests.servers.process import Server, accepts_connections, free_port

WHY = "the tests of deployments need the Debian package nginx"

_CONFIGURATION = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {servers}
}}
"""


class Nginx(Server):
    """``servers``: a ``server`` block for each name. Each listens to a port of its own: 443 there, ``ports[name]`` here."""

    account = "www-data"

    def __init__(self, servers: Mapping[str, str]) -> None:
        self.servers = servers
        self.ports = {name: free_port() for name in servers}

    def _start(self) -> None:
        certificates = make_certificates(self.folder)
        self.ca = certificates.ca
        blocks = [
            block.replace("listen 443", f"listen 127.0.0.1:{self.ports[name]}")
            .replace("/etc/ssl/example.pem", str(certificates.edge))
            .replace("/etc/ssl/example-key.pem", str(certificates.edge_key))
            for name, block in self.servers.items()
        ]
        (self.folder / "nginx.conf").write_text(_CONFIGURATION.format(servers="\n".join(blocks)))
        self._spawn(
            [programs.require("nginx", WHY), "-p", f"{self.folder}/", "-c", "nginx.conf", "-e", "stderr"],
            until=lambda: all(accepts_connections(port) for port in self.ports.values()),
        )
