"""Reading a report without a browser."""

from __future__ import annotations

import base64
import json
import re
import zlib


def unpacked(held):
    """What `lrmtest.reports.html.chunks.packed` packed."""
    return json.loads(zlib.decompress(base64.b64decode(held, validate=True)))


def index_of(html):
    return unpacked(re.search(r'id="index">([^<]*)<', html).group(1))


def chunks_of(html):
    return [unpacked(held) for held in re.findall(r'id="chunk-\d+">([^<]*)<', html)]
