#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

make_files(map { $_ => $_ } qw(a/1 a/2 a/b/3 ab/4 b));
scan($site);

my $some = run('forget', "$site/a");
is($some->{exit}, 0, 'forget exits with 0');
is($some->{out}, "3 records forgotten\n", 'and says how many');
is_deeply([map { $_->{path} } json(run('list', '--json')->{out})],
    ["$site/ab/4", "$site/b"], 'only what is at or below the prefix is gone');
ok(-e "$site/a/1", 'the files themselves are still there');

my $again = run('forget', "$site/a");
is($again->{exit}, 1, 'forgetting what has no record exits with 1');
is($again->{out}, "0 records forgotten\n", 'and says that it was none');
like($again->{err}, qr{\Q$site\E/a: no records}, 'and names the prefix');

my $several = run('forget', '--json', "$site/b", "$site/nothing", "$site/ab");
is($several->{exit}, 1, 'one prefix without records among several exits with 1');
is(json($several->{out})->{forgotten}, 2, 'the others are forgotten');
ok(json($several->{out})->{complete}, 'and it was done wholly');

is(json(scan('--json', $site)->{out})->{hashed}, 5,
    'what was forgotten is indexed again by the next scan');
is(run('forget', '--quiet', '/')->{out}, '', 'with --quiet nothing is said');
is(records(), 0, 'everything is below the root');

# Records both under a link's name, as a folder of that name had them, and
# under its target: only those that were named go.
make_files('new/x' => 'x');
spew("$site/current/y", 'y');
select undef, undef, undef, 0.2;
scan($site);
unlink "$site/current/y" or die;
rmdir "$site/current" or die;
symlink 'new', "$site/current" or die;
is(json(run('forget', '--json', "$site/current")->{out})->{forgotten}, 1,
    'the path as it is given comes first');
is(run('show', "$site/new/x")->{exit}, 0, 'its real path is left alone');
is(json(run('forget', '--json', "$site/current")->{out})->{forgotten}, 1,
    'and is meant when the path as given has no record');

# More than one transaction.
mkdir "$site/many" or die;
for my $n (1 .. 10500) {
    open my $out, '>', "$site/many/$n" or die;
}
select undef, undef, undef, 0.2;
scan("$site/many");
is(records(), 10500 + 5, 'ten thousand records are there');
is(json(run('forget', '--json', "$site/many")->{out})->{forgotten}, 10500,
    'all of them are forgotten and counted');
is(records(), 5, 'and nothing else');

my $none = "$work/none.mdb";
is(run('-i', $none, 'forget', '/')->{exit}, 2,
    'without an index forget exits with 2');
ok(!-e $none, 'and makes none');

done_testing;
