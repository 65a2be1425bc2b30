"""Where a site with Authlib keeps its users' tokens: the model of Authlib's documentation."""
