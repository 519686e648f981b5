#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The unit tests mirror the source, and the parts that can be tested without
# a server are.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my %source = map { $_ => 1 } files(qr{^(precond|content|index|scan|watch|slots|answers|wanted|server|cli)/.*\.c$});
my @tests = files(qr{^test/unit/test_.*\.c$});
some([keys %source], 'source files');
some(\@tests, 'unit tests');

# server/access/conditions.c has test_server_access_conditions.c.
my %expected = map { 'test/unit/test_' . tr{/}{_}r => 1 } keys %source;
none([grep { !$expected{$_} } @tests],
    'every unit test has the name of a source file');

my %part = map { m{test_([a-z]+)_} ? ($1 => 1) : () } @tests;
none([grep { !$part{$_} } qw(precond content index scan watch slots answers
        wanted)],
    'every part without httpd has unit tests');

my $makefile = text('Makefile.am');
none([grep { index($makefile, $_) < 0 } @tests],
    'every unit test is built by the makefile');
none([grep { $makefile !~ /\Q$_\E\b/ } files(qr{^test/(cli|guard)/.*\.t$})],
    'every test of the command line and every guard is run by the makefile');
done_testing();
