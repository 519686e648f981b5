# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What the suites share that are about modules around a response: a private
# server, one representation tried from all sides.  Has no opinion on which
# representation is right.
package Vld::Around;
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use Vld::Http ();
use Vld::Server ();
use Vld::Test;

our @EXPORT = qw(with_suffix start_around scan_around represented decoded
    note_from twice cpu_seconds difference);

sub with_suffix
{
    my ($tag, $suffix) = @_;
    return $suffix eq '' ? $tag : $tag =~ s/"\z/-$suffix"/r;
}

# A private server with the engine on, quick handler off, its files as given:
# path => content.  The server finds them in the index when it starts, except
# those in the folders that {unindexed} names.
sub start_around
{
    my ($name, $files, $conf, %opt) = @_;
    my %left_out = map { $_ => 1 } @{delete $opt{unindexed} || []};
    my $server = Vld::Server->start(name => $name, prepare => sub {
        my $s = shift;
        my %folder;
        for my $path (sort keys %$files) {
            spew($s->docs($path), $files->{$path});
            stamp($s->docs($path), 1_510_000_000);
            $folder{$path =~ s{/.*}{}r} = 1;
        }
        my @indexed = grep { !$left_out{$_} } sort keys %folder;
        scan_around($s, @indexed) || die "the files are not indexed\n"
            if @indexed;
    }, conf => sub {
        my $docs = $_[0]->docs;
        my $more = ref $conf ? $conf->($_[0]) : $conf;
        return <<"END" . $more;
<IfModule mod_validators.c>
    LogLevel validators:trace2
    ValidatorsEngine On
    ValidatorsAnswerTTL 600
</IfModule>
<Directory "$docs">
    Require all granted
</Directory>
END
    }, %opt);
    return $server;
}

sub scan_around
{
    my ($server, @paths) = @_;
    return scan_of($server, map { $server->docs($_) } @paths);
}

# The octets of a body without its content coding; undef where they are none
# of that coding's.
sub decoded
{
    my $res = shift;
    my $coding = $res->{h}{'content-encoding'} || '';
    return $res->{body} if $coding eq '';
    return gunzip($res->{body}) if $coding =~ /^(?:x-)?gzip\z/;
    return unbrotli($res->{body}) if $coding eq 'br';
    return undef;
}

my $scratch = 0;

sub unbrotli
{
    my $path = spew(top() . "/logs/around-$$-" . ++$scratch . '.br', shift);
    my ($rc, $out) = run_command('brotli', '-d', '-c', $path);
    unlink $path;
    return $rc == 0 ? $out : undef;
}

# The same request twice, the second's note among its result as {note}.
sub twice
{
    my ($server, $client, $method, $url, @fields) = @_;
    my ($id, $res);
    for (1 .. 2) {
        $id = new_id();
        $res = $client->request($method, $url, @fields, 'X-Id' => $id);
    }
    $res->{note} = note_from($server, $id);
    return $res;
}

sub note_from
{
    my ($server, $id) = @_;
    my $note = note_of($id, $server->log_path);
    return defined $note ? $note : 'not logged';
}

my @described = qw(etag last-modified vary content-encoding content-type
    content-language content-location cache-control tcn);

# Which of these fields two responses do not have alike.
sub difference
{
    my ($a, $b, @names) = @_;
    my @wrong;
    for my $name (@names ? @names : @described) {
        my ($x, $y) = map { defined $_->{h}{$name} ? $_->{h}{$name} : 'none' }
            $a, $b;
        push @wrong, "$name: [$x], [$y]" if $x ne $y;
    }
    return join '; ', @wrong;
}

# Tests: what a client gets that sends these fields.  want: body (decoded),
# coding, tag (undef: none; a pattern is matched), kinds of clients that have
# something to send, more fields that the 304 has as the 200.  Returns the
# 200.
sub represented
{
    my ($client, $url, $fields, $want, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $full = $client->get($url, @$fields);
    Test::More::is("$full->{status} " . ($full->{h}{'content-encoding'} || ''),
        '200 ' . $want->{coding}, "$what: sent in its coding");
    my $body = decoded($full);
    Test::More::ok(defined $body && $body eq $want->{body},
        "$what: with its own content") or Test::More::diag(length
        $full->{body});
    tagged($full, $want->{tag}, $what);
    my $head = $client->head($url, @$fields);
    Test::More::is("$head->{status} " . difference($full, $head), '200 ',
        "$what: HEAD says the same");
    for my $kind ($want->{kinds} ? @{$want->{kinds}} : kinds()) {
        not_modified_again($client, $url, $full, $kind, $what, @$fields);
    }
    return $full;
}

sub tagged
{
    my ($full, $want, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $name = "$what: and with its own tag";
    ref $want ? Test::More::like(tag_in($full), $want, $name)
        : Test::More::is(tag_in($full), defined $want ? $want : 'none', $name);
}

# GET and HEAD are answered alike by 304, with what the 200 says.
sub not_modified_again
{
    my ($client, $url, $full, $kind, $what, @fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @held = validators_of($full, $kind);
    unless (@held) {
        return Test::More::fail("$what: has no $kind to send");
    }
    my @wrong;
    for my $method (qw(GET HEAD)) {
        my $res = $client->request($method, $url, @held, @fields);
        my $other = $res->{status} == 304 ? same_fields($full, $res, 'tcn')
            : $res->{status};
        push @wrong, "$method: $other" if $other ne '';
        push @wrong, "$method: Content-Encoding" if $res->{status} == 304
            && defined $res->{h}{'content-encoding'};
    }
    all_right("$what: not modified by $kind", @wrong);
}

# CPU time that the children of a server have used so far, all threads.
sub cpu_seconds
{
    my $server = shift;
    my $sum = 0;
    for my $pid (children_of($server->{pid})) {
        open my $fh, '<', "/proc/$pid/stat" or next;
        my $line = <$fh>;
        next unless defined $line && $line =~ /\) (.*)/;
        my @field = split ' ', $1;
        $sum += $field[11] + $field[12];
    }
    return $sum / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

1;
