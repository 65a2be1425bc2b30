"""URLconfs with a mistake in them, for the system checks."""
