#!/bin/sh
# Runs guestctl with the Node that npm installed; the one in PATH may be too old for TypeScript.
here=$(dirname -- "$(readlink -f -- "$0")")
node=$here/../../node_modules/.bin/node
if ! [ -x "$node" ]; then node=node; fi
. "$here/hide-options.sh"
exec "$node" "$here/launch.cjs" "$@"
