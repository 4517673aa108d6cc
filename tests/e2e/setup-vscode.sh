#!/usr/bin/env bash
# A real VS Code for the tests: its server, out of code-server's package, unpacked into a folder of its own; the browser
# that shows it is Debian's Chromium. Usage: setup-vscode.sh [FOLDER]; prints the folder, which afterwards holds
# `server-main.js`, to be run with Node 20, and `python/`, to be put on PYTHONPATH of the Python that runs the tests.
set -euo pipefail

folder=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/seedfill-e2e/vscode}")
python=${PYTHON:-python3}
code_server=4.100.3 # the last line of releases for Node 20; VS Code 1.100
playwright=1.65.2
built=$folder/$code_server-$playwright-$("$python" -c 'import sys; print(sys.implementation.cache_tag)')

packages=()
command -v chromium >/dev/null || packages+=(chromium fonts-dejavu-core)
command -v rg >/dev/null || packages+=(ripgrep)
if ((${#packages[@]})); then
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get -qq update >&2
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${packages[@]}" >&2
fi
here=$(dirname "$(realpath "$0")")
if [[ -e $built/server-main.js ]]; then
  cp "$here/vscode/spdlog.js" "$built/vscode/node_modules/@vscode/spdlog/index.js"
  echo "$built"
  exit
fi

rm -rf "$folder"
mkdir -p "$built/code-server"
cd "$built"
npm pack --silent "code-server@$code_server" >/dev/null
tar -xzf "code-server-$code_server.tgz" -C code-server --strip-components=1
rm "code-server-$code_server.tgz"

# Only VS Code itself is wanted, and none of its native modules: terminals and file watching do without here, and logs
# and output channels are written by a module of a few lines.
mv code-server/lib/vscode vscode
rm -rf code-server
cd vscode
npm install --silent --omit=dev --ignore-scripts --no-audit --no-fund >&2
mkdir -p node_modules/@vscode/ripgrep/bin
ln -sf "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
ln -sfn node_modules node_modules.asar
cp "$here/vscode/spdlog.js" node_modules/@vscode/spdlog/index.js
cd ..

"$python" -m pip install --quiet --disable-pip-version-check --target python "playwright==$playwright"
node vscode/out/server-main.js --version >&2
ln -s vscode/out/server-main.js server-main.js
echo "$built"
