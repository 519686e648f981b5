#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use File::Path qw(remove_tree);
use Test::More;

needs_proc();

# A mount of one's own that is gone with the test, where that is allowed.
if ($> == 0 && !$ENV{HTVALIDATORS_TEST_UNSHARED}) {
    $ENV{HTVALIDATORS_TEST_UNSHARED} = 1;
    if (system('unshare', '-m', 'true') == 0) {
        CliTest::leave_for('unshare', '-m', $^X, $0);
    }
}

my @odd = ("new\nline", "latin\xe9", '-dash', "back\\slash");
make_files((map { $_ => $_ } qw(a/1 a/2 b/c/3 d), @odd));
spew("$work/beside/f", 'f');
spew("$work/site2/f",  'f');
scan($site, "$work/beside", "$work/site2");
is(records(), 10, 'there are records');

unlink "$site/d", map { "$site/$_" } @odd or die;
remove_tree("$site/b");
unlink "$work/beside/f", "$work/site2/f" or die;
is(json(scan('--json', $site)->{out})->{pruned}, 0,
    'without --prune nothing is forgotten');
is(records(), 10, 'all records are there');
like(run('scan', '--prune', '--json', "$site/a")->{out}, qr/"pruned":0/,
    'what is not below the path is left alone');
my $result = json(scan('--prune', '--json', $site)->{out});
is($result->{pruned}, 6, 'records of vanished files are dropped and counted');
is($result->{kept}, 0, 'none is kept');
is_deeply([map { $_->{path} } json(run('list', '--json')->{out})],
    ["$work/beside/f", "$site/a/1", "$site/a/2", "$work/site2/f"],
    'and no others');
unlink "$site/a/1" or die;
like(scan('--prune', $site)->{out}, qr/, 1 pruned, 0 vanished but kept; /,
    'the summary tells it');
like(scan('--prune', $site)->{out}, qr/, 0 pruned/, 'it is done once');

# A path that is not there.
rename $site, "$work/away" or die;
my $gone = run('scan', '--prune', $site);
is($gone->{exit}, 2, 'a path that is missing exits with 2');
like($gone->{err}, qr/nothing was scanned/, 'and says so');
is(run('show', "$site/a/2", '-q')->{exit}, 1, 'the file is not there');
like(run('list')->{out}, qr{a/2$}m, 'its record is');

# A file system that is not mounted leaves a folder that nobody has touched
# since its files were indexed.
rename "$work/away", $site or die;
mkdir "$site/mnt" or die;
select undef, undef, undef, 2.2;
if ($> == 0 && system('mount', '-t', 'tmpfs', '-o', 'size=256k', 'none',
        "$site/mnt") == 0) {
    spew("$site/mnt/$_", $_) for 'x', 'deep/y';
    scan($site);
    system('umount', "$site/mnt") == 0 or die;
    my $kept = run('scan', '--prune', '--json', $site);
    is($kept->{exit}, 1, 'a file system that is not mounted exits with 1');
    is(json($kept->{out})->{kept}, 2, 'its records are kept');
    is(json($kept->{out})->{pruned}, 0, 'none is dropped');
    like($kept->{err}, qr{^htvalidators: \Q$site\E/mnt: .* not mounted\?}m,
        'the folder is named');
    is(scalar(lines($kept->{err})), 1, 'once');
    is(run('forget', "$site/mnt")->{exit}, 0, 'forget drops them');
    is(scan('--prune', $site)->{err}, '', 'and then there is nothing to say');
}

# No permission is not absence.
chmod 0755, $work, "$work/index";
if ($> == 0) {
    chown 65534, 65534, "$work/index", $index, "$index-lock" or die;
}
chmod 0000, "$site/a" or die;
my $closed = run_as_nobody('scan', '--prune', '--json', $site);
is($closed->{exit}, 1, 'a folder without permission exits with 1');
is(json($closed->{out})->{pruned}, 0, 'and what is in it is kept');
chmod 0755, "$site/a" or die;
is(json(scan('--json', $site)->{out})->{unchanged}, 1, 'as it was');

# Another folder in its place while it is scanned.
make_sparse("$work/moved", 8, 1 << 29);
my $moving = background($tool, '-i', $index, 'scan', '--prune', '--json',
    "$work/moved");
ok(catches($moving), 'a scan is under way');
select undef, undef, undef, 0.2;
rename "$work/moved", "$work/moved.away" or die;
mkdir "$work/moved" or die;
my $moved = finished($moving);
is($moved->{exit}, 2, 'a path that was replaced meanwhile exits with 2');
like($moved->{err}, qr{/moved: another folder stands there.*nothing was pruned},
    'and is told');
is(run('forget', "$work/moved")->{exit}, 0, 'its records are there');

# Stopped.
mkdir "$site/many" or die;
system('sh', '-c', 'cd "$1" && seq 1 20000 | xargs touch', 'sh',
    "$site/many") == 0 or die;
spew("$work/sums", join '', map { ('0' x 64) . "  $site/many/$_\n" }
        1 .. 20000);
select undef, undef, undef, 0.2;
is(run('import', '--trust', "$work/sums")->{exit}, 0, 'many records');
my $all = records();
remove_tree("$site/many");
my $job = background($tool, '-i', $index, 'scan', '--prune', '--json', $site);
ok(wait_for(20, sub { records() < $all }), 'they are being dropped');
kill 'INT', $job->{pid};
my $stopped = finished($job);
is($stopped->{signal}, 0, 'a scan that prunes ends in good order');
my $left = records();
is(json($stopped->{out})->{pruned}, $all - $left,
    'what was counted was dropped');
is(json(scan('--prune', '--json', $site)->{out})->{pruned}, $left - records(),
    'the next one drops the rest');
is(records(), 3, 'and no more');

done_testing;
