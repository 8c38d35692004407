"""Prints the verdicts of every face of a video, as a table."""

import sys

from crowdmask import Analyzer, faces_frame

print(faces_frame(Analyzer().stream(sys.argv[1])))
