#!/bin/sh
# Finds a Python this project runs on, then lets bootstrap.py make .venv. Usage: bootstrap.sh run|dev
set -eu
cd "$(dirname "$0")/../.."

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

for candidate in "${PYTHON:-python3}" ${PYTHON:+""} python3.12 python3.13 python3.11; do
    # An empty word ends the search: PYTHON= was named, and nothing else is what was asked for.
    [ -n "$candidate" ] || break
    if fits "$candidate"; then
        exec "$candidate" ml_pipeline/stack/bootstrap.py "$1"
    fi
done

found=$("${PYTHON:-python3}" --version 2>&1) || found="none"
echo "ml-pipeline needs Python 3.11, 3.12 or 3.13; ${PYTHON:-python3} is: $found." >&2
echo "Install one of them, or name it: make PYTHON=/path/to/python3.12 ..." >&2
exit 1
