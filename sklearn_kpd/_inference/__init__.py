"""How a fitted network predicts: images to pixels and spreads, here and in exported files."""
