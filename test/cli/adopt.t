#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

make_files(map { $_ => "content of $_" } qw(a/1 a/2 b c d e));
utime 1600000000, 1600000000, "$site/b", "$site/c", "$site/d" or die;
# What reproducible builds write says nothing of the content.
utime 0,         0,         "$site/e"   or die;
utime 499162500, 499162500, "$site/a/2" or die;
select undef, undef, undef, 0.2;
scan($site);
my %before = map { $_->{path} => $_ } json(run('list', '--json')->{out});

# A restore: every inode and change time is another one.
sub restore {
    system('cp', '-a', $site, "$work/copy") == 0 or die;
    system('rm', '-rf', $site) == 0 or die;
    rename "$work/copy", $site or die;
    select undef, undef, undef, 0.2;
}

restore();
utime 1700000000, 1700000000, "$site/c" or die;
spew("$site/d", 'longer than what was there');
utime 1600000000, 1600000000, "$site/d" or die;
select undef, undef, undef, 0.2;
my $text = run('scan', '--adopt', '-q', $site);
is($text->{exit}, 0, 'a scan that adopts exits with 0');
is($text->{out}, '', 'and is quiet if asked to');

restore();
my $adopted = json(scan('--adopt', '--json', $site)->{out});
is($adopted->{adopted}, 4, 'copies of the same size and mtime are adopted');
is($adopted->{not_adopted}, 2, 'those of a constant mtime are not');
is($adopted->{hashed}, 2, 'and read instead');
is($adopted->{unchanged}, 0, 'none was as it was');
is(run('verify', '--strict')->{exit}, 0, 'all records are true');
my %after = map { $_->{path} => $_ } json(run('list', '--json')->{out});
is($after{"$site/b"}{last_modified}, $before{"$site/b"}{last_modified},
    'the date is kept');
is($after{"$site/b"}{etag}, $before{"$site/b"}{etag}, 'the tag is kept');
is(json(run('show', '--json', "$site/b")->{out})->{fresh}, 1,
    'the identity is that of the copy');
# The inode alone may have been given back.
isnt("@{$after{$site . '/b'}}{qw(inode ctime)}",
    "@{$before{$site . '/b'}}{qw(inode ctime)}", 'and not that of the original');
is($after{"$site/c"}{last_modified}, $before{"$site/c"}{last_modified},
    'a touched file keeps its date, too');
isnt($after{"$site/d"}{etag}, $before{"$site/d"}{etag},
    'a file of another size gets another tag');

restore();
like(scan('--adopt', $site)->{out},
    qr/^6 files: 0 unchanged, 2 hashed .*, 4 adopted, 2 not trusted and hashed;/,
    'the summary tells both');
unlike(scan($site)->{out}, qr/adopted/, 'but only where it was asked for');
is(json(scan('--adopt', '--json', $site)->{out})->{unchanged}, 6,
    'what was adopted is unchanged the next time');

restore();
is(json(scan('--json', $site)->{out})->{hashed}, 6,
    'without --adopt all are read');

# At once, while the change times are still fresh.
restore();
utime 1600000000, 1600000000, "$site/b" or die;
my $at_once = json(scan('--adopt', '--json', $site)->{out});
is($at_once->{adopted}, 4, 'a copy made this moment is waited for');
is(run('show', "$site/b")->{exit}, 0, 'and its record is fresh');

# An index that was copied from another host.
mkdir "$work/other" or die;
system('cp', $index, "$work/other/validators.mdb") == 0 or die;
restore();
my $other = json(scan('-i', "$work/other/validators.mdb", '--adopt', '--json',
        $site)->{out});
is($other->{adopted}, 4, 'an index of another host is of use');

done_testing;
