"""Photographs: objects cut out of them for a network, and keypoints brought back to them."""

from sklearn_kpd.photographs.crops import Crops
from sklearn_kpd.photographs.transformer import CropTransformer
from sklearn_kpd.photographs.video import read_video, write_video

__all__ = ["CropTransformer", "Crops", "read_video", "write_video"]
