#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The threat model in docs/security.md: every cell names the tests that hold it,
# or says that nothing does, and every test that it names is there.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $document = text('docs/security.md');
my ($table) = $document =~ /^## The table\n(.*?)(?=^## )/ms;
my @rows = map { [ split ' *\| *' ] }
    grep { /^\|(?!---| party )/ } split /\n/, $table || '';
some(\@rows, 'rows of the table');

my @parties = ('root', 'deployer', 'server\'s user', 'application',
    'another site\'s user', 'client', 'reader of logs');
is_deeply([map { $_->[1] } @rows], \@parties, 'every party has its row');

my ($named, @bare, @missing) = (0);
for my $row (@rows) {
    my (undef, $party, @cells) = @$row;
    push @bare, "$party has " . @cells . ' cells' if @cells != 3;
    for my $cell (@cells) {
        my $before = $named;
        while ($cell =~ /`(test\/[\w.\/]+)`((?:,? "[^"]+")+)/g) {
            my ($file, $names) = ($1, $2);
            my $source = -e top($file) ? text($file) : '';
            # A name may go on in the next line.
            $source =~ s/"\s*\n\s*"//g;
            $source =~ s/'\s*\n\s*\. '//g;
            for my $name ($names =~ /"([^"]+)"/g) {
                $named++;
                push @missing, "$party: $file: $name"
                    if index($source, $name) < 0;
            }
        }
        push @bare, "$party: $cell"
            if $named == $before && $cell !~ /\*Nothing holds it\*/;
    }
}
cmp_ok($named, '>', 20, 'tests are named');
none(\@bare, 'every cell names a test, or says that nothing holds it');
none(\@missing, 'every test that the table names is there');

my %fuzzed = map { $_ => 1 } $document =~ /`(test\/fuzz\/fuzz_\w+\.c)`/g;
none([grep { !$fuzzed{$_} } files(qr{^test/fuzz/fuzz_\w+\.c$})],
    'docs/security.md says what each fuzzer is for');
done_testing();
