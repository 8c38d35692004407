"""Compliance statistics: typed counts that add, and rates computed from them."""
