"""JSON from outside: objects only, no duplicate members, no NaN, never an exception other than ValueError."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a member stands twice")
    return result


#: Levels of nesting that are read. Python's own limit is no help: in a thread with a small stack the interpreter dies.
MAX_DEPTH = 200
_STRING = re.compile(r'"[^"]*"?')
_BRACKET = re.compile(r"[\[\]{}]")

#: What may stand around a value. RFC 8259 §2.
_BLANKS = " \t\n\r"
_decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)


def parse_json_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in ``data`` (UTF-8, no byte order mark). Raises ValueError for anything else.

    Deep nesting (RecursionError) and integers beyond Python's digit limit count as "anything else". Numbers such as
    ``1e999`` still become infinity: the users of a number check it. RFC 8259; RFC 8725 §3.7 for duplicates.
    """
    result = _parse_json(data)
    if not isinstance(result, dict):
        raise ValueError("not a JSON object")
    return result


def parse_json_array(data: bytes) -> list[Any]:
    """Return the JSON array in ``data``, as strictly as ``parse_json_object``. Raises ValueError."""
    result = _parse_json(data)
    if not isinstance(result, list):
        raise ValueError("not a JSON array")
    return result


def _refuse_depth(text: str) -> None:
    # Escapes go first: an expression that knows them keeps a hundred bytes for each character of a text.
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", unescaped)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")


def _parse_json(data: bytes) -> Any:
    try:
        text = data.decode("utf-8").strip(_BLANKS)
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _refuse_depth(text)
        result, end = _decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        # The decoders' own errors carry the whole document, tokens included.
        raise ValueError("not JSON in UTF-8") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return result


def is_storable_text(value: str) -> bool:
    """Tell whether ``value`` has neither control characters nor lone surrogates, so that any database takes it."""
    return (value.isprintable() and value.isascii()) or not any(
        ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF for char in value
    )
