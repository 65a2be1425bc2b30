"""Small projects with user models of their own; ``tests/users/test_user_models.py`` runs each in a process of its own."""
