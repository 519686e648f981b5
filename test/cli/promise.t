#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What the commands do with records that keep promises, of files that were read
# and of files that were not.
use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

my $promise_files = abs_path(($ENV{builddir} || '.') . '/promise_files')
    or die "no promise_files\n";
my %content = map { $_ => "content of $_" } qw(a/1 a/2 ab/1 b c plain);
my @promised = sort grep { $_ ne 'plain' } keys %content;

sub promise_in {
    my ($in, @names) = @_;
    my $result = finished(background($promise_files, $in,
            map {"$site/$_"} @names));
    is($result->{exit}, 0, 'promises are recorded') or diag $result->{err};
}

sub rest { select undef, undef, undef, 0.2 }

# What the index says of a file of the site.
sub said {
    my ($name, @which) = @_;
    my $show = run(@which, 'show', '--json', "$site/$name");
    diag $show->{err} if $show->{exit} == 2;
    return json($show->{out});
}

sub tag_and_date { return @{$_[0]}{qw(etag last_modified)} }

# That tag and date are those that were told.
my %told;
sub stays {
    my ($name, $what, @which) = @_;
    is_deeply([tag_and_date(said($name, @which))], $told{$name},
        "$what: tag and date of $name stay");
}

sub is_read {
    my ($name, $what, @which) = @_;
    is(said($name, @which)->{sha256}, sha256_hex($content{$name}),
        "$what: $name has its digest");
}

make_files(%content);
utime 1600000000, 1600000000, map {"$site/$_"} keys %content;
rest();
scan("$site/plain");
is(json(run('stat', '--json')->{out})->{format}, 1,
    'an index without promises has format 1');
my $of_plain = said('plain');
promise_in($index, @promised, 'plain');
is(json(run('stat', '--json')->{out})->{format}, 2, 'with one it has format 2');
is_deeply(said('plain'), $of_plain, 'what was read needs no promise');
ok(!$of_plain->{promised}, 'and its tag is not promised');
$told{$_} = [tag_and_date(said($_))] for @promised;
is($told{b}[1], 'Sun, 13 Sep 2020 12:26:40 GMT', 'the date is the mtime');

