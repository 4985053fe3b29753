"""A Parquet file that ends the process that reads it."""

from exported_run import LOGS


def deadly_parquet():
    """One histogram of a column is longer than it can be; pyarrow's C++ code ends the process."""
    (path,) = LOGS.rglob("details_sums|0_*.parquet")
    content, at = path.read_bytes(), 5747
    assert content[at] == 0x36, "the length (3) and the type (6) of a list, in the footer"
    footer = int.from_bytes(content[-8:-4], "little")
    longer = content[:at] + b"\x46\0" + content[at + 1 : -8]
    return longer + (footer + 1).to_bytes(4, "little") + content[-4:]
