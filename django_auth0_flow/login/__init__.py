"""Logins by redirect, from the authorization request to the login session; every kind of login ends in ``finish``."""
