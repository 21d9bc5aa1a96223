"""`python -m mim4d.cli` is `mim4d`."""

import sys

from mim4d.cli import main

sys.exit(main())
