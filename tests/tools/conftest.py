"""Lets the tests import `tools`, which is not installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent.parent))
