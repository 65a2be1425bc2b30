"""What is kept: sealed values, and what Django's sessions hold."""
