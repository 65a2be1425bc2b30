"""``manage.py auth0_setup``: what it asks, shows, refuses and writes; and a newcomer's project from the first minute."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.tenant import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET

ROOT = Path(__file__).parents[2]
#: No one listens there.
NOWHERE = "http://127.0.0.1:9/"
SECRET = "the-secret-of-this-application"
Run = Callable[..., str]

#: A site that does not include our URLs.
urlpatterns: list[Any] = []


@pytest.fixture
def run(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder, with no ``AUTH0``, asking nothing; return what it says."""
    del settings.AUTH0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", SECRET)

    def command(*arguments: str, **options: Any) -> str:
        output = io.StringIO()
        given = {"domain": NOWHERE, "client_id": "an-id", "interactive": False, "doctor": False, **options}
        call_command("auth0_setup", *arguments, stdout=output, no_color=True, **given)
        return output.getvalue()

    return command


# -- addresses -------------------------------------------------------------------------------------------------------------


def addresses(said: str) -> dict[str, list[str]]:
    """Return the addresses below each field of the Dashboard."""
    _, _, part = said.partition("To register:")
    return {
        field: re.findall(r"^    (http\S+)", text, re.MULTILINE)
        for field, text in re.findall(r"^  ([A-Z][\w -]+): .*\n((?:    .*\n)*)", part, re.MULTILINE)
    }


def test_every_host_has_its_addresses(run: Run, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["www.example.com", "Shop.example.com", "localhost"]
    settings.DEBUG = False
    assert addresses(run()) == {
        "Allowed Callback URLs": [
            "https://www.example.com/auth0/callback/",
            "https://shop.example.com/auth0/callback/",
            "http://localhost:8000/auth0/callback/",
        ],
        "Allowed Logout URLs": [
            "https://www.example.com/auth0/logged-out/",
            "https://shop.example.com/auth0/logged-out/",
            "http://localhost:8000/auth0/logged-out/",
        ],
        "Application Login URI": ["https://www.example.com/auth0/login/"],
        "OpenID Connect Back-Channel Logout": ["https://www.example.com/auth0/backchannel-logout/"],
        "Allowed Web Origins": ["https://www.example.com", "https://shop.example.com", "http://localhost:8000"],
    }


def test_with_debug_this_machine_is_registered_by_both_names(run: Run, settings: Any) -> None:
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    found = addresses(run("--port", "8123"))
    assert found["Allowed Web Origins"] == ["http://localhost:8123", "http://127.0.0.1:8123"]
    assert found["Application Login URI"] == found["OpenID Connect Back-Channel Logout"] == []


def test_a_local_tenant_has_most_addresses_already(run: Run) -> None:
    assert "A local tenant has those" in run()
    assert "A local tenant" not in run(domain="clinic.eu.auth0.com")


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (["*"], "takes any host"),
        ([".example.com"], ".example.com also allows hosts below it"),
        ([], "ALLOWED_HOSTS is empty"),
    ],
)
def test_hosts_that_name_no_site_are_said(run: Run, settings: Any, hosts: list[str], said: str) -> None:
    settings.ALLOWED_HOSTS, settings.DEBUG = hosts, False
    assert said in run()


def test_base_url_is_the_only_site(run: Run, settings: Any) -> None:
    settings.DEBUG = True
    assert addresses(run(base_url="https://www.example.com"))["Allowed Web Origins"] == ["https://www.example.com"]
    settings.AUTH0 = {"BASE_URL": "https://own.example.com"}
    assert addresses(run())["Allowed Web Origins"] == ["https://own.example.com"]


