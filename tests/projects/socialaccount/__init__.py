"""A stand-in for django-allauth's app of this name: as much of its table as matters to a move."""
