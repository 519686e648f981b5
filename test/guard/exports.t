#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The module gives httpd one symbol, its own record, so that it cannot meet
# another module's; names that files share tell whose they are.
use strict;
use warnings;
use File::Find;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $module = built('MODULE', '.libs/mod_validators.so', 'mod_validators.so');
open my $nm, '-|', 'nm', '-D', '--defined-only', $module or die "nm: $!\n";
my @symbols = map { (split)[2] } <$nm>;
close $nm or die "nm $module failed\n";

# What the linker and the sanitizers' runtimes add is not the module's.
@symbols = grep {
    !/^(_init|_fini|_edata|_end|__bss_start|__(asan|odr_asan|start|stop)_.*)$/
} @symbols;
is_deeply(\@symbols, ['validators_module'],
    'the module exports validators_module and nothing else');

# Inside, what one file gives to others is vld_ (in cli/: cli_).
my @objects;
find(sub { push @objects, $File::Find::name if /\.o$/ && -f },
    grep { -d } map { build($_) } qw(precond content index scan watch slots
        answers wanted server cli));
some(\@objects, 'object files');
my @bad;
for my $object (@objects) {
    open $nm, '-|', 'nm', '-g', '--defined-only', $object or die "nm: $!\n";
    my $prefix = $object =~ m{/cli/} ? qr/^(cli_|main$)/ : qr/^vld_/;
    push @bad, map { "$object: $_" }
        grep { !/$prefix/ && !/^__(asan|odr_asan)/ } map { (split)[2] } <$nm>;
    close $nm or die "nm $object failed\n";
}
none(\@bad, 'every symbol that files share begins with its prefix');
done_testing();
