"""How long logins under way may take, in seconds."""

#: A login by redirect, from its request to its answer.
TRANSACTION_AGE = 3600

#: Embedded logins that wait for the visitor, by kind; ``reset`` is a message about a new password. A link belongs to a
#: transaction; Auth0's ``mfa_token`` is good for ten minutes.
WAITING_AGES = {"code": 1800, "link": TRANSACTION_AGE, "mfa": 600, "recovery": 600, "reset": 1800}

#: A session that holds nothing but logins under way: a bit longer than any, and unlikely to be a site's own choice.
SHORT_LIFE = max(TRANSACTION_AGE, *WAITING_AGES.values()) + 61
