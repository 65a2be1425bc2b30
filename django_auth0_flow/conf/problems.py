"""What a problem of ``AUTH0`` is: ``checks`` reports each, ``get_settings`` raises the first error."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.module_loading import import_string


@dataclass(frozen=True)
class Problem:
    """One mistake: the id of its system check, the key ("" for all of the configuration), what is wrong, and a hint."""

    id: str
    key: str
    text: str
    hint: str = ""
    where: str = "AUTH0"

    @property
    def is_error(self) -> bool:
        return self.id.startswith("E")

    @property
    def message(self) -> str:
        return f"{self.where}{f'[{self.key!r}]' if self.key else ''} {self.text}"


def path_problem(key: str, value: object) -> Problem | None:
    """Return what is wrong with a value that may be a dotted path: it must lead to something that can be called."""
    if not isinstance(value, str) or "." not in value:
        return None
    try:
        found = import_string(value)
    except ImportError:
        return Problem("E029", key, f"names {value!r}, which can't be imported.")
    return None if callable(found) else Problem("E029", key, f"names {value!r}, which can't be called.")
