"""Logins on the site's own pages: passwordless, password and second factors."""
