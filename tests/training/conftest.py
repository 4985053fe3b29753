import sys
from pathlib import Path

# The training's scripts are no package: they are run where they stand.
sys.path.insert(0, str(Path(__file__).parents[2] / "training" / "tiny_lrm"))
