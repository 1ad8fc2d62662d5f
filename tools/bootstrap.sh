#!/bin/sh
# Installs the node modules when they are missing or older than the lock file; nothing else is needed beforehand.
set -eu
cd "$(dirname "$0")/.."
[ "$(uname -s)" = Linux ] || { echo "Yadokari's local cluster runs on Linux only" >&2; exit 1; }
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "installing node modules (about 20 s)" >&2
  # Not npm ci: it fails when a registry lacks an optional package of another platform.
  npm install --no-save --no-progress --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
