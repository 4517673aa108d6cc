#!/usr/bin/env bash
# Package the extension, run the tests in a real VS Code and leave reports/e2e-vscode.xml. Uses PYTHON (default:
# python3), which needs the `test` extra; arguments go to pytest. PACKAGED=1 takes the seedfill.vsix that is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHON=${PYTHON:-python3}
VSCODE=$(tests/e2e/setup-vscode.sh)
NVIM=$(tests/e2e/setup-neovim.sh)
if [[ -z ${PACKAGED:-} ]]; then
  (cd vscode-client && npm ci --no-audit --no-fund && npm run package)
fi
export VSCODE NVIM
export PYTHONPATH=$VSCODE/python${PYTHONPATH:+:$PYTHONPATH}
exec "$PYTHON" -m pytest tests/e2e/vscode -o addopts= -o junit_family=xunit1 --junit-prefix=vscode --junitxml=reports/e2e-vscode.xml "$@"
