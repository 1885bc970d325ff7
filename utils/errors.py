"""Errors that a user can fix."""


class UserError(Exception):
    """Invalid input, described on one line.

    The message has the form `<file>[, line N|, object N]: <what was found>; <what is expected>`.
    The command-line scripts print it without a traceback and exit with status 2.
    """
