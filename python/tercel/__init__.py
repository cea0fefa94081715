"""Tercel takes a trained vision network and makes it fast and small. `tercel.torch` is its training side."""
