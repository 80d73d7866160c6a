"""The page to try the routes on, made once, with a policy that fits it.

It runs its own two scripts and nothing else: one from this service, one by its digest.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response

from service.security_headers import POLICY

__all__ = ["add_docs_page"]

_INLINE: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_SETTINGS: Final[dict[str, Any]] = {"validatorUrl": None}
"""Else the page calls validator.swagger.io."""


def add_docs_page(app: FastAPI) -> None:
    """Serve ``/docs`` from the assets that are mounted; its links hold under a proxy's prefix."""
    assets = "static-offline-docs"
    page = bytes(
        get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon.png",
            swagger_ui_parameters=_SETTINGS,
        ).body
    )
    headers = {POLICY.decode(): _policy(page)}

    async def docs(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=headers)

    app.add_route("/docs", docs, methods=["GET"])


def _policy(page: bytes) -> str:
    """Return a policy (W3C Content Security Policy Level 3) for a page with inline scripts."""
    digests = [base64.b64encode(hashlib.sha256(text).digest()) for text in _INLINE.findall(page)]
    scripts = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
