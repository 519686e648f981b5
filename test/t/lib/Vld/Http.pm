# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A small HTTP/1.1 client on raw sockets: sends what it is told octet by
# octet, keeps the connection, pipelines, and hands back every field line.
# It never follows, retries, decodes or corrects anything.
package Vld::Http;
use strict;
use warnings;
use IO::Socket::INET ();
use Socket qw(IPPROTO_TCP TCP_NODELAY SO_RCVBUF);

sub new
{
    my ($class, %opt) = @_;
    my $self = bless {
        port => $opt{port},
        host => $opt{host} || '127.0.0.1',
        timeout => $opt{timeout} || 30,
        slow => $opt{slow}, # seconds to wait before each read
        from => $opt{from}, # the address to come from
        buf => '',
        lost => 0, # times a kept connection was found closed and replaced
    }, $class;
    return $self;
}

sub connect
{
    my $self = shift;
    $self->close;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}, Proto => 'tcp', Timeout => 10,
        $self->{from} ? (LocalAddr => $self->{from}) : (),
        $self->{slow} ? (Sockopts => [[SO_RCVBUF, 16384]]) : ())
        or die "connect to port $self->{port}: $!\n";
    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
    binmode $s;
    $self->{sock} = $s;
    $self->{buf} = '';
    $self->{eof} = 0;
    return $self;
}

sub close
{
    my $self = shift;
    close delete $self->{sock} if $self->{sock};
}

# Whether the server has closed the connection.
sub is_closed
{
    my $self = shift;
    my $s = $self->{sock} or return 1;
    return 1 if $self->{eof};
    my $rin = '';
    vec($rin, fileno($s), 1) = 1;
    return 0 unless select($rin, undef, undef, 0.3);
    my $n = sysread($s, my $more, 65536);
    return 1 unless $n;
    $self->{buf} .= $more;
    return 0;
}

# The octets of a request.  Fields in the order given; undef leaves one out;
# a reference to an array sends several lines.
sub request_text
{
    my ($self, $method, $target, @fields) = @_;
    my $text = "$method $target HTTP/1.1\r\n";
    my ($host, $body) = ($self->{host});
    my $lines = '';
    while (my ($name, $value) = splice @fields, 0, 2) {
        next unless defined $value;
        if ($name eq ':body') {
            $body = $value;
            $lines .= 'Content-Length: ' . length($value) . "\r\n";
            next;
        }
        $host = undef, next if $name eq ':nohost';
        $host = undef if lc $name eq 'host';
        $lines .= "$name: $_\r\n" for ref $value ? @$value : $value;
    }
    $text .= "Host: $host\r\n" if defined $host;
    return $text . $lines . "\r\n" . (defined $body ? $body : '');
}

sub send_text
{
    my ($self, $text) = @_;
    my ($s, $off) = ($self->{sock}, 0);
    local $SIG{PIPE} = 'IGNORE';
    while ($off < length $text) {
        my $n = syswrite($s, $text, length($text) - $off, $off);
        return 0 unless defined $n;
        $off += $n;
    }
    return 1;
}

sub fill
{
    my $self = shift;
    my $s = $self->{sock} or return 0;
    my $rin = '';
    vec($rin, fileno($s), 1) = 1;
    unless (select($rin, undef, undef, $self->{timeout})) {
        $self->{error} = 'timed out';
        return 0;
    }
    select undef, undef, undef, $self->{slow} if $self->{slow};
    my $n = sysread($s, $self->{buf}, $self->{slow} ? 65536 : 262144,
        length $self->{buf});
    unless ($n) {
        $self->{eof} = 1;
        $self->{error} = 'connection closed';
        return 0;
    }
    return 1;
}

# The next response, for a request of that method; undef when none came whole.
sub read_response
{
    my ($self, $method) = @_;
    my $res;
    do {
        my $end;
        while (($end = index($self->{buf}, "\r\n\r\n")) < 0) {
            $self->fill or return undef;
        }
        my $head = substr($self->{buf}, 0, $end + 4, '');
        $res = parse_head($head) or return undef;
    } while ($res->{status} < 200);
    return $self->read_body($res, $method) ? $res : undef;
}

