"""Keypoint labels of any annotation tool: a module for each format, and a table of them."""
