"""Run by check_wheel.py where only the wheel and its own requirements are installed: a project can start with it."""

import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.urls import URLResolver, include, path, reverse

urlpatterns: list[URLResolver] = []


def main() -> None:
    settings.configure(
        SECRET_KEY="a key that is long enough for the checks and nothing else",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django_auth0_flow",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django_auth0_flow.middleware.Auth0Middleware",
        ],
        AUTHENTICATION_BACKENDS=["django_auth0_flow.backends.Auth0Backend"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        ROOT_URLCONF=__name__,
        LOGIN_URL="auth0:login",
        LOGIN_REDIRECT_URL="/auth0/login/",
        USE_TZ=True,
        AUTH0={"DOMAIN": "example.eu.auth0.com", "CLIENT_ID": "an-id", "CLIENT_SECRET": "a-secret-of-some-length"},
    )
    django.setup()
    urlpatterns.append(path("auth0/", include("django_auth0_flow.urls")))
    import django_auth0_flow
    import django_auth0_flow.decorators

    call_command("migrate", verbosity=0)
    call_command("check", fail_level="WARNING")
    if "site-packages" not in django_auth0_flow.__path__[0]:
        sys.exit("the package does not come from the wheel")
    if "flask" in sys.modules or "pytest" in sys.modules:
        sys.exit("the package loads what only tests need")
    version = django_auth0_flow.__version__
    print(f"django-auth0-flow {version} on Django {django.__version__}: {reverse('auth0:login')}")


if __name__ == "__main__":
    main()
