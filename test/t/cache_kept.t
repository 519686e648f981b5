# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# mod_cache on the server that attaches the validators, and on a proxy before it:
# what is kept is sent, revalidated and replaced as RFC 9111 asks, in the words
# of the response that was kept.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Caches;
use Vld::Extra;
use Vld::Test;

my $old = 1_550_000_000;

# far: the origin is another server; on: with the engine on this one.
sub tour
{
    my ($c, $host, $path, $url, %how) = @_;
    my $what = "$how{what}, $host $url";
    my $body = slurp($path);
    my $n = length $body;

    my $full = ask($c, $host, 'GET', $url);
    whole($full, $body, 'miss', "$what: sent in full to who asks first");
    my $tag = $full->{h}{etag};
    ok(strong($tag), "$what: with a strong tag") or diag($tag);
    origin_said($full, "200 $n", "$what: first");

    my $hit = ask($c, $host, 'GET', $url);
    whole($hit, $body, 'hit', "$what: then from the cache");
    is("$hit->{h}{etag} $hit->{h}{'last-modified'}",
        "$tag $full->{h}{'last-modified'}", "$what: which says the same");
    origin_said($hit, 'none', "$what: hit");
    my $head = ask($c, $host, 'HEAD', $url);
    is("$head->{status} $head->{cache} $head->{h}{etag}", "200 hit $tag",
        "$what: and to HEAD");
    origin_said($head, 'none', "$what: HEAD");

    for my $kind (kinds()) {
        my $res = ask($c, $host, 'GET', $url, validators_of($full, $kind));
        is($res->{status}, 304, "$what: not modified by $kind")
            or diag(explain($res->{h}));
        is(same_fields($full, $res), '', "$what: by $kind, as the 200 says");
        origin_said($res, 'none', "$what: by $kind");
    }
    my $res = ask($c, $host, 'GET', $url, Range => 'bytes=1-4');
    is("$res->{status} $res->{body}", '206 ' . substr($body, 1, 4),
        "$what: a part of it");
    $res = ask($c, $host, 'GET', $url, 'Cache-Control' => 'only-if-cached');
    whole($res, $body, 'hit', "$what: only if it is cached, and it is");
    origin_said($res, 'none', "$what: only-if-cached");

    revalidate($c, $host, $url, $full, $what, $how{far});
    reload($c, $host, $url, $full, $what);
}

# max-age=0: the cache asks the origin before it answers.
sub revalidate
{
    my ($c, $host, $url, $full, $what, $far) = @_;
    my @ask = ('Cache-Control' => 'max-age=0');
    my $tag = $full->{h}{etag} || '"none"';

    my $res = ask($c, $host, 'GET', $url, @ask);
    whole($res, $full->{body}, again($host, $far), "$what: revalidated for who"
        . ' asks without conditions, who gets it all');
    is($res->{h}{etag}, $tag, "$what: under the same tag");
    origin_said($res, '304 0', "$what: revalidated without sending it again");
    for my $kind (kinds()) {
        $res = ask($c, $host, 'GET', $url, @ask,
            validators_of($full, $kind));
        is($res->{status}, 304, "$what: revalidated for who has it, by $kind")
            or diag(explain($res->{h}));
        is(same_fields($full, $res), '', "$what: as the 200 says, by $kind");
        origin_said($res, '304 0', "$what: revalidated by $kind");
    }
    $res = ask($c, $host, 'GET', $url, @ask, 'If-None-Match' => '"other"');
    is("$res->{status} " . ($res->{body} eq $full->{body}), '200 1',
        "$what: who has another gets it all");
    $res = ask($c, $host, 'HEAD', $url, @ask);
    is("$res->{status} $res->{h}{etag}", "200 $tag", "$what: HEAD,"
        . ' revalidated');
    $res = ask($c, $host, 'GET', $url);
    kept($host, $res, $full->{body}, "$what: still kept after that", $far);
    origin_said($res, 'none', "$what: after revalidation");
    # What RFC 9110 and httpd judge otherwise: the tag is true, the date is
    # not.
    $res = ask($c, $host, 'GET', $url, 'If-None-Match' => $tag,
        'If-Modified-Since' => http_date($old - 5));
    ok($res->{status} == 304 || $res->{body} eq $full->{body} || $far
        && $host =~ /shm/, "$what: by the tag and an older date: not modified,"
        . ' or all');
    $res = ask($c, $host, 'GET', $url);
    kept($host, $res, $full->{body}, "$what: and still kept", $far);
}

