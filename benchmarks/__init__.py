"""Measurements of crowdmask; each module is a command that prints a table, none is a test."""
