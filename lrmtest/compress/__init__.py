"""Compressed variants of a model, each with the card that says what it is.

What is imported here is for packages that bring a method of their own::

    from lrmtest.compress import CompressionMethod, CompressionResult, CompressionTask
"""

from lrmtest.compress.method import CompressionMethod, CompressionResult, CompressionTask
from lrmtest.compress.options import BITS, GROUP_SIZE, PATTERN, SPARSITY, TYPE, Option

__all__ = [
    "BITS",
    "GROUP_SIZE",
    "PATTERN",
    "SPARSITY",
    "TYPE",
    "CompressionMethod",
    "CompressionResult",
    "CompressionTask",
    "Option",
]
