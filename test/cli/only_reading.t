#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Who may read the index and nothing else: another user, by the tool and by a
# real httpd, where nobody can write, while it is held, written to, or without
# its lock file.  Nothing is made, changed or held by that.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliTest;
use Fcntl qw(:flock);
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'other users are root\'s to become' if $> != 0;
if (!$ENV{HTVALIDATORS_TEST_UNSHARED} && can_do(qw(unshare -m true))) {
    $ENV{HTVALIDATORS_TEST_UNSHARED} = 1;
    CliTest::leave_for('unshare', '-m', $^X, $0);
}

my $folder = "$work/index";
my $group = 65534;
make_files('page.html' => 'a page', 'large.bin' => 'a large file ' x 20_000,
    map { ("many/$_" => $_) } 1 .. 400);
select undef, undef, undef, 0.2;
scan($site);
chmod 0755, $work, $site;
chown 0, $group, $folder, $index or die;
chmod 0750, $folder or die;
chmod 0640, $index or die;

sub everything
{
    return join "\n", map { my @s = stat $_;
        "$_ " . join ' ', @s[0 .. 5, 7, 9, 10] } $folder, glob "$folder/*";
}

# All that only reads, by a user who may do no more.
sub readers_work
{
    my ($what, $records) = @_;
    my $before = everything();
    my $began = time;
    my $stat = run_as_nobody('stat', '--json');
    is("$stat->{exit} $stat->{err}", '0 ', "$what: stat");
    is(json($stat->{out})->{records}, $records, "$what: counts the records");
    my $show = run_as_nobody('show', "$site/large.bin");
    is("$show->{exit} $show->{err}", '0 ', "$what: show");
    for my $command ('list', 'export') {
        my $result = run_as_nobody($command);
        is("$result->{exit} $result->{err}", '0 ', "$what: $command");
        is(scalar(grep { !/^#/ } lines($result->{out})), $records,
            "$what: $command has all records");
    }
    my $verify = run_as_nobody('verify');
    is("$verify->{exit} $verify->{err}", '0 ', "$what: verify");
    cmp_ok(time - $began, '<', 10, "$what: nothing was waited for");
    is(everything(), $before, "$what: nothing is changed");
}

sub httpd_works
{
    my ($what) = @_;
    my $before = everything();
    my $port = start(user => 'nobody', group => 'nogroup',
        main => "ValidatorsIndex $index\n");
    my $tag = json(run('show', '--json', "$site/large.bin")->{out})->{etag};
    like($tag, qr/^"/, "$what: there is a tag");
    my $answer = answer($port, 'large.bin');
    my ($sent) = $answer =~ /^ETag: (\S+)/m;
    is($sent, $tag, "$what: httpd sends the tag of the record");
    like(answer($port, 'large.bin', "If-None-Match: $tag"),
        qr{^HTTP/1\.1 304}, "$what: and 304");
    unlike(log_of(), qr/\[validators:(?:warn|error)\]/,
        "$what: the log has no complaint") or diag(log_of());
    stop();
    is(everything(), $before, "$what: httpd changes nothing");
}

readers_work('another user', 402);
httpd_works('another user');
for my $command (['scan', $site], ['forget', "$site/page.html"], ['compact']) {
    my $result = run_as_nobody(@{$command});
    is($result->{exit}, 2, "another user: $command->[0] is refused");
    like($result->{err}, qr/ermission denied; /, 'with the reason');
}
is(facts("$index-lock"), '600:0:0', 'the lock file stays its owner\'s');

# Somebody holds the folder, as who replaces the index does.
open my $held, '<', $folder or die;
flock $held, LOCK_EX or die;
readers_work('while the folder is held', 402);
close $held;

# No lock file, and an odd one.
rename "$index-lock", "$work/lock" or die;
readers_work('without a lock file', 402);
httpd_works('without a lock file');
mkdir "$index-lock" or die;
readers_work('a folder in its place', 402);
rmdir "$index-lock" or die;
rename "$work/lock", "$index-lock" or die;

# While somebody writes, and is killed, and readers are killed.
my $stop = time + 6;
my (@failed, $reads, $kills);
while (time < $stop) {
    my $writer = background($tool, '-i', $index, 'scan', '--quiet', $site);
    spew("$site/many/" . (1 + int(rand 400)), rand);
    my $reader = background($tool, '-i', $index, 'list');
    kill 'KILL', $reader->{pid} if rand() < 0.5 && ++$kills;
    my $result = run_as_nobody('verify', "$site/page.html");
    $reads++;
    push @failed, "$result->{exit}: $result->{err}" if $result->{exit};
    kill 'KILL', $writer->{pid} if rand() < 0.5;
    finished($writer);
    finished($reader);
}
is("@failed", '', 'a reader gets on beside writers and readers that are killed')
    or diag($reads);
scan($site);

SKIP: {
    skip 'no mounts of one\'s own here', 1
        unless $ENV{HTVALIDATORS_TEST_UNSHARED};
    system('mount', '--bind', $folder, $folder) == 0 or die;
    system('mount', '-o', 'remount,ro,bind', $folder) == 0 or die;
    readers_work('where nobody can write', 402);
    httpd_works('where nobody can write');
    my $result = run('scan', $site);
    is($result->{exit}, 2, 'where nobody can write: nor can root');
    system('umount', $folder);
}
done_testing();
