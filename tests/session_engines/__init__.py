"""Session engines of a project's own, for the system checks."""
