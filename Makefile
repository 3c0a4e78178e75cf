# The front door. Meson does the work; build trees are build/main, build/asan-gcc, ...

PREFIX ?= /usr/local
DESTDIR ?=
# Passed to every "meson setup", for instance MESON_ARGS=-Dsodium_dir=DIR
MESON_ARGS ?=

main = build/main
# Sanitizers map their shadow at fixed addresses, which a kernel that randomises widely can take first.
sanitized = $(shell setarch -R true 2>/dev/null && echo setarch -R) scripts/run-tests --sanitized

.PHONY: sim sim-revoke revoke-races revoke-races-tsan revoke-mutants sim-mutants interleave interleave-mutants flood wake tiers model graph-model call-patterns all demo bench bench-locks bench-revoke-cost check check-asan check-tsan check-aarch64-switch soak soak-asan soak-tsan kills transfer relay bench-goodput fuzz coverage lint format install clean help
.DEFAULT_GOAL := all

all: ## build the library, the command, the examples and the benchmarks
	@scripts/bootstrap build
	@$(MAKE) -s build-main

demo: ## show it at work: two nodes, a capture of what travels between them, timings
	@scripts/bootstrap demo
	@$(MAKE) -s build-main
	@BUILD=$(main) scripts/demo

# BENCH_ARGS, for instance '--rounds 20': see lattice help bench local
bench: ## what this machine can do, and Lattice beside it; the pictures are build/bench.svg, bench-net.svg and bench-calls.svg there
	@scripts/bootstrap build
	@$(MAKE) -s build-main
	@$(main)/src/lattice bench local --plot build/bench.svg $(BENCH_ARGS)
	@$(main)/src/lattice bench net --plot build/bench-net.svg $(BENCH_ARGS)
	@$(main)/src/lattice bench calls --plot build/bench-calls.svg $(BENCH_ARGS)

bench-locks: ## the quaternion lock beside the C library's, 1 to 8 threads
	@scripts/bootstrap build
	@$(MAKE) -s build-main
	@$(main)/bench/lattice-bench-locks $(BENCH_ARGS)

bench-revoke-cost: ## what looking at the life of a right costs each message: instructions (valgrind), and time beside a build without it
	@scripts/bootstrap build
	@$(MAKE) -s build-main
	@scripts/bench-revoke-cost $(main) $(BENCH_ARGS)

bench-goodput: ## Lattice over UDP beside the kernel's TCP, 20 ms away, 1 and 5 % lost (root, /dev/net/tun)
	@scripts/bootstrap build
	@$(MAKE) -s build-main
	@scripts/bench-goodput $(main) $(BENCH_ARGS) || [ $$? = 77 ]

check: ## build, run every test, end with "N passed, N failed"
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@scripts/run-tests $(main)

check-asan: ## the tests under AddressSanitizer and UBSan, by gcc and by clang
	@scripts/bootstrap sanitize
	@$(MAKE) -s build-asan-gcc build-asan-clang
	@$(sanitized) build/asan-gcc build/asan-clang

check-tsan: ## the tests under ThreadSanitizer, by gcc and by clang
	@scripts/bootstrap sanitize
	@$(MAKE) -s build-tsan-gcc build-tsan-clang
	@$(sanitized) build/tsan-gcc build/tsan-clang

# One of them: check-asan-gcc, check-asan-clang, check-tsan-gcc, check-tsan-clang
check-asan-% check-tsan-%:
	@scripts/bootstrap sanitize
	@$(MAKE) -s $(@:check-%=build-%)
	@$(sanitized) $(@:check-%=build/%)

check-aarch64-switch: ## how tasks switch on aarch64, cross-compiled and emulated
	@scripts/check-aarch64-switch

# How long a soak sends, in seconds; its set-up and its end come on top.
SECONDS ?= 60

soak: ## a hundred nodes and 64 threads for SECONDS=60; soak-asan and soak-tsan: under a sanitizer
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@$(main)/tests/soak/soak $(SECONDS)

soak-asan soak-tsan:
	@scripts/bootstrap sanitize
	@$(MAKE) -s $(@:soak-%=build-%-gcc)
	@$(soak_env) $(shell setarch -R true 2>/dev/null && echo setarch -R) $(@:soak-%=build/%-gcc)/tests/soak/soak $(SECONDS)
soak-asan: soak_env = ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
soak-tsan: soak_env = TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

# How many storms, and the first one's seed.
SEEDS ?= 1000
relay: SEEDS = 200
FIRST ?= 1

sim: ## a thousand storms over a simulated network, SEEDS=1000; a seed that fails is run again with FIRST=seed SEEDS=1
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_SIM_SEEDS=$(SEEDS) LATTICE_SIM_FIRST=$(FIRST) $(main)/tests/sim/storm

# How many rights are revoked, in virtual time.
RACES ?= 1000000
sim-revoke: ## rights revoked while what they opened is used, RACES=1000000: nothing comes after, every sender is told (some minutes)
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_SIM_RACES=$(RACES) $(main)/tests/sim/revoke

# Of N races 90 in 100 are between threads, 9 between processes, and one between nodes, who let each other open 50 channels a second.
N ?= 1000000
revoke-races: ## rights revoked N=1000000 times in the middle of what is done by them, by threads, processes, and nodes over UDP and TCP (a quarter of an hour)
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@scripts/revoke-races $(main) $(N)

