"""``auth0_import_identities``: users of other packages keep their accounts, and nothing is guessed or overwritten."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_auth0_flow.conf import get_settings
from django_auth0_flow.models import Identity
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.users.import_sources import Found
from django_auth0_flow.users.importing import apply_plan, build_plan
from tests.walk import walk

pytestmark = pytest.mark.django_db
User: Any = get_user_model()
DOMAIN = "example.eu.auth0.com"
ISSUER = f"https://{DOMAIN}/"
ADA, GRACE, ALAN = "auth0|602e93db83fa6f00749a23e6", "auth0|5f7c8ec7c33c6c004bbafe82", "google-oauth2|1082"
SOCIAL_AUTH, ALLAUTH = "social_auth_usersocialauth", "socialaccount_socialaccount"


@pytest.fixture(autouse=True)
def auth0_tenant(settings: Any) -> None:
    settings.AUTH0 = {"DOMAIN": DOMAIN, "CLIENT_ID": "client", "CLIENT_SECRET": "secret"}


def run(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    output = io.StringIO()
    try:
        call_command("auth0_import_identities", *arguments, stdout=output, no_color=True)
    except SystemExit as stopped:
        return int(stopped.code or 0), output.getvalue()
    return 0, output.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


def links() -> dict[str, str]:
    """Return which subject is which user."""
    return {identity.subject: identity.user.username for identity in Identity.objects.select_related("user")}


def make(*names: str) -> list[Any]:
    return [User.objects.create_user(name, f"{name}@example.com", f"password of {name}") for name in names]


@contextmanager
def accounts(table: str, *rows: tuple[Any, str, str]) -> Iterator[None]:
    """A table as the other packages leave it behind, with the columns that matter and one that doesn't."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {table} (id integer PRIMARY KEY, provider varchar(200), uid varchar(255), "
            "extra_data text, user_id integer)"
        )
        for number, (user, provider, uid) in enumerate(rows, 1):
            values = [number, provider, uid, "{}", getattr(user, "pk", user)]
            cursor.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s)", values)  # noqa: S608 - a constant
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {table}")


# -- each source ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "table", "provider"),
    [
        ("social-auth", SOCIAL_AUTH, "auth0"),
        ("social-auth", SOCIAL_AUTH, "auth0_openidconnect"),
        ("allauth", ALLAUTH, "auth0"),
    ],
)
def test_accounts_of_another_package_become_identities(source: str, table: str, provider: str) -> None:
    ada, grace, other = make("ada", "grace", "other")
    with accounts(table, (ada, provider, ADA), (grace, provider, GRACE), (other, "google", "1082")):
        code, said = run(source)
        assert (code, "2 to link" in said, "Nothing was written" in said) == (0, True, True)
        assert links() == {}
        assert run(source, "--apply")[0] == 0
        assert links() == {ADA: "ada", GRACE: "grace"}
        assert set(Identity.objects.values_list("issuer", flat=True)) == {ISSUER}
        code, said = run(source, "--apply")
        assert (code, "0 linked\n" in said, "2 linked already" in said) == (0, True, True)


def test_the_other_packages_table_is_not_changed() -> None:
    (ada,) = make("ada")
    with accounts(ALLAUTH, (ada, "auth0", ADA)), connection.cursor() as cursor:
        run("allauth", "--apply")
        cursor.execute(f"SELECT * FROM {ALLAUTH}")  # noqa: S608 - a constant
        assert list(cursor.fetchall()) == [(1, "auth0", ADA, "{}", ada.pk)]


def test_accounts_of_other_providers_are_never_taken_by_default() -> None:
    """The subjects of one provider mean somebody else at another."""
    ada, grace = make("ada", "grace")
    with accounts(ALLAUTH, (ada, "openid_connect", ADA), (grace, "google", "1082"), (ada, "google", "7")):
        assert "It has: google (2), openid_connect (1)" in refused("allauth")
        run("allauth", "--provider", "openid_connect", "--apply")
    assert links() == {ADA: "ada"}


def test_a_package_that_was_never_here_is_told() -> None:
    assert "no table socialaccount_socialaccount" in refused("allauth")


def test_an_empty_table_is_told() -> None:
    with accounts(SOCIAL_AUTH):
        assert "none at all" in refused("social-auth")


def test_a_package_that_is_still_installed_is_read_through_its_model(
    settings: Any,
) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.projects.socialaccount"]
    (ada,) = make("ada")
    with accounts(ALLAUTH, (ada, "auth0", ADA), (ada, "google", "1082")):
        with CaptureQueriesContext(connection) as queries:
            run("allauth", "--apply")
        assert f'"{ALLAUTH}"."uid"' in queries[0]["sql"].replace("`", '"'), "the model's own query"
    assert links() == {ADA: "ada"}


def test_subjects_in_a_field_of_the_users() -> None:
    User.objects.create_user(ADA)
    User.objects.create_user(ALAN)
    make("admin")
    code, said = run("mozilla-django-oidc", "--field", "username", "--apply")
    assert (code, "2 linked\n" in said) == (0, True)
    assert "1 passed over" in said
    assert links() == {ADA: ADA, ALAN: ALAN}


