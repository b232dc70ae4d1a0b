#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A NIPA test: what the commit checked out brings of the xfrm offload lower-handle contract.
# 0: nothing, 250: warnings or checks, or something could not be analysed, 1: errors, or xfrmlint
# could not run.

describe() {
    # The pipe is read after the end: what is longer than it holds would hang the runner.
    printf '%s\n' "$*" | head -c 1000 >&"$DESC_FD"
}

# No file that a driver is built from: deleted ones count, a driver can lose its resolver.
if ! git diff-tree -r -m --root --no-commit-id --name-only HEAD |
    grep -q -E '\.([ch]|inc|def|mk)$|(^|/)(Makefile|Kbuild)[^/]*$'
then
    describe "No C, header or Makefile touched, skip"
    exit 0
fi

if ! xfrmlint --version; then
    describe "xfrmlint is not installed"
    exit 1
fi

found=$(mktemp) || exit 1
trap 'rm -f "$found"' EXIT

# Commits are read from git's objects: what is checked out is not looked at, and stays.
xfrmlint check --git HEAD --show-types --color never > "$found"
status=$?
cat "$found"

# Lines of source begin with +.
total=$(sed -n 's/^total: \(.*\), [0-9]* lines checked.*/\1/p' "$found")
fixed=$(sed -n 's/^total: .* lines checked, \([0-9]*\) fixed.*/ ; fixed: \1/p' "$found")
unseen=$(sed -n 's/^total: .* lines checked, .*\b\([0-9][0-9]*\) no longer known$/ ; no longer known: \1/p' "$found")
missed=$(grep -c '^note: not analysed: ' "$found")
[ "$missed" -eq 0 ] || unseen="$unseen ; not analysed: $missed"
if { [ $status -ne 0 ] && [ $status -ne 1 ]; } || [ -z "$total" ]; then
    describe "xfrmlint could not run, status $status"
    exit 1
fi

# What to do, a line a type.
fixes=$(sed -n 's/^NOTE: \([A-Z0-9_]*: .*\); xfrmlint explain [A-Z0-9_]*$/ ; \1/p' "$found" | tr -d '\n')
describe "Findings added: $total$fixed$unseen$fixes"
case $total in
    "0 errors, 0 warnings" | "0 errors, 0 warnings, 0 checks") [ -n "$unseen" ] || exit 0; exit 250 ;;
    "0 errors, "*) exit 250 ;;
esac
echo "New errors added" >&2
grep '^ERROR:' "$found" >&2
exit 1
