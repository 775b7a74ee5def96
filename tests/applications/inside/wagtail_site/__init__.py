"""A small site on Wagtail; it runs in Wagtail's own environment, not in ours."""
