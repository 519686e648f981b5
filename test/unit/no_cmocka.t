#!/bin/sh
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# In the place of the unit tests where configure found no cmocka to build them
# with.
echo '1..0 # SKIP cmocka is not installed: the unit tests are not built'
