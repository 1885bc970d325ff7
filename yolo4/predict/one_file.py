"""Tells errors about one file, after which the others are written, from those about all."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from utils.errors import UserError
from yolo4.environment.failures import describe_failure

# Errors of the file system about a path; any others, such as a full disk, concern all files.
_OF_ONE_FILE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
    | {errno.EINVAL, errno.EILSEQ, errno.ELOOP, errno.ENOTEMPTY, errno.EFBIG}
)


@contextmanager
def errors_of_one_file(report: Callable[[str], None]) -> Iterator[None]:
    """Within the block, an error that other files need not have is reported instead of raised."""
    try:
        yield
    except UserError as error:
        report(f"not written: {error}")
    except OSError as error:
        line = describe_failure(error)
        if line is None or error.errno not in _OF_ONE_FILE:
            raise
        report(f"not written: {line}")
