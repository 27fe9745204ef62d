# The only door to the project. `make` alone lists what there is.

PREFIX ?= /usr/local
STAGE := .build/stage
SHARE := .build/share
SLIPWAY := $(STAGE)/bin/slipway
AGENT := .build-agent/release/slipway-agent
AGENT_LIMIT := 14000000
# lld comes with the Swift toolchain, and merges a linker script into its own layout.
AGENT_FLAGS := -Xswiftc -static-executable -Xswiftc -use-ld=lld -Xlinker -T -Xlinker $(abspath scripts/agent.ld)
DEMO := .cache/demo
SYSTEMS := tiny tiny-b tiny-notouch tiny-many tiny-secrets f2fs f2fs-shared demo demo-notouch secure \
  grub-bios grub-bios-sda grub-efi grub-xbootldr xbootldr \
  $(addprefix broken-,bootloader entry file no-switch full-esp full-root full-variables panic silent emergency boot-panic)
# Swift Testing only: with XCTest on, the run first claims "Executed 0 tests".
SWIFT_TEST := swift test --disable-xctest
# Tests that look at the clock have a process of their own: among a thousand others they wait for their turn, and that counts. So has the
# exit test, as Swift Testing then asks for the ends of all children in a loop, which those of other tests keep busy.
TIMED_TESTS := ^(BasicsTests|BuildMachineTests|HostProbeTests|InstallStepsTests|SlipwayAgentTests)|BuildLogTests|DebianApplianceTests|RefusalTests|SpecialSourceTests|TerminalLinkTests|ApplianceSupportTests|LogicalPartitionTests|LiveStoreTests
# Suites that take half of the time of all that boot virtual machines. Those that end libvirt's daemon of an ordinary user are together.
HALF_OF_VM_TESTS := AddGeneration|BadSpec|Boot|BrokenImage|Build|CanonicalStore|Content|Disk|Documentation|EFIVars|Ends|Failure|ForeignFilesystem|FreeSpace|Generation|GuestStore|Hook|SharedBlocks|TestDriver|Variation
# The part of the drill that `make test` runs, in four minutes: what needs no machine, and the most telling of the rest.
SHORT_DRILL := DrillTests\.(OutputTests|ArtefactTests|EndTests/(killedInIts|aHostScript|aKilledHyp)|InputTests/a(BadSpec|LowLimit)|FullDiskTests/aSmall|GuestTests/aConsole)

.PHONY: help setup build appliance systems system demo test test-unit test-vm test-all drill-short check bench \
  test-nixos drill fuzz fmt record install deb clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the Debian packages that Slipway, its tests and its test systems need
	@scripts/setup

build: ## build slipway, its agent, manual pages and shell completions
	swift build -c release --product slipway --static-swift-stdlib
	swift build -c release --product slipway-agent $(AGENT_FLAGS) --scratch-path .build-agent
	@rm -rf $(SHARE)
	@scripts/manual .build/release/slipway $(SHARE)
	@$(MAKE) --no-print-directory install PREFIX=$(STAGE)

install: ## copy what `make build` built to PREFIX (/usr/local)
	@test -x .build/release/slipway -a -x $(AGENT) || { echo "run 'make build' first" >&2; exit 1; }
	@install -D -m 755 .build/release/slipway $(DESTDIR)$(PREFIX)/bin/slipway
	@install -D -m 755 -s $(AGENT) $(DESTDIR)$(PREFIX)/libexec/slipway/slipway-agent
	@cd $(SHARE) && find * -type f -exec install -D -m 644 {} $(abspath $(DESTDIR)$(PREFIX))/share/{} \;

deb: build ## make a Debian package of it in .build/deb
	@scripts/deb .build/deb

appliance: build ## build the kernel and initramfs that carry the agent
	$(SLIPWAY) appliance build

systems: ## build every test system
	@for name in $(SYSTEMS); do Tests/Systems/build $$name > /dev/null || exit 1; done

system: ## print the store path of the test system NAME
	@Tests/Systems/build $(NAME)

demo: setup build ## build the demo image, boot it, and show where everything is
	@scripts/demo $(SLIPWAY) $(DEMO)

test: setup build systems test-unit test-vm drill-short ## run every test; boots virtual machines

test-unit: ## run the tests that need no virtual machine
	@scripts/counted $(SWIFT_TEST) --skip IntegrationTests --skip DrillTests --skip '$(TIMED_TESTS)'
	@scripts/counted $(SWIFT_TEST) --skip-build --filter '$(TIMED_TESTS)'

test-vm: ## run the tests that boot virtual machines, two at a time
	@SLIPWAY_VM_TESTS=1 SLIPWAY=$(abspath $(SLIPWAY)) scripts/test-vm '$(HALF_OF_VM_TESTS)'

test-nixos: $(if $(NIXPKGS),build) ## build and boot systems of NixOS's own modules; NIXPKGS=DIR, a checkout of nixpkgs; NIXOS_SYSTEMS=NAMES
	@scripts/test-nixos $(SLIPWAY) '$(NIXPKGS)' $(NIXOS_SYSTEMS)

drill-short:
	@scripts/drill $(SLIPWAY) '$(SHORT_DRILL)'

drill: ## inject faults into real builds, and list what came of each; DRILL_ROUNDS=1
	@scripts/drill $(SLIPWAY) $(DRILL)

test-all: setup build systems test-unit ## run every test, the long sweeps and the drill
	@SLIPWAY_VM_TESTS=1 SLIPWAY_SWEEPS=1 SLIPWAY=$(abspath $(SLIPWAY)) scripts/counted $(SWIFT_TEST) \
	  --no-parallel --filter 'IntegrationTests|SweepTests'
	@$(MAKE) --no-print-directory drill

check: build ## lint, check imports and Python's types, and check the agent
	swift format lint --strict --recursive --parallel Sources Tests Package.swift
	swift build --explicit-target-dependency-import-check error
	.cache/tools/bin/mypy --config-file nix/test-driver/pyproject.toml nix/test-driver
	@scripts/check-agent $(STAGE)/libexec/slipway/slipway-agent $(AGENT_LIMIT)

bench: setup build ## print how times compare, both sides measured in one run; BENCH=boots, warm, pour, sharing, builds or diff for one part
	@swift build -c release --product slipway-bench
	@.build/release/slipway-bench $(BENCH) --slipway $(SLIPWAY)

fmt: ## format the sources
	swift format --in-place --recursive --parallel Sources Tests Package.swift

record: ## write the golden files anew
	-RECORD_SNAPSHOTS=1 $(SWIFT_TEST) --skip IntegrationTests --skip DrillTests

fuzz: ## feed mutated inputs to every parser of outside bytes; FUZZ_SECONDS=20 each
	@scripts/fuzz

clean: ## remove what was built, and cached test systems, images and appliances
	rm -rf .build .build-agent .build-fuzz .cache "$${XDG_CACHE_HOME:-$$HOME/.cache}/slipway"
