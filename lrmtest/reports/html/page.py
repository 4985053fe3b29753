"""The page: one HTML file with its script, its style and all its data inside.

Model output is hostile, so nothing but the report's own script can run, and it can do nothing
but show text:

* The file's Content-Security-Policy allows the one script and the one style sheet whose hashes it
  names, and no connection, image, font, frame or form whatever. The font of mathematics is data
  like the texts, from which the script makes it without fetching anything.
* Trusted types are required and none can be made, so that the script itself cannot turn a text
  into markup: whatever would parse HTML raises an error.
* All data is compressed and in base64, in elements that browsers do not run. No character of it
  can end its element.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from lrmtest.errors import StoreError
from lrmtest.reports.html.chunks import packed
from lrmtest.reports.html.drawing import text

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
_REPORT = """\
<noscript>This report needs JavaScript. Its figures are also in `lrmtest show` and
`lrmtest compare`.</noscript>
<div id="app"></div>
<script type="application/octet-stream" id="index">{index}</script>
<script>{script}</script>
<script type="application/octet-stream" id="math-font">{font}</script>
{chunks}"""


def page(document: Mapping[str, Any], chunks: Sequence[str]) -> str:
    """The report's HTML; ASCII only.

    Args:
        document: all but the texts, from `lrmtest.reports.html.figures`.
        chunks: the texts, from `lrmtest.reports.html.chunks`.

    Raises:
        StoreError: the package lacks the page's script or style.
    """
    script = asset("report.js")
    body = _REPORT.format(
        index=packed(document),
        script=script,
        font=base64.b64encode(_bytes("math.woff2")).decode("ascii"),
        chunks="\n".join(
            f'<script type="application/octet-stream" id="chunk-{number}">{chunk}</script>'
            for number, chunk in enumerate(chunks)
        ),
    )
    return whole_page("lrmtest report", body, script)


def whole_page(title: str, body: str, script: str | None = None) -> str:
    """A page in the report's style, with its policy.

    Args:
        title: text.
        body: HTML, with the script in it if there is one.
        script: the one that may run; None for none at all.

    Raises:
        StoreError: the package lacks the page's style.
    """
    style = asset("report.css")
    policy = escape(_policy_of(style, script))
    return _PAGE.format(policy=policy, title=text(title), style=style, body=body)


def _policy_of(style: str, script: str | None) -> str:
    """The Content-Security-Policy of a page with this style sheet and this script alone."""
    return "; ".join(
        (
            "default-src 'none'",
            *(() if script is None else (f"script-src '{_hash(script)}'",)),
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def asset(name: str) -> str:
    """One of the files that are built from ``frontend/``.

    Raises:
        StoreError: the package lacks it.
    """
    try:
        return _bytes(name).decode("ascii")
    except UnicodeDecodeError as error:
        raise _damaged(name, error) from error


def _bytes(name: str) -> bytes:
    try:
        return (files("lrmtest.reports.html") / "assets" / name).read_bytes()
    except OSError as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> StoreError:
    return StoreError(
        f"the HTML report's {name} is missing or damaged: {error}",
        hint="install lrmtest again",
    )


def _hash(text: str) -> str:
    """As a Content-Security-Policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
