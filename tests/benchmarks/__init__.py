"""Timings: ``python -m tests.benchmarks`` prints them as a table beside the budgets. Not part of the test run."""
