"""Tools for testing a project that uses django_auth0_flow: a local tenant and pytest fixtures."""