sub parse_head
{
    my $head = shift;
    $head =~ s{^HTTP/(\d\.\d) (\d\d\d) ?([^\r]*)\r\n}{} or return undef;
    my %res = (version => $1, status => $2, reason => $3, body => '');
    my (%h, @lines);
    while ($head =~ /([^:\r\n]+):[ \t]*([^\r\n]*)\r\n/g) {
        my ($name, $value) = (lc $1, $2);
        push @lines, [$name, $value];
        $h{$name} = defined $h{$name} ? "$h{$name}, $value" : $value;
    }
    $res{h} = \%h;
    $res{lines} = \@lines;
    return \%res;
}

sub read_body
{
    my ($self, $res, $method) = @_;
    my $h = $res->{h};
    $res->{complete} = 1;
    return 1 if $method eq 'HEAD' or $res->{status} == 304
        or $res->{status} == 204;
    if (lc($h->{'transfer-encoding'} || '') eq 'chunked') {
        return $self->read_chunks($res);
    }
    if (defined $h->{'content-length'}) {
        my $need = $h->{'content-length'};
        while (length($self->{buf}) < $need) {
            next if $self->fill;
            $res->{body} = $self->{buf};
            $res->{complete} = 0;
            return 0;
        }
        $res->{body} = substr($self->{buf}, 0, $need, '');
        return 1;
    }
    1 while $self->fill;
    $res->{body} = $self->{buf};
    $self->{buf} = '';
    return 1;
}

sub read_chunks
{
    my ($self, $res) = @_;
    while (1) {
        my $end;
        while (($end = index($self->{buf}, "\r\n")) < 0) {
            $self->fill or return $res->{complete} = 0;
        }
        my $size = hex(substr($self->{buf}, 0, $end));
        while (length($self->{buf}) < $end + 2 + $size + 2) {
            $self->fill or return $res->{complete} = 0;
        }
        $res->{body} .= substr($self->{buf}, $end + 2, $size);
        substr($self->{buf}, 0, $end + 2 + $size + 2, '');
        return 1 if $size == 0;
    }
}

# One request on the kept connection (a new one where there is none).
sub request
{
    my ($self, $method, $target, @fields) = @_;
    return $self->exchange($method,
        $self->request_text($method, $target, @fields));
}

sub exchange
{
    my ($self, $method, $text) = @_;
    for my $try (1, 2) {
        my $fresh = !$self->{sock} || $self->{eof};
        $self->connect if $fresh;
        if ($self->send_text($text)) {
            my $res = $self->read_response($method);
            if ($res) {
                $self->close
                    if lc($res->{h}{connection} || '') =~ /\bclose\b/
                    or $res->{version} eq '1.0';
                return $res;
            }
        }
        my $mute = $self->{buf} eq '' && $self->{eof};
        $self->close;
        last if $fresh or !$mute;
        $self->{lost}++;
    }
    return { status => 0, reason => $self->{error} || 'no response',
        h => {}, lines => [], body => '', complete => 0 };
}

sub get { my $self = shift; return $self->request('GET', @_) }
sub head { my $self = shift; return $self->request('HEAD', @_) }

# Send many requests, `depth` at a time, on one connection; `next` gives
# [method, text] or nothing, `got` is called with each response in order.
sub pipeline
{
    my ($self, $next, $got, $depth) = @_;
    $depth ||= 50;
    my @waiting;
    $self->connect;
    my $more = 1;
    while (1) {
        my $out = '';
        while ($more && @waiting < $depth) {
            my $req = $next->() or do { $more = 0; last };
            push @waiting, $req;
            $out .= $req->[1];
        }
        $self->send_text($out) if $out ne '';
        last unless @waiting;
        my $take = $more ? int(@waiting / 2) || 1 : scalar @waiting;
        for (1 .. $take) {
            my $req = $waiting[0];
            my $res = $self->read_response($req->[0]);
            if (!$res) {
                $self->{lost}++;
                $self->connect;
                $self->send_text($_->[1]) for @waiting;
                $res = $self->read_response($req->[0]) or return 0;
            }
            shift @waiting;
            $got->($req, $res);
            if (lc($res->{h}{connection} || '') =~ /\bclose\b/ and @waiting) {
                $self->connect;
                $self->send_text($_->[1]) for @waiting;
            }
        }
    }
    $self->close;
    return 1;
}

1;
