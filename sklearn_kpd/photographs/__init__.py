"""Photographs: objects cut out of them for a network, and keypoints brought back to them."""

from typing import TYPE_CHECKING, Any

from sklearn_kpd.photographs.crops import Crops
from sklearn_kpd.photographs.faces import find_faces
from sklearn_kpd.photographs.transformer import CropTransformer
from sklearn_kpd.photographs.video import read_video, write_video

if TYPE_CHECKING:
    from sklearn_kpd.photographs.box_finder import BoxFinder

__all__ = ["BoxFinder", "CropTransformer", "Crops", "find_faces", "read_video", "write_video"]


def __getattr__(name: str) -> Any:
    if name == "BoxFinder":  # it stands on the regressor, which stands on the crops
        from sklearn_kpd.photographs.box_finder import BoxFinder

        return BoxFinder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
