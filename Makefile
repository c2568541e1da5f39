# SPDX-License-Identifier: Apache-2.0
#
# make demo     installs what is needed, builds, and shows a network working
# make test     installs what is needed, builds both ways, and runs all tests

SHELL := /bin/bash -o pipefail
.PHONY: all deps test-deps lint format build test demo release install bench golden fuzz clean

DESTDIR ?=
FILTER ?= .
T ?= 60

PACKAGES := gcc libc6-dev libcurl4-openssl-dev libmnl-dev libnftables-dev libnftables1 pkg-config
TEST_PACKAGES := busybox-static conmon conntrack containerd containernetworking-plugins crun ethtool golang-github-containers-common iproute2 \
	iperf3 iptables iputils-ping nftables podman procps runc strace util-linux valgrind
# Where systemd runs, installing them would start etcd, and have firewalld rule over the packets from the next start on; their
# tests say that they skip.
ifeq ($(wildcard /run/systemd/system),)
TEST_PACKAGES += dbus etcd-client etcd-server firewalld frr openssl
endif

PLUGINS := bridge firewall host-local loopback portmap tuning vxlan
TOOLS := cnictl overlayd

# Embedded Swift, as Package.swift describes it. Its archives are where the compiler says that its resources are. The
# toolchain's own linker keeps the places that the loader has to adjust in a fortieth of the room.
EMBEDDED := SWIFT_CNI_EMBEDDED=1 swift build -c release --scratch-path .build/embedded --disable-local-rpath --omit-frame-pointers \
	-Xlinker -L$$(swiftc -print-target-info | sed -n 's|.*"runtimeResourcePath": "\(.*\)".*|\1|p')/embedded/$$(swiftc \
	-print-target-info | sed -n 's|.*"unversionedTriple": "\(.*\)".*|\1|p') -Xswiftc -use-ld=lld -Xlinker --icf=all \
	-Xlinker -z -Xlinker pack-relative-relocs -Xlinker -s

all: build

# Asked for only where something is missing, so that the other targets work without a network.
deps:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update && apt-get install -y --no-install-recommends $(PACKAGES); }

# The tests start container runtimes themselves, in namespaces. Where systemd would start them as well, a policy for this one
# installation forbids it; a policy of the machine's own stays as it is. Nothing is asked: the server of iperf3 is not wanted.
test-deps: deps
	@dpkg -s $(TEST_PACKAGES) >/dev/null 2>&1 || { \
		policy=/usr/sbin/policy-rc.d; \
		if [ -d /run/systemd/system ] && [ ! -e $$policy ]; then \
			trap "rm -f $$policy" EXIT; \
			printf '#!/bin/sh\nexit 101\n' >$$policy && chmod 755 $$policy || exit 1; \
		fi; \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(TEST_PACKAGES); \
	}

lint:
	swift format lint --strict --recursive Package.swift Sources Tests
	Tests/lint

format:
	swift format --in-place --recursive Package.swift Sources Tests

build: deps
	swift build

release: deps
	$(EMBEDDED)
	mkdir -p dist/bin
	for name in $(PLUGINS) $(TOOLS); do install -m 755 .build/embedded/release/$$name dist/bin/ || exit 1; done

demo: release
	dist/bin/cnictl try conf/10-bridge.conflist
	dist/bin/cnictl try conf/20-vxlan-static.conflist --hosts 3

# The same black-box tests run over both builds; the modules' own tests once. In each run one test follows the other: many of them
# start dozens of processes at once, and what waits for a packet or a signal must not be starved by its neighbours. Three runs go
# side by side, because they mostly wait for the kernel to take namespaces apart; the parts take about as long as each other. What
# plugins keep in /run must not meet.
PATIENT := ^(Overlay|Crash|Cnictl|Vxlan)Tests
RELEASED := ^(Conformance|Golden|HostLocal|Bridge|Tuning|Portmap|Runtime|Firewall|Overlay)Tests
RELEASED_TOO := ^(Crash|Cnictl|Vxlan)Tests
RUN_TESTS := unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$$@"' -- swift test --skip-build --ignore-lock --no-parallel
RUN_RELEASED := CNI_TEST_BIN=$(CURDIR)/dist/bin $(RUN_TESTS)

# What failed in any run is said once more at the end, where it is looked for: between the three lie a thousand lines.
test: test-deps lint release
	swift build --build-tests
	@$(RUN_TESTS) --filter '$(FILTER)' --skip '^(?!$(PATIENT))' >.build/patient.log 2>&1 & patient=$$!; \
	$(RUN_RELEASED) --filter '$(RELEASED)' >.build/released.log 2>&1 & released=$$!; \
	{ $(RUN_TESTS) --filter '$(FILTER)' --skip '$(PATIENT)'; built=$$?; \
		echo "Over the released executables:"; $(RUN_RELEASED) --filter '$(RELEASED_TOO)' || exit 1; exit $$built; \
	} 2>&1 | tee .build/built.log; built=$$?; \
	wait $$patient; patient=$$?; echo "Those that wait a lot:"; cat .build/patient.log; \
	wait $$released; released=$$?; echo "More of them over the released executables:"; cat .build/released.log; \
	if ((built | patient | released)); then \
		echo "What failed:"; grep -h -E -A 3 '^(✘|error:)' .build/{built,patient,released}.log; exit 1; \
	fi

# Each file is written under another name and renamed, so that a runtime never finds half a plugin.
install: release
	install -d $(DESTDIR)/opt/cni/bin
	for name in $(PLUGINS) $(TOOLS); do \
		install -m 755 dist/bin/$$name $(DESTDIR)/opt/cni/bin/.$$name.new && \
		mv $(DESTDIR)/opt/cni/bin/.$$name.new $(DESTDIR)/opt/cni/bin/$$name || exit 1; \
	done

bench: test-deps release
	mkdir -p bench
	cc -O2 -o bench/floor Tests/Benchmarks/floor/floor.c -lmnl
	swift build -c release --product Benchmarks
	.build/release/Benchmarks --ours dist/bin --reference /usr/lib/cni --floor bench/floor --json bench/results.json

golden:
	-UPDATE_GOLDEN=1 swift test --filter GoldenTests
	git diff --stat testdata

fuzz: deps
	Tests/Fuzz/run $(T)

clean:
	rm -rf .build dist bench
