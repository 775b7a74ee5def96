"""Identity: whatever is collected comes back byte for byte, with all that belongs to it.

`python -m tests.identity` takes Pillow's own test images and large objects besides.
"""
