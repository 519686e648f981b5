#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The module gives httpd one symbol, its own record, so that it cannot meet
# another module's.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $module = built('MODULE', '.libs/mod_validators.so', 'mod_validators.so');
open my $nm, '-|', 'nm', '-D', '--defined-only', $module or die "nm: $!\n";
my @symbols = map { (split)[2] } <$nm>;
close $nm or die "nm $module failed\n";

# What the linker and the sanitizers' runtimes add is not the module's.
@symbols = grep { !/^(_init|_fini|_edata|_end|__bss_start|__asan_.*|__odr_asan.*)$/ }
    @symbols;
is_deeply(\@symbols, ['validators_module'],
    'the module exports validators_module and nothing else');

my %vld;
open $nm, '-|', 'nm', $module or die "nm: $!\n";
while (<$nm>) {
    my (undef, $kind, $name) = /^(\S+) (\S) (\S+)/ or next;
    $vld{$name}++ if $kind =~ /[TDBR]/ && $name !~ /^(vld_|_|validators_module)/;
}
close $nm;
none([sort keys %vld], 'every symbol shared by files begins with vld_');
done_testing();