def test_a_named_configuration_has_its_own_variables_and_addresses(run: Run, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AUTH0_PARTNERS_CLIENT_SECRET", SECRET)
    settings.AUTH0 = {"DOMAIN": "example.eu.auth0.com", "CLIENT_ID": "main", "CLIENT_SECRET": SECRET}
    said = run(configuration="partners", base_url="https://www.example.com")
    assert 'AUTH0["partners"] = {' in said
    assert 'os.environ.get("AUTH0_PARTNERS_CLIENT_SECRET", "")' in said
    assert addresses(said)["Allowed Callback URLs"] == ["https://www.example.com/partners/callback/"]
    assert settings.AUTH0["CLIENT_ID"] == "main"


@pytest.mark.parametrize("name", ["x;touch ruin", 'x"] = 1 #', "x$(touch ruin)", "x\n", "x(", "\x1b[2J", "ä"])
def test_a_name_is_text_in_the_settings_and_no_command_in_the_env_file(
    run: Run, tmp_path: Path, monkeypatch: Any, name: str
) -> None:
    prefix = f"AUTH0_{re.sub('[^A-Z0-9]', '_', name.upper())}"
    monkeypatch.setenv(f"{prefix}_CLIENT_SECRET", SECRET)
    said = run(configuration=name, dotenv=".env")
    printed = said.partition("  import os")[2].partition("}")[0]
    settings: dict[str, Any] = {}
    exec("import os\nAUTH0 = {}" + printed.replace("\n  ", "\n") + "}", settings)  # noqa: S102  # as a person would
    assert list(settings["AUTH0"]) == [name]
    assert said.isprintable() or said.replace("\n", "").isprintable()
    command = f'set -eu; . ./.env; printf "%s" "${prefix}_CLIENT_ID"'
    assert subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout == "an-id"
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


# -- settings --------------------------------------------------------------------------------------------------------------


def test_only_the_lines_that_are_missing_are_shown(run: Run, settings: Any) -> None:
    assert "MIDDLEWARE" not in run()
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Auth0" not in name]
    settings.LOGIN_URL = "/accounts/login/"
    said = run()
    assert '  MIDDLEWARE += ["django_auth0_flow.middleware.Auth0Middleware"]' in said
    assert '  LOGIN_URL = "auth0:login"' in said
    assert "AUTHENTICATION_BACKENDS" not in said
    assert "urls.py" not in said


@pytest.mark.urls(__name__)
def test_urls_that_are_not_included_yet_are_taken_as_they_will_be(run: Run, settings: Any) -> None:
    settings.LOGIN_URL = "/accounts/login/"
    said = run(base_url="https://www.example.com")
    assert 'path("auth0/", include("django_auth0_flow.urls"))' in said
    assert '  LOGIN_URL = "auth0:login"' in said
    assert addresses(said)["Allowed Callback URLs"] == ["https://www.example.com/auth0/callback/"]


def test_no_secret_is_shown(run: Run) -> None:
    said = run("--dotenv", audience="https://api.example.com")
    assert SECRET not in said
    assert f"AUTH0_CLIENT_SECRET=({len(SECRET)} characters, not shown)" in said
    assert '"SCOPE": "openid profile email offline_access"' in said


def test_running_it_again_changes_nothing(run: Run, settings: Any, tmp_path: Path) -> None:
    run("--dotenv", audience="https://api.example.com")
    before = (tmp_path / ".env").stat()
    settings.AUTH0 = {
        "ISSUER": NOWHERE,
        "CLIENT_ID": "an-id",
        "CLIENT_SECRET": SECRET,
        "AUDIENCE": "https://api.example.com",
        "SCOPE": "openid profile email offline_access",
        "GROUPS_CLAIM": "https://app.example.com/roles",
    }
    said = run("--dotenv", domain=None, client_id=None)
    assert "They say all of this already." in said
    assert "It has all of this already." in said
    assert (tmp_path / ".env").stat() == before
    assert "# … and as before: GROUPS_CLAIM" in run(client_id="another")


def test_a_client_with_a_key_of_its_own_is_asked_for_no_secret(run: Run, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("AUTH0_CLIENT_SECRET")
    settings.AUTH0 = {"CLIENT_AUTH": "none"}
    assert "SECRET" not in run()


# -- refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"domain": "auth0"}, "Domain must be a bare host name. Without https:// and without a slash"),
        ({"domain": "http://auth0.example.com/"}, "Domain must be an https URL"),
        ({"domain": "example.eu.auth0.com"}, "only an example"),
        ({"domain": None}, "Domain is needed. Give --domain, or AUTH0_DOMAIN in the environment."),
        ({"client_id": "two words"}, "Client ID has a blank"),
        ({"client_id": None}, "Client ID is needed. Give --client-id, or AUTH0_CLIENT_ID in the environment."),
        ({"client_id": SECRET}, "That is the Client ID"),
        ({"audience": "an-id"}, "is the CLIENT_ID: every ID token would have the audience of an access token"),
        ({"base_url": "ftp://www.example.com"}, "AUTH0['BASE_URL'] must be an https origin"),
        ({"client_secret_file": "nowhere"}, "nowhere can't be read: FileNotFoundError"),
        ({"dotenv": "no/such/.env"}, "there is no folder no/such"),
        ({"dotenv": "."}, "is not a regular file"),
        ({"interactive": True}, "There is no terminal to ask at"),
    ],
)
def test_what_can_not_be_right_is_refused_in_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: Any, options: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CommandError) as raised:
        run(**options)
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)
    assert [*tmp_path.iterdir()] == []


