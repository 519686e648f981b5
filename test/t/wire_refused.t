# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What httpd refuses stays refused, in the same words; what it accepts, however
# it is written, is not modified; methods without conditions have none.
use strict;
use warnings;
use Test::More;
use Vld::Test;
use Vld::Wire;

start_wire('wire-refused');

my $tag = $tag{'main page.css'};

# What is accepted is not modified; what is not is refused in the same words.
sub refused_as_on_stock
{
    my ($name, $text, $status) = @_;
    $text =~ s/TAG/$tag/g;
    my $stock = ask('stock', $text);
    for my $mode (@modes) {
        my $res = ask($mode, $text);
        if ($stock->{status} >= 400 || $status >= 400) {
            is(plainly($res), plainly($stock), "$name ($mode): refused as on"
                . ' stock httpd');
        }
        else {
            is("$res->{status} " . ($res->{h}{etag} || ''), "304 $tag",
                "$name ($mode): accepted, and not modified");
        }
    }
    is($stock->{status} >= 400 ? $stock->{status} : 304, $status,
        "$name: it was asked right");
}

my $head = "GET /page.css HTTP/1.1\r\nHost: main.example\r\n"
    . "Connection: close\r\n";
my $size = 8190 - length('If-None-Match: ');
my $filled = '"' . 'x' x ($size - length($tag) - 4) . '", ' . $tag;
my @cases = (
    ['a field of the most octets', "If-None-Match: $filled\r\n", 304],
    ['a field of one octet more', "If-None-Match: xxx$filled\r\n", 400],
    ['three hundred tags', 'If-None-Match: ' . join(',', map { "\"n$_\"" }
        1 .. 300) . ", $tag\r\n", 304],
    ['eight hundred tags in eighty lines', join('', map { 'If-None-Match: '
        . join(', ', map { "\"$_\"" } 100 .. 109) . "\r\n" }
        1 .. 80) . "if-none-match: $tag\r\n", 304],
    ['more lines than may be', "X: y\r\n" x 101, 400],
    ['empty members and weak tags', "If-None-Match: ,, W/\"a\" ,\r\n"
        . "If-None-Match:\r\nIf-None-Match: ,W/TAG\r\n", 304],
    ['a folded field', "If-None-Match: \"a\",\r\n\t\"b\",\r\n   TAG\r\n",
        304],
    ['a field folded at once', "If-None-Match:\r\n TAG\r\n", 304],
    ['a fold before any field', "", 400],
    ['spaces and tabs around a value', "If-None-Match:  \t TAG \t\r\n", 304],
    ['a field in capitals', "IF-NONE-MATCH: TAG\r\n", 304],
    ['NUL in a value', "If-None-Match: \"\0\", TAG\r\n", 400],
    ['NUL in a name', "If-None\0-Match: TAG\r\n", 400],
    ['a control octet in a value', "If-None-Match: \"\x01\", TAG\r\n", 400],
    ['DEL in a value', "If-None-Match: \"\x7f\", TAG\r\n", 400],
    ['CR in a value', "If-None-Match: \"a\rb\", TAG\r\n", 400],
    ['octets above 127 in a value', "If-None-Match: \"\xff\xc3\", TAG\r\n",
        304],
    ['a space before the colon', "If-None-Match : TAG\r\n", 400],
    ['no colon', "If-None-Match\r\n", 400],
    ['an empty name', ": TAG\r\n", 400],
    ['octets above 127 in a name', "If-N\xc3\xb6ne: TAG\r\n", 400],
    ['a length that is no number', "If-None-Match: TAG\r\nContent-Length: x"
        . "\r\n", 400],
    ['a negative length', "If-None-Match: TAG\r\nContent-Length: -1\r\n",
        400],
    ['two lengths', "If-None-Match: TAG\r\nContent-Length: 1\r\n"
        . "Content-Length: 2\r\n", 400],
    ['a transfer coding that is unknown', "If-None-Match: TAG\r\n"
        . "Transfer-Encoding: magic\r\n", 400],
    ['a length beside a transfer coding', "If-None-Match: TAG\r\n"
        . "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 304],
    ['a chunk that is none', "If-None-Match: TAG\r\n"
        . "Transfer-Encoding: chunked\r\n\r\nnone\r\n", 400],
    ['a chunk of another length', "If-None-Match: TAG\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n", 400],
    ['content that is cut short', "If-None-Match: TAG\r\n"
        . "Content-Length: 100\r\n\r\nabc", 400],
    ['an unknown expectation', "If-None-Match: TAG\r\nExpect: magic\r\n",
        417],
);
for my $case (@cases) {
    my ($name, $fields, $status) = @$case;
    my $text = $name =~ /before any field/
        ? "GET /page.css HTTP/1.1\r\n X: y\r\nHost: main.example\r\n\r\n"
        : "$head$fields\r\n" . ($name =~ /beside/ ? "0\r\n\r\n" : '');
    refused_as_on_stock($name, $text, $status);
}
my $rest = "Host: main.example\r\nIf-None-Match: TAG\r\n"
    . "Connection: close\r\n\r\n";
for my $case (
    ['lines that end with LF alone', "GET /page.css HTTP/1.1\nHost: a\n\n",
        400],
    ['an LF alone within', "GET /page.css HTTP/1.1\r\nHost: main.example\n"
        . "If-None-Match: TAG\r\nConnection: close\r\n\r\n", 400],
    ['a control octet in the target', "GET /page.css\x01 HTTP/1.1\r\n$rest",
        400],
    ['NUL in the target', "GET /page.css\0 HTTP/1.1\r\n$rest", 400],
    ['a tab in the request line', "GET\t/page.css HTTP/1.1\r\n$rest", 400],
    ['two spaces in the request line', "GET  /page.css HTTP/1.1\r\n$rest",
        400],
    ['a space in the target', "GET /a b.css HTTP/1.1\r\n$rest", 400],
    ['a space after the version', "GET /page.css HTTP/1.1 \r\n$rest", 400],
    ['a version that is not one', "GET /page.css HTTP/1\r\n$rest", 400],
    ['HTTP/2.0 on a line', "GET /page.css HTTP/2.0\r\n$rest", 304],
    ['HTTP/3.0', "GET /page.css HTTP/3.0\r\n$rest", 304],
    ['a method in small letters', "get /page.css HTTP/1.1\r\n$rest", 501],
    ['an unknown method', "LOOK /page.css HTTP/1.1\r\n$rest", 501],
    ['a method that is no token', "G(T /page.css HTTP/1.1\r\n$rest", 400],
    ['an empty line before the request', "\r\n\r\nGET /page.css HTTP/1.1\r\n"
        . $rest, 304],
)
{
    refused_as_on_stock(@$case);
}

# Methods that are not evaluated.
for my $method (qw(OPTIONS TRACE PUT DELETE PATCH PROPFIND LOCK)) {
    for my $field ("If-None-Match: $tag", 'If-None-Match: *',
        'If-Match: "no"', 'If-Modified-Since: ' . http_date(time))
    {
        my $text = "$method /page.css HTTP/1.1\r\nHost: main.example\r\n"
            . "$field\r\nConnection: close\r\n"
            . ($method =~ /^P[OUA]/ ? "Content-Length: 1\r\n\r\nx" : "\r\n");
        my $stock = plainly(ask('stock', $text));
        is_deeply([map { plainly(ask($_, $text)) } @modes], [$stock, $stock],
            "$method with $field: as on stock httpd");
    }
}
for my $line ('OPTIONS *', 'OPTIONS http://a.example/page.css', 'TRACE /',
    'CONNECT a.example:443', 'CONNECT /page.css', 'GET *', 'OPTIONS /moved/x',
    'TRACE *')
{
    my $text = "$line HTTP/1.1\r\nHost: main.example\r\n"
        . "If-None-Match: $tag\r\nConnection: close\r\n\r\n";
    my $stock = plainly(ask('stock', $text));
    is_deeply([map { plainly(ask($_, $text)) } @modes], [$stock, $stock],
        "$line: as on stock httpd");
}

# HTTP/0.9: the content, and nothing else.
for my $text ("GET /page.css\r\n", "GET /missing.css\r\n",
    "GET /page.css\r\nIf-None-Match: $tag\r\n\r\n")
{
    my $stock = say_raw('stock', $text);
    is_deeply([map { say_raw($_, $text) } @modes], [$stock, $stock],
        'HTTP/0.9: as on stock httpd: ' . length($stock) . ' octets');
}

end_wire();
done_testing();
