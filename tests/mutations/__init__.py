"""The check of the checks: each guard is taken out of the source in turn, and a test must fail.

`python -m tests.mutations [--only NAME ...]` works on a copy of the tree; it prints which test
noticed what.
"""
