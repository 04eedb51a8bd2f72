# Benchmarks: the same programs alternately on a reference libzmq and on this library.
#
#   make bench                           five pairs a row, about seven minutes
#   make bench-smoke                     one short pair a row, compared with perf/baseline.tsv; under 40 seconds
#   make bench BENCH_ROWS=tcp            only the rows whose name contains `tcp`, or the one whose name this is
#   make bench BENCH_FLAGS='--save target/bench/results.tsv'
#                                        also writes the rows into that file
#   make bench-plot BENCH_RESULTS=target/bench/results.tsv
#                                        draws docs/throughput.svg and docs/latency.svg of saved rows; without
#                                        BENCH_RESULTS it measures what they show, about four minutes
#   make bench-test                      the runner's own tests
#   make bench BENCH_REFERENCE=/path/to/libzmq.so.5 BENCH_LIBRARY=/path/to/libmonocoque.so BENCH_FLAGS='--pairs 9'
#
# It needs a C compiler and Rust. `perf/README.md` says what each row measures.

BENCH_DIR := target/bench
BENCH_PROGRAMS := throughput latency proxy fanout router memory
BENCH_BINARIES := $(BENCH_PROGRAMS:%=$(BENCH_DIR)/%)
BENCH_REFERENCE ?= $(firstword $(wildcard /usr/lib/*-linux-gnu/libzmq.so.5 /usr/lib64/libzmq.so.5 /usr/lib/libzmq.so.5 \
	/usr/local/lib/libzmq.so.5))
BENCH_LIBRARY ?= target/release/libmonocoque.so
BENCH_ROWS ?=
BENCH_FLAGS ?=
BENCH_BASELINE ?= perf/baseline.tsv
BENCH_RESULTS ?=
BENCH_RUN = $(BENCH_DIR)/runner --programs $(BENCH_DIR) --reference '$(BENCH_REFERENCE)' --library '$(BENCH_LIBRARY)' \
	--rows '$(BENCH_ROWS)' $(BENCH_FLAGS)

BENCH_CC ?= cc
RUSTC ?= rustc
BENCH_CFLAGS = -O2 -g -std=gnu11 -Wall -Wextra $(if $(wildcard include/zmq.h),-Iinclude)

.PHONY: bench bench-smoke bench-plot bench-test bench-programs bench-library

bench: bench-programs bench-library
	$(BENCH_RUN)

bench-smoke: bench-programs bench-library
	$(BENCH_RUN) --smoke --baseline '$(BENCH_BASELINE)'

bench-plot: $(BENCH_DIR)/runner $(if $(BENCH_RESULTS),,bench-programs bench-library)
	$(if $(BENCH_RESULTS),,$(BENCH_RUN) --rows throughput,latency --save $(BENCH_DIR)/plot.tsv)
	$(BENCH_DIR)/runner plot '$(or $(BENCH_RESULTS),$(BENCH_DIR)/plot.tsv)' docs

bench-test: $(BENCH_DIR)/runner-tests
	$(BENCH_DIR)/runner-tests

bench-programs: $(BENCH_BINARIES) $(BENCH_DIR)/runner

# Cargo knows what is up to date; a library given by path is taken as it is.
bench-library:
ifeq ($(BENCH_LIBRARY),target/release/libmonocoque.so)
	cargo build --release --lib
endif

$(BENCH_DIR)/stub/libzmq.so.5: perf/link_stub.c
	mkdir -p $(@D)
	$(BENCH_CC) -shared -fPIC -Wl,-soname,libzmq.so.5 -o $@ $<

$(BENCH_BINARIES): $(BENCH_DIR)/%: perf/%.c perf/common.c perf/stream.c perf/zmtp.c $(wildcard perf/*.h) \
		$(BENCH_DIR)/stub/libzmq.so.5
	$(BENCH_CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) $(BENCH_DIR)/stub/libzmq.so.5 -lpthread -ldl

$(BENCH_DIR)/runner: $(wildcard perf/runner/*.rs)
	mkdir -p $(@D)
	$(RUSTC) --edition 2024 -O -D warnings -o $@ perf/runner/main.rs

$(BENCH_DIR)/runner-tests: $(wildcard perf/runner/*.rs) perf/baseline.tsv
	mkdir -p $(@D)
	$(RUSTC) --edition 2024 --test -D warnings -o $@ perf/runner/main.rs
