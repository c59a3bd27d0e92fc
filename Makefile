# SPDX-License-Identifier: BSD-2-Clause
# Everything happens in the build root: see scripts/in-root for the root and mk/main.mk for the rules.

.PHONY: all test test-suite test-xtest test-full test-full-arm mutants-system verify fuzz fuzz-corpus configs bench bench-update release clean help
all test test-suite test-xtest test-full test-full-arm mutants-system verify configs bench release:
	@scripts/build $@

fuzz:
	@scripts/build fuzz $(if $(FUZZ_SECONDS),FUZZ_SECONDS=$(FUZZ_SECONDS))

# The repository is read-only in the build root.
fuzz-corpus:
	@scripts/build fuzz-corpus
	find core/fuzz/corpus -type f -regex '.*/[0-9a-f]*' -delete
	cp -r build/fuzz/corpus core/fuzz/
bench-update:
	@scripts/build bench-update
	cp build/bench/counts.txt host/bench/counts.txt
	cp build/bench/invoke.svg docs/invoke.svg

clean:
	@scripts/in-root --clean

help:
	@echo 'make            build everything: OP-TEE and the Linux driver, stock and bound, TAs and clients'
	@echo 'make test       every check, ending with "N passed, N failed"'
	@echo 'make test-suite the whole regression suite on stock, bound and both mixes: ten minutes'
	@echo 'make test-xtest all of xtest, upstream'\''s own suite, on stock, on bound and where every TA is bound: half an hour'
	@echo 'make test-full  the whole regression suite in every configuration: hours'
	@echo 'make test-full-arm  what of that is about AArch32: two hours'
	@echo 'make mutants-system  bring back bugs, one at a time, and see what catches them: an hour'
	@echo 'make verify     the evidence of docs/trust.md, mutants included'
	@echo 'make fuzz       look for messages that break the policy: a minute for each target, or FUZZ_SECONDS=...'
	@echo 'make fuzz-corpus  keep the fewest inputs that reach what all that were found reach'
	@echo 'make bench      count what a call costs, stock and bound, over five boots, and how many are answered in a second: an hour'
	@echo 'make bench-update  let one boot say which counts stand'
	@echo 'make configs    build these: other cores, kernels of our own'
	@echo 'make release    what goes with a tag, in build/release: both series, and the notes'
	@echo 'make clean      remove build/'
	@echo 'Run it:         scripts/qemu-run.sh (see --help)'
	@echo 'Variables:      OPTEE_OS_SRC, TFA_SRC, LINUX_SRC (your own trees), DISTFILES, MIRROR'
