"""What is kept in Django's session."""
