"""Serves the page: to whom, how much it takes, and what the browser may load."""

import threading
from typing import Any, NoReturn

import gradio as gr
from gradio import processing_utils
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yolo4.demo.page import STYLE, system_fonts

MOST_UPLOAD = "100mb"
_SESSIONS = 20
_WAITING = 20
_POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
_LOOPBACK = ("127.0.0.1", "localhost")


class OnlyThisServer:
    """Forbids the browser to load anything from another server, whatever Gradio asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the policy among the headers."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY
            await send(message)

        await self.app(scope, receive, with_policy)


def serve(page: gr.Blocks, host: str, port: int) -> None:
    """Serve a page until the program is interrupted.

    Args:
        page: the page.
        host: the address to listen at.
        port: one that is free.
    """
    # Of an upload whose path is an address, Gradio would download that.
    processing_utils.async_ssrf_protected_download = _refuse_address
    _, address, _ = page.queue(api_open=False, max_size=_WAITING).launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        app_kwargs={"middleware": _middleware(host)},
        max_file_size=MOST_UPLOAD,
        state_session_capacity=_SESSIONS,
        theme=system_fonts(),
        css_paths=STYLE,
        footer_links=[],
        share=False,
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        inline=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    whom = "" if host in _LOOPBACK else "; whoever reaches this machine can use it"
    print(f"the page: {address} (Ctrl-C ends it{whom})", flush=True)
    try:
        threading.Event().wait()
    finally:
        page.close(verbose=False)


def _middleware(host: str) -> list[Middleware]:
    listed = [Middleware(OnlyThisServer)]
    if host in _LOOPBACK:
        # A page of another server, whose name has been made to lead here, is refused.
        listed.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(_LOOPBACK)))
    return listed


async def _refuse_address(url: str, **_: Any) -> NoReturn:
    raise ValueError(f"{url}: an address, not an upload")
