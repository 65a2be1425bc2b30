"""What ``manage.py auth0_doctor`` knows: the mistakes, how to find them from outside, how to tell of them."""
