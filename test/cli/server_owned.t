#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Whose an index is that httpd makes, and what it does with one of root's.  As
# root where root runs it, since the live suites never are.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliTest;
use Test::More;
use Time::HiRes qw(sleep);

my $folder = "$work/cache";
my $made = "$folder/validators.mdb";
my $user = $> == 0 ? 65534 : $>;

make_files('big.txt' => 'a large file ' x 20_000, 'other.txt' => 'b' x 200_000);
chmod 0755, $work, $site;

sub serve
{
    return start(user => "#$user", group => "#$user",
        main => "ValidatorsIndex $made\n");
}

# --- the server's
my $port = serve();
my $tag = etag($port, 'big.txt');
like($tag, qr/^"/, 'a large file has a strong tag in its first answer');
ok(wait_for(15, sub { records('-i', $made) == 1 }),
    'it has a record when the server has indexed it');
is(etag($port, 'big.txt'), $tag, 'and the tag stays');
my $group = $> == 0 ? $user : (stat $folder)[5];
is(facts($folder), "750:$user:$group",
    'the folder is the server\'s, and nobody else\'s');
is(facts($made, "$made-lock"), "640:$user:$group 600:$user:$group",
    'so are index and lock file');
unlike(log_of(), qr/\[validators:warn\]/, 'nothing is to be complained of');
is(run('-i', $made, 'scan', '--quiet', $site)->{exit}, 0, 'a scan goes along');
is(facts($made, "$made-lock"), "640:$user:$group 600:$user:$group",
    'and leaves it the server\'s');
is(records('-i', $made), 2, 'with every file');
stop();
is(run('-i', $made, $_)->{exit}, 0, "$_ finds nothing wrong")
    for qw(list verify stat);

# --- a deployer's
if ($> == 0) {
    unlink glob "$folder/*";
    rmdir $folder;
    mkdir $folder, 0755;
    is(run('-i', $made, 'scan', '--quiet', "$site/other.txt")->{exit}, 0,
        'root makes an index of its own');
    my $before = facts($made, "$made-lock");
    $port = serve();
    like(etag($port, 'other.txt'), qr/^"/, 'the server reads it');
    like(etag($port, 'big.txt'), qr/^W\/"/, 'what is not in it has a weak tag');
    ok(wait_for(15, sub { log_of()
        =~ /\[validators:info\].*ValidatorsAutoIndex is off.*scan/ }),
        'the log says, at level info, that it is not the server\'s to write');
    sleep 0.5;
    is(records('-i', $made), 1, 'nothing is written to it');
    like(etag($port, 'big.txt'), qr/^W\/"/, 'and the tag stays weak');
    is(scalar(() = log_of() =~ /ValidatorsAutoIndex is off/g), 1,
        'which was said once');
    is((stat $made)[4], 0, 'it stays root\'s');
    like($before, qr/^640:0:\d+ 600:0:\d+$/, 'which had given it to a group');
    stop();

    # Another user could change a folder for another one before it is theirs.
    mkdir "$work/theirs", 0755;
    chown 65533, 65533, "$work/theirs";
    $made = "$work/theirs/cache/validators.mdb";
    $port = serve();
    ok(!-e "$work/theirs/cache", 'no folder is made below another user\'s');
    like(log_of(), qr{validators:warn.*/theirs/cache: not made.*/theirs; make},
        'the log says why');
    stop();

    # In the server's own it is made with the server's rights.
    chown $user, $user, "$work/theirs";
    $port = serve();
    unlike(log_of(), qr{not made}, 'below the server\'s own none is missed');
    etag($port, 'big.txt');
    ok(wait_for(15, sub { records('-i', $made) == 1 }),
        'where the children index');
    is(facts("$work/theirs/cache", $made), "750:$user:$user 640:$user:$user",
        'as theirs');
    stop();
}
done_testing();
