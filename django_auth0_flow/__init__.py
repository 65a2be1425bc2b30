"""Log in to Django through Auth0 and call APIs with access tokens that refresh themselves."""

__version__ = "0.1.0"
