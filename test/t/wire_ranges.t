# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Ranges, one and several: as on stock httpd, octet by octet, and conditions
# come before them.
use strict;
use warnings;
use Test::More;
use Vld::Test;
use Vld::Wire;

start_wire('wire-ranges');

# The parts of a multipart body: [first, last, length, octets]; nothing where
# it is not put together as it must be.
sub parts_of
{
    my $res = shift;
    my ($boundary) = ($res->{h}{'content-type'} || '')
        =~ m{^multipart/byteranges; boundary=(\S+)$} or return;
    my ($body, @parts) = ($res->{body});
    while ($body =~ s{^\r\n--\Q$boundary\E\r\n}{}) {
        $body =~ s{^Content-type: text/css\r\n}{}
            || $body =~ s{^Content-type: \S+\r\n}{};
        $body =~ s{^Content-range: bytes (\d+)-(\d+)/(\d+)\r\n\r\n}{}
            or return;
        push @parts, [$1, $2, $3, substr $body, 0, $2 - $1 + 1, ''];
    }
    return $body eq "\r\n--$boundary--\r\n" ? @parts : ();
}

my %whole = ('/page.css' => content('main', 'page.css'),
    '/big.css' => content('main', 'big.css'),
    '/late.bin' => content('main', 'big') . 'late');

# Range, status of it, what is expected as first-last pairs.
my @ranges = (
    ['bytes=0-0,-1', 206], ['bytes=0-9,20-29,40-49', 206],
    ['bytes=0-9,5-14', 206], ['bytes=20-29,0-9,24-26', 206],
    ['bytes=-1,-2,-3', 206], ['bytes=0-0,99999999-', 206],
    ['bytes=99999999-', 416], ['bytes=99999999-,999999999-', 416],
    ['bytes=-0', 416], ['bytes=10-5', 200], ['bytes=a-b', 200],
    ['octets=0-9', 200], ['bytes=0-9,x', 200], ['bytes=1-2,4-5,', 206],
    ['bytes=1-2 , 4-5', 206], ['bytes=0-', 206], ['bytes=1-99999999', 206],
    ['bytes=0-1199,1000-', 206], ['BYTES=0-9', 206],
    ['bytes=' . join(',', map { 2 * $_ . '-' . 2 * $_ } 0 .. 150), 206],
    ['bytes=' . join(',', map { 2 * $_ . '-' . 2 * $_ } 0 .. 250), 200],
    ['bytes=' . join(',', ('0-9') x 30), 200],
);

for my $path (sort keys %whole) {
    for my $case (@ranges) {
        my ($range, $status) = @$case;
        my $name = length $range > 40 ? substr($range, 0, 20) . '...'
            : $range;
        my $head = "GET $path HTTP/1.1\r\nHost: main.example\r\n"
            . "Range: $range\r\nConnection: close\r\n";
        my $stock = ask('stock', "$head\r\n");
        for my $mode (@modes) {
            my $res = ask($mode, "$head\r\n");
            is(plainly($res), plainly($stock), "$path, $name ($mode):"
                . " $stock->{status} as on stock httpd");
            my @parts = parts_of($res);
            next unless @parts;
            all_right("$path, $name ($mode): each of " . @parts . ' parts is'
                . ' the file\'s', map { "$_->[0]-$_->[1]/$_->[2]" }
                grep { $_->[3] ne substr($whole{$path}, $_->[0],
                    $_->[1] - $_->[0] + 1) || $_->[2] != length $whole{$path} }
                @parts);
        }
    }
    for my $mode (@modes) {
        my $c = on($mode);
        my $tag = $c->get($path)->{h}{etag} || '""';
        my $range = 'bytes=0-3,10-13';
        my $weak = $tag =~ /^W/;
        my @said = map { $_->{status} } $c->get($path, Range => $range,
                'If-None-Match' => $tag),
            $c->get($path, Range => $range, 'If-Range' => $tag),
            $c->get($path, Range => $range, 'If-Range' => '"no"'),
            $c->get($path, Range => $range, 'If-Match' => '"no"'),
            $c->get($path, Range => $range, 'If-Match' => '*'),
            $c->get($path, Range => 'bytes=99999999-',
                'If-None-Match' => $tag),
            $c->get($path, Range => 'bytes=99999999-', 'If-Range' => '"no"'),
            $c->head($path, Range => $range);
        is("@said", join(' ', 304, $weak ? 200 : 206, 200, 412, 206, 304,
            200, 200), "$path: conditions come before ranges ($mode)");
    }
}

end_wire();
done_testing();
