"""Who may see this: who is logged in, decided in one place."""
