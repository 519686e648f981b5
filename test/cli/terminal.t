#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

plan skip_all => 'there are no terminals here: script(1) cannot make one'
    unless can_do('script', '-qec', 'true', '/dev/null');

make_sparse($site, 24, 64 << 20);

# What a scan writes to a terminal of that width.
sub on_terminal {
    my ($columns, $redirect, @options) = @_;
    my $set = $columns ? "stty cols $columns rows 24 && " : '';
    my $begun = Time::HiRes::time();
    my $result = finished(background('script', '-qec',
            "${set}exec '$tool' -i '$index' scan @options '$site' $redirect",
            '/dev/null'));
    $result->{seconds} = Time::HiRes::time() - $begun;
    run('forget', '/');
    return $result;
}

sub drawn {
    my ($text) = @_;
    return grep { /^\[/ } split /\r\n?|\n/, $text;
}

# What is left on the screen when every line has been written.
sub screen {
    my ($text) = @_;
    my @rows;
    for my $line (split /\n/, $text) {
        my $row = '';
        for my $part (split /\r/, $line) {
            $row = $part . (length $row > length $part
                ? substr $row, length $part : '');
        }
        $row =~ s/ +$//;
        push @rows, $row;
    }
    return @rows;
}

for my $columns (0, 80, 40) {
    my $name = $columns ? "$columns columns" : 'a terminal that knows no width';
    my $result = on_terminal($columns, '');
    is($result->{exit}, 0, "$name: scan exits with 0");
    my @drawn = drawn($result->{out});
    cmp_ok(scalar @drawn, '>=', 2, "$name: progress is drawn");
    cmp_ok(scalar @drawn, '<=', 10 * $result->{seconds} + 2,
        "$name: ten times a second at most");
    like($drawn[0], qr/^\[[ =]{10}\] \d+ files, /,
        "$name: a bar and the files seen");
    my $width = ($columns || 80) - 1;
    is(scalar(grep { length > $width } @drawn), 0,
        "$name: no line reaches the edge");
    my @rows = screen($result->{out});
    is(scalar @rows, 1, "$name: one line stays");
    like($rows[0], qr/^24 files: /, "$name: and that is the summary");
    my @moves = map { /^\[([ =]+)\]/ } @drawn;
    isnt($moves[0], $moves[1], "$name: the bar moves");
}

my $full = on_terminal(80, '');
like((drawn($full->{out}))[-1],
    qr{^\[[ =]+\] \d+ files, \d+ hashed, [\d.]+ [GMK]?i?B, [\d.]+ [GMK]?i?B/s},
    'files, hashed, octets and rate are shown');

is(scalar(drawn(on_terminal(80, '', '--quiet')->{out})), 0,
    'with --quiet there is no progress');
my $json = on_terminal(80, '', '--json')->{out};
is(scalar(drawn($json)), 0, 'with --json there is no progress');
is(json($json)->{seen}, 24, 'but the totals');
is(scalar(drawn(on_terminal(80, "2> '$work/err'")->{out})), 0,
    'standard output alone gets no progress');
is(slurp("$work/err"), '', 'nor does a file');
cmp_ok(scalar(drawn(on_terminal(80, "> '$work/out'")->{out})), '>=', 2,
    'progress is written to standard error');
like(slurp("$work/out"), qr/^24 files: [^\r]*\n$/,
    'and the summary to standard output');

# The other commands that read files.
scan($site);
spew("$work/sums", run('list', '--sha256sum')->{out});
for my $command ('verify', "import '$work/sums'") {
    my $which = $command eq 'verify' ? $index : "$work/other.mdb";
    my $result = finished(background('script', '-qec',
            "exec '$tool' -i '$which' $command", '/dev/null'));
    my ($name) = $command =~ /^(\w+)/;
    is($result->{exit}, 0, "$name exits with 0");
    cmp_ok(scalar(drawn($result->{out})), '>=', 2, "$name: progress is drawn");
    my @rows = screen($result->{out});
    is(scalar @rows, 1, "$name: one line stays");
    like($rows[0], qr/^24 (?:records|entries): /,
        "$name: and that is the summary");
    knows_its_end($name, drawn($result->{out}));
}

# The percentage is right, and never falls.
sub knows_its_end {
    my ($name, @drawn) = @_;
    my ($before, @wrong) = (0);
    for my $line (@drawn) {
        my ($bar, $percent, $files)
            = $line =~ /^\[(=* *)\] (\d+)%, (\d+) files, /;
        push @wrong, $line
            if !defined $percent || $percent < $before || $percent > 100
            || length $bar != 10 || ($bar =~ tr/=//) != int $percent / 10
            || abs($percent - 100 * $files / 24) > 5;
        $before = $percent if defined $percent;
    }
    is_deeply(\@wrong, [], "$name: the progress knows its end");
    cmp_ok($before, '>', 0, "$name: and comes nearer to it");
}

# Below a prefix, too; where the end is not known, nothing is said of it.
my $prefix = finished(background('script', '-qec',
        "exec '$tool' -i '$index' verify '$site'", '/dev/null'));
knows_its_end('verify below a prefix', drawn($prefix->{out}));
my $pipe = finished(background('script', '-qec',
        "cat '$work/sums' | exec '$tool' -i '$work/pipe.mdb' import -",
        '/dev/null'));
like($_, qr/^\[[ =]{10}\] \d+ files, /, 'the end of a pipe is not known')
    for drawn($pipe->{out});
like((screen($pipe->{out}))[0], qr/^24 entries: .* 24 hashed/,
    'but all of it is imported');

done_testing;
