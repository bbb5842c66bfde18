# Slipway under make: a thin face over Meson and Ninja, for people who type `make demo`.
#
#   make          build the program and the library          make test     build, then run every test
#   make demo     train, register, serve, ask; KEEP=1        make bench    the measurements of bench/
#   make install  PREFIX=/usr/local, DESTDIR=…               make format   lay the code out
#   make docs     docs/slipway.1 and docs/ops.md from the tables        make clean
#
# SLIPWAY_NO_INSTALL=1 keeps make from installing packages: it says what is missing instead.

BUILD ?= build
PREFIX ?= /usr/local
sources = $(shell git ls-files '*.c' '*.h')

.PHONY: all demo test bench format docs install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/install-deps build test
	@meson setup $(BUILD) --prefix $(PREFIX)

demo:
	@tools/install-deps build test data
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) src/cli/slipway
	@BUILD=$(BUILD) tools/demo

test:
	@tools/install-deps build test data
	@$(MAKE) --no-print-directory all
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs

bench: all
	@for script in bench/*; do if [ -x "$$script" ] && [ -f "$$script" ]; then BUILD=$(BUILD) "$$script" || exit 1; fi; done

format:
	@clang-format -i $(sources)

docs: all
	@$(BUILD)/src/cli/slipway help --man >docs/slipway.1
	@$(BUILD)/src/cli/slipway ops --markdown >docs/ops.md

install: all
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf $(BUILD)
