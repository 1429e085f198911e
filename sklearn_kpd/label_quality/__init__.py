"""Wrong labels: found, looked at, mended."""

__all__: list[str] = []
