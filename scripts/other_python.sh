#!/bin/sh
# Print an interpreter for the other set of constraints: the newest Python >= 3.12 beside 3.11, 3.11 beside a newer one.
# Prints nothing where this machine has none. Looks at the commands python3.N and at pyenv's versions.
case $("${1:-python3}" -c 'import sys; print("%d.%d" % sys.version_info[:2])') in
3.11) versions="3.14 3.13 3.12" ;;
*) versions="3.11" ;;
esac
for version in $versions; do
    for python in "python$version" "$(pyenv root 2>/dev/null)/versions/$version".*/bin/python; do
        if [ "$("$python" -c 'import sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
            command -v "$python"
            exit 0
        fi
    done
done
