#!/usr/bin/env bash
# Run the tests in a real Emacs and leave reports/e2e-emacs.xml; where its packages cannot be had, the tests are skipped
# by name. Uses PYTHON (default: python3), which needs the `test` extra; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
EMACS=$(tests/e2e/setup-emacs.sh) || EMACS=
export EMACS
exec "${PYTHON:-python3}" -m pytest tests/e2e/test_emacs.py -o addopts= --junit-prefix=emacs \
  --junitxml=reports/e2e-emacs.xml "$@"
