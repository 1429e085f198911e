"""Photographs: objects cut out of them for a network, and keypoints brought back to them."""

from sklearn_kpd.photographs.crops import Crops
from sklearn_kpd.photographs.transformer import CropTransformer

__all__ = ["CropTransformer", "Crops"]
