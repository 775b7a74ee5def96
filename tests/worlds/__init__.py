"""Generated worlds: databases and buckets of which is known, by construction, what is in use.

`python -m tests.worlds --worlds 2000 --seed 1` runs many; the gate runs a sample of them. The
oracle shares no code with s3gc: it is computed from the model of a world alone.
"""
