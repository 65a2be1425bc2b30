"""A User-Agent header in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_auth0_flow.login.user_agent import _BROWSERS, _SYSTEMS, browser_and_system

KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {KIT}"


@pytest.mark.parametrize(
    ("header", "browser", "system"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/138.0.0.0 Safari/537.36", "Chrome", "Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {KIT} Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0", "Edge", "Windows"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KIT} Chrome/138.0.0.0 Safari/537.36", "Chrome", "ChromeOS"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {KIT} HeadlessChrome/138.0.0.0 Safari/537.36", "Chrome", "Linux"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {KIT} Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera", "Linux"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox", "Android"),
        (f"{ANDROID} Chrome/138.0.0.0 Mobile Safari/537.36", "Chrome", "Android"),
        (f"{ANDROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet", "Android"),
        (f"{ANDROID.replace('K)', 'K; wv)')} Version/4.0 Chrome/138.0.0.0 Mobile Safari/537.36", "", "Android"),
        (f"{IOS} Version/18.5 Mobile/15E148 Safari/604.1", "Safari", "iPhone"),
        (f"{IOS} CriOS/138.0 Mobile/15E148 Safari/604.1", "Chrome", "iPhone"),
        (f"{IOS} FxiOS/140.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iPhone"),
        (f"{IOS} Mobile/15E148 Safari Line/15.10.0", "LINE", "iPhone"),
        (f"{IOS} Mobile/15E148", "", "iPhone"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
            "Safari",
            "macOS",
        ),
        (f"Mozilla/5.0 {KIT}; compatible; Googlebot/2.1) Chrome/138.0.0.0 Safari/537.36", "", ""),
        ("curl/8.14.1", "", ""),
        ("", "", ""),
        ("<script>Firefox/140.0 Windows", "", ""),
    ],
)
def test_browsers_are_told_apart(header: str, browser: str, system: str) -> None:
    assert browser_and_system(header) == (browser, system)


@given(st.text().map("Mozilla/5.0 {}".format))
def test_nothing_of_the_header_itself_is_kept(header: str) -> None:
    browser, system = browser_and_system(header)
    assert browser in {"", *(name for _, name in _BROWSERS)}
    assert system in {"", *(name for _, name in _SYSTEMS)}
