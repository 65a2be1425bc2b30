"""Ending logins: this browser's, those that the tenant or the staff ends, and dead rows."""
