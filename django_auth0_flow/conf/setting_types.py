"""The types of settings: what each accepts, and what stands in the documentation and in the message about a wrong value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from django.http import HttpRequest


@dataclass(frozen=True)
class SettingType:
    """``name`` is for the documentation, ``expected`` for the message about a value that ``accepts`` refuses."""

    name: str
    expected: str
    accepts: Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text_dict(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_text(text) for pair in value.items() for text in pair)


def _is_signing_key(value: Any) -> bool:
    return _is_text_dict(value) and "key" in value and set(value) <= {"key", "kid", "alg"}


def _is_certificate(value: Any) -> bool:
    return _is_text(value) or (_is_text_dict(value) and "cert" in value and set(value) <= {"cert", "key"})


def _is_list_of(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(accepts, value))


def is_callable_or_path(value: object) -> bool:
    """Tell whether ``value`` can be called, or may be the dotted path of something that can."""
    return callable(value) or (isinstance(value, str) and "." in value)


Text = Annotated[str, SettingType("text", "a string", _is_text)]
Flag = Annotated[bool, SettingType("bool", "True or False", lambda value: isinstance(value, bool))]
Texts = Annotated[tuple[str, ...], SettingType("list", "a list of strings", _is_list_of(_is_text))]
TextDict = Annotated[Mapping[str, str], SettingType("dict", "a dict of strings", _is_text_dict)]
WholeSeconds = Annotated[int, SettingType("seconds", "a whole number of seconds", _is_whole)]
Seconds = Annotated[float, SettingType("seconds", "a number of seconds", _is_number)]
ProxyCount = Annotated[
    int | None,
    SettingType(
        "int or `None`",
        "a whole number, or None to tell the tenant no visitor's address",
        lambda value: value is None or _is_whole(value),
    ),
]
Realm = Annotated[
    str | bool,
    SettingType(
        "text or `True`",
        "the name of a database connection, or True for the tenant's Default Directory",
        lambda value: value is None or isinstance(value, (str, bool)),
    ),
]
Organization = Annotated[
    str | Callable[[HttpRequest], str | None],
    SettingType(
        "text or callable",
        "the id or name of an organization, or a callable",
        lambda value: _is_text(value) or callable(value),
    ),
]
Clock = Annotated[Callable[[], float], SettingType("callable", "a callable or its dotted path", is_callable_or_path)]
SigningKeys = Annotated[
    tuple[Mapping[str, str], ...],
    SettingType(
        "list",
        'a list of {"key": PEM text or path, "kid": ..., "alg": ...}, newest first',
        _is_list_of(_is_signing_key),
    ),
]
Certificate = Annotated[
    str | Mapping[str, str],
    SettingType(
        'path or `{"cert": …, "key": …}`', 'a PEM file\'s path, or {"cert": path, "key": path}', _is_certificate
    ),
]
