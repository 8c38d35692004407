"""The steps by which `samples/make_samples.py` makes the demonstration material."""
