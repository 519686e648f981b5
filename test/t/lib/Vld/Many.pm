# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites that ask for many things of servers of their own: requests by
# curl in one process (HTTP/2, TLS, certificates), notes of the access log
# all at once, tests that are kept until the log is read.
package Vld::Many;
use strict;
use warnings;
use Exporter 'import';
use File::Path ();
use Time::HiRes ();
use Vld::Test ();

our @EXPORT = qw(curl_many engine notes_of h2_here);

# Lines of configuration that httpd without the module passes over.
sub engine { return "<IfModule mod_validators.c>\n$_[0]\n</IfModule>\n" }

# mod_http2 does nothing under prefork.
sub h2_here { return Vld::Test::mpm() ne 'prefork' }

my $runs = 0;

sub quoted
{
    my $value = shift;
    $value =~ s/([\\"])/\\$1/g;
    return qq("$value");
}

# Requests: { url, method, fields (a list), from (an address), to (address and
# port in place of the URL's), and options by curl's own long names }.  With
# `parallel` as the second argument as many as that at once, over as few
# connections as curl can.  Answers are like those of Vld::Http, with `version`
# and curl's own exit status `rc`.
sub curl_many
{
    my ($requests, $parallel) = @_;
    my $dir = Vld::Test::top() . '/logs/curl-' . $$ . '-' . ++$runs;
    File::Path::make_path($dir);
    my @text;
    for my $i (0 .. $#$requests) {
        my %req = %{$requests->[$i]};
        my @fields = @{delete $req{fields} || []};
        apart(\%req, \@fields, $i) if exists $req{'http2-prior-knowledge'};
        my @lines = ('silent', 'insecure', 'path-as-is', 'max-time = 30',
            'url = ' . quoted(delete $req{url}),
            "output = \"$dir/$i.body\"", "dump-header = \"$dir/$i.head\"",
            "write-out = \"$i %{http_code} %{http_version} %{exitcode}"
            . ' %{local_port}\n"');
        my $method = delete $req{method} || 'GET';
        push @lines, $method eq 'HEAD' ? 'head' : "request = $method"
            if $method ne 'GET';
        push @lines, 'interface = ' . delete $req{from} if $req{from};
        push @lines, 'connect-to = "::' . delete($req{to}) . '"' if $req{to};
        while (my ($name, $value) = splice @fields, 0, 2) {
            push @lines, 'header = ' . quoted("$name: $value");
        }
        for my $name (sort keys %req) {
            push @lines, defined $req{$name} ? "$name = " . quoted($req{$name})
                : $name;
        }
        push @text, join '', map { "$_\n" } @lines;
    }
    Vld::Test::spew("$dir/config", join "next\n", @text);
    my ($rc, $out) = Vld::Test::run_command('curl', '-q', $parallel
        ? ('-Z', '--parallel-max', $parallel) : (), '-K', "$dir/config");
    my @got = map { { status => 0, version => '', rc => -1, h => {},
        lines => [], body => '' } } @$requests;
    while ($out =~ /^(\d+) (\d+) ([\d.]+) (\d+) (\d+)$/mg) {
        $got[$1] = read_answer("$dir/$1", status => $2 + 0, version => $3,
            rc => $4, port => $5);
        # curl prints the header in its place.
        $got[$1]{body} = '' if ($requests->[$1]{method} || '') eq 'HEAD';
    }
    File::Path::remove_tree($dir);
    return @got;
}

# curl 7.88 loses what it asks for next on a connection that was HTTP/2 from
# its beginning: one for each.
sub apart
{
    my ($req, $fields, $i) = @_;
    my ($authority) = $req->{url} =~ m{^http://([^/]+)};
    $req->{url} =~ s{^http://[^/:]+}{http://stream$i.invalid};
    $req->{to} ||= $authority;
    push @$fields, Host => $authority unless grep { $_ eq 'Host' } @$fields;
}

sub read_answer
{
    my ($base, %res) = @_;
    my $head = -e "$base.head" ? (split /(?<=\r\n\r\n)/,
        Vld::Test::slurp("$base.head"))[-1] : undef;
    my (%h, @lines);
    if (defined $head) {
        while ($head =~ /^([^:\r\n]+):[ \t]*([^\r\n]*)\r\n/mg) {
            my ($name, $value) = (lc $1, $2);
            push @lines, [$name, $value];
            $h{$name} = defined $h{$name} ? "$h{$name}, $value" : $value;
        }
    }
    return { %res, h => \%h, lines => \@lines,
        body => -e "$base.body" ? Vld::Test::slurp("$base.body") : '' };
}

# The notes in a server's log by identifier, once those wanted are there.
sub notes_of
{
    my ($log, @want) = @_;
    my %note;
    for (1 .. 150) {
        my $text = -e $log ? Vld::Test::slurp($log) : '';
        %note = $text =~ /^(\S+) \d+ (\S+) .*\n/mg;
        return \%note unless grep { !defined $note{$_} } @want;
        Time::HiRes::sleep(0.04);
    }
    return \%note;
}

1;
