"""Logins in a real browser: Chromium, this package under a strict Content-Security-Policy, and the local tenant."""
