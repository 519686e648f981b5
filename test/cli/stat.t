#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

make_files(a => 'a', b => 'b');
my $before = time;
scan($site);

my $result = run('stat', '--json');
is($result->{exit}, 0, 'stat exits with 0');
my $info = json($result->{out});
is($info->{path}, $index, 'the index is named');
is($info->{records}, 2, 'the records are counted');
is($info->{file_bytes}, -s $index, 'the size is that of the file');
cmp_ok($info->{used_bytes}, '>', 0, 'something of it is in use');
cmp_ok($info->{used_bytes}, '<=', $info->{file_bytes}, 'but not more than it');
cmp_ok($info->{map_bytes}, '>=', $info->{file_bytes}, 'it may grow');
cmp_ok($info->{format}, '>=', 1, 'the format has a version');
like($info->{created}, qr/^\d{4}-\d\d-\d\dT.*Z$/, 'the creation has a time');
like($info->{tool}, qr/\d+\.\d+\.\d+/, 'the tool that made it is named');

my $transaction = $info->{transaction};
scan($site);
is(json(run('stat', '--json')->{out})->{transaction}, $transaction,
    'a scan that finds nothing new leaves the transaction number alone');
spew("$site/c", 'c');
select undef, undef, undef, 0.2;
scan($site);
cmp_ok(json(run('stat', '--json')->{out})->{transaction}, '>', $transaction,
    'one that does not moves it on');

my $text = run('stat')->{out};
like($text, qr/^index        \Q$index\E$/m, 'the text names the index');
like($text, qr/^records      3$/m, 'the text counts the records');
like($text, qr/^file size    [\d.]+ [KM]iB \(\d+ octets\)$/m,
    'the text has sizes for people');

spew("$work/garbage", 'x' x 100000);
spew("$work/nothing", '');
mkdir "$work/folder" or die;
for my $other ("$work/none.mdb", "$work/garbage", "$work/nothing",
    "$work/folder", '/dev/null') {
    my $refused = run('-i', $other, 'stat');
    is($refused->{exit}, 2, "$other exits with 2");
    like($refused->{err}, qr/^htvalidators: \Q$other\E: .+; .+/,
        "$other: what, why and what to do");
    is($refused->{signal}, 0, "$other crashes nothing");
}
is(slurp("$work/garbage"), 'x' x 100000, 'another file is not changed');

done_testing;
