#!/bin/sh
# The command `mlevents`. `make install` copies this file to .venv/bin/mlevents.
bin=$(cd "$(dirname "$0")" && pwd)
run='import sys; sys.path[0] = sys.argv.pop(1); from mlevents.__main__ import main; sys.exit(main())'
exec "$bin/python" -c "$run" "${bin%/*/*}" "$@"
