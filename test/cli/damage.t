#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Digest::SHA qw(sha256);
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

make_files(map { $_ => "content of $_" } qw(good bad other));
scan($site);
my $whole = slurp($index);

# One bit of one record, wherever a copy of it stands.
my $digest = sha256('content of bad');
my $wrong = $digest ^ ("\x00" x 31 . "\x01");
(my $flipped = $whole) =~ s/\Q$digest\E/$wrong/g;
isnt($flipped, $whole, 'the record is found in the file');
spew($index, $flipped);

my $list = run('list', '--json');
is($list->{exit}, 1, 'list of a damaged record exits with 1');
is_deeply([map { $_->{path} } json($list->{out})],
    ["$site/good", "$site/other"], 'it is left out, the others are listed');
like($list->{err}, qr{^htvalidators: \Q$site\E/bad: its record does not check},
    'and it is named');
my $show = run('show', '--json', "$site/bad");
is($show->{exit}, 1, 'show of a damaged record exits with 1');
like(json($show->{out})->{reason}, qr/damaged record/, 'and tells the reason');
is(run('show', "$site/good")->{exit}, 0, 'the others can be shown');
my $export = run('export');
is($export->{exit}, 1, 'export of a damaged record exits with 1');
like($export->{err}, qr{/bad: its record does not check}, 'and names it');
unlike($export->{out}, qr{/bad$}m, 'but does not write it');
my $verify = run('verify');
is($verify->{exit}, 1, 'verify of a damaged record exits with 1');
like($verify->{out}, qr{^damaged  \Q$site\E/bad$}m, 'and names it');
like($verify->{out}, qr/ 2 good,.* 1 damaged,/, 'and verifies the others');
spew("$work/sums", unpack('H*', $digest) . "  $site/bad\n");
is(json(run('import', '--json', "$work/sums")->{out})->{hashed}, 1,
    'import makes that record again');
is(run('verify')->{exit}, 0, 'and it is good');
spew($index, $flipped);

is(json(scan('--json', $site)->{out})->{hashed}, 1,
    'the next scan makes that record again');
is(run('show', "$site/bad")->{exit}, 0, 'and it is good');

spew($index, $flipped);
is(json(run('forget', '--json', "$site/bad")->{out})->{forgotten}, 1,
    'a damaged record can be forgotten');

for my $octets (0, 1, 4096, 8192, length($whole) - 4096) {
    spew($index, substr $whole, 0, $octets);
    for my $command (['list'], ['stat'], ['show', "$site/good"],
        ['forget', '/'], ['list', '--json'], ['export'], ['verify'],
        ['import', "$work/sums"], ['scan', '--adopt', '--prune', $site]) {
        my $result = run(@{$command});
        is($result->{signal}, 0,
            "$command->[0] of an index cut to $octets octets is no crash");
        ok($result->{exit} != 2 || $result->{err}
                =~ /^htvalidators: \Q$index\E: .+; .+$/,
            'what, why and what to do') or diag $result->{err};
    }
}

# Whatever stands there: no crash, and nothing without end.
srand 7;
for my $round (1 .. 40) {
    my $noise = $whole;
    substr($noise, int rand(length($noise) - 64), 64)
        = pack 'C*', map { int rand 256 } 1 .. 64
        for 1 .. 8;
    spew($index, $noise);
    for my $command (['list'], ['export'], ['verify'],
        ['scan', '--adopt', '--prune', $site], ['forget', '/']) {
        my $result = finished(background('timeout', '20', $tool, '-i', $index,
                @{$command}));
        ok($result->{exit} < 3 && !$result->{signal},
            "$command->[0] of an index with noise, round $round, ends well")
            or diag "$result->{exit} $result->{signal}\n$result->{err}";
    }
}

done_testing;
