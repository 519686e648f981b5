#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The file of the index is replaced, or removed, while a command is at work.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Digest::SHA qw(sha256_hex);
use File::Copy qw(copy);
use Test::More;

# Long enough to be interrupted, short enough to be done twice.
make_sparse("$site/0-small", 6000, 1);
make_sparse("$site/1-large", 8, 1 << 29);
my $files = 6008;

# What compact does: a copy under another name, renamed.
sub replace {
    copy($index, "$index.new") or die;
    rename "$index.new", $index or die;
}

sub during {
    my ($least, $what, @command) = @_;
    my $job = background($tool, '-i', $index, @command);
    ok(wait_for(60, sub { records() >= $least }), "$command[0] is under way");
    $what->();
    return finished($job);
}

my $scan = during(1000, \&replace, 'scan', '--json', $site);
is($scan->{exit}, 0, 'a scan goes on in the new file') or diag $scan->{err};
is(json($scan->{out})->{seen}, $files, 'counts every file once');
is(records(), $files, 'and loses none');
is(run('forget', '/')->{exit}, 0, 'all are forgotten');

$scan = during(1000, sub { unlink $index or die }, 'scan', '--json', $site);
is($scan->{exit}, 0, 'a scan makes the index again') or diag $scan->{err};
is(records(), $files, 'and loses none');

# Where everything is as it was, nothing is written.
my $job = background($tool, '-i', $index, 'scan', '--json', "$site/0-small");
unlink $index or die;
is(finished($job)->{exit}, 0, 'a scan without news goes on');
my $missing = records();
ok($missing == 0 || $missing == 6000, 'and its records are whole');

# A manifest: batches of some thousands, in the middle of which it waits.
unlink $index;
my $octet = sha256_hex("\0");
my $large = sha256_hex("\0" x 10);
system('mkfifo', "$work/manifest") == 0 or die;
open my $hold, '+<', "$work/manifest" or die;
$job = background($tool, '-i', $index, 'import', '--json', '--root',
    "$site/0-small", "$work/manifest");
my @lines = map { sprintf "%s  %05d\n", $octet, $_ } 1 .. 6000;
syswrite $hold, join('', splice @lines, 0, 500) while @lines > 1000;
ok(wait_for(60, sub { records() >= 4096 }), 'import is under way');
replace();
syswrite $hold, join '', @lines;
syswrite $hold, "$large  none\n";
ok(wait_for(60, sub { slurp("$job->{name}.err") =~ /none: it is not/ }),
    'it has read all');
kill 'INT', $job->{pid};
my $import = finished($job);
is(json($import->{out})->{hashed}, 6000, 'import goes on in the new file');
is(records(), 6000, 'and loses none');

done_testing;
