"""Variables in an env file: ours are added or changed, every other line stays as it is."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path


class Refused(Exception):
    """The file can't be used; the message says why and what to do."""


class EnvFile:
    """An env file as it is; ``changes`` and ``write`` take the variables that it is to have.

    Values go between single quotes where they need any: shells and the usual readers of such files agree on those.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_open_to_others = False
        self._text = self._read()

    def _read(self) -> str:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            if not self.path.parent.is_dir():
                raise Refused(f"{self.path} can't be written: there is no folder {self.path.parent}.") from None
            return ""
        if not stat.S_ISREG(mode):
            raise Refused(f"{self.path} is not a regular file. Name the file itself.")
        self.is_open_to_others = bool(mode & 0o077)
        try:
            return self.path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{self.path} can't be read: {type(error).__name__}.") from None

    def get(self, name: str) -> str:
        """Return a variable's value; "" if it has none, or one that is more than a plain text."""
        found = _line_of(name).findall(self._text)
        try:
            words = shlex.split(found[-1], comments=True) if found else []
        except ValueError:
            return ""
        return words[0] if len(words) == 1 else ""

    def has(self, name: str) -> bool:
        return bool(_line_of(name).search(self._text))

    def changes(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that the file does not have with these values."""
        return {name: value for name, value in variables.items() if not self.has(name) or self.get(name) != value}

    def write(self, variables: Mapping[str, str]) -> None:
        """Put the variables in place, mode 0600, all or none. Raises Refused."""
        text = self._text = self._read()  # it may have changed while a person read
        newline = "\r\n" if "\r\n" in text else "\n"
        for name, value in self.changes(variables).items():
            line = f"{name}={_quoted(name, value)}"
            if self.has(name):
                text = _line_of(name).sub(line.replace("\\", r"\\"), text)
            else:
                text += newline * bool(text and not text.endswith("\n")) + line + newline
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text.encode())
            draft.replace(self.path)
        except OSError as error:
            raise Refused(f"{self.path} can't be written: {error.strerror}.") from None
        finally:
            draft.unlink(missing_ok=True)


def _line_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t]*(?:export[ \t]+)?{name}[ \t]*=(.*?)(?=\r?$)", re.MULTILINE)


def _quoted(name: str, value: str) -> str:
    if "'" in value or not value.isprintable():
        raise Refused(f"{name} has a character that can't stand in an env file.")
    return shlex.quote(value)
