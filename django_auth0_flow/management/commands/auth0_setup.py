"""``manage.py auth0_setup``: from an application in the Auth0 Dashboard to settings that the doctor finds nothing in."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import DEFAULT, configurations, find_problems
from django_auth0_flow.protocol.addresses import is_loopback_host
from django_auth0_flow.setup.answers import (
    ASKED,
    QUESTIONS,
    Question,
    cleaned,
    configuration_of,
    known_answers,
    needs_secret,
    refusal_of,
)
from django_auth0_flow.setup.env_file import EnvFile, Refused
from django_auth0_flow.setup.lines import URLS, MissingLines, as_it_will_be, auth0_lines
from django_auth0_flow.setup.sites import LOCAL_TENANT, Sites, fields_to_register, find_sites


class Command(BaseCommand):
    help = (
        "Asks for the application's domain, Client ID and Client Secret and for the API, or takes them as options, from "
        "the environment (AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_AUDIENCE), from AUTH0 as it is, or "
        "from the env file. Prints the lines that the settings lack and every address to register in the Auth0 Dashboard, "
        "then runs auth0_doctor. Writes nothing but the file of --dotenv, which it shows first. May be run again."
    )
    requires_system_checks: list[str] = []  # AUTH0 may be missing: that is why it runs

    def add_arguments(self, parser: CommandParser) -> None:
        for question in QUESTIONS:
            if not question.is_secret:
                flag = f"--{question.option.replace('_', '-')}"
                parser.add_argument(flag, dest=question.option, help=question.help)
        parser.add_argument(
            "--client-secret-file",
            metavar="FILE",
            help="where the Client Secret is; - is standard input. It is no option: other users see a command line",
        )
        parser.add_argument(
            "--configuration", default=DEFAULT, metavar="NAME", help="the configuration in AUTH0 (default)"
        )
        parser.add_argument(
            "--base-url", default="", metavar="URL", help="where the site is, in place of ALLOWED_HOSTS"
        )
        parser.add_argument("--port", type=int, default=8000, help="runserver's port on this machine (8000)")
        parser.add_argument(
            "--dotenv",
            nargs="?",
            const=".env",
            metavar="FILE",
            help="keep the answers in this env file, mode 0600 (.env)",
        )
        parser.add_argument("--no-input", "--noinput", action="store_false", dest="interactive", help="ask nothing")
        parser.add_argument("--no-doctor", action="store_false", dest="doctor", help="don't ask the tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, show, write the env file if wanted, and run the doctor."""
        self._interactive = options["interactive"]
        if self._interactive and not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask at: use --no-input and options.")
        try:
            self._set_up(options)
        except Refused as error:
            raise CommandError(str(error)) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("\nStopped.") from None

    @sensitive_variables()
    def _set_up(self, options: Mapping[str, Any]) -> None:
        name = options["configuration"]
        found = configurations(getattr(settings, "AUTH0", None)).get(name)
        setting = {key: value for key, value in found.items() if value != ""} if isinstance(found, Mapping) else {}
        # A shell reads the env file: only these letters make the name of a variable.
        prefix = "AUTH0_" if name == DEFAULT else f"AUTH0_{re.sub('[^A-Z0-9]', '_', name.upper())}_"
        env_file = EnvFile(Path(options["dotenv"])) if options["dotenv"] else None
        answers = self._answers(options, setting, prefix, env_file)
        configuration = configuration_of(answers, setting)
        base_url = options["base_url"] or configuration.get("BASE_URL", "")
        for problem in find_problems({**configuration, "BASE_URL": base_url}, name=name):
            if problem.is_error:
                raise CommandError(f"{problem.message} {problem.hint}".strip())
        with as_it_will_be(name, configuration) as missing:
            sites = find_sites(base_url, port=options["port"])
            if is_loopback_host(urlsplit(configuration.get("ISSUER", "")).hostname):
                sites.notes.append(LOCAL_TENANT)
            self._show_settings(name, configuration, setting, missing, env_file, prefix)
            if env_file is not None:
                self._write(env_file, {f"{prefix}{key}": configuration[key] for key in ASKED if key in configuration})
            self._show_addresses(sites, name)
            if options["doctor"]:
                self._run_doctor(sites, name)

    # -- answers ---------------------------------------------------------------------------------------------------------

    @sensitive_variables()
    def _answers(
        self, options: Mapping[str, Any], setting: Mapping[str, Any], prefix: str, env_file: EnvFile | None
    ) -> dict[str, str]:
        known, answers = known_answers(setting), dict[str, str]()
        for question in QUESTIONS:
            if question.is_secret and not needs_secret(setting):
                continue
            variables = [f"{prefix}{key}" for key in question.keys]
            places = [os.environ.get(name, "") for name in variables] + [known.get(question.variable, "")]
            places += [env_file.get(name) for name in variables] if env_file else []
            given = _secret_in(options["client_secret_file"], self._interactive) if question.is_secret else None
            given = options.get(question.option) if given is None else given
            answers[question.variable] = self._answer(
                question, given, next(filter(None, places), ""), answers, variables
            )
        return answers

    @sensitive_variables()
    def _answer(
        self, question: Question, given: str | None, known: str, others: Mapping[str, str], variables: list[str]
    ) -> str:
        if given is not None or not self._interactive:
            answer = cleaned(question, known if given is None else given)
            if refusal := refusal_of(question, answer, others):
                how = "--client-secret-file" if question.is_secret else f"--{question.option.replace('_', '-')}"
                raise CommandError(
                    refusal if answer else f"{refusal} Give {how}, or {variables[0]} in the environment."
                )
            return answer
        while True:
            answer = cleaned(question, self._ask(question, known))
            if not (refusal := refusal_of(question, answer, others)):
                return answer
            self.stdout.write(self.style.ERROR(f"  {refusal}"))

    @sensitive_variables()
    def _ask(self, question: Question, known: str) -> str:
        if question.is_secret:
            return getpass(f"{question.text}{' [Enter: as known]' if known else ''} (not shown): ") or known
        hint = f" [{known}]" if known else ""
        answer = input(f"{question.text}{hint}: ").strip() or known
        return "" if answer == "-" and not question.is_needed else answer

    # -- what is shown ---------------------------------------------------------------------------------------------------

    def _head(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}\n")

    @sensitive_variables("configuration", "setting")
    def _show_settings(
        self,
        name: str,
        configuration: Mapping[str, Any],
        setting: Mapping[str, Any],
        missing: MissingLines,
        env_file: EnvFile | None,
        prefix: str,
    ) -> None:
        where = getattr(sys.modules.get(str(settings.SETTINGS_MODULE)), "__file__", None) or "your settings"
        self._head(f"Settings: {where}")
        if setting == configuration and not missing.settings:
            self.stdout.write("  They say all of this already.")
        else:
            self.stdout.write("  import os\n")
            written = auth0_lines(configuration, name, prefix, in_env_file=env_file is not None)
            for line in [*missing.settings, *written]:
                self.stdout.write(f"  {line}")
        if missing.urls:
            self._head("Addresses of the site: urls.py")
            self.stdout.write(f"  {URLS}")
        if env_file is None and "CLIENT_SECRET" in configuration and setting != configuration:
            self.stdout.write(
                f"\n  The secret is not shown. Put it into the environment: {prefix}CLIENT_SECRET; or let --dotenv keep it."
            )

    @sensitive_variables("variables", "changes")
    def _write(self, env_file: EnvFile, variables: Mapping[str, str]) -> None:
        """Show what the env file would get, and write it once a person agrees, or was told not to be asked."""
        changes = env_file.changes(variables)
        self._head(f"Env file: {env_file.path}")
        if not changes and not env_file.is_open_to_others:
            self.stdout.write("  It has all of this already.")
            return
        replaced = [name for name in changes if env_file.has(name)]
        for name, value in changes.items():
            shown = f"({len(value)} characters, not shown)" if name.endswith("_SECRET") else value
            self.stdout.write(f"  {'replace' if name in replaced else 'add':8}{name}={shown}")
        if env_file.is_open_to_others:
            self.stdout.write("  mode    0600: now other users of this machine can read it")
        if replaced and not self._interactive:
            raise Refused(f"{env_file.path} has {', '.join(replaced)} with another value. Take the line out first.")
        if self._interactive and input("Write this? Other lines stay as they are. [y/N] ").strip().lower() != "y":
            self.stdout.write("  Nothing was written.")
            return
        env_file.write(variables)
        path = shlex.quote(str(env_file.path))
        path = path if "/" in path else f"./{path}"
        self.stdout.write(
            f"  {self.style.SUCCESS('Written.')} Keep it out of version control. Before manage.py, in each shell:"
        )
        self.stdout.write(f"  set -a; . {path}; set +a")

    def _show_addresses(self, sites: Sites, name: str) -> None:
        self._head("To register: Auth0 Dashboard, Applications > Applications > (app) > Settings")
        for field, addresses, purpose in fields_to_register(sites, name):
            self.stdout.write(f"  {self.style.SUCCESS(field)}: {purpose}")
            for address in addresses:
                self.stdout.write(f"    {address}")
            if not addresses:
                self.stdout.write("    nothing yet: it needs an https address, and ALLOWED_HOSTS has none")
        for note in sites.notes:
            self.stdout.write(f"  {self.style.WARNING(note)}")

    def _run_doctor(self, sites: Sites, name: str) -> None:
        self._head("The doctor")
        if not sites.origins:
            self.stdout.write("  Not asked: the site's address is not known.")
            return
        if self._interactive:
            input("Register the addresses, then press Enter: the doctor asks the tenant. ")
        try:
            call_command("auth0_doctor", configuration=[name], base_url=sites.origins[0], stdout=self.stdout)
        except SystemExit:
            again = f"python manage.py auth0_doctor --base-url {sites.origins[0]}"
            self.stdout.write(f"\nThe set-up is as above. When this is corrected: {again}")


def _secret_in(path: str | None, interactive: bool) -> str | None:
    if path is None:
        return None
    if path == "-" and interactive:
        raise CommandError("--client-secret-file - needs --no-input: standard input is the terminal.")
    try:
        return sys.stdin.readline() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} can't be read: {type(error).__name__}.") from None
