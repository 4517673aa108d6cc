"""`python -m sampler.service`: the resident sampler as a process."""

from __future__ import annotations

import sys

from sampler.service.process import main

if __name__ == "__main__":
    sys.exit(main())
