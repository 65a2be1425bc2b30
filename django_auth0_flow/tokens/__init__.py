"""A login session's access tokens: one refresh for whoever asks, with or without a request."""
