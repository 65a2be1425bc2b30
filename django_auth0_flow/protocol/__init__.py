"""OpenID Connect and OAuth 2.0 as a relying party speaks them; pure Python, no Django."""
