"""The checkout that this file lies in, first on Python's path: so nothing needs to be installed."""
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
