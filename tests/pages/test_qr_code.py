"""QR codes as SVG paths: the drawing is the code, and there is none where none can be made."""

from __future__ import annotations

import re
import sys

import pytest
import segno

from django_auth0_flow.pages.qr_code import draw_qr_code

URI = "otpauth://totp/My%20Tenant:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=My%20Tenant"


@pytest.mark.parametrize("text", [URI, "otpauth://totp/港の診療所", "x", URI + "x" * (800 - len(URI))])
def test_the_path_draws_the_modules_with_white_around_them(text: str) -> None:
    drawn = draw_qr_code(text)
    assert drawn is not None
    matrix = segno.make_qr(text, encoding="utf-8").matrix
    expected = {(x + 4, y + 4) for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark}
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", drawn.path)
    assert "".join(f"M{x} {y}h{there}v1h-{back}z" for x, y, there, back in runs) == drawn.path
    assert all(there == back for _, _, there, back in runs)
    assert {(int(x) + step, int(y)) for x, y, length, _ in runs for step in range(int(length))} == expected
    assert drawn.size == len(matrix) + 8


@pytest.mark.parametrize("text", ["", "x" * 801, "港" * 300], ids=["none", "long", "long in bytes"])
def test_a_text_that_makes_no_readable_code_has_none(text: str) -> None:
    assert draw_qr_code(text) is None


def test_without_segno_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert draw_qr_code(URI) is None


def test_the_secret_in_it_is_in_no_repr() -> None:
    drawn = draw_qr_code(URI)
    assert drawn is not None
    assert drawn.path not in repr(drawn)
