"""A soak: an application writes at full speed while s3gc scans, deletes and heals in a loop.

`python -m tests.soak --events 1000000 --engine mariadb` runs for long; the gate runs a sample.
What is lost at the end is found out without s3gc: by plain SQL and by reading the bucket.
"""
