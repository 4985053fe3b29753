"""`python -m lrmtest`: the same as the command `lrmtest`."""

import sys

from lrmtest.cli import main

sys.exit(main())
