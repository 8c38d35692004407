"""crowdmask finds every face in crowd video and stills and counts who wears no mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crowdmask.analyzer import Analyzer as Analyzer

__version__ = "0.1.0"
__all__ = ["Analyzer", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Analyzer":  # not before it is asked for: the package itself imports nothing
        from crowdmask.analyzer import Analyzer

        return Analyzer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
