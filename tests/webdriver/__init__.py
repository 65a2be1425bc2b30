"""Logins in Chromium, Firefox and WebKit: what each does with cookies, redirects, fragments and its history."""
