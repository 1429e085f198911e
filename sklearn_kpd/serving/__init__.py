"""Serving: exported files in the engines that run them, without TensorFlow."""

from sklearn_kpd.serving._exported import ExportedModel

__all__ = ["ExportedModel"]
