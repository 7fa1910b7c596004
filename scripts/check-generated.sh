#!/bin/sh
# Compares with how the files were before, and not with the last commit: work in progress is no reason to fail.
set -eu
state() {
  git diff -- crds charts docs manifests
  git status --porcelain -- crds charts docs manifests
}
before=$(state)
node scripts/generate.ts >/dev/null
if [ "$before" != "$(state)" ]; then
  git status --short -- crds charts docs manifests >&2
  echo 'Generated files were stale: `make generate` has just written them again; commit them.' >&2
  exit 1
fi