revoke-races-tsan: ## the same under ThreadSanitizer
	@scripts/bootstrap sanitize
	@TARGETS=tests/race/race-revoke $(MAKE) -s build-tsan-gcc
	@TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 $(shell setarch -R true 2>/dev/null && echo setarch -R) scripts/revoke-races build/tsan-gcc $(N)

revoke-mutants: ## the library without the look at a right's life, and with one that comes too soon: the races must notice
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@scripts/revoke-mutants $(main)

sim-mutants: ## the engine with one fault each: the storms must notice every one within SEEDS=1000
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@scripts/sim-mutants $(main) storm $(SEEDS)

# How many moves the search makes in a row.
DEPTH ?= 12

interleave: ## every order of the handshake's packets, lost, late and doubled, to DEPTH=12 (some minutes)
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_INTERLEAVE_DEPTH=$(DEPTH) $(main)/tests/sim/interleave

interleave-mutants: ## the engine with one fault each: the search must notice every one
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@scripts/sim-mutants $(main) interleave $(DEPTH)

wake: ## the races between publishing and going to sleep, ten million times, and a million between two processes (some minutes)
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_WAKE_ROUNDS=10000000 $(main)/src/fastpath-wake_test
	@LATTICE_WAKE_ROUNDS=1000000 $(main)/src/fastpath-link_test

tiers: ## order and exactly once over a hundred million messages of all lengths, at several paces (some minutes)
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_TIERS_MESSAGES=20000000 $(main)/src/fastpath-tiers_test

model: ## search every state of the models in models/ (skipped without spin)
	@scripts/check-model || [ $$? = 77 ]

# How many steps, or patterns.
graph-model: N ?= 1000000
call-patterns: N ?= 100000

graph-model: ## channels that connect, disconnect, submit and close at random, N=1000000 steps, against an oracle
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_GRAPH_STEPS=$(N) $(main)/tests/graph/graph-model

call-patterns: ## N=100000 patterns of calls between tasks and threads: every deadlock is told, and nothing else
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@LATTICE_CALL_PATTERNS=$(N) $(main)/tests/graph/call-patterns

# How many processes die.
KILLS ?= 10000

kills: ## three processes talk, and one after the other is killed, KILLS=10000
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@python3 tests/proc/kill_test.py $(main)/tests/proc/worker $(KILLS)

# How long the file is, in MiB.
MIB ?= 256

transfer: ## a file of MIB=256 MiB through lattice-chaos: UDP that loses and reorders, TCP that is cut every 100 ms
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@python3 tests/chaos/transfer_test.py $(main)/src/lattice $(main)/tools/chaos/lattice-chaos $(MIB)

relay: ## nodes on real sockets that lose, double and cut as a seed says, SEEDS=200 of them; one again: FIRST=seed SEEDS=1
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@python3 tests/chaos/relay_test.py $(main)/tests/chaos/oracle $(main)/tools/chaos/lattice-chaos $(FIRST) $(SEEDS)

# How many fuzzers run at a time; SECONDS is how long each one does.
JOBS ?= $(shell nproc)

fuzz: ## every fuzz target for SECONDS=60, JOBS= at a time, with clang's libFuzzer; fails on any finding
	@scripts/bootstrap sanitize
	@TARGETS=fuzzers $(tree) fuzz clang -Doptimization=1 -Db_lundef=false $(options)
	@scripts/fuzz --seconds $(SECONDS) --jobs $(JOBS) build/fuzz

coverage: ## which lines of the parsers the corpora and unit tests reach; fails when that is less than 95 % of a file
	@scripts/bootstrap check
	@$(tree) coverage gcc --buildtype=debug -Db_coverage=true -Db_ndebug=true $(options)
	@scripts/coverage build/coverage

# Hellos a second, and for how long.
RATE ?= 100000

flood: ## a node under a flood of hellos from another namespace, RATE=100000 a second: what gets through, memory, handshakes (root)
	@scripts/bootstrap check
	@$(MAKE) -s build-main
	@python3 tests/net/flood_test.py $(main)/src/lattice $(main)/tests/net/flood $(RATE) 5

lint: ## formatting, static analysis, shell scripts, and the checks of the house
	@scripts/bootstrap lint
	@$(MAKE) -s build-lint
	@scripts/lint build/lint

format: ## rewrite the C files in the house's format
	@scripts/bootstrap lint
	@scripts/check-format --write

install: all ## install under PREFIX (/usr/local), below DESTDIR if given
	@meson configure $(main) --prefix $(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(main) --quiet
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

clean: ## remove the build trees; what bootstrap fetched into build/deps stays
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +; fi

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS="$$(printf '\t')" read -r target what; do printf '  make %-11s %s\n' "$$target" "$$what"; done

# --- build trees -------------------------------------------------------------------------------

.PHONY: build-main build-lint build-asan-gcc build-asan-clang build-tsan-gcc build-tsan-clang
tree = scripts/build-tree
options = $(MESON_ARGS) --prefix $(PREFIX)

# What is installed never ends its host's process: invariants are compiled out here, and in everywhere else.
build-main:
	@$(tree) main $(or $(CC),cc) -Db_ndebug=true $(options)
build-lint:
	@$(tree) lint clang $(options)
build-asan-gcc:
	@$(tree) asan-gcc gcc -Db_sanitize=address,undefined $(options)
build-asan-clang:
	@$(tree) asan-clang clang -Db_sanitize=address,undefined -Db_lundef=false $(options)
build-tsan-gcc:
	@$(tree) tsan-gcc gcc -Db_sanitize=thread $(options)
build-tsan-clang:
	@$(tree) tsan-clang clang -Db_sanitize=thread -Db_lundef=false $(options)
