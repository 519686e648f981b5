#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

# Work for many seconds: 64 GiB that are nowhere on the disk, behind enough
# small files for several transactions.
my $small = 6000;
make_sparse("$site/0-small", $small, 1);
make_sparse("$site/1-large", 64, 1 << 30);

sub started {
    my (@how) = @_;
    my $job = background(@how, $tool, '-i', $index, 'scan', "$site/0-small",
        "$site/1-large");
    ok(wait_for(60, sub { records() >= 1000 }), 'the scan is under way');
    return $job;
}

sub soon {
    my ($job) = @_;
    my $begun = Time::HiRes::time();
    my $result = finished($job);
    cmp_ok(Time::HiRes::time() - $begun, '<', 5, 'it ends soon');
    return $result;
}

for my $signal (qw(INT TERM HUP)) {
    my $job = started();
    kill $signal, $job->{pid};
    my $result = soon($job);
    is($result->{signal}, 0, "SIG$signal ends a scan in good order");
    is($result->{exit}, 2, "SIG$signal: exits with 2");
    like($result->{err}, qr/^htvalidators: stopped; what was indexed is kept/m,
        "SIG$signal: says so");
    like($result->{out}, qr/^\d+ files: /, "SIG$signal: writes the totals");
    cmp_ok(records(), '>=', 1000, "SIG$signal: what was committed is kept");
    cmp_ok(records(), '<', $small + 64, "SIG$signal: it was not finished");
    my ($hashed, $unchanged)
        = $result->{out} =~ /(\d+) unchanged, (\d+) hashed/;
    cmp_ok($hashed + $unchanged, '==', records(),
        "SIG$signal: what was counted was committed");
    run('forget', '/');
}

# A background job of a shell without job control ignores SIGINT.
my $ignoring = started('sh', '-c', 'trap "" INT HUP; exec "$@"', 'sh');
kill 'INT', $ignoring->{pid};
kill 'HUP', $ignoring->{pid};
ok(!wait_for(0.5, sub { waitpid($ignoring->{pid}, POSIX::WNOHANG()) != 0 }),
    'signals that were ignored at the start stay ignored');
kill 'TERM', $ignoring->{pid};
is(soon($ignoring)->{exit}, 2, 'and the others do not');
run('forget', '/');

my $killed = started();
kill 'KILL', $killed->{pid};
is(finished($killed)->{signal}, 9, 'a scan is killed');
my $kept = records();
cmp_ok($kept, '>=', 1000, 'what it had committed is kept');
cmp_ok($kept, '<', $small + 64, 'it was not finished');
my $rest = json(scan('--json', "$site/0-small")->{out});
is($rest->{seen}, $small, 'the next scan is complete');
cmp_ok($rest->{unchanged}, '>=', $kept < $small ? $kept : $small,
    'and does not read again what was committed');
is(run('show', sprintf '%s/0-small/%05d', $site, $small)->{exit}, 0,
    'the records are good');

my $twice = background($tool, '-i', $index, 'scan', '--json', '-j', '1',
    "$site/1-large");
select undef, undef, undef, 0.5;
kill 'INT', $twice->{pid};
my $result = soon($twice);
ok(!json($result->{out})->{complete}, 'in JSON a stopped scan is not complete')
    if $result->{exit} == 2;
is($result->{exit}, 2, 'a scan of large files is stopped, too');

done_testing;
