"""``python -m tests.browser.serve PORT``: the site over an empty database, its static files with it."""

from __future__ import annotations

import json
import os
import ssl
import sys
from typing import Any

import django
from django.contrib.staticfiles.management.commands.runserver import Command
from django.core.management import call_command
from django.core.servers.basehttp import WSGIServer


class HttpsServer(WSGIServer):
    """runserver's, with the certificate of the environment."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*json.loads(os.environ["TEST_CERTIFICATE"]))
        # Not before a thread has the connection: browsers open some that they don't use.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def setup_environ(self) -> None:
        super().setup_environ()
        self.base_environ["HTTPS"] = "on"


if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    command = Command()
    if "TEST_CERTIFICATE" in os.environ:
        command.server_cls = HttpsServer
    address = f"127.0.0.1:{sys.argv[1]}"
    call_command(command, address, use_reloader=False, insecure_serving=True, skip_checks=True)
