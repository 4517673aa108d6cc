#!/usr/bin/env bash
# Run the tests in a real Neovim and leave reports/e2e-neovim.xml. Uses PYTHON (default: python3), which needs the
# `test` extra; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
NVIM=$(tests/e2e/setup-neovim.sh)
export NVIM
exec "${PYTHON:-python3}" -m pytest tests/e2e/test_neovim.py tests/e2e/test_neovim_edits.py -o addopts= --junit-prefix=neovim \
  --junitxml=reports/e2e-neovim.xml "$@"
