# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A proxy that keeps: a 304 of the origin refreshes the copy that it confirms,
# locks and ignored fields do not change what clients are told, and where the
# origin is gone what may be said is said.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Caches;
use Vld::Extra;
use Vld::Test;

# RFC 9111 4.3.4: a 304 brings the copy's fields up to date, and its age;
# the body stays and is not sent again.
sub refreshed
{
    my ($c, $origin, @hosts) = @_;
    my $url = '/fields/fields-big.css';
    my $htaccess = $origin->docs('fields/.htaccess');
    my $rules = sub {
        my $n = shift;
        return spew($htaccess, "Header set Cache-Control max-age=60$n\n"
            . "Header set Content-Security-Policy \"img-src v$n\"\n"
            . "Header always set Access-Control-Allow-Origin http://v$n\n"
            . ($n == 1 ? "Header set X-Frame-Options DENY\n" : ''));
    };
    $rules->(1);
    my %full = map { $_ => ask($c, $_, 'GET', $url) } @hosts;
    $rules->(2);
    # The next second, so that dates tell.
    Time::HiRes::sleep(1.02 - (Time::HiRes::time() - int Time::HiRes::time()));
    for my $host (@hosts) {
        my $what = "chain, $host: refreshed";
        my ($n, $res, @wrong) = (0);
        my $end = time + 6;
        do {
            $res = ask($c, $host, 'GET', $url, 'Cache-Control' => 'max-age=0');
            $n++;
            push @wrong, "request $n: $res->{status} $res->{cache} "
                . length $res->{body} unless $res->{body}
                eq $full{$host}{body} && $res->{cache} eq 'revalidate';
            origin_said($res, '304 0', "$what: nothing is sent again");
            Time::HiRes::sleep(0.02);
        } while ($res->{h}{'cache-control'} ne 'max-age=602' && time < $end);
        all_right("$what: all to who asks", @wrong);
        my $hit = ask($c, $host, 'GET', $url);
        whole($hit, $full{$host}{body}, 'hit', "$what: kept");
        origin_said($hit, 'none', "$what: from the copy");
        my %want = ('cache-control' => 'max-age=602',
            'content-security-policy' => 'img-src v2',
            'access-control-allow-origin' => 'http://v2');
        is($hit->{h}{$_}, $want{$_}, "$what: $_ is the 304's")
            for sort keys %want;
        is($hit->{h}{'x-frame-options'}, 'DENY', "$what: what the 304 has not"
            . ' is as it was');
        is($hit->{h}{$_}, $full{$host}{h}{$_}, "$what: $_ is as it was")
            for qw(etag last-modified content-type content-length);
        isnt($hit->{h}{date}, $full{$host}{h}{date}, "$what: it is younger");
    }
}

# Many at once, of whom one asks the origin.
sub locked
{
    my ($proxy, $host, $body) = @_;
    my $url = '/lock/lock-big.css';
    my $tag;
    for my $ask (undef, 'max-age=0', 'no-cache') {
        my $what = "lock, $host, " . ($ask || 'not yet kept');
        my @clients = map { $proxy->client->connect } 1 .. 8;
        my @tags = map { $_ % 2 ? $tag : undef } 1 .. @clients;
        for my $i (0 .. $#clients) {
            $clients[$i]->send_text($clients[$i]->request_text('GET', $url,
                Host => "$host.test", 'Cache-Control' => $ask,
                'If-None-Match' => $tags[$i]));
        }
        my @got = map { $_->read_response('GET') } @clients;
        my @wrong;
        for my $i (0 .. $#clients) {
            my $res = $got[$i] || { status => 0, body => '', h => {} };
            $tag ||= $res->{h}{etag};
            push @wrong, "client $i, holding " . ($tags[$i] || 'none')
                . ": $res->{status} " . length $res->{body}
                unless $res->{status} == 200 && $res->{body} eq $body
                || $res->{status} == 304 && defined $tags[$i];
        }
        all_right("$what: each gets all, or what it asked for", @wrong);
    }
}

sub ignored
{
    my ($c, $host) = @_;
    my $url = '/fields/fields.css';
    my $full = ask($c, $host, 'GET', $url);
    ok($full->{h}{'set-cookie'} && $full->{h}{'x-each'}, "$host: sent in full"
        . ' with a cookie');
    for my $ask (undef, 'max-age=0', undef) {
        my $res = ask($c, $host, 'GET', $url, 'Cache-Control' => $ask);
        is($res->{body}, $full->{body}, "$host: the copy is whole");
        # What the origin says to a revalidation, its client is told.
        is($res->{h}{'set-cookie'}, undef, "$host: without the cookie")
            unless $ask;
        is($res->{h}{etag}, $full->{h}{etag}, "$host: with its tag");
    }
}

# The origin is gone.
sub before_error
{
    my ($c, $host) = @_;
    return [map { ask($c, $host, 'GET', "/error/error.css?$_") }
        'max-age=600', 'max-age=600,must-revalidate'];
}

sub after_error
{
    my ($c, $host, $full, $must) = @_;
    my $what = "origin gone, $host";
    my $url = '/error/error.css?max-age=600';
    my @ask = ('Cache-Control' => 'max-age=0');
    my $res = ask($c, $host, 'GET', $url);
    whole($res, $full->{body}, 'hit', "$what: fresh: from the copy");
    for my $kind (kinds()) {
        $res = ask($c, $host, 'GET', $url, validators_of($full, $kind));
        is($res->{status}, 304, "$what: fresh: not modified by $kind");
    }
    $res = ask($c, $host, 'GET', $url, @ask);
    whole($res, $full->{body}, 'hit', "$what: stale: from the copy");
    like($res->{h}{warning} || '', qr/^111/, "$what: stale: with a warning");
    is($res->{h}{etag}, $full->{h}{etag}, "$what: stale: under its tag");
    $res = ask($c, $host, 'GET', $url, @ask, validators_of($full, 'tag'));
    ok($res->{status} == 304 || $res->{body} eq $full->{body}, "$what: stale,"
        . ' to who has it: that it is so, or all');
    $res = ask($c, $host, 'GET', "$url,must-revalidate", @ask);
    is($res->{status}, 503, "$what: where it must be asked, an error")
        or diag($must->{status});
    is($res->{h}{etag}, undef, "$what: without a tag");
}

my ($origin, $proxy) = start_chain('cache-proxy');
my $c = $proxy->client;
my @disk = grep { /disk/ } chain_hosts();
refreshed($c, $origin, @disk);
locked($proxy, "lock-$_", slurp($origin->docs('lock/lock-big.css')))
    for qw(disk-q disk-h);
ignored($c, "ignore-$_") for qw(disk-q disk-h);
my %error = map { $_ => before_error($c, $_) } @disk;
is($c->{lost}, 0, 'chain: no connection was lost');
stop_idle($origin);
said_by($origin, 2 * @disk - 1);
after_error($c, $_, @{$error{$_}}) for @disk;
stop_idle($proxy);
done_testing();
