"""Demonstration material, and the script that makes it."""
