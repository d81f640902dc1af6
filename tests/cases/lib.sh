# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the cases share. A case is an executable tests/cases/NAME/run; tests/run gives it WIREBEAT (the program), SERVICES
# (tests/services) and WORK (an empty folder), and judges it by its exit status: 0 passed, 77 cannot run here, else failed.

# need_root WHAT FOR: skips the case where it is not root.
need_root() {
  [ "$(id -u)" = 0 ] && return
  echo "needs root for $*: call tests/run as root or through sudo"
  exit 77
}

fail() {
  echo "$*"
  exit 1
}
