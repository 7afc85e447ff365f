"""`python -m tornado_router.cli`, where the command is not on the path."""

import sys

from tornado_router.cli.main import main

sys.exit(main())
