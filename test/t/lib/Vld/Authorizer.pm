# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A FastCGI authorizer for mod_authnz_fcgi: lets a request pass whose user is
# `friend` (and whose password is that, where it is asked for one), or which
# has the field X-Friend.  A process of its own, ended with the suite.
package Vld::Authorizer;
use strict;
use warnings;
use IO::Socket::INET ();
use POSIX ();

my %running;

# The port on which it listens.
sub start
{
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => 0, Proto => 'tcp', Listen => 50)
        or die "authorizer: $!\n";
    my $port = $listen->sockport;
    my $parent = $$;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        local $SIG{PIPE} = 'IGNORE';
        while (getppid() == $parent) {
            my $rin = '';
            vec($rin, fileno $listen, 1) = 1;
            next unless select $rin, undef, undef, 0.5;
            my $s = $listen->accept or next;
            answer($s);
            close $s;
        }
        POSIX::_exit(0);
    }
    $running{$pid} = $$;
    return $port;
}

sub octets
{
    my ($s, $n) = @_;
    my $got = '';
    while (length $got < $n) {
        sysread $s, $got, $n - length $got, length $got or return undef;
    }
    return $got;
}

# A record: its type, its content.
sub record
{
    my $s = shift;
    my $head = octets($s, 8);
    return unless defined $head;
    my ($type, $length, $padding) = (unpack 'CCnnCC', $head)[1, 3, 4];
    my $content = $length ? octets($s, $length) : '';
    octets($s, $padding) if $padding;
    return ($type, $content);
}

sub pairs
{
    my ($text, %pair) = @_;
    my $length = sub {
        my $n = unpack 'C', $text;
        $n = $n < 128 ? unpack 'C', substr $text, 0, 1, ''
            : (unpack 'N', substr $text, 0, 4, '') & 0x7fffffff;
        return $n;
    };
    while (length $text) {
        my ($name, $value) = ($length->(), $length->());
        $name = substr $text, 0, $name, '';
        $pair{$name} = substr $text, 0, $value, '';
    }
    return %pair;
}

sub answer
{
    my $s = shift;
    my $params = '';
    while (my ($type, $content) = record($s)) {
        next unless $type == 4;
        last if $content eq '';
        $params .= $content;
    }
    my %env = pairs($params);
    my $user = $env{REMOTE_USER} || '';
    my $good = ($env{HTTP_X_FRIEND} || '') eq 'yes' || $user eq 'friend'
        && (!defined $env{REMOTE_PASSWD} || $env{REMOTE_PASSWD} eq 'friend');
    my $out = 'Status: ' . ($good ? '200 OK' : '401 Unauthorized')
        . "\r\n\r\n";
    syswrite $s, pack('CCnnCC', 1, 6, 1, length $out, 0, 0) . $out
        . pack('CCnnCC', 1, 6, 1, 0, 0, 0)
        . pack('CCnnCC', 1, 3, 1, 8, 0, 0) . pack('NCCCC', 0, 0, 0, 0, 0);
}

END {
    local $?;
    for my $pid (grep { $running{$_} == $$ } keys %running) {
        kill 'TERM', $pid;
        waitpid $pid, 0;
    }
}

1;
