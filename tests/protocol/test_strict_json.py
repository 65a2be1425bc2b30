from __future__ import annotations

import json
import tracemalloc

import pytest

from django_auth0_flow.protocol.strict_json import is_storable_text, parse_json_array, parse_json_object


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="T4-empty"),
        pytest.param(b"<html>", id="T4-html"),
        pytest.param(b"[]", id="T4-list"),
        pytest.param(b"null", id="T4-null"),
        pytest.param(b'"text"', id="T4-string"),
        pytest.param(b"17", id="T4-number"),
        pytest.param(b'{"a":1', id="T4-truncated"),
        pytest.param(b'{"a":1} {}', id="T4-something-after"),
        pytest.param(b'{"a":"\xff"}', id="T4-bad-utf8"),
        pytest.param(b"\xef\xbb\xbf{}", id="T4-bom"),
        pytest.param('{"a":1}'.encode("utf-16"), id="T4-utf16"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="S10-surrogate-in-utf8"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="S10-objects-100000-deep"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="T5-brackets-200000-deep"),
        pytest.param(b'{"a":' + b"9" * 6000 + b"}", id="T5-integer-of-6000-digits"),
        pytest.param(b'{"a":NaN}', id="T5-nan"),
        pytest.param(b'{"a":-Infinity}', id="T5-infinity"),
        pytest.param(b'{"a":1,"a":1}', id="S10-duplicate"),
        pytest.param(b'{"a":{"b":1,"b":2}}', id="S10-duplicate-within"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="S10-duplicate-by-escape"),
    ],
)
def test_only_one_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_json_object(data)
    assert not isinstance(caught.value, UnicodeError | json.JSONDecodeError), "these carry the document"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, null, true, "\xc3\xa9"]}\n', {"a": [1, 2.5, None, True, "é"]}),
        (b'{"a":1e999}', {"a": float("inf")}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
    ],
    ids=["empty", "all-types", "beyond-float", "escaped-surrogate"],
)
def test_accepts(data: bytes, expected: object) -> None:
    assert parse_json_object(data) == expected


@pytest.mark.parametrize("data", [b"{}", b"null", b"[1", b"[NaN]", b"\xff", b"[" * 200_000], ids=lambda data: data[:5])
def test_what_is_no_array(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json_array(data)


def test_an_array() -> None:
    assert parse_json_array(b'[1, {"a": []}]') == [1, {"a": []}]


@pytest.mark.parametrize(
    "text", ["[" * 300, '"' + "[" * 300, "\\" + "[" * 300, '\\"' + "{" * 300 + "\\"], ids=lambda text: text[:3]
)
def test_brackets_in_texts_are_no_nesting(text: str) -> None:
    assert parse_json_object(json.dumps({"a": text, "b": text}).encode()) == {"a": text, "b": text}


@pytest.mark.parametrize("text", ["", '"', "\\", '\\"', '\\\\"'], ids=ascii)
def test_T5_no_text_hides_nesting(text: str) -> None:
    deep = "[" * 300 + "]" * 300
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json_object(b'{"a":%s,"b":%s}' % (json.dumps(text).encode(), deep.encode()))


@pytest.mark.parametrize("text", ["[" * 500_000, "[" * 300 + '"' * 300_000], ids=["plain", "escapes"])
def test_T6_a_long_text_takes_no_more_memory_than_a_few_copies(text: str) -> None:
    data = json.dumps({"a": text}).encode()
    tracemalloc.start()
    try:
        parse_json_object(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(data)


@pytest.mark.parametrize(
    ("text", "storable"),
    [
        ("auth0|1", True),
        ("", True),
        ("Jürgen 日本", True),
        ("a\x00b", False),
        ("a\nb", False),
        ("a\x7fb", False),
        ("a\ud800b", False),
        ("日本\x1f", False),
    ],
    ids=ascii,
)
def test_storable_text(text: str, storable: bool) -> None:
    assert is_storable_text(text) is storable
