"""A login session's access tokens: one refresh for all who ask, with or without a request."""
