# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Connections that end in the middle: clients that go away do the next no harm,
# and a server that is told to stop finishes what it has begun.
use strict;
use warnings;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes ();
use Vld::Test;
use Vld::Wire;

my $server = start_wire('wire-cut');
my $tag = $tag{'main page.css'};
my $text = content('main', 'page.css');
my $big = content('main', 'big.css');

{
    local $SIG{PIPE} = 'IGNORE';
    my $cut = sub {
        my ($mode, $send, $read, $reset) = @_;
        my $c = on($mode);
        $c->connect;
        $c->send_text($send);
        sysread $c->{sock}, my $some, $read if $read;
        setsockopt $c->{sock}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $reset;
        $c->close;
    };
    for my $mode (@modes) {
        my $c = on($mode);
        my $huge = $c->request_text('GET', '/huge.bin');
        my $parts = $c->request_text('GET', '/huge.bin', Range =>
            'bytes=0-3000000,1000-4000000');
        my $same = $c->request_text('GET', '/page.css',
            'If-None-Match' => $tag);
        for my $reset (0, 1) {
            for (1 .. 5) {
                $cut->($mode, $huge, 1, $reset);
                $cut->($mode, $huge, 300_000, $reset);
                $cut->($mode, $parts, 1, $reset);
                $cut->($mode, $same x 40, 0, $reset);
                $cut->($mode, $same x 40, 1, $reset);
                $cut->($mode, substr($same, 0, length($same) - 2), 0,
                    $reset);
                $cut->($mode, $same . substr($huge, 0, 9), 0, $reset);
                $cut->($mode, "GET /page.css HTTP/1.1\r\nHost: main.example"
                    . "\r\nIf-None-Match: $tag\r\nContent-Length: 90\r\n\r\n",
                    0, $reset);
            }
        }
        my @after = map { $_->{status} . length $_->{body} }
            $c->get('/page.css'), $c->get('/page.css', 'If-None-Match' =>
                $tag), $c->get('/big.css');
        is("@after", join(' ', 200 . length $text, '3040',
            200 . length $big), "after eighty clients that went away in the"
            . " middle all is answered ($mode)");
    }
}

# A stop that lets requests end: those under way are sent whole.
{
    my $huge = content('main', 'big') x 150;
    my @clients;
    for my $mode (@modes, @modes) {
        my $c = on($mode);
        $c->connect;
        setsockopt $c->{sock}, SOL_SOCKET, Socket::SO_RCVBUF(), 16384;
        $c->send_text($c->request_text('GET', '/page.css', 'If-None-Match' =>
            $tag) . $c->request_text('GET', '/huge.bin'));
        my $res = $c->read_response('GET');
        push @clients, [$c, $res ? $res->{status} : 0];
        # The large one has begun.
        $c->fill while length $c->{buf} < 1000;
    }
    kill 'WINCH', $server->{pid};
    my @got = map {
        my ($c, $first) = @$_;
        my $res = $c->read_response('GET');
        $first . ' ' . ($res && $res->{status} == 200
            && $res->{body} eq $huge ? 'whole' : 'cut');
    } @clients;
    is(join(', ', @got), join(', ', ('304 whole') x 4),
        'a graceful stop in the middle: what was under way is sent whole');
    $_->[0]->close for @clients;
    my $ended = 0;
    for (1 .. 150) {
        last if $ended = !$server->alive;
        Time::HiRes::sleep(0.1);
    }
    ok($ended, 'and then the server ends');
}

end_wire();
done_testing();