def test_the_secret_comes_from_a_file_or_from_standard_input(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("AUTH0_CLIENT_SECRET")
    with pytest.raises(CommandError, match="--client-secret-file"):
        run()
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    run(client_secret_file="secret", dotenv="one.env")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    run(client_secret_file="-", dotenv="two.env")
    assert (tmp_path / "one.env").read_text() == (tmp_path / "two.env").read_text()
    assert f"AUTH0_CLIENT_SECRET={SECRET}\n" in (tmp_path / "one.env").read_text()


# -- the env file ----------------------------------------------------------------------------------------------------------


def test_other_lines_of_the_env_file_stay_as_they_are(run: Run, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# ours\nexport AUTH0_CLIENT_ID = 'an-id'\nMY_AUTH0_ISSUER=x\nDEBUG=1")
    path.chmod(0o644)
    said = run("--dotenv")
    assert "0600" in said
    assert path.read_text() == (
        "# ours\nexport AUTH0_CLIENT_ID = 'an-id'\nMY_AUTH0_ISSUER=x\nDEBUG=1\n"
        f"AUTH0_ISSUER={NOWHERE}\nAUTH0_CLIENT_SECRET={SECRET}\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_without_a_person_no_value_is_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTH0_CLIENT_SECRET=of-production\n")
    with pytest.raises(CommandError, match=r"\.env has AUTH0_CLIENT_SECRET with another value"):
        run("--dotenv")
    assert (tmp_path / ".env").read_text() == "AUTH0_CLIENT_SECRET=of-production\n"


def test_a_link_is_not_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="not a regular file"):
        run("--dotenv")
    assert (tmp_path / "elsewhere").read_text() == ""


def test_a_shell_reads_back_what_was_written(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", awkward := 'a$HOME`"\\;#b')
    run("--dotenv")
    script = 'set -a; . ./.env; set +a; printf %s "$AUTH0_CLIENT_SECRET"'
    clean = {"PATH": os.environ["PATH"]}
    assert subprocess.check_output(["sh", "-c", script], cwd=tmp_path, env=clean, text=True) == awkward
    assert "It has all of this already." in run("--dotenv")
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", "it's")
    with pytest.raises(CommandError, match="AUTH0_CLIENT_SECRET has a character that can't stand in an env file"):
        run(dotenv="other.env")


# -- the doctor ------------------------------------------------------------------------------------------------------------


def register_both_names(tenant: Tenant) -> None:
    """Register the addresses of a site on this machine, as the command says."""
    origins = ("http://localhost:8000", "http://127.0.0.1:8000")
    tenant.application.callbacks = [f"{origin}/auth0/callback/" for origin in origins]
    tenant.application.logout_urls = [f"{origin}/auth0/logged-out/" for origin in origins]


@pytest.mark.django_db
def test_the_doctor_asks_with_the_answers(run: Run, settings: Any, tenant: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", DEFAULT_CLIENT_SECRET)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Auth0" not in name]
    settings.DEBUG, settings.ROOT_URLCONF = True, "tests.urlconfs.ours_only"
    register_both_names(tenant)
    options = {"domain": tenant.issuer, "client_id": DEFAULT_CLIENT_ID, "base_url": "http://localhost:8000"}
    said = run(doctor=True, **options)
    assert said.count("Nothing wrong.") == 2
    assert not hasattr(settings, "AUTH0") or not settings.AUTH0
    tenant.application.callbacks.clear()
    said = run(doctor=True, **options)
    assert "SM10 callback_not_allowed" in said
    assert "python manage.py auth0_doctor --base-url http://localhost:8000" in said


@pytest.mark.django_db
def test_a_tenant_that_is_off_keeps_nothing_from_being_set_up(run: Run, tmp_path: Path) -> None:
    said = run("--dotenv", doctor=True, base_url="http://localhost:8000")
    assert "D02 tenant_unreachable" in said
    assert (tmp_path / ".env").exists()


# -- a newcomer's project --------------------------------------------------------------------------------------------------


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has just run ``startproject``, and nothing else."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH0", "DJANGO"))}
    environment |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "error", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "django", "startproject", "mysite", "."]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    return environment


