#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use MIME::Base64 qw(encode_base64);
use Test::More;

needs_proc();

make_files(map { $_ => "content of $_" } qw(a/1 a/2 b c d), "new\nline",
    "latin\xe9");
scan($site);
my $before = slurp($index);

my $good = run('verify');
is($good->{exit}, 0, 'an index that holds exits with 0');
like($good->{out}, qr/^7 records: 7 good, 0 corrupt, 0 stale, 0 missing, /,
    'the summary counts');
is(scalar(lines($good->{out})), 1, 'and there is nothing else to say');
is($good->{err}, '', 'without a terminal there is no progress');
my $json = json(run('verify', '--json', "$site/a")->{out});
is_deeply([@{$json}{qw(checked good corrupt stale missing damaged failed)}],
    [2, 2, 0, 0, 0, 0, 0], 'a prefix is verified by itself');
is($json->{bytes}, 2 * length 'content of a/1', 'octets are counted');
ok($json->{complete}, 'it was complete');
is(run('verify', '-q')->{out}, '', 'with --quiet there is no summary');
is(run('verify', "-j$_")->{exit}, 0, "$_ at once give the same") for 1, 7;
ok($before eq slurp($index), 'the index is as it was');

# A disk that turns a bit changes no time.  A record that says another digest
# is the same to who compares: sha256sum of another content, taken on trust.
my $other = "0123456789abcdef" x 4;
sub contradict {
    my ($name) = @_;
    run('forget', "$site/$name");
    spew("$work/lie", "$other  $site/$name\n");
    is(run('import', '--trust', "$work/lie")->{exit}, 0,
        'a false record is made');
}
contradict('b');
my $bad = run('verify');
is($bad->{exit}, 1, 'a content that is not the recorded one exits with 1');
like($bad->{out}, qr/^corrupt  \Q$site\E\/b$/m, 'and is called corrupt');
like($bad->{out}, qr/ 6 good, 1 corrupt,/, 'and counted');
is(run('verify', "$site/a")->{exit}, 0, 'not where it is not');
my @found = json(run('verify', '--json')->{out});
is_deeply($found[0], {finding => 'corrupt', path => "$site/b"},
    'JSON has an object for it');
is($found[1]{corrupt}, 1, 'and the summary');
is(run('verify', '-q')->{out}, "corrupt  $site/b\n",
    'with --quiet only what was found is written');
is(run('verify')->{exit}, 1, 'verify mends nothing');

# Stale and missing.
run('forget', "$site/b");
scan("$site/b");
spew("$site/c", 'changed');
unlink "$site/d", "$site/new\nline", "$site/latin\xe9" or die;
mkdir "$site/d" or die;
my $old = run('verify');
is($old->{exit}, 0, 'files that have changed since are no failure');
like($old->{out}, qr/^stale    \Q$site\E\/c$/m, 'a changed file is stale');
like($old->{out}, qr/^stale    \Q$site\E\/d$/m, 'so is what is no file now');
like($old->{out}, qr/^missing  \Q$site\E\/new\\nline$/m,
    'a file that is gone is missing; its name stays on one line');
like($old->{out}, qr/^missing  \Q$site\E\/latin\\351$/m,
    'and is text whatever its octets');
like($old->{out}, qr/^7 records: 3 good, 0 corrupt, 2 stale, 2 missing/m,
    'and all are counted');
is(run('verify', '--strict')->{exit}, 1, 'with --strict they are');
is(run('verify', '--strict', "$site/a")->{exit}, 0, 'where there are any');
my ($latin) = grep { exists $_->{path_base64} }
    json(run('verify', '--json')->{out});
is($latin->{path_base64}, encode_base64("$site/latin\xe9", ''),
    'JSON has the octets of a name that is not UTF-8');

# However many read at once, each finding is written once.
{
    my $many = "$work/many";
    make_sparse($many, 3000, 1);
    my $all = "$work/many.mdb";
    is(scan('-i', $all, $many)->{exit}, 0, 'many files');
    my @names = map { sprintf '%s/%05d', $many, $_ } 1 .. 3000;
    unlink @names[0 .. 1499] or die;
    for my $jobs (1, 2, 16) {
        my $result = run('-i', $all, 'verify', '--json', '-j', $jobs);
        my @objects = json($result->{out});
        my $sum = pop @objects;
        is_deeply([sort map { $_->{path} } @objects], [@names[0 .. 1499]],
            "-j $jobs: each missing file is named once");
        is_deeply([@{$sum}{qw(checked good missing)}], [3000, 1500, 1500],
            "-j $jobs: and all are counted");
    }
    my @order = map { $_->{path} }
        (json(run('-i', $all, 'verify', '--json', '-j1')->{out}))[0 .. 1499];
    is_deeply(\@order, [@names[0 .. 1499]],
        'one at a time, they come in the order of list');
}

# What cannot be done.
my $none = run('verify', "$site/nothing");
is($none->{exit}, 1, 'a prefix without records exits with 1');
like($none->{err}, qr/no records at or below it/, 'and is told');
my $nowhere = run('-i', "$work/nowhere.mdb", 'verify');
is($nowhere->{exit}, 2, 'an index that is not there exits with 2');
ok(!-e "$work/nowhere.mdb", 'and is not made');
my $full = finished(background('sh', '-c',
        "exec '$tool' -i '$index' verify > /dev/full"));
is($full->{exit}, 2, 'output that cannot be written exits with 2');
run('forget', $site);

make_files('open' => 'open', 'secret' => 'secret');
scan($site);
chmod 0000, "$site/secret" or die;
chmod 0755, $work, $site, "$work/index";
chmod 0644, $index or die;
if ($> == 0) {
    # The mode is part of the change time: root scans what others may not read.
    scan($site);
    my $nobody = run_as_nobody('verify');
    is($nobody->{exit}, 1, 'a file that cannot be read exits with 1');
    like($nobody->{out}, qr/^failed   \Q$site\E\/secret: .*ermission/m,
        'with the reason');
    like($nobody->{out}, qr/ 5 good,/, 'the others are verified');
}
chmod 0644, "$site/secret" or die;
run('forget', $site);

# Stopped.
make_sparse("$site/large", 64, 1 << 30);
{
    # Not scanned, which would read them: their digest does not matter.
    spew("$work/lie", join '', map { "$other  $site/large/"
                . sprintf("%05d\n", $_) } 1 .. 64);
    is(run('import', '--trust', "$work/lie")->{exit}, 0, 'large files');
}
for my $signal (qw(INT TERM)) {
    my $job = background($tool, '-i', $index, 'verify', '--json');
    ok(catches($job), 'verify is under way');
    select undef, undef, undef, 0.2;
    my $begun = Time::HiRes::time();
    kill $signal, $job->{pid};
    my $result = finished($job);
    cmp_ok(Time::HiRes::time() - $begun, '<', 5, "SIG$signal ends it soon");
    is($result->{signal}, 0, 'in good order');
    is($result->{exit}, 2, 'with 2');
    like($result->{err}, qr/stopped; not all files were verified/, 'and says so');
    my @last = json($result->{out});
    ok(!$last[-1]{complete}, 'the summary is there, and is not complete');
}

done_testing;
