"""Tests of the room `databases`."""
