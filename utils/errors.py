"""Errors that a user can mend."""


class UserError(Exception):
    """A mistake in the input, told in one line: what was found where, and what would be right.

    The command-line scripts print it without a traceback and exit with status 2.
    """
