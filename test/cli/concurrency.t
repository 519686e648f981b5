#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

my $files = 3000;
make_sparse("$site/$_", $files / 3, 70000) for 1 .. 3;

my @scans = map { background($tool, '-i', $index, 'scan', '--json', $site) }
    1 .. 2;
my ($lists, $bad) = (0, 0);
while (grep { !$_->{done} } @scans) {
    for my $scan (grep { !$_->{done} } @scans) {
        $scan->{done} = waitpid($scan->{pid}, POSIX::WNOHANG());
        $scan->{status} = $? if $scan->{done};
    }
    my $list = run('list', '--json');
    # Until it has been made there is no index to list.
    next if $list->{exit} == 2 && !$lists;
    $lists++;
    $bad++ if $list->{exit} != 0;
    json($list->{out});
}
is($_->{status}, 0, 'of two scans at once each exits with 0')
    or diag slurp("$_->{name}.err")
    for @scans;
for my $scan (@scans) {
    my $totals = json(slurp("$scan->{name}.out"));
    is($totals->{seen}, $files, 'each sees every file');
    is($totals->{hashed} + $totals->{unchanged}, $files, 'and has dealt with it');
}
cmp_ok($lists, '>=', 1, 'lists were made meanwhile');
is($bad, 0, 'and none of them failed');
is(records(), $files, 'every file has its record');
is(json(scan('--json', $site)->{out})->{unchanged}, $files,
    'and it is the right one');

my @both = (background($tool, '-i', $index, 'forget', $site),
    background($tool, '-i', $index, 'scan', $site));
is(finished($_)->{signal}, 0, 'a scan and a forget at once crash nothing')
    for @both;
is(scan('--quiet', $site)->{exit}, 0, 'after them the index can be scanned');
is(records(), $files, 'and is whole');

done_testing;
