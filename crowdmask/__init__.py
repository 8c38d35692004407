"""crowdmask finds every face in crowd video and stills and counts who wears no mask."""

__version__ = "0.1.0"
