"""The font of the HTML report's mathematics: what it needs of STIX Two Math, as WOFF2.

    cd frontend && npm ci && cd ..
    pip install "fonttools[woff]==4.68.0"
    python tools/math_font.py

Kept are the characters that TeX in a report can become, and of the layout tables what MathML is
set by: the MATH table with the taller and wider forms of what stretches, and the smaller forms of
superscripts. With the same source and fontTools the file has the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from fontTools import subset

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "frontend/node_modules/@fontsource/stix-two-math"
FILE = SOURCE / "files/stix-two-math-latin-400-normal.woff2"
ASSETS = ROOT / "lrmtest/reports/html/assets"

CHARACTERS = (
    (0x20, 0x7E),
    (0xA0, 0xFF),
    (0x131, 0x131),
    (0x152, 0x153),
    (0x237, 0x237),
    (0x2C6, 0x2DD),  # accents alone
    (0x300, 0x338),  # accents
    (0x391, 0x3F6),  # Greek
    (0x2010, 0x2057),  # dashes, dots, primes
    (0x20D0, 0x20F0),  # accents of symbols
    (0x2100, 0x214F),  # letterlike
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # operators
    (0x2308, 0x230B),
    (0x231C, 0x2323),
    (0x239B, 0x23B9),  # parts of tall brackets
    (0x23DC, 0x23E1),  # braces over and under
    (0x250C, 0x2518),  # corners
    (0x25A0, 0x25FF),
    (0x2605, 0x2606),
    (0x2660, 0x266F),
    (0x2713, 0x2720),
    (0x27E8, 0x27FF),
    (0x29EB, 0x29EB),
    (0x2A00, 0x2A06),
    (0x2A3F, 0x2A3F),
    (0x2A5E, 0x2A5E),
    (0x2A7D, 0x2ABA),
    (0x2ABC, 0x2ACC),
    # The alphabets, but for bold Fraktur and the slanted and bold ones without serifs.
    (0x1D400, 0x1D56B),
    (0x1D5A0, 0x1D5D3),
    (0x1D670, 0x1D6A5),
    (0x1D6A8, 0x1D755),
    (0x1D7CE, 0x1D7FF),
)
FEATURES = ["ssty", "dtls"]


def options() -> subset.Options:
    """How the font is cut down."""
    chosen = subset.Options()
    chosen.flavor = "woff2"
    chosen.layout_features = FEATURES
    chosen.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    chosen.hinting = False
    chosen.glyph_names = False
    chosen.recalc_timestamp = False
    return chosen


def main() -> None:
    """Write the font and its licence."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--font", type=Path, default=FILE)
    parser.add_argument("--licence", type=Path, default=SOURCE / "LICENSE")
    parser.add_argument("--into", type=Path, default=ASSETS)
    given = parser.parse_args()
    font = subset.load_font(given.font, options())
    cut = subset.Subsetter(options())
    cut.populate(unicodes=[one for first, last in CHARACTERS for one in range(first, last + 1)])
    cut.subset(font)
    target = given.into / "math.woff2"
    subset.save_font(font, target, options())
    shutil.copyfile(given.licence, given.into / "math-font-licence.txt")
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
