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
