"""The libraries that run the networks, behind one seam: `compile_network` of each makes a `Network` of a `Wanted`.

Nothing outside this folder knows which of them is at work, but for `choosing`, which says it to the summary.
"""
