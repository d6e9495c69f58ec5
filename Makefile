#  Hawser's commands. `make help` lists them; the scripts behind them are in scripts/, and say why.
#
#  The first two are all that a newcomer needs. Each installs what is missing from Debian's packages (scripts/packages).

SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
# How long each fuzz target runs.
SECONDS ?= 300
# How often `make bench` measures the matrix.
ROUNDS ?= 3

PROGRAMS := $(shell sed -n 's/^ *program."\([^"]*\)".*/\1/p' Package.swift)
MANUALS := $(wildcard docs/man/*.[1-8])
BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man
BASHDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

export SWIFT

.DEFAULT_GOAL := help
.PHONY: demo test check format bench fuzz sanitize build install uninstall deb clean help

demo: ## build, bring a network up, draw it, measure its paths and the bond (sudo)
	@scripts/bootstrap lab
	@scripts/build release
	@.build/release/netlab demo

test: ## build everything and run every test (sudo; without it, what needs root is skipped)
	@scripts/bootstrap test
	@scripts/test

check: ## form, warnings and the tests that need no root: run it before a commit
	@scripts/bootstrap test
	@scripts/check

format: ## bring Swift files into the form that `make check` wants
	@scripts/swift format --in-place --recursive --parallel Sources Tests benchmarks Package.swift
	@find Sources Tests benchmarks -name '*.swift' -not -path '*/.build/*' -exec scripts/wrap-comments {} +

bench: ## run the matrix ROUNDS=3 times and MPTCP's once; docs/benchmarks/many-paths.md is written from it (sudo)
	@scripts/bootstrap bench
	@scripts/build release
	@scripts/bench "$(ROUNDS)"

fuzz: ## run every fuzz target for SECONDS=300 each
	@scripts/bootstrap build
	@scripts/fuzz "$(SECONDS)"

sanitize: ## run the tests under the address and the thread sanitizer
	@scripts/bootstrap test
	@scripts/sanitize

build: ## build the programs in .build/release
	@scripts/bootstrap build
	@scripts/build release

install: build ## install programs, manual pages and completions below PREFIX=/usr/local (sudo)
	@install -d $(BINDIR) $(BASHDIR) $(ZSHDIR) $(FISHDIR)
	@for program in $(PROGRAMS); do \
	  install -m 755 .build/release/$$program $(BINDIR)/ && \
	  .build/release/$$program completions bash >$(BASHDIR)/$$program && \
	  .build/release/$$program completions zsh >$(ZSHDIR)/_$$program && \
	  .build/release/$$program completions fish >$(FISHDIR)/$$program.fish || exit 1; \
	done
	@for manual in $(MANUALS); do \
	  install -D -m 644 $$manual $(MANDIR)/man$${manual##*.}/$${manual##*/} || exit 1; \
	done
	@echo "installed $(PROGRAMS) in $(BINDIR)"

uninstall: ## remove what `make install` put there
	@for program in $(PROGRAMS); do \
	  rm -f $(BINDIR)/$$program $(BASHDIR)/$$program $(ZSHDIR)/_$$program $(FISHDIR)/$$program.fish; \
	done
	@for manual in $(MANUALS); do rm -f $(MANDIR)/man$${manual##*.}/$${manual##*/}; done

deb: build ## build/hawser_VERSION_ARCH.deb, for Debian and its like
	@scripts/deb

clean: ## remove everything that was built
	rm -rf .build .b-* build Tests/Fuzz/.build

help: ## this list
	@sed -n 's/^\([a-z]*\):[^\#]*\#\# /\1\t/p' $(MAKEFILE_LIST) | \
	  awk -F '\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'
