"""The site's settings with every way to log in, a page for messages, and a clock that can be put forward."""

from site_config.ways import *  # noqa: F403
from site_config.ways import AUTH0, INSTALLED_APPS, MIDDLEWARE, env

# Before the clinic: templates of the same name add to its pages.
INSTALLED_APPS = ["demo", *INSTALLED_APPS]
ROOT_URLCONF = "demo.urls"
# Remembers what each browser's login went through, for the picture that lights up.
MIDDLEWARE = [*MIDDLEWARE, "django_auth0_flow.testing.demo.flow.FlowMiddleware"]
AUTH0 = {
    name: {**value, "CLOCK": "django_auth0_flow.testing.demo.clock.now"} if isinstance(value, dict) else value
    for name, value in AUTH0.items()
}
# Where the tenant shows what it would have sent by e-mail or text message.
OUTBOX_URL = env("OUTBOX_URL")
