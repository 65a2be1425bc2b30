"""What is stored: sealed values, and what Django's sessions hold."""