def test_mozilla_django_oidc_keeps_no_subject_by_itself() -> None:
    assert "--field" in refused("mozilla-django-oidc")
    assert "no field 'sub'" in refused("mozilla-django-oidc", "--field", "sub")


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> str:
    path = folder / "users.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return str(path)


def test_a_file_of_primary_keys_and_subjects(tmp_path: Path) -> None:
    ada, grace = make("ada", "grace")
    file = write(tmp_path, "pk,sub", f"{ada.pk},{ADA}", f"{grace.pk},{GRACE}")
    assert run("csv", "--file", file, "--apply")[0] == 0
    assert links() == {ADA: "ada", GRACE: "grace"}


def test_auth0s_own_export_with_verified_addresses(tmp_path: Path) -> None:
    """Its texts begin with an apostrophe; case in an address is nobody's identity."""
    make("ada", "grace", "alan")
    User.objects.filter(username="ada").update(email="Ada@Example.com")
    file = write(
        tmp_path,
        '"user_id","email","email_verified"',
        f'"\'{ADA}","\'ada@example.com",true',
        f'"\'{GRACE}","\'grace@example.com",false',
        f'"\'{ALAN}","\'nobody@example.com",true',
        encoding="utf-8-sig",
    )
    code, said = run("csv", "--file", file, "--field", "email", "--apply")
    assert code == 1
    assert links() == {ADA: "ada"}
    assert f"line 3: {GRACE}: the e-mail address is not verified at the tenant" in said
    assert f"line 4: {ALAN}: no user has this email" in said


def test_an_address_counts_only_with_a_word_about_its_verification(tmp_path: Path) -> None:
    make("ada")
    file = write(tmp_path, "user_id,email", f"{ADA},ada@example.com")
    assert "email_verified" in refused("csv", "--file", file, "--field", "email")


@pytest.mark.parametrize("email", ["ADA@EXAMPLE.COM", "ada@example.com"])
def test_two_users_with_one_address_are_a_conflict(tmp_path: Path, email: str) -> None:
    make("ada", "twin")
    User.objects.filter(username="twin").update(email=email)
    file = write(tmp_path, "sub,email,email_verified", f"{ADA},ada@example.com,true")
    code, said = run("csv", "--file", file, "--field", "email", "--apply")
    assert (code, links()) == (1, {})
    assert "2 users have this email" in said


@pytest.mark.parametrize(
    "written", ["\u212aate@example.com", "\uff4bate@example.com", "kate@\uff45xample.com"], ids=ascii
)
def test_L3_letters_that_fold_into_others_are_other_letters(tmp_path: Path, written: str) -> None:
    make("kate")
    file = write(tmp_path, "sub,email,email_verified", f"{ADA},{written},true")
    assert run("csv", "--file", file, "--field", "email", "--apply")[0] == 1
    assert links() == {}


@pytest.mark.parametrize("verified", ["", "false", "0", "null", "unverified"])
def test_L1_an_address_that_is_not_verified_is_nobodys(tmp_path: Path, verified: str) -> None:
    make("ada")
    file = write(tmp_path, "sub,email,email_verified", f"{ADA},ada@example.com,{verified}")
    assert run("csv", "--file", file, "--field", "email", "--apply")[0] == 1
    assert links() == {}


def test_L4_subjects_that_differ_by_case_only_stay_two() -> None:
    ada, twin = make("ada", "twin")
    rows = [(ada, "auth0", "auth0|abc"), (twin, "auth0", "auth0|ABC"), (twin, "auth0", "auth0|abc ")]
    with accounts(SOCIAL_AUTH, *rows):
        code, said = run("social-auth", "--apply")
    assert (code, "it can't be a subject" in said) == (1, True)
    assert links() == {"auth0|abc": "ada", "auth0|ABC": "twin"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "needs a header"),
        (b"a,b\n1,2\n", "needs a header with sub (or user_id) and pk"),
        (b"pk,sub\n\xff,auth0|1\n", "can't be read"),
        (b'pk,sub\n"' + b"x" * 200_000 + b'",1\n', "can't be read"),
    ],
    ids=["empty", "other columns", "not UTF-8", "a huge cell"],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(content)
    assert said in refused("csv", "--file", str(path))
    assert "can't be read" in refused("csv", "--file", str(tmp_path / "missing.csv"))
    assert "--file" in refused("csv")


@pytest.mark.parametrize("subject", ["", "ada", "auth0|" + "x" * 300, "auth0|\x07", "auth0|\u202e"], ids=ascii)
def test_what_can_be_no_subject_is_left_alone(tmp_path: Path, subject: str) -> None:
    (ada,) = make("ada")
    file = write(tmp_path, "pk,sub", f"{ada.pk},{subject}", "short")
    code, said = run("csv", "--file", file, "--apply")
    assert (code, links()) == (1, {})
    assert "2 left alone" in said


