#!/usr/bin/env bash
# Run the tests in a real Helix and leave reports/e2e-helix.xml; where its packages cannot be had, the tests are skipped
# by name. Uses PYTHON (default: python3), which needs the `test` extra; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
HELIX=$(tests/e2e/setup-helix.sh) || HELIX=
export HELIX
exec "${PYTHON:-python3}" -m pytest tests/e2e/test_helix.py -o addopts= --junit-prefix=helix \
  --junitxml=reports/e2e-helix.xml "$@"