# no-cache and no-store: the origin answers.
sub reload
{
    my ($c, $host, $url, $full, $what) = @_;
    my $n = length $full->{body};
    for my $ask ('no-cache', 'no-store') {
        my $res = ask($c, $host, 'GET', $url, 'Cache-Control' => $ask);
        whole($res, $full->{body}, $ask eq 'no-cache' ? 'miss' : 'none',
            "$what: $ask: from the origin");
        is($res->{h}{etag}, $full->{h}{etag}, "$what: $ask: the same tag");
        origin_said($res, "200 $n", "$what: $ask");
        $res = ask($c, $host, 'GET', $url, 'Cache-Control' => $ask,
            validators_of($full, 'tag'));
        is($res->{status}, 304, "$what: $ask by tag: not modified");
        is(same_fields($full, $res), '', "$what: $ask by tag: as the 200"
            . ' says');
        origin_said($res, '304 0', "$what: $ask by tag");
    }
    my $res = ask($c, $host, 'GET', $url);
    whole($res, $full->{body}, 'hit', "$what: kept after that, too");
}

# When no answer is prepared any more, the cache's copy is judged by httpd.
sub after_a_while
{
    my ($c, @hosts) = @_;
    my %full = map { $_ => ask($c, $_, 'GET', '/full/page.css') } @hosts;
    Time::HiRes::sleep(1.1);
    for my $host (@hosts) {
        for my $kind (kinds()) {
            my $res = ask($c, $host, 'GET', '/full/page.css',
                validators_of($full{$host}, $kind));
            is($res->{status}, 304, "one server, $host: from the cache,"
                . " without a prepared answer, not modified by $kind");
            is(same_fields($full{$host}, $res), '', "one server, $host: and"
                . " it says what the copy says, by $kind");
        }
    }
}

# Both servers, host by host: what is kept small and large, by fixups and by the
# quick handler.
sub one_server
{
    my $server = start_one('cache-kept');
    my $c = $server->client;
    my @how = (what => 'one server');
    for my $host (cache_hosts()) {
        my $docs = $server->docs($host);
        for my $dir (qw(full quick)) {
            tour($c, $host, "$docs/$dir/$_", "/$dir/$_", @how)
                for qw(page.css page-big.css);
        }
        not_kept($c, 'one server', $host);
    }
    after_a_while($c, cache_hosts());
    is($c->{lost}, 0, 'one server: no connection was lost');
    stop_idle($server);
    forget_expected();
}

sub chain
{
    my ($origin, $proxy) = start_chain('cache-kept');
    my $c = $proxy->client;
    my @how = (what => 'chain', far => 1);
    for my $host (chain_hosts()) {
        tour($c, $host, $origin->docs($_), "/$_", @how)
            for "full/$host.css", "full/$host-big.css", "quick/$host.css";
        not_kept($c, 'chain', $host);
    }
    is($c->{lost}, 0, 'chain: no connection was lost');
    stop_idle($origin);
    said_by($origin, 100);
    stop_idle($proxy);
}

sub not_kept
{
    my ($c, $what, $host) = @_;
    my $res = ask($c, $host, 'GET', '/full/nothing-kept.css',
        'Cache-Control' => 'only-if-cached');
    is($res->{status}, 504, "$what, $host: only if it is cached, and it is"
        . ' not');
}

one_server();
chain();
done_testing();