def converse(command: list[str], answers: list[tuple[str, str]], **options: Any) -> str:
    """Run a command at a terminal of its own; when it has printed a text, type the answer that belongs to it."""
    here, there = pty.openpty()
    said = ""
    with subprocess.Popen(
        command, stdin=there, stdout=there, stderr=there, start_new_session=True, **options
    ) as process:
        os.close(there)
        for asked, answer in answers:
            while asked not in said.rpartition("\x00")[2]:
                said += os.read(here, 4096).decode()
            said += "\x00"
            os.write(here, f"{answer}\n".encode())
        try:
            while more := os.read(here, 4096):
                said += more.decode()
        except OSError:  # Linux's way to say that the other end is closed
            pass
    os.close(here)
    assert process.returncode == 0, said
    return said.replace("\r\n", "\n").replace("\x00", "")


@pytest.mark.slow
def test_from_startproject_to_settings_that_work(tmp_path: Path, newcomer: dict[str, str], tenant: Tenant) -> None:
    """The app is in no INSTALLED_APPS yet, AUTH0 does not exist; wrong answers are asked for again."""
    register_both_names(tenant)
    said = converse(
        [sys.executable, "-m", "django_auth0_flow.setup", "--dotenv"],
        [
            ("Domain: ", "my tenant"),
            ("Domain: ", tenant.issuer),
            ("Client ID: ", DEFAULT_CLIENT_ID),
            ("Client Secret (not shown): ", DEFAULT_CLIENT_SECRET),
            ("(empty: logins only): ", ""),
            ("[y/N] ", "y"),
            ("press Enter", ""),
        ],
        cwd=tmp_path,
        env=newcomer,
    )
    assert "Domain has a blank" in said
    assert DEFAULT_CLIENT_SECRET not in said
    report = re.sub(r"\x1b\[[\d;]*m", "", said.partition("The doctor")[2])
    assert re.search(r"ERROR auth0_flow\.W042\n.*0001_initial(.*\n)+ +Fix: +python manage.py migrate\n", report), report
    assert (report.count("ERROR"), report.count("WARNING"), report.count("Nothing wrong.")) == (1, 0, 1), report
    head, urls = re.findall(r"^(?:  (?! |They).*\n|      .*\n)+", said.partition("Env file")[0], re.MULTILINE)
    with (tmp_path / "mysite/settings.py").open("a") as file:
        file.write("".join(line[2:] + "\n" for line in head.splitlines()))
    with (tmp_path / "mysite/urls.py").open("a") as file:
        file.write(f"from django.urls import include\n{urls.strip()}\n")
    steps = (
        "set -a; . ./.env; set +a; python manage.py migrate -v0 && python manage.py check && "
        "python manage.py auth0_setup --no-input --dotenv"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{newcomer['PATH']}"
    done = subprocess.run(
        ["sh", "-c", steps], cwd=tmp_path, env={**newcomer, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert "System check identified no issues" in done.stdout, done.stdout + done.stderr
    assert "They say all of this already." in done.stdout
    assert "It has all of this already." in done.stdout
    assert done.stdout.count("Nothing wrong.") == 2


@pytest.mark.slow
def test_somebody_who_says_no_writes_nothing(tmp_path: Path, newcomer: dict[str, str]) -> None:
    said = converse(
        [sys.executable, "-m", "django_auth0_flow.setup", "--dotenv", "--no-doctor", "--domain", NOWHERE],
        [("Client ID: ", "an-id"), ("Secret (not shown): ", SECRET), ("logins only): ", ""), ("[y/N] ", "")],
        cwd=tmp_path,
        env=newcomer,
    )
    assert "Nothing was written." in said
    assert not (tmp_path / ".env").exists()


@pytest.mark.slow
def test_outside_of_a_project_it_says_where_to_go(tmp_path: Path, newcomer: dict[str, str]) -> None:
    command = [sys.executable, "-m", "django_auth0_flow.setup"]
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        command, cwd=tmp_path / "elsewhere", env=newcomer, capture_output=True, text=True, check=False
    )
    assert done.stderr.startswith("No manage.py here")
    with (tmp_path / "mysite/settings.py").open("a") as file:
        file.write('import os\nAUTH0 = {"CLIENT_ID": os.environ["AUTH0_CLIENT_ID"]}\n')
    done = subprocess.run(command, cwd=tmp_path, env=newcomer, capture_output=True, text=True, check=False)
    assert done.stderr == "mysite.settings can't be imported: KeyError: 'AUTH0_CLIENT_ID'. Correct it first.\n"
