"""crowdmask finds every face in crowd video and stills and counts who wears no mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crowdmask.analyzer import Analyzer as Analyzer
    from crowdmask.library import analyze_folder as analyze_folder
    from crowdmask.library import draw as draw
    from crowdmask.library import faces_frame as faces_frame

__version__ = "0.1.0"
__all__ = ["Analyzer", "__version__", "analyze_folder", "draw", "faces_frame"]


def __getattr__(name: str) -> Any:
    if name == "Analyzer":  # not before it is asked for: the package itself imports nothing
        from crowdmask.analyzer import Analyzer

        return Analyzer
    if name in __all__:
        from crowdmask import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
