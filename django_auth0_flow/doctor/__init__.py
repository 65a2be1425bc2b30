"""What ``manage.py auth0_doctor`` knows: the set-up mistakes, the tests that find them, and the report."""
