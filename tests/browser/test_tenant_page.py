"""The local tenant's page in Chromium: nothing is clipped on a telephone, and its buttons work with the policy it sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.records import Message

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage


@pytest.mark.slow
def test_the_tenants_page_at_each_size_and_in_both_colours(chromium: Browser, pictures: Path, tenant: Tenant) -> None:
    tenant.say_to(Message("ada@example.com", "passwordless_code", "482913"))
    unknown = {"client_id": tenant.application.client_id, "redirect_uri": f"http://localhost:8000/{'long' * 40}/"}
    requests.get(f"{tenant.issuer}authorize", params=unknown, timeout=60)
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        problems.append(message.text)

    for colours in ("light", "dark"):
        for width, height in ((1280, 800), (390, 844)):
            page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=colours)
            page.on("console", note)
            page.goto(f"{tenant.issuer}_tenant/")
            page.screenshot(path=pictures / f"tenant-{colours}-{width}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            page.get_by_role("listitem").filter(has_text="Ada Lovelace").get_by_role("button", name="Block").press(
                "Enter"
            )
            assert page.get_by_role("status").inner_text().startswith("Blocked")
            assert tenant.user.blocked
            page.get_by_role("button", name="Unblock").click()
            assert not tenant.user.blocked
            page.close()
    assert problems == []
