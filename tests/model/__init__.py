"""A model of bucket, database, clock and vault with its own oracle, and a machine that drives s3gc.

`python -m tests.model --operations 1000000 --seed 1` runs for long; the gate runs a sample. The
model shares no code with s3gc: it makes the rows itself, so it knows what they refer to.
"""
