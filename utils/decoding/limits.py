"""The size that an image may have, which its header states before anything is decoded."""

MOST_PIXELS = 200_000_000


class RefusedImageError(ValueError):
    """An image that is not decoded; the message says what was found, for people."""


def require_few_pixels(width: int, height: int) -> None:
    """Raise a RefusedImageError if an image has more than `MOST_PIXELS`."""
    if width * height > MOST_PIXELS:
        raise RefusedImageError(
            f"has {width}x{height} pixels; expected at most {MOST_PIXELS:,}, so cut it into tiles"
        )


def require_bytes(found: int, least: float, width: int, height: int) -> None:
    """Raise a RefusedImageError if an image has fewer bytes than its pixels take at least."""
    if found < least:
        raise RefusedImageError(
            f"its data ends early: {found:,} bytes cannot hold {width}x{height} pixels"
        )
