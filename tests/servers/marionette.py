"""Selenium's commands over Marionette, Firefox's own protocol: what geckodriver does, which neither Debian nor PyPI has.

Marionette's commands are WebDriver's with other names, as JSON with its length before it: ``33:[0, 1, "WebDriver:Navigate",
{…}]``, answered by ``[1, 1, error, result]``.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.remote_connection import RemoteConnection

SECONDS = 300

_NAMES = {
    Command.CLICK_ELEMENT: "ElementClick",
    Command.CLOSE: "CloseWindow",
    Command.DELETE_ALL_COOKIES: "DeleteAllCookies",
    Command.FIND_ELEMENT: "FindElement",
    Command.FIND_ELEMENTS: "FindElements",
    Command.GET: "Navigate",
    Command.GET_ALL_COOKIES: "GetCookies",
    Command.GET_CURRENT_URL: "GetCurrentURL",
    Command.GET_ELEMENT_TEXT: "GetElementText",
    Command.GO_BACK: "Back",
    Command.NEW_SESSION: "NewSession",
    Command.NEW_WINDOW: "NewWindow",
    Command.QUIT: "DeleteSession",
    Command.REFRESH: "Refresh",
    Command.SEND_KEYS_TO_ELEMENT: "ElementSendKeys",
    Command.SET_TIMEOUTS: "SetTimeouts",
    Command.SWITCH_TO_WINDOW: "SwitchToWindow",
    Command.W3C_EXECUTE_SCRIPT: "ExecuteScript",
    Command.W3C_GET_CURRENT_WINDOW_HANDLE: "GetWindowHandle",
    Command.W3C_GET_WINDOW_HANDLES: "GetWindowHandles",
}


class MarionetteConnection(RemoteConnection):
    """A ``command_executor`` for ``selenium.webdriver.Remote``. A command that is not in the table above is a KeyError."""

    def __init__(self, port: int) -> None:
        super().__init__(client_config=ClientConfig(f"http://127.0.0.1:{port}"))
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._answers = self._socket.makefile("rb")
        self._number = 0
        self._receive()  # its greeting

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def execute(self, command: str, params: dict[str, Any]) -> dict[str, Any]:
        if command == Command.NEW_SESSION:
            wanted = params["capabilities"]["alwaysMatch"]
            params = {name: value for name, value in wanted.items() if not name.startswith("moz:")}  # geckodriver's own
        params = {name: value for name, value in params.items() if name != "sessionId"}
        self._number += 1
        self._send([0, self._number, f"WebDriver:{_NAMES[command]}", params])
        _, number, error, result = self._receive()
        assert number == self._number
        if error is not None:
            return {"status": 500, "value": json.dumps({"value": error})}
        return {"value": result["value"] if isinstance(result, dict) and set(result) == {"value"} else result}

    def _send(self, message: list[Any]) -> None:
        data = json.dumps(message).encode()
        self._socket.sendall(b"%d:%s" % (len(data), data))

    def _receive(self) -> Any:
        length = b""
        while (digit := self._answers.read(1)) != b":":
            if not digit:
                raise ConnectionError("Firefox has hung up")
            length += digit
        return json.loads(self._answers.read(int(length)))
