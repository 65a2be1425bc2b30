"""The ways to log in without a password. A new one needs an entry here and its words in ``passwordless.html``.

Auth0: Authentication API, Get Code or Link.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Channel:
    """``kind`` is what the settings and pages call it. ``address``: the parameter, ``email`` or ``phone_number``.

    ``send``: ``code`` or ``link``; empty where the connection sends codes only and takes no such parameter.
    """

    kind: str
    connection: str
    address: str
    send: str = ""

    @property
    def is_link(self) -> bool:
        return self.send == "link"

    @property
    def is_by_phone(self) -> bool:
        return self.address == "phone_number"


EMAIL_CODE = Channel("email-code", connection="email", address="email", send="code")
EMAIL_LINK = Channel("email-link", connection="email", address="email", send="link")
SMS = Channel("sms", connection="sms", address="phone_number")

CHANNELS = {channel.kind: channel for channel in (EMAIL_CODE, EMAIL_LINK, SMS)}
