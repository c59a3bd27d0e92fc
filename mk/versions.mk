# Every foreign version this repository builds on. Read by make and, line by line, by scripts/lib.sh:
# keep each line `NAME = value`.

# The build root and all of its compilers.
SUITE = trixie

# OP-TEE OS: a Debian source package (upstream 4.10.0 plus CVE fixes). Its suite moves, so the files are pinned.
OPTEE_VERSION = 4.10.0
OPTEE_SUITE = sid
OPTEE_SOURCE = 4.10.0-2
OPTEE_SHA256_DSC = 3775e59ac3b9193294533ec2d3511aea02ef0c08a906a96c100adbeeac1f13cc
OPTEE_SHA256_ORIG = 18633691cb075ff2249422251f1cd77c30439a95b564b46682dea1fb6580a5af
OPTEE_SHA256_DEBIAN = 4f0bad3d39b5623da371845a337bfcae826916e871c54f35017c9931178f01d4
# What the core reports as its version; fixed, or git and the clock would decide.
OPTEE_IMPL_VERSION = 4.10.0

# Upstream's own suite, xtest: a Debian package. Any revision of OPTEE_VERSION that its suite has reached will do; when the suite
# has moved on, this very file does, from DISTFILES. What it depends on comes from the same suite, whatever its version.
XTEST_SUITE = sid
XTEST_VERSION = 4.10.0-1
XTEST_SHA256 = eda7e86e7af7892d586856060e5e5b68a507b40773e24e4b5e09cf5ad4b06ad2

# TF-A: the suite's source package, whichever revision a point release has reached.
TFA_SOURCE = arm-trusted-firmware

# Linux: series of the suite's kernel. The exact version is what apt in the root resolves, once per build folder.
LINUX_SERIES = 6.12

# Seconds since the epoch stamped into everything built: the date of OP-TEE 4.10.0.
SOURCE_DATE_EPOCH = 1776419340
