"""A clinic's patient pages: what the example project is about."""
