"""Who may see this: who is logged in, what a view demands of the login, what an access token grants."""
