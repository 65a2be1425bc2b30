"""Asking for programs: a skip on a bare machine, a failure where all are required."""

from __future__ import annotations

import pytest

from tests import programs

pytest_plugins = ["pytester"]


def test_a_missing_program_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(programs.REQUIRE_ALL, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is missing: to see"):
        programs.require("no-such-program", "to see")
    monkeypatch.setenv(programs.REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is missing: to see"):
        programs.require("no-such-program", "to see")


def test_a_module_counts_as_a_program() -> None:
    assert programs.require("jwt", "to read tokens") == "jwt"
    assert programs.require_module("jwt", "to read tokens") == "jwt"


@pytest.mark.parametrize(("value", "outcome"), [("", {"skipped": 3, "xfailed": 1}), ("1", {"failed": 3, "xfailed": 1})])
def test_where_all_is_required_skips_are_failures(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv(programs.REQUIRE_ALL, value)
    pytester.makepyfile(
        test_some="""
        import pytest

        @pytest.mark.skip(reason="mark")
        def test_mark(): ...

        def test_call():
            pytest.skip("call")

        @pytest.fixture
        def broken():
            pytest.skip("fixture")

        def test_fixture(broken): ...

        @pytest.mark.xfail(strict=True)
        def test_expected():
            raise AssertionError
        """
    )
    result = pytester.runpytest_inprocess("-p", "tests.require_all", "-p", "no:django", "-p", "no:cacheprovider")
    counted = result.parseoutcomes()
    counted["failed"] = counted.pop("errors", 0) + counted.get("failed", 0)
    assert {name: number for name, number in counted.items() if number} == outcome
