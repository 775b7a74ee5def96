"""Benchmarks: `python -m tests.bench`. They print ratios to a reference of the same process, and
never pass or fail anything.
"""
