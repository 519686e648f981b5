# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Many streams at once on one connection, in HTTP/2 and over TLS: each request
# has its own answer, of its own host.
use strict;
use warnings;
use Test::More;
use Vld::Many;
use Vld::Test;
use Vld::Wire;

start_wire('wire-streams');
my $tag = $tag{'main page.css'};
my @mixture = mixture();

SKIP_H2: {
    last SKIP_H2 unless h2_here();
    for my $where (qw(tls tlsplain)) {
        my @streams = map { $mixture[$_ % @mixture] } 0 .. 199;
        @streams = grep { !grep { /^:body$/ } @$_ } @streams;
        my @requests = map {
            my ($status, $method, $target, @fields) = @$_;
            { url => "https://main.example:$port{$where}$target",
                to => "127.0.0.1:$port{$where}", method => $method,
                fields => [@fields], http2 => undef }
        } @streams;
        my @got = curl_many(\@requests, 100);
        my @wrong = grep { !is_right($streams[$_], $got[$_]) } 0 .. $#got;
        all_right(scalar(@got) . " requests of every kind, a hundred streams"
            . " at once ($where)", map { "stream $_: $got[$_]{status} for"
            . " @{$streams[$_]}" } @wrong);
        my %connections = map { $_->{port} || 0 => 1 } @got;
        cmp_ok(scalar(keys %connections), '<=', 3,
            "over few connections ($where)");
        all_right("all of them HTTP/2 ($where)", map { "stream $_:"
            . " HTTP/$got[$_]{version}" } grep { $got[$_]{version} ne '2' }
            0 .. $#got);
    }
    # One client that says the same on each stream.
    my @paths = ((map { "/same$_.css" } 1 .. 25), (map { "/other$_.css" }
        1 .. 25), (map { "/missing$_.css" } 1 .. 25),
        map { "/shut/page.css?$_" } 1 .. 25);
    my $base = "http://127.0.0.1:$port{quick}";
    for my $round (1, 2) {
        my ($rc, $out) = run_command('nghttp', '-ns', '-H',
            "If-None-Match: $tag", map { "$base$_" } @paths);
        my %count;
        while ($out =~ /^\s*\d+\s+\S+\s+\S+\s+\S+\s+(\d+)\s+\S+\s+(\S+)$/mg) {
            my ($status, $path) = ($1, $2);
            $path =~ s/\d.*//;
            $count{"$path $status"}++;
        }
        is_deeply(\%count, { '/same 304' => 25, '/other 200' => 25,
            '/missing 404' => 25, '/shut/page.css? 403' => 25 },
            'a hundred streams at once: each its own status') or diag($out);
    }
    my ($rc, $out) = run_command('nghttp', '-ns', '-m', 100, '-H',
        "If-None-Match: $tag", "$base/page.css");
    my @status = $out =~ /^\s*\d+\s+\S+\s+\S+\s+\S+\s+(\d+)\s/mg;
    is(join(' ', scalar(@status), scalar grep { $_ == 304 } @status),
        '100 100', 'one resource a hundred times at once') or diag($out);
    for my $tls (0, 1) {
        my $at = $tls ? "https://127.0.0.1:$port{tls}" : $base;
        ($rc, $out) = run_command('h2load', '-n', 4000, '-c', 2, '-m', 100,
            '-H', "If-None-Match: $tag", "$at/same1.css", "$at/other1.css",
            "$at/missing.css", "$at/same2.css");
        like($out, qr/status codes: 1000 2xx, 2000 3xx, 1000 4xx, 0 5xx/,
            'h2load: 4,000 on two connections, a hundred streams each ('
            . ($tls ? 'TLS' : 'h2c') . ')') or diag($out);
        like($out, qr/, 0 errored, 0 timeout/, 'and none of them cut');
    }
    # What the streams of two hosts on one connection are told.
    my @requests = map { my $host = $_ % 2 ? 'a' : 'main';
        { url => "https://main.example:$port{tls}/page.css?$_",
            to => "127.0.0.1:$port{tls}", fields => [Host => "$host.example",
            'If-None-Match' => join(', ', $tag{'a page.css'},
                $_ % 4 < 2 ? '"x"' : $tag)],
            http2 => undef } } 0 .. 99;
    my @got = (curl_many(\@requests, 100), curl_many(\@requests, 100));
    my @wrong;
    for my $i (0 .. $#got) {
        my $n = $i % 100;
        my $host = $n % 2 ? 'a' : 'main';
        my $want = ($host eq 'a' || $n % 4 >= 2 ? 304 : 200)
            . ' ' . $tag{"$host page.css"};
        my $said = "$got[$i]{status} " . tag_in($got[$i]);
        push @wrong, "request $i to $host.example: $said, not $want"
            if $said ne $want;
    }
    all_right('streams of two hosts on one connection: each is told of its'
        . ' own', @wrong);
}

# Names of the TLS connection, and of the request.
{
    my @requests = map { { url => "https://$_->[0]:$port{tls}/page.css",
        to => "127.0.0.1:$port{tls}", fields => [Host => $_->[1],
            'If-None-Match' => $tag{"$_->[2] page.css"}],
        'http1.1' => undef } } (['main.example', 'main.example', 'main'],
        ['a.example', 'a.example', 'a'], ['main.example', 'main.example',
        'main'], ['a.example', 'a.example', 'main'],
        ['main.example', 'a.example', 'main']);
    my @got = map { curl_many(\@requests) } 1 .. 3;
    is(join(' ', map { $_->{status} } @got[10 .. 14]), '304 304 304 200 200',
        'hosts over TLS: each its own');
}

end_wire();
done_testing();
