#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The version is the same wherever it stands.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my ($version) = text('configure.ac')
    =~ /^AC_INIT\(\[mod_validators\], \[([^\]]+)\]/m;
like($version || '', qr/^\d+\.\d+\.\d+$/, 'configure.ac has a version');
$version = 'none' unless defined $version;

my ($header) = text('include/mod_validators.h')
    =~ /^#define MOD_VALIDATORS_VERSION "([^"]+)"/m;
is($header, $version, 'include/mod_validators.h has the version');

my ($newest) = text('CHANGES.md') =~ /^## ([\d.]+)/m;
is($newest, $version, 'CHANGES.md begins with the version');

my $tool = built('HTVALIDATORS', '.libs/htvalidators', 'htvalidators');
chomp(my $said = `'$tool' --version`);
is($said, "htvalidators $version", 'htvalidators --version says the version');

# The manual page need not name it; where it does, it is this one.
my @named = text('man/htvalidators.8') =~ /mod_validators[ "]+(\d+\.\d+[\d.]*)/g;
none([grep { $_ ne $version } @named],
    'the manual page names no other version');
done_testing();
