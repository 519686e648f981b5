#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

make_files(
    'index.html'      => 'hello',
    'empty'           => '',
    'deep/er/page'    => 'page',
    'deep/er/copy'    => 'page',
    'with space.html' => 'space',
);
symlink 'index.html', "$site/link" or die;
symlink '/', "$site/out" or die;

my $first = json(scan('--json', $site)->{out});
is($first->{seen}, 5, 'every regular file is seen, symbolic links are not');
is($first->{hashed}, 5, 'the first scan hashes every file');
is($first->{bytes}, 18, 'the octets hashed are counted');
is($first->{unchanged}, 0, 'the first scan finds nothing unchanged');
is($first->{failed} + $first->{unsettled}, 0, 'nothing was left out');
ok($first->{complete}, 'the scan says that it is complete');
is(records(), 5, 'there is a record for each');

my $again = json(scan('--json', $site)->{out});
is($again->{unchanged}, 5, 'the second scan finds everything unchanged');
is($again->{hashed}, 0, 'and reads nothing');

utime 1000000000, 1000000000, "$site/index.html" or die;
spew("$site/empty", 'full');
select undef, undef, undef, 0.2;
my $third = json(scan('--json', $site)->{out});
is($third->{hashed}, 2, 'a touched and a changed file are read again');
is($third->{moved_only}, 1, 'the touched one is known to be the same');

my $text = scan($site);
like($text->{out}, qr/^5 files: 5 unchanged, 0 hashed .* 0 failed; [\d.]+ s$/,
    'the summary is one line with all totals');
is($text->{err}, '', 'without a terminal there is no progress');
is(scan('--quiet', $site)->{out}, '', 'with --quiet there is no summary');

my $missing = run('scan', $site, "$work/nowhere", "$work/nor here");
is($missing->{exit}, 2, 'a path that is not there exits with 2');
is($missing->{out}, '', 'and there is no summary');
like($missing->{err},
    qr{^htvalidators: \Q$work\E/nowhere: No such file.* nothing was scanned$}m,
    'the path and the reason are named');
like($missing->{err}, qr{/nor here: }, 'each path that is not there is named');

my $device = run('scan', '/dev/null');
is($device->{exit}, 2, 'a path that is a device exits with 2');
like($device->{err}, qr/neither a file nor a folder/, 'and is explained');

run('-i', "$work/other/validators.mdb", 'scan', "$work/nowhere");
ok(!-e "$work/other", 'a scan of nothing makes no index');
my $too_deep = run('-i', "$work/a/b/c.mdb", 'scan', $site);
is($too_deep->{exit}, 2, 'an index in a folder of no folder exits with 2');
like($too_deep->{err}, qr/folder above the index's folder is not there/,
    'and the cure is told');

my @two = map { "$work/$_" } qw(one two);
spew("$_/file", $_) for @two;
select undef, undef, undef, 0.2;
is(json(scan('--json', @two)->{out})->{seen}, 2,
    'the totals are those of all paths');
is(json(scan('--json', "$two[0]/file")->{out})->{seen}, 1,
    'a path may be a single file');
is(json(scan('--json', "$two[0]//", "$site/deep")->{out})->{unchanged}, 3,
    'a slash at the end means nothing');

chdir $work or die;
is(json(scan('--json', 'one')->{out})->{unchanged}, 1,
    'relative paths are those of the working folder');
chdir '/' or die;

symlink "$work/one", "$work/current" or die;
is(json(scan('--json', "$work/current")->{out})->{unchanged}, 1,
    'a symbolic link as path is followed');

like(run('scan', $work)->{err}, qr/warning: the index .* lies below/,
    'an index among the files of the site is warned of');
unlike(run('scan', $site)->{err}, qr/warning/,
    'an index elsewhere is not warned of');

done_testing;
