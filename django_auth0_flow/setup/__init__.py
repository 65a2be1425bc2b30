"""What ``manage.py auth0_setup`` knows: the answers it takes, the addresses to register, the lines to add, the env file."""
