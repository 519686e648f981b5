# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Content codings and mod_cache, on the server that attaches the validators and
# on a proxy before it: each coding is kept under its own tag, and no tag of one
# is taken for another's.
use strict;
use warnings;
use Test::More;
use Vld::Caches;
use Vld::Extra;
use Vld::Test;

# Variants by content coding.
sub codings
{
    my ($c, $host, $path, $url, %how) = @_;
    my $what = "$how{what}, $host $url";
    my $body = slurp($path);
    my %full;
    for my $coding (qw(gzip identity)) {
        my @accept = ('Accept-Encoding' => $coding);
        my $whole = sub {
            my ($res, $name) = @_;
            my $got = ($res->{h}{'content-encoding'} || '') eq 'gzip'
                ? gunzip($res->{body}) : $res->{body};
            is("$res->{status} " . (($res->{h}{'content-encoding'}
                || 'identity') eq $coding) . ($got eq $body), '200 11',
                "$what: $coding: $name");
        };
        my $full = $full{$coding} = ask($c, $host, 'GET', $url, @accept);
        $whole->($full, 'in its coding');
        like($full->{h}{vary} || '', qr/Accept-Encoding/,
            "$what: $coding: varies");
        $whole->(ask($c, $host, 'GET', $url, @accept), 'again');
        for my $ask (undef, 'max-age=0') {
            my @more = (@accept, 'Cache-Control' => $ask);
            my $how = $ask || 'fresh';
            $whole->(ask($c, $host, 'GET', $url, @more), "$how, all");
            # As in kept(); but on one server mod_cache_socache is not worse
            # for this module.
            $whole->(ask($c, $host, 'GET', $url, @accept), "after $how, all")
                unless $how{far} && $host =~ /shm/;
            for my $kind (kinds()) {
                my $res = ask($c, $host, 'GET', $url, @more,
                    validators_of($full, $kind));
                is($res->{status}, 304, "$what: $coding: $how, by $kind")
                    or diag(explain($res->{h}));
                is(same_fields($full, $res), '', "$what: $coding: $how, by"
                    . " $kind, as the 200 says");
            }
        }
    }
    isnt($full{gzip}{h}{etag}, $full{identity}{h}{etag},
        "$what: each coding has its tag");
    for my $coding (qw(gzip identity)) {
        my ($other) = grep { $_ ne $coding } keys %full;
        for my $ask (undef, 'max-age=0') {
            my $res = ask($c, $host, 'GET', $url, 'Accept-Encoding' => $coding,
                'Cache-Control' => $ask, validators_of($full{$other}, 'tag'));
            is($res->{status}, 200, "$what: $other\'s tag is not $coding\'s, "
                . ($ask || 'fresh'));
        }
    }
}

# The filter CACHE marks where copies are made: here before they are
# compressed, and each coding is made of the one copy.
sub marker
{
    my ($c, $path) = @_;
    my ($url, $body, %full) = ('/coded/page-big.css', slurp($path));
    my @hits = qw(miss hit);
    for my $coding (qw(identity gzip)) {
        my @accept = ('Accept-Encoding' => $coding);
        my $full = $full{$coding} = ask($c, 'mark-h', 'GET', $url, @accept);
        my $got = $coding eq 'gzip' ? gunzip($full->{body}) : $full->{body};
        is("$full->{cache} " . ($got eq $body), shift(@hits) . ' 1',
            "marker: $coding: made of one copy");
        ok(strong($full->{h}{etag}), "marker: $coding: under a strong tag");
        not_modified($c, $url, $full, $_, "marker: $coding: not modified by"
            . " $_", @accept, Host => 'mark-h.test') for kinds();
        my $res = ask($c, 'mark-h', 'GET', $url, @accept,
            'Cache-Control' => 'no-store');
        is($res->{h}{etag}, $full->{h}{etag}, "marker: $coding: no-store: has"
            . ' the same tag');
    }
    isnt($full{gzip}{h}{etag}, $full{identity}{h}{etag},
        'marker: each coding has its tag');
}

sub one_server
{
    my $server = start_one('cache-codings');
    my $c = $server->client;
    for my $host (cache_hosts()) {
        codings($c, $host, $server->docs($host, 'coded', $_), "/coded/$_",
            what => 'one server') for qw(page.css page-big.css);
    }
    marker($c, $server->docs('mark-h', 'coded/page-big.css'));
    is($c->{lost}, 0, 'one server: no connection was lost');
    stop_idle($server);
}

sub chain
{
    my ($origin, $proxy) = start_chain('cache-codings');
    my $c = $proxy->client;
    for my $host (chain_hosts()) {
        codings($c, $host, $origin->docs('coded', $_), "/coded/$_",
            what => 'chain', far => 1) for "$host.css", "$host-big.css";
    }
    is($c->{lost}, 0, 'chain: no connection was lost');
    stop_idle($origin);
    stop_idle($proxy);
}

one_server();
chain();
done_testing();
