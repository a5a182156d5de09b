"""`python -m minivit` is the command `minivit`."""
import sys

from minivit.cli import main

sys.exit(main())
