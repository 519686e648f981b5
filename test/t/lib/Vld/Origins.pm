# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites about where a response comes from: files, scripts and links, and
# clients that keep what they were given.  A client's own copy is the only thing
# that it believes.
package Vld::Origins;
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use Time::HiRes ();
use Vld::Test;

our @EXPORT = qw(until_true file_of script_of link_to served_right
    never_instead all_told);

# Poll until the code says true; what it said, or undef after some seconds.
sub until_true
{
    my ($code, $seconds) = @_;
    my $end = now() + ($seconds || 10);
    while (1) {
        my $said = $code->();
        return $said if $said;
        return undef if now() > $end;
        Time::HiRes::sleep(0.03);
    }
}

# A file with a time of its own.
sub file_of
{
    my ($path, $content, $mtime) = @_;
    spew($path, $content);
    stamp($path, $mtime) if $mtime;
    return $path;
}

sub script_of
{
    my ($path, $content) = @_;
    spew($path, $content);
    chmod 0755, $path;
    return $path;
}

# A symbolic link, in one step in place of another.
sub link_to
{
    my ($path, $where) = @_;
    unlink "$path.next";
    symlink $where, "$path.next" or die "$path.next: $!\n";
    rename "$path.next", $path or die "$path: $!\n";
}

# --- tests ------------------------------------------------------------------

# A content is sent with its own tag, is not modified for a client that holds
# it, by whatever it sends, and is for one that holds another.  More: strong
# => 0 (whatever validators it has), fields => the request's.
sub served_right
{
    my ($client, $url, $content, $what, %more) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @fields = @{$more{fields} || []};
    my $full = $client->get($url, @fields);
    Test::More::is("$full->{status} $full->{body}", "200 $content",
        "$what: is served") or Test::More::diag($full->{reason});
    Test::More::is($full->{h}{etag}, tag_of($content),
        "$what: with the tag of its content")
        unless exists $more{strong} && !$more{strong};
    for my $kind (@{$more{kinds} || [kinds()]}) {
        not_modified($client, $url, $full, $kind,
            "$what: is not modified by $kind", @fields);
    }
    my $head = $client->head($url, validators_of($full, 'tag'), @fields);
    Test::More::is("$head->{status} $head->{body}", '304 ',
        "$what: nor for HEAD");
    my $other = $client->get($url, 'If-None-Match' => '"another"', @fields);
    Test::More::is("$other->{status} $other->{body}", "200 $content",
        "$what: is sent to a client that holds another");
    my $failed = $client->get($url, 'If-Match' => '"another"', @fields);
    Test::More::is($failed->{status}, 412,
        "$what: a client that insists on another gets 412");
    return $full;
}

# What is no 200 stays what it is, whatever the client holds, and has no
# validators but those in `may`.
sub never_instead
{
    my ($client, $url, $status, $what, %more) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @fields = @{$more{fields} || []};
    my $plain = $client->get($url, @fields);
    my (%got, %tags);
    for my $held ([], ['If-None-Match' => '*'], ['If-Match' => '"no"'],
        ['If-None-Match' => $more{tag} || $plain->{h}{etag} || '"some"'],
        ['If-Modified-Since' => http_date(time)],
        ['If-Unmodified-Since' => http_date(5)],
        ['Range' => 'bytes=0-1'])
    {
        for my $method (qw(GET HEAD)) {
            my $res = $client->request($method, $url, @$held, @fields);
            $got{$res->{status}}++;
            my $seen = join ' ', grep { defined }
                @{$res->{h}}{qw(etag last-modified)};
            $tags{$seen}++ if $seen ne '';
        }
    }
    Test::More::is(join(' ', sort keys %got), $status,
        "$what: is always $status");
    Test::More::is(join(' ', sort keys %tags), $more{may} || '',
        "$what: says nothing of the resource");
    return $plain;
}

# Each word in the log of a server that has been stopped has its reason in the
# error log, at trace1.
sub all_told
{
    my ($server, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $words = () = slurp($server->log_path) =~ /^\S+ \d+ [a-z\d]/mg;
    my $lines = () = $server->error_log =~ /\[validators:trace1\]/g;
    Test::More::cmp_ok($words, '>', 100, "$what: the log has a word for each"
        . ' request that was dealt with');
    Test::More::is($lines, $words, "$what: and the error log its reason");
}

# --- a client that keeps ----------------------------------------------------

# Holder: keeps the last full response of each URL, and asks with it.  kind:
# by what it asks.
package Vld::Origins::Holder;

sub new
{
    my ($class, $client, $kind, @fields) = @_;
    return bless { client => $client, kind => $kind, fields => \@fields,
        held => {} }, $class;
}

# The content that it has after asking: what it was sent, or what it held
# and was told to keep.  Of an error the status.
sub ask
{
    my ($self, $url) = @_;
    my $held = $self->{held}{$url};
    my @asks = $held ? Vld::Test::validators_of($held, $self->{kind}) : ();
    my $res = $self->{client}->get($url, @asks, @{$self->{fields}});
    $self->{last} = $res->{status};
    $self->{asked} = @asks ? 1 : 0;
    if ($res->{status} == 304) {
        $self->{kept}++;
        # The fields of the answer go over those that are held.
        @{$held->{h}}{keys %{$res->{h}}} = values %{$res->{h}} if $held;
        return $held ? $held->{body} : '304 without a copy';
    }
    return $res->{status} unless $res->{status} == 200;
    $self->{held}{$url} = $res;
    return $res->{body};
}

# Ask afresh until what is held can be asked for by this kind of client.
sub prepare
{
    my ($self, $url) = @_;
    return Vld::Origins::until_true(sub {
        delete $self->{held}{$url};
        $self->ask($url);
        my $held = $self->{held}{$url} or return 1;
        return scalar(Vld::Test::validators_of($held, $self->{kind}));
    }, 3);
}

# --- a client of an address -------------------------------------------------

package Vld::Origins::At;
our @ISA = ('Vld::Http');

sub new
{
    my ($class, $address, $port) = @_;
    my $self = Vld::Http::new($class, port => $port);
    $self->{address} = $address;
    return $self;
}

sub connect
{
    my $self = shift;
    $self->close;
    $self->{sock} = IO::Socket::INET->new(PeerAddr => $self->{address},
        PeerPort => $self->{port}, Proto => 'tcp', Timeout => 10)
        or die "connect to $self->{address}: $!\n";
    binmode $self->{sock};
    @$self{qw(buf eof)} = ('', 0);
    return $self;
}

1;
