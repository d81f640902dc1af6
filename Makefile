# SPDX-License-Identifier: Apache-2.0
# Short names for the scripts; a machine without make calls them directly.
.PHONY: run test test-live test-fresh demo check

run:
	deploy/run

test:
	tests/run

test-live:
	tests/live/run

test-fresh:
	tests/fresh/run

demo:
	tests/run demo

check:
	deploy/check
