#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

my %files = map { sprintf('%04d', $_) => $_ } 1 .. 3000;
make_files(%files);
scan($site);
my $full = -s $index;
unlink map { "$site/$_" } grep { $_ > 10 } keys %files;
run('forget', map { "$site/$_" } grep { $_ > 10 } sort keys %files);
is(records(), 10, 'ten records are left');
cmp_ok(-s $index, '>=', $full, 'the file has not shrunk by that');
my $before = -s $index;

my $list = run('list')->{out};
my @stat = stat $index;
my $lock = (stat "$index-lock")[1];
my $result = run('compact', '--json');
is($result->{exit}, 0, 'compact exits with 0') or diag $result->{err};
my $summary = json($result->{out});
is($summary->{files}, 10, 'the records are counted');
is($summary->{bytes_before}, $before, 'the size before is told');
is($summary->{bytes}, -s $index, 'and the size after');
cmp_ok(-s $index, '<', $before / 4, 'which is much smaller');
is(run('list')->{out}, $list, 'every record is as it was');
is(join(' ', (stat $index)[2, 4, 5]), join(' ', @stat[2, 4, 5]),
    'owner and mode of the file stay');
isnt((stat $index)[1], $stat[1], 'it is another file');
isnt((stat "$index-lock")[1], $lock, 'with a lock file of its own');
is_deeply([grep { !/^validators\.mdb(?:-lock)?$/ }
    map { s{.*/}{}r } glob "$work/index/*"], [], 'nothing else is left');

is(run('compact')->{exit}, 0, 'once more is no harm');
like(run('compact')->{out}, qr/^[\d.]+ \w+, was [\d.]+ \w+$/m,
    'the text has both sizes');
is(run('compact', '--quiet')->{out}, '', 'and is left out with --quiet');
spew("$site/new", 'new');
select undef, undef, undef, 0.2;
scan($site);
is(records(), 11, 'and the index goes on');

# --- wrong
$result = run('compact', 'what');
is($result->{exit}, 2, 'operands are refused');
$result = run('-i', "$work/none.mdb", 'compact');
is($result->{exit}, 2, 'no index: 2');
like($result->{err}, qr{^htvalidators: \Q$work\E/none\.mdb: no such file.*scan}m,
    'and what makes one');
ok(!-e "$work/none.mdb", 'none is made');
spew("$work/garbage.mdb", 'garbage' x 1000);
$result = run('-i', "$work/garbage.mdb", 'compact');
is($result->{exit}, 2, 'something else: 2');
is(slurp("$work/garbage.mdb"), 'garbage' x 1000, 'and it is left alone');
chmod 0755, $work, "$work/index";
chmod 0644, $index;
if ($> == 0) {
    $result = run_as_nobody('compact');
    is($result->{exit}, 2, 'somebody who may only read it cannot');
    like($result->{err}, qr/ermission/, 'and is told so');
    is(records(), 11, 'nothing is lost by that');
}

# --- stopped and killed
for my $signal (qw(INT TERM KILL)) {
    for my $wait (map { $_ / 1000 } 1 .. 12) {
        my $job = background($tool, '-i', $index, 'compact');
        select undef, undef, undef, $wait;
        kill $signal, $job->{pid};
        finished($job);
    }
    is(records(), 11, "compact under SIG$signal loses nothing");
    is(run('list')->{exit}, 0, 'and leaves every record whole');
}
is(run('compact')->{exit}, 0, 'the next one cleans up');
ok(!-e "$index-compact", 'what was left is gone');
done_testing();
