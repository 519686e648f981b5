#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

# A mount of one's own that is gone with the test, where that is allowed.
if ($> == 0 && !$ENV{HTVALIDATORS_TEST_UNSHARED}) {
    $ENV{HTVALIDATORS_TEST_UNSHARED} = 1;
    if (system('unshare', '-m', 'true') == 0) {
        CliTest::leave_for('unshare', '-m', $^X, $0);
    }
}

# --- permission
make_files(map { $_ => $_ } qw(open/a open/b closed/c secret));
chmod 0000, "$site/secret" or die;
chmod 0000, "$site/closed" or die;
chmod 0755, $work, $site, "$site/open";
mkdir "$work/index" or die;
chmod 0755, "$work/index" or die;
if ($> == 0) {
    chown 65534, 65534, "$work/index" or die;
}
my $result = run_as_nobody('scan', '--json', $site);
is($result->{exit}, 1, 'files that cannot be read make a scan exit with 1');
my $totals = json($result->{out});
is($totals->{hashed}, 2, 'the others are indexed');
cmp_ok($totals->{failed}, '>=', 1, 'those are counted');
ok($totals->{complete}, 'the scan was complete');
like($result->{err}, qr{^htvalidators: \Q$site\E/secret: .*ermission}m,
    'a file without permission is named, with the reason');
like($result->{err}, qr{^htvalidators: \Q$site\E/closed: .*ermission}m,
    'a folder without permission is named, with the reason');
chmod 0755, "$site/closed" or die;

chmod 0000, "$site/closed" or die;
$result = run_as_nobody('scan', $site, "$site/closed");
is($result->{exit}, 2, 'a path that cannot be opened exits with 2');
like($result->{err},
    qr{^htvalidators: \Q$site\E/closed: .*ermission.*; nothing was scanned$},
    'and is named, with the reason');
chmod 0755, "$site/closed" or die;

$result = run_as_nobody('show', "$site/secret");
is($result->{exit}, 1, 'what could not be read has no record');

chmod 0000, "$work/index" or die;
spew("$work/sums", ('0' x 64) . "  $site/open/a\n");
for my $command (['stat'], ['scan', $site], ['list'], ['forget', '/'],
    ['verify'], ['export'], ['import', "$work/sums"]) {
    $result = run_as_nobody(@{$command});
    is($result->{exit}, 2, "$command->[0]: an index out of reach exits with 2");
    like($result->{err}, qr/^htvalidators: \Q$index\E: .*ermission.*; .+/,
        "$command->[0]: what, why and what to do");
}
chmod 0755, "$work/index" or die;

# --- a clock that says nothing: files from the future and from 1970
make_files('times/epoch' => '0', 'times/negative' => '-', 'times/future' => '+');
utime 0, 0, "$site/times/epoch" or die;
utime -86400, -86400, "$site/times/negative" or die;
utime 4000000000, 4000000000, "$site/times/future" or die;
select undef, undef, undef, 0.2;
my @times = ('-i', "$work/times.mdb");
$result = run(@times, 'scan', "$site/times");
is($result->{signal}, 0, 'strange times crash nothing');
my %of = map { $_->{path} => $_ } json(run(@times, 'list', '--json')->{out});
is($of{"$site/times/negative"}{mtime}, '1969-12-31T00:00:00.000000000Z',
    'times before 1970 are written');
is($of{"$site/times/epoch"}{mtime}, '1970-01-01T00:00:00.000000000Z',
    '1970 is written');

# --- output that cannot be written
for my $command ('list', 'list --json', 'list --sha256sum', 'stat', 'help',
    'export', 'verify', 'verify --json', "import '$work/sums'",
    "show '$site/open/a'", "scan '$site/open'") {
    my $full = finished(background('sh', '-c',
            "exec '$tool' -i '$index' $command > /dev/full"));
    is($full->{exit}, 2, "$command: a full disk for its output exits with 2");
    like($full->{err}, qr/standard output: No space left on device/,
        "$command: and is told");
}
my $closed = finished(background('bash', '-c',
        "trap '' PIPE; '$tool' -i '$index' list > >(exec <&-; sleep 0.3)"
        . '; echo $?'));
is($closed->{signal}, 0, 'a pipe that nobody reads ends nothing badly');

# --- a disk that is full for the index
make_files(map { ("full/" . ('n' x 150) . $_ => $_) } 1 .. 4000);
my $disk = "$work/disk";
mkdir $disk or die;
my $mounted = $> == 0
    && system('mount', '-t', 'tmpfs', '-o', 'size=256k,mode=755', 'none', $disk) == 0;
# Without mounts: a limit on the size of files, which is an error of the same
# place.  (It must leave room for the lock file, not for the records.)
my @limited = $mounted ? () : ('sh', '-c',
    'trap "" XFSZ; ulimit -f 1024; exec "$@"', 'sh');
my $full = "$disk/validators.mdb";
$result = finished(background(@limited, $tool, '-i', $full, 'scan',
        "$site/full"));
is($result->{signal}, 0, 'a full disk crashes nothing');
is($result->{exit}, 2, 'a full disk makes a scan exit with 2');
# A limit cuts a write short, and that is all that is seen of it.
my $why = $mounted ? qr/no space left/i : qr/too large|output error/;
like($result->{err}, qr/^htvalidators: \Q$full\E: .*$why.*; .+/m,
    'a full disk: what, why and what to do');
like($result->{out}, qr/^\d+ files: /m, 'the totals are written');
if ($mounted) {
    system('mount', '-o', 'remount,size=16m', $disk) == 0 or die;
}
my $kept = records('-i', $full);
$result = json(scan('-i', $full, '--json', "$site/full")->{out});
is($result->{seen}, 4000, 'with more space the next scan is complete');
is($result->{unchanged}, $kept, 'what had been committed was kept');
is(records('-i', $full), 4000, 'and everything is indexed');
system('umount', $disk) if $mounted;

done_testing;
