#!/bin/sh
# Says in one sentence each what is missing, before a tool fails in its own words.
# Go is asked for only when something has to be built, by lab/tools/go-build.ts.
set -u
status=0

missing() {
  echo "$1" >&2
  status=1
}

command -v npm >/dev/null 2>&1 ||
  missing 'npm is needed to fetch the packages, and is not on PATH: install Node.js from https://nodejs.org/ or your distribution.'

# On these two the packages bring Node 24 along, and any Node that runs npm will do.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64 | Linux-aarch64) wanted=20 ;;
  *) wanted=24 ;;
esac
if ! command -v node >/dev/null 2>&1; then
  missing "Node.js $wanted or newer is needed, and node is not on PATH: install it from https://nodejs.org/."
else
  have=$(node --version | sed 's/^v//; s/\..*//')
  [ "$have" -ge "$wanted" ] ||
    missing "Node.js $wanted or newer is needed on this platform, and $(node --version) is here: install it from https://nodejs.org/."
fi
exit $status
