"""A few steps of a tiny run into the folder named on the command line; also under torchrun."""

import sys
from pathlib import Path

from tests.test_training_trainer import TINY, _trainer

_trainer(TINY, Path(sys.argv[1])).run(lambda entry: None)
