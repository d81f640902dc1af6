# SPDX-License-Identifier: Apache-2.0
# Short names for the scripts; a machine without make calls them directly.
.PHONY: run test test-live test-slow soak test-fresh demo check

run:
	deploy/run

test:
	tests/run

test-live:
	tests/live/run

# The long forms of the tests with broken traffic: 100,000 mutations a protocol, the other damage at many more places.
test-slow:
	WIREBEAT_TEST_ALL=1 cargo test --release --locked --test bad_traffic --test robustness --test metamorphic --test mirror_loss

# Memory over SOAK_PACKETS packets of mixed traffic with fresh addresses.
SOAK_PACKETS ?= 100000000
soak:
	SOAK_PACKETS=$(SOAK_PACKETS) cargo test --release --locked --test soak -- --nocapture

test-fresh:
	tests/fresh/run

demo:
	tests/run demo

check:
	deploy/check
