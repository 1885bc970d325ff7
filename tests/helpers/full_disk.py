"""A disk that is full for files above some size, which is as real as one that is full."""

import contextlib


@contextlib.contextmanager
def full_disk(most):
    """Within the block, no file of this process can grow above so many bytes."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
