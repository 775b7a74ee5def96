"""Faults: processes killed at any instant, and an oracle that shares no code with the product."""
