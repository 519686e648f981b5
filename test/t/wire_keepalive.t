# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Pipelines and kept connections: each request has its own answer, whatever
# came before it, and no content of a request is taken for another request.
use strict;
use warnings;
use Test::More;
use Vld::Test;
use Vld::Wire;

start_wire('wire-keepalive');
my $tag = $tag{'main page.css'};
my $big = content('main', 'big.css');
my @mixture = mixture();

# A request in words.
sub named
{
    my ($status, $method, $target, @fields) = @{$_[0]};
    $_ = length $_ > 40 ? substr($_, 0, 40) . '...' : $_ for @fields;
    return "$method $target (@fields), $status";
}

sub lost_by
{
    my $c = shift;
    return $c->{lost} ? "$c->{lost} connections were lost" : ();
}

for my $mode (@modes) {
    srand 7;
    my @order = map { $mixture[rand @mixture] } 1 .. 1200;
    my ($i, $got, @wrong) = (0, 0);
    my $c = on($mode);
    $c->pipeline(sub {
        my $req = $order[$i++] or return undef;
        my ($status, $method, $target, @fields) = @$req;
        return [$method, $c->request_text($method, $target, @fields), $req];
    }, sub {
        my ($sent, $res) = @_;
        $got++;
        push @wrong, "answer $got: $res->{status} for " . named($sent->[2])
            unless is_right($sent->[2], $res);
    }, 100);
    push @wrong, "$got answers" if $got != 1200;
    all_right("1,200 requests of every kind, a hundred in a pipeline ($mode)",
        @wrong, lost_by($c));
    # After each kind every other one, in turn, on one connection.
    $c = on($mode);
    @wrong = ();
    for my $first (@mixture) {
        for my $second (@mixture) {
            for my $req ($first, $second) {
                my ($status, $method, $target, @fields) = @$req;
                my $res = $c->request($method, $target, @fields);
                push @wrong, named($first) . ', then ' . named($second)
                    . ": $res->{status} for " . named($req)
                    unless is_right($req, $res);
            }
        }
    }
    all_right("each kind of answer follows each on a kept connection ($mode)",
        @wrong, lost_by($c));
    # HTTP/1.0, kept or not.
    for my $keep (0, 1) {
        my ($closed, @bad) = (0);
        $c = on($mode);
        for my $req (grep { $_->[2] !~ /moved/ } @mixture) {
            my ($status, $method, $target, @fields) = @$req;
            $c->connect if !$c->{sock} || $closed;
            my $line = $c->request_text($method, $target,
                $keep ? (Connection => 'keep-alive') : (), @fields);
            $line =~ s{HTTP/1\.1\r\n}{HTTP/1.0\r\n};
            $line =~ s{Host: [^\r]*\r\n}{};
            $c->send_text($line);
            my $res = $c->read_response($method) || { status => 0 };
            $closed = lc($res->{h}{connection} || '') !~ /\bkeep-alive\b/;
            # After some errors the connection is closed all the same.
            push @bad, named($req) . ": $res->{status}, "
                . ($closed ? 'closed' : 'kept')
                unless is_right($req, $res)
                && ($closed eq !$keep || $keep && $status >= 400);
            push @bad, named($req) . ': still open' if $closed && !$c->is_closed;
        }
        all_right('HTTP/1.0 without Host, '
            . ($keep ? 'kept open' : 'closed each time') . " ($mode)", @bad);
    }
}

# Content of a request that nobody reads.
for my $mode (@modes) {
    my $c = on($mode);
    my $chunked = "5\r\nGET /\r\n12\r\n HTTP/1.1\r\nHost: a\r\n0\r\n"
        . "Trailer: x\r\n\r\n";
    my @wrong;
    for my $size (0, 1, 8000, 70_000, 900_000) {
        for my $case ([304, 'GET', "If-None-Match: $tag"],
            [304, 'HEAD', "If-None-Match: $tag"],
            [412, 'GET', 'If-Match: "no"'], [200, 'GET', 'X: y'],
            [206, 'GET', 'Range: bytes=0-1'])
        {
            my ($status, $method, $field) = @$case;
            my $line = "$method /page.css HTTP/1.1\r\n"
                . "Host: main.example\r\n$field\r\n";
            for my $body ("Content-Length: $size\r\n\r\n" . 'G' x $size,
                "Transfer-Encoding: chunked\r\n\r\n"
                . sprintf("%x\r\n%s\r\n", $size + 1, 'x' x ($size + 1))
                . $chunked)
            {
                my $what = "$method, $field, $size octets, "
                    . ($body =~ /^C/ ? 'of a length' : 'in chunks');
                my $res = $c->exchange($method, $line . $body);
                push @wrong, "$what: $res->{status}, not $status"
                    unless $res->{status} == $status;
                $res = $c->get('/big.css');
                push @wrong, "$what: then $res->{status}"
                    unless $res->{status} == 200 && $res->{body} eq $big;
            }
        }
    }
    all_right('content that nobody reads is not taken for a request, and does'
        . " not cost the connection ($mode)", @wrong, lost_by($c));
}

# Expect: the statuses in order, and whether the connection is kept.
sub expecting
{
    my ($where, $line, $body) = @_;
    my $c = on($where);
    $c->connect;
    my ($method) = $line =~ /^(\w+)/;
    $c->send_text("$line\r\nHost: main.example\r\nExpect: 100-continue\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n");
    my (@seen, $res);
    while (1) {
        while ($c->{buf} !~ /\r\n\r\n/) {
            $c->fill or last;
        }
        last unless $c->{buf} =~ s{^HTTP/1\.1 (1\d\d)[^\r]*\r\n\r\n}{};
        push @seen, $1;
        $c->send_text($body);
    }
    $res = $c->read_response($method) || { status => 0 };
    push @seen, $res->{status};
    $c->send_text($c->request_text('GET', '/missing.css'));
    $res = $c->read_response('GET');
    push @seen, $res ? "and then $res->{status}" : 'and then the end';
    return "@seen";
}

for my $case (['GET /page.css HTTP/1.1'], ['HEAD /page.css HTTP/1.1'],
    ["GET /page.css HTTP/1.1\r\nIf-None-Match: *"],
    ["HEAD /page.css HTTP/1.1\r\nIf-None-Match: *"],
    ['GET /missing.css HTTP/1.1'], ['PUT /page.css HTTP/1.1'],
    ["PUT /page.css HTTP/1.1\r\nIf-Match: \"no\""],
    ["GET /page.css HTTP/1.1\r\nIf-Match: \"no\""],
    ['POST /missing.css HTTP/1.1'])
{
    my $line = $case->[0];
    my $stock = expecting('stock', $line, 'content');
    is_deeply([map { expecting($_, $line, 'content') } @modes],
        [$stock, $stock], 'Expect: 100-continue: ' . ($line =~ s/\r\n/, /gr)
        . ": $stock, as on stock httpd");
}
for my $mode (@modes) {
    like(expecting($mode, "GET /page.css HTTP/1.1\r\nIf-None-Match: $tag",
        'content'), qr/\b304 /, "Expect: 100-continue with the tag: not"
        . " modified ($mode)");
}

end_wire();
done_testing();
