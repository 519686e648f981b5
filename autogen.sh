#!/bin/sh
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Make configure from configure.ac; needs autoconf, automake and libtool.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux m4
exec autoreconf --install --force --warnings=all