# --- what was not read
{
    my $show = run('show', "$site/b");
    is($show->{exit}, 0, 'show: what was promised alone is fresh');
    like($show->{out}, qr/^promised +yes/m, 'show: that it was promised');
    like($show->{out}, qr/^sha256 +not read yet$/m, 'show: and not read');
    my $record = said('b');
    ok($record->{promised}, 'show --json: promised');
    ok(exists $record->{sha256} && !defined $record->{sha256},
        'show --json: sha256 is null');
    like(run('list')->{out}, qr/^\Q$told{b}[0]\E  .*\/b$/m,
        'list: the promised tag');
    my $sums = run('list', '--sha256sum');
    is($sums->{exit}, 0, 'list --sha256sum exits with 0');
    is_deeply([map { s/.*\///r } lines($sums->{out})], ['plain'],
        'list --sha256sum: what was read');
    like($sums->{err}, qr/\b5 files were not read yet and left out/,
        'list --sha256sum: how many were not');
    my $export = run('export');
    is(scalar(() = $export->{out} =~ /^\w{64}  /mg), 1,
        'export: what was read');
    like($export->{err}, qr/\b5 files were not read yet and left out/,
        'export: how many were not');
    my $verify = run('verify', '--json', '--strict');
    is($verify->{exit}, 0, 'verify: nothing is wrong');
    my ($totals) = grep { exists $_->{checked} } json($verify->{out});
    is_deeply([@$totals{qw(checked good unread)}], [6, 1, 5],
        'verify: what there was nothing to compare with');
    ok(!defined said('b')->{sha256}, 'verify: changes nothing');
}

# --- copies of the index, for each command that reads
my $copies = 0;
sub copy_of_index {
    my $folder = "$work/copy" . ++$copies;
    mkdir $folder or die;
    system('cp', $index, "$folder/validators.mdb") == 0 or die;
    return "$folder/validators.mdb";
}
my $unread = copy_of_index();

my $first = json(scan('--json', $site)->{out});
is($first->{hashed}, 5, 'scan: reads what was not read');
is($first->{unchanged}, 1, 'scan: and nothing else');
for my $name (@promised) {
    is_read($name, 'scan');
    stays($name, 'scan');
}
is(json(scan('--json', $site)->{out})->{hashed}, 0, 'scan: once');
promise_in($index, @promised);
is_read('b', 'a later promise');
stays('b', 'a later promise');

{
    my @in = ('-i', copy_of_index());
    system('cp', $unread, $in[1]) == 0 or die;
    my $watch = background($tool, @in, 'watch', '--quiet', $site);
    my $is_read = sub { return defined said($_[0], @in)->{sha256} };
    ok(wait_for(60, sub { return !grep {!$is_read->($_)} @promised }),
        'watch: reads what was not read');
    stays($_, 'watch', @in) for @promised;
    kill 'TERM', $watch->{pid};
    finished($watch);
}

# --- touched
utime 1600000001, 1600000001, "$site/b" or die;
rest();
is(json(scan('--json', $site)->{out})->{moved_only}, 1,
    'touch: the same content as before');
stays('b', 'touch');
ok(said('b')->{promised}, 'touch: the promise is kept');

# --- manifests
my $export = run('export');
my $seed = qr/^# of=\w{16} .* mtime-ns=\d+ seed=[0-9a-f]{32}$/m;
like($export->{out}, qr/$seed\n\w{64}  \Q$site\E\/b$/m,
    'export: the seed of a promise');
like($export->{out}, qr/ mtime-ns=\d+\n\w{64}  \Q$site\E\/plain$/m,
    'export: none where there is no promise');
spew("$work/manifest", $export->{out});
my $check = finished(background('sha256sum', '--strict', '-c',
        "$work/manifest"));
is($check->{exit}, 0, 'export: sha256sum -c accepts it');
is(scalar(() = $check->{out} =~ /: OK$/mg), 6, 'export: with every file');

sub import_in {
    my ($in, $text) = @_;
    spew("$work/manifest", $text);
    my $result = run('-i', $in, 'import', '--json', "$work/manifest");
    is($result->{exit}, 0, 'import exits with 0') or diag $result->{err};
    return json($result->{out});
}
{
    my $new = "$work/new/validators.mdb";
    is(import_in($new, $export->{out})->{trusted}, 6, 'import: reads nothing');
    stays($_, 'import', '-i', $new) for @promised;
    is(json(run('-i', $new, 'stat', '--json')->{out})->{format}, 2,
        'import: the format of the index is 2');
    is(run('-i', $new, 'export')->{out}, $export->{out},
        'import: what is exported again is the same');

    my $known = "$work/known/validators.mdb";
    scan('-i', $known, $site);
    my @before = tag_and_date(said('c', '-i', $known));
    isnt($before[0], $told{c}[0], 'another index has the tag of the digest');
    import_in($known, $export->{out});
    is_deeply([tag_and_date(said('c', '-i', $known))], \@before,
        'import: the tag of a record is kept');
    utime 1600000002, 1600000002, "$site/c" or die;
    rest();
    import_in($known, $export->{out});
    is_deeply([tag_and_date(said('c', '-i', $known))], \@before,
        'import: of a touched file, too');

    my $other = $export->{out} =~ s/seed=\w{32}/'seed=' . '7' x 32/ger;
    import_in($new, $other);
    stays($_, 'import of other seeds', '-i', $new) for @promised;
    import_in($unread, $export->{out});
    is_read('a/1', 'import of what was not read', '-i', $unread);
    stays('a/1', 'import of what was not read', '-i', $unread);

    my $n = 0;
    for my $broken ('seed=', 'seed=' . '7' x 31, 'seed=' . '7' x 33,
        'seed=' . 'g' x 32, 'seed=' . '7' x 32 . ' ', 'seeds=' . '7' x 32)
    {
        my $in = "$work/broken" . ++$n;
        my $totals = import_in($in, $export->{out} =~ s/seed=\w{32}/$broken/gr);
        is($totals->{hashed}, 5,
            "import: '$broken' is no seed: files are read");
        ok(!said('b', '-i', $in)->{promised}, '... and nothing is promised');
    }
}

# A later date of a manifest counts for a touched file as it does without a
# promise.
{
    my $in = copy_of_index();
    utime 1600000100, 1600000100, "$site/b", "$site/plain" or die;
    rest();
    import_in($in, $export->{out} =~ s/(last-modified)=16\d+/$1=1650000000/gr);
    for my $name (qw(plain b)) {
        my $record = said($name, '-i', $in);
        is($record->{last_modified}, 'Fri, 15 Apr 2022 05:20:00 GMT',
            "import: a later date of $name counts");
    }
    is(said('b', '-i', $in)->{etag}, $told{b}[0], 'import: its tag stays');
}
scan($site);

# --- copies on another file system or host
sub restore {
    system('cp', '-a', $site, "$work/restored") == 0 or die;
    system('rm', '-r', $site) == 0 or die;
    rename "$work/restored", $site or die;
    rest();
}
$unread = "$work/copy1/validators.mdb";
unlink $unread or die;
promise_in($unread, 'c');
restore();
{
    my $totals = json(scan('--adopt', '--json', $site)->{out});
    is($totals->{adopted}, 6, 'scan --adopt: adopts what was read');
    is_read($_, 'scan --adopt') for @promised;
    stays($_, 'scan --adopt') for @promised;
    my @in = ('-i', $unread);
    $totals = json(scan(@in, '--adopt', '--json', $site)->{out});
    is($totals->{adopted}, 0, 'scan --adopt: not what was not read');
    is($totals->{hashed}, 6, '... which is read');
    is_read('c', 'scan --adopt', @in);
}

# --- maintenance
is(run('compact')->{exit}, 0, 'compact exits with 0');
stays($_, 'compact') for @promised;
scan('--prune', $site);
stays($_, 'prune') for @promised;

# --- another content
spew("$site/c", $content{c} = 'another content');
utime 1600000000, 1600000000, "$site/c" or die;
rest();
scan($site);
is_read('c', 'change');
ok(!said('c')->{promised}, 'change: ends the promise');
isnt(said('c')->{etag}, $told{c}[0], 'change: another tag');

# --- promises are forgotten
spew("$site/a/3", $content{'a/3'} = 'content of a/3');
rest();
promise_in($index, 'a/3');
my %date = map { $_ => said($_)->{last_modified} } keys %content;
scan('--forget-promises', "$site/a");
for my $name (qw(a/1 a/2 a/3)) {
    ok(!said($name)->{promised}, "--forget-promises: none of $name");
    is_read($name, '--forget-promises');
    is(said($name)->{last_modified}, $date{$name},
        "--forget-promises: the date of $name stays");
}
stays($_, '--forget-promises beside it') for 'ab/1', 'b';
scan('--forget-promises', "$site/b");
ok(!said('b')->{promised}, '--forget-promises: of one file');
scan('--forget-promises', $site);
scan('-i', "$work/fresh/validators.mdb", $site);
is_deeply([sort map { $_->{etag} } json(run('list', '--json')->{out})],
    [sort map { $_->{etag} } json(run('-i', "$work/fresh/validators.mdb", 'list',
                '--json')->{out})],
    '--forget-promises: the tags are those of any host');
is(json(run('stat', '--json')->{out})->{format}, 2,
    '--forget-promises: the format of the index stays');

done_testing;
