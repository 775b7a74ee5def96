"""A store that errs, lies and goes away, by a proxy before a real one; and a witness of its own.

`python -m tests.proxy --rounds N --seed S` runs as many rounds as wanted.
"""
