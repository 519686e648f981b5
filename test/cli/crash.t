#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Commands that write, killed at random moments, hundreds of times: what was
# committed stays, nothing is half there, and nothing stays locked.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{HTVALIDATORS_TEST_SEED} || time ^ $$;
srand $seed;
diag("seed $seed");

make_files(map { sprintf('%02d/%04d', $_ % 20, $_) => "content $_" } 1 .. 2000);

sub info { return json(run('stat', '--json')->{out}) }

# Kill a command after a moment, many times over; the index must never lose
# anything by that.
sub kill_often
{
    my ($what, $times, $most, @command) = @_;
    my ($shrunk, $unread, $before) = (0, 0, records());
    for my $n (1 .. $times) {
        my $job = background($tool, '-i', $index, @command);
        sleep rand $most;
        kill 'KILL', $job->{pid};
        finished($job);
        next if $n % 5;
        my $stat = run('stat', '--json');
        if ($stat->{exit}) {
            $unread++ if $before;
            next;
        }
        my $now = json($stat->{out})->{records};
        $shrunk++ if $now < $before;
        $before = $now;
    }
    is($unread, 0, "$what: the index could be read after each kill");
    is($shrunk, 0, "$what: and had what it had had before");
}

sub judge
{
    my $what = shift;
    my $result = run('list');
    is($result->{exit}, 0, "$what: every record is whole")
        or diag $result->{err};
    $result = run('verify');
    is($result->{exit}, 0, "$what: and says what the file says")
        or diag $result->{out} . $result->{err};
    my $began = time;
    is(run('scan', '--quiet', $site)->{exit}, 0, "$what: a writer gets in");
    cmp_ok(time - $began, '<', 20, "$what: at once");
    is(records(), 2000, "$what: and completes it");
}

kill_often('a first scan', 40, 0.06, 'scan', '--quiet', $site);
judge('a first scan');

# Everything changes, so that each scan has all to write.
sub touch_all
{
    my $now = time - 1000 - int rand 1000;
    utime $now, $now, glob "$site/*/*";
    sleep 0.1;
}

for my $round (1 .. 4) {
    touch_all();
    kill_often("scans, round $round", 40, 0.08, 'scan', '--quiet', $site);
}
judge('scans');

my $manifest = run('export')->{out};
spew("$work/manifest", $manifest);
kill_often('imports', 40, 0.08, 'import', "$work/manifest");
judge('imports');

for my $round (1 .. 2) {
    touch_all();
    kill_often("a watcher, round $round", 20, 0.25, 'watch', $site);
}
judge('a watcher');

# All at once.
my @jobs = map { background($tool, '-i', $index, @$_) }
    ['scan', '--quiet', $site], ['watch', $site], ['compact'],
    ['import', "$work/manifest"], ['scan', '--quiet', "$site/03"];
sleep 0.1;
kill 'KILL', map { $_->{pid} } @jobs;
finished($_) for @jobs;
judge('all at once');
done_testing();
