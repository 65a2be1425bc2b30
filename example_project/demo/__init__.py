"""``manage.py demo``: the clinic and a tenant of its own, side by side in one process."""
