"""What only ``manage.py demo`` has: people at a tenant of its own, a clock to put forward, a walk. Copy from ``clinic``."""
