"""Finds out where a page can be served, before anything slow begins."""

import socket

from utils.errors import UserError


def free_port(host: str, port: int) -> int:
    """The port if a server can listen there; for 0, any such port.

    Args:
        host: an address or a name of this machine.
        port: from 0 to 65535.

    Raises:
        UserError: the port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as server:
            return server.getsockname()[1]
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: no page can be served there "
            f"({error.strerror or error}); name another port or address"
        ) from error
