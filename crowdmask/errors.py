"""The errors crowdmask raises on purpose: each says what failed, on which path, and what to do about it."""

from __future__ import annotations


class CrowdmaskError(Exception):
    """Base of every error that the command line turns into one line on stderr."""


class SourceError(CrowdmaskError, OSError):
    """An input cannot be opened, read or decoded."""


class OutputError(CrowdmaskError, OSError):
    """A result cannot be written: unwritable folder, full disk, file in the way."""


class WeightsError(CrowdmaskError):
    """Weights are missing, damaged, or belong to another graph."""


class SettingsError(CrowdmaskError, ValueError):
    """A setting is out of its range, or two settings contradict each other."""


class DatasetError(CrowdmaskError):
    """Labels or pictures to train or judge on cannot be used as they are."""