def test_another_provider_may_have_subjects_of_any_form(settings: Any, tmp_path: Path) -> None:
    settings.AUTH0 = {"ISSUER": "https://id.example.com/", "CLIENT_ID": "client", "CLIENT_SECRET": "secret"}
    (ada,) = make("ada")
    run("csv", "--file", write(tmp_path, "pk,sub", f"{ada.pk},7"), "--apply")
    assert links() == {"7": "ada"}


# -- conflicts -----------------------------------------------------------------------------------------------------------


def test_an_identity_of_somebody_else_is_never_overwritten(tmp_path: Path) -> None:
    old, new = make("old", "new")
    Identity.objects.create(key=Identity.key_for(ISSUER, ADA), issuer=ISSUER, subject=ADA, user=new)
    code, said = run("csv", "--file", write(tmp_path, "pk,sub", f"{old.pk},{ADA}"), "--apply")
    assert (code, links()) == (1, {ADA: "new"})
    assert f"says user {old.pk}, but it has logged in here as user {new.pk} already" in said


def test_one_subject_for_two_users_links_neither(tmp_path: Path) -> None:
    ada, twin = make("ada", "twin")
    file = write(tmp_path, "pk,sub", f"{ada.pk},{ADA}", f"{twin.pk},{ADA}", f"{twin.pk},{GRACE}")
    code, said = run("csv", "--file", file, "--apply")
    assert (code, links()) == (1, {GRACE: "twin"})
    assert f"it stands for several users: {ada.pk}, {twin.pk}" in said


def test_the_same_line_twice_is_no_conflict_and_a_user_may_have_several_identities(tmp_path: Path) -> None:
    (ada,) = make("ada")
    file = write(tmp_path, "pk,sub", *[f"{ada.pk},{ADA}"] * 2, f"{ada.pk},{ALAN}")
    assert run("csv", "--file", file, "--apply")[0] == 0
    assert links() == {ADA: "ada", ALAN: "ada"}


@pytest.mark.parametrize("user", [999, None], ids=str)
def test_accounts_of_users_that_are_gone_are_left_alone(user: Any) -> None:
    with accounts(SOCIAL_AUTH, (user, "auth0", ADA)):
        code, said = run("social-auth", "--apply")
    assert (code, links()) == (1, {})
    assert "there is no user" in said


def test_a_login_while_the_import_runs_wins(tmp_path: Path) -> None:
    old, new = make("old", "new")
    plan = build_plan(get_settings(), [Found(old.pk, ADA, "line 2"), Found(old.pk, GRACE, "line 3")])
    Identity.objects.create(key=Identity.key_for(ISSUER, ADA), issuer=ISSUER, subject=ADA, user=new)
    assert apply_plan(plan) == 1
    assert links() == {ADA: "new", GRACE: "old"}
    assert [conflict.subject for conflict in plan.conflicts] == [ADA]


def test_many_conflicts_are_cut_short_unless_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path, "pk,sub", *[f"{number},auth0|{number}" for number in range(1000, 1030)])
    assert "and 10 more: --verbosity 2 shows all" in run("csv", "--file", file)[1]
    assert run("csv", "--file", file, "--verbosity", "2")[1].count("no user has this pk") == 30
    assert run("csv", "--file", file, "--verbosity", "0") == (1, "")


def test_more_users_than_fit_one_statement(tmp_path: Path, django_assert_max_num_queries: Any) -> None:
    User.objects.bulk_create(User(username=f"u{number}") for number in range(1200))
    keys = dict(User.objects.values_list("username", "pk"))
    file = write(tmp_path, "pk,sub", *[f"{pk},auth0|{name}" for name, pk in keys.items()])
    with django_assert_max_num_queries(40):
        assert "1200 linked\n" in run("csv", "--file", file, "--apply")[1]
    assert links() == {f"auth0|{name}": name for name in keys}


def test_the_links_are_shown_on_demand(tmp_path: Path) -> None:
    (ada,) = make("ada")
    said = run("csv", "--file", write(tmp_path, "pk,sub", f"{ada.pk},{ADA}"), "--verbosity", "2")[1]
    assert f"{ADA} is user {ada.pk}" in said


def test_each_configuration_has_its_issuer(settings: Any, tmp_path: Path) -> None:
    settings.AUTH0 = {"default": settings.AUTH0, "partners": {**settings.AUTH0, "DOMAIN": "partners.eu.auth0.com"}}
    (ada,) = make("ada")
    file = write(tmp_path, "pk,sub", f"{ada.pk},{ADA}")
    run("csv", "--file", file, "--configuration", "partners", "--apply")
    assert Identity.objects.get().issuer == "https://partners.eu.auth0.com/"
    assert "it has default, partners" in refused("csv", "--file", file, "--configuration", "nobody")


# -- what it is for ------------------------------------------------------------------------------------------------------


def test_the_next_login_finds_the_old_account_with_all_that_hangs_on_it(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    auth0_settings()
    (old,) = make("ada_1999")
    with accounts(ALLAUTH, (old, "auth0", tenant.user.sub)):
        run("allauth", "--apply")
    walk(client, tenant)
    assert client.get("/").content == b"home of ada_1999"
    assert User.objects.count() == 1
    old.refresh_from_db()
    assert old.check_password("password of ada_1999"), "the password of before is still there"
