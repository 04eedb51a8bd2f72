# For people who build C: builds with cargo, and installs what C programs need.
#
#   make                           the library, in target/release
#   make demo                      a program on libzmq and one on this library exchange messages
#   make check                     every test
#   make bench                     the benchmarks (perf/README.md)
#   make header                    renews include/monocoque.h after a change of the interface
#   make install                   into PREFIX (/usr/local), below DESTDIR; LIBDIR and INCLUDEDIR as usual
#   make install LIBZMQ_COMPAT=1   also under libzmq's names: libzmq.so.5, zmq.h, libzmq.pc, ZeroMQConfig.cmake
#   make uninstall                 the same variables as for install

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=
LIBZMQ_COMPAT ?= 0
CARGO ?= cargo
CARGO_TARGET_DIR ?= target

export PREFIX LIBDIR INCLUDEDIR DESTDIR LIBZMQ_COMPAT CARGO_TARGET_DIR CC

MINUTES ?= 0.5

.PHONY: all demo check chaos soak header install uninstall

all:
	$(CARGO) build --release

demo:
	$(CARGO) run --example demo

check:
	$(CARGO) test

chaos:
	MONOCOQUE_CHAOS=full $(CARGO) test --release --quiet --test chaos

soak:
	MONOCOQUE_SOAK_MINUTES=$(MINUTES) $(CARGO) test --release --quiet --test soak

header:
	MONOCOQUE_RENEW_HEADER=1 $(CARGO) test --test header the_committed_header

install: all
	BUILD=$(CARGO_TARGET_DIR)/release ./install.sh

uninstall:
	./install.sh --uninstall

include perf/bench.mk
