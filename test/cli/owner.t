#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Whose index it is.  What only root can show is shown where root runs it;
# everybody else is shown to stay who they are.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use POSIX ();
use Test::More;

make_files(open => 'everybody reads it', secret => 'only its owner');
chmod 0600, "$site/secret";
chmod 0755, $work, $site;

sub owners { return join ' ', map { (stat $_)[4] } $index, "$index-lock" }

if ($> != 0) {
    scan($site);
    is(owners(), "$> $>", 'an index belongs to who makes it');
    is(records(), 2, 'and has what its owner can read');
    done_testing();
    exit;
}

my $nobody = 65534;
mkdir "$work/index", 0755;
chown $nobody, $nobody, "$work/index";
my $result = run('scan', '--json', $site);
is(owners(), "$nobody $nobody",
    'what root makes in the folder of another user is that user\'s');
is(json($result->{out})->{hashed}, 1, 'who reads what the user may read');
is($result->{exit}, 1, 'and what the user may not');
like($result->{err}, qr{^htvalidators: \Q$site\E/secret: .*ermission}m,
    'is told');
is(run_as_nobody('scan', '--quiet', $site)->{exit}, 1,
    'the user goes on with it');
is(run($_)->{exit}, 0, "root's $_ works on it")
    for qw(stat list compact);
is(owners(), "$nobody $nobody", 'and leaves it the user\'s');

# The folder's owner cannot make root write elsewhere.
spew("$work/victim", 'a file of root\'s');
chmod 0600, "$work/victim";
unlink $index, "$index-lock";
for my $name ($index, "$index-lock") {
    symlink "$work/victim", $name or die "$name: $!";
    $result = run('scan', '--quiet', $site);
    is($result->{exit}, 2, "a link instead of $name is refused");
    is(slurp("$work/victim"), 'a file of root\'s', 'what it leads to stays');
    unlink $name;
    unlink $index, "$index-lock";
}

# An empty file of root's, outside, is not made an index, whatever leads to it;
# the folder's owner is who is asked, not the target's.
my $outside = "$work/outside";
mkdir $outside, 0755;

sub outside
{
    return join ' ', map { my @s = lstat $_;
        "$_:" . join ',', @s[0 .. 5, 7] } $outside, glob "$outside/*";
}

sub not_led
{
    my ($what, @options) = @_;
    my $before = outside();
    for my $command ('scan', 'stat', 'compact', 'verify') {
        my @args = $command eq 'scan' ? ('--quiet', $site) : ();
        $result = run(@options, $command, @args);
        isnt($result->{exit}, 0, "$what: $command is refused");
        like($result->{err}, qr{^htvalidators: \S+: .+}m, 'with a message');
    }
    is(outside(), $before, "$what: nothing outside is touched");
}

spew("$outside/empty", '');
chmod 0644, "$outside/empty";
for my $target ("$outside/empty", "$outside/not-there", '../outside/empty') {
    symlink $target, $index or die $!;
    not_led("a link to $target");
    unlink $index;
}
link "$outside/empty", $index or die $!;
not_led('a hard link');
unlink $index;
symlink "$outside/empty", "$index-lock" or die $!;
not_led('a link at the lock file');
unlink "$index-lock", $index;
POSIX::mkfifo($index, 0666) or die $!;
not_led('a pipe');
unlink $index;
symlink $outside, "$work/index/link" or die $!;
not_led('a link at the folder', '-i', "$work/index/link/validators.mdb");
not_led('".." behind it', '-i', "$work/index/link/../outside/validators.mdb");
mkdir "$outside/below", 0755;
not_led('a link at a parent', '-i', "$work/index/link/below/validators.mdb");
mkdir "$work/index/roots", 0755;
not_led('root\'s folder in another user\'s', '-i',
    "$work/index/roots/validators.mdb");
like($result->{err},
    qr{ the folder \Q$work/index\E on its path can be written by user $nobody},
    'which is told');
rmdir "$work/index/roots";

# Root's own links are followed, to the owner of where they lead.
mkdir "$work/way", 0755;
symlink "../index", "$work/way/folder" or die $!;
unlink "$work/index/link";
is(run('-i', "$work/way/folder/validators.mdb", 'scan', '--quiet',
    "$site/open")->{exit}, 0, 'root\'s link to the folder is followed');
is(owners(), "$nobody $nobody", 'as the user whose folder it is');
symlink $index, "$work/way/validators.mdb" or die $!;
is(run('-i', "$work/way/validators.mdb", 'stat')->{exit}, 0,
    'so is root\'s link to the file');
is(run('-i', "$work/way/../index/validators.mdb", 'stat')->{exit}, 0,
    'and ".." is walked');

# A name that changes between the look and the use.
my $parent = $$;
my $racer = fork;
die "fork: $!" unless defined $racer;
if (!$racer) {
    $( = $) = "$nobody $nobody";
    $< = $> = $nobody;
    mkdir "$work/index/real", 0755;
    symlink $outside, "$work/index/led";
    while (getppid() == $parent) {
        rename "$work/index/real", "$work/index/now";
        rename "$work/index/now", "$work/index/real";
        rename "$work/index/led", "$work/index/now";
        rename "$work/index/now", "$work/index/led";
    }
    POSIX::_exit(0);
}
my $before = outside();
my $until = time + 3;
my $tries = 0;
while (time < $until) {
    run('-i', "$work/index/now/validators.mdb", 'scan', '--quiet',
        "$site/open");
    $tries++;
}
kill 'KILL', $racer;
waitpid $racer, 0;
is(outside(), $before, "a folder that changes places leads nowhere ($tries)");
unlink glob "$work/index/{real,now,led}/*";
rmdir $_ for "$work/index/real", "$work/index/now", "$work/index/led";

# Where a group, or everybody, can write, nobody knows whose files they are.
unlink glob "$work/index/*";
chown 0, $nobody, "$work/index";
chmod 0770, "$work/index";
symlink "$outside/empty", $index or die $!;
not_led('a folder that a group can write');
like($result->{err}, qr{folder can be written by group $nobody.*chmod go-w},
    'which is told');
unlink $index;
mkdir "$work/shared";
chmod 01777, "$work/shared";
not_led('no folder yet in one of everybody', '-i',
    "$work/shared/new/validators.mdb");
like($result->{err}, qr{make the index's folder first}, 'which is told');

# --- root's own
remove_index();
mkdir "$work/index", 0755;
is(run('scan', '--quiet', $site)->{exit}, 0,
    'in root\'s own folder root reads everything');
is(owners(), '0 0', 'and the index is root\'s');
chmod 01777, "$work/index";
$result = run('stat');
is($result->{exit}, 2, 'a folder that everybody may write is refused');
like($result->{err}, qr/folder.*written by everybody.*chmod/,
    'with the reason and what to do');

sub remove_index
{
    unlink glob "$work/index/*";
    rmdir "$work/index";
}
done_testing();
