"""Projects with a user model of their own."""

from __future__ import annotations

import pytest

from tests.projects import run_cases


@pytest.mark.parametrize("project", ["email_users", "uuid_users"])
def test_custom_user_model(project: str) -> None:
    run_cases(project)
