"""Refresh storms: many threads and processes on expired logins, counted at the tenant."""
