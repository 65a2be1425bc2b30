"""From claims to users: fields, groups, identities from other packages."""
