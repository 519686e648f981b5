#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use MIME::Base64 qw(decode_base64);
use Encode qw(decode encode FB_CROAK);
use Test::More;

# Octets of the name, how text shows it.
my %names = (
    ' leading and trailing ' => ' leading and trailing ',
    "new\nline"              => 'new\nline',
    "tab\tbed"               => 'tab\tbed',
    "back\\slash"            => 'back\\\\slash',
    "back\\nslash"           => 'back\\\\nslash',
    "carriage\r"             => 'carriage\015',
    "bell\a\e[31m"           => 'bell\007\033[31m',
    "delete\x7f"             => 'delete\177',
    "c1\xc2\x9b"             => 'c1\302\233',
    "caf\xc3\xa9"            => "caf\xc3\xa9",
    "\xf0\x9f\x8d\x8b"       => "\xf0\x9f\x8d\x8b",
    "latin\xe9"              => 'latin\351',
    "\xff\xfe"               => '\377\376',
    "over\xc0\xafshort"      => 'over\300\257short',
    "half\xed\xa0\x80"       => 'half\355\240\200',
    "cut\xe2\x82"            => 'cut\342\202',
    "high\xf4\x90\x80\x80"   => 'high\364\220\200\200',
    '"quoted"'               => '"quoted"',
    '%41$(x)*?['             => '%41$(x)*?[',
    '-dash'                  => '-dash',
);
make_files(map { $_ => "content of $_" } keys %names);

# As long as the system allows, and longer than a key of the index.
my $long = join '/', map { chr(97 + $_) x 200 } 0 .. 18;
my $deep = $long . '/' . 'z' x (4000 - length("$site/$long/"));
make_files($deep => 'deep', 'y' x 255 => 'wide');
is(length "$site/$deep", 4000, 'the longest path has 4000 octets');
my $count = 2 + keys %names;

is(json(scan('--json', $site)->{out})->{seen}, $count, 'every name is indexed');

my $json = run('list', '--json');
is($json->{exit}, 0, 'list exits with 0');
ok(eval { decode('UTF-8', my $copy = $json->{out}, FB_CROAK); 1 },
    'JSON output is UTF-8');
my %met;
for my $record (json($json->{out})) {
    my $path = exists $record->{path_base64}
        ? decode_base64($record->{path_base64})
        : encode('UTF-8', $record->{path});
    $met{substr $path, length "$site/"} = $record;
}
is_deeply([sort keys %met], [sort keys %names, $deep, 'y' x 255],
    'JSON loses no octet of any name');
my @not_utf8 = grep { exists $met{$_}{path_base64} } keys %met;
is_deeply([sort @not_utf8], [sort grep {
            !eval { decode('UTF-8', my $copy = $_, FB_CROAK); 1 }
        } keys %names],
    'path_base64 is there where a name is not UTF-8 and nowhere else');
is($met{"latin\xe9"}{path}, "$site/latin\x{fffd}",
    'path has U+FFFD for what is not UTF-8');

my $text = run('list');
ok(eval { decode('UTF-8', my $copy = $text->{out}, FB_CROAK); 1 },
    'text output is UTF-8');
is(scalar(lines($text->{out})), $count, 'text has one line for each');
unlike($text->{out}, qr/[\x00-\x09\x0b-\x1f\x7f]/,
    'no control character reaches the terminal');
my %shown = map { substr($_, 57 + length "$site/") => 1 } lines($text->{out});
for my $name (sort keys %names) {
    ok($shown{$names{$name}}, "text shows $names{$name}");
    my $one = run('show', '--json', "$site/$name");
    is($one->{exit}, 0, "show finds $names{$name}");
}
is(run('show', "$site/$deep")->{exit}, 0, 'show finds the longest path');
is(run('show', "$site/$deep$deep")->{exit}, 1,
    'show has no record of a path that is too long for the system');

my $sums = run('list', '--sha256sum');
spew("$work/sums", $sums->{out});
my $check = finished(background('sha256sum', '--strict', '-c',
        "$work/sums"));
is($check->{exit}, 0, 'sha256sum -c accepts every name')
    or diag $check->{err};
my @made = map { (finished(background('sha256sum', "$site/$_"))->{out}) }
    grep { !/\r/ } sort keys %names;
my %listed = map { $_ => 1 } split /^/, $sums->{out};
is(scalar(grep { !$listed{$_} } @made), 0,
    'the lines are those that sha256sum writes');

my $bad = run('show', "$site/not\e[2J\nhere");
like($bad->{err}, qr{/not\\033\[2J\\nhere: no record},
    'messages show names as text does');

is(json(run('forget', '--json', "$site/$deep")->{out})->{forgotten}, 1,
    'the longest path can be forgotten');
is(json(run('forget', '--json', "$site/new\nline")->{out})->{forgotten}, 1,
    'a name with a newline can be forgotten');
is(json(run('forget', '--json', $site)->{out})->{forgotten}, $count - 2,
    'and all the others');
is(records(), 0, 'none is left');

done_testing;
