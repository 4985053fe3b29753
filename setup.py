"""What pyproject.toml cannot say: README as the package index shows it.

There a relative link leads nowhere. With a `Source` among `[project.urls]` links lead to that
repository, at this version; without one they are plain text, and pictures are left out.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

_LINK = re.compile(r"(!?)\[([^]]*)\]\((?!\w+:|#)([^)\s]+)\)")
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def description(readme, source, version):
    """README without comments and relative links.

    Args:
        readme: its text.
        source: the repository's URL, or None.
        version: of the package; the repository has a tag of it.
    """

    def link(match):
        picture, text, path = match.groups()
        if source is None:
            return "" if picture else text
        view = "raw" if picture else "blob"
        return f"{picture}[{text}]({source.rstrip('/')}/{view}/v{version}/{path})"

    return _LINK.sub(link, _COMMENT.sub("", readme))


def _main():
    here = Path(__file__).parent
    project = tomllib.loads((here / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = (here / "lrmtest" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.*)"$', package, re.MULTILINE)[1]
    readme = (here / "README.md").read_text(encoding="utf-8")
    setup(
        long_description=description(readme, project.get("urls", {}).get("Source"), version),
        long_description_content_type="text/markdown",
    )


if __name__ == "__main__":
    _main()
