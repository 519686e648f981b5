# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Contents that change behind mod_cache's back, on the server that attaches the
# validators and on a proxy before it: what may be used unasked is one of the two
# under its own tag, what is revalidated is the new one, and nobody is told an
# untrue 304.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Caches;
use Vld::Extra;
use Vld::Test;

my $old = 1_550_000_000;
my $row = "a row of a page that caches keep\n";

# The contents change behind the cache, their sizes and mtimes stay.
sub changes
{
    my ($c, @resources) = @_;
    $_->{full} = ask($c, $_->{host}, 'GET', $_->{url}) for @resources;
    $_->{new} = change($_->{path}) for @resources;
    settle();
    has_changed($c, $_) for @resources;
}

sub has_changed
{
    my ($c, $it) = @_;
    my ($host, $url, $full, $new) = @$it{qw(host url full new)};
    my $what = "$it->{what}, $host $url";
    my $res = ask($c, $host, 'GET', $url);
    ok($res->{status} == 200 && ($res->{body} eq $full->{body}
        && $res->{h}{etag} eq $full->{h}{etag} || $res->{body} eq $new),
        "$what: changed: while it is fresh, one of the two under its tag");
    my $now = ask($c, $host, 'GET', $url, 'Cache-Control' => 'max-age=0');
    # A small cache may have thrown the old copy away for others.
    whole($now, $new, $now->{cache} eq 'revalidate' && $res->{body} eq $new
        ? 'revalidate' : 'miss', "$what: changed: the new one when it is"
        . ' asked for');
    isnt($now->{h}{etag}, $full->{h}{etag}, "$what: changed: under a new tag");
    for my $kind (kinds()) {
        $res = ask($c, $host, 'GET', $url, validators_of($full, $kind));
        is("$res->{status} " . ($res->{body} eq $new), '200 1',
            "$what: changed: nothing old is confirmed by $kind");
        $res = ask($c, $host, 'GET', $url, validators_of($now, $kind));
        is($res->{status}, 304, "$what: changed: the new one is, by $kind")
            if validators_of($now, $kind);
    }
    $res = ask($c, $host, 'GET', $url);
    kept($host, $res, $new, "$what: changed: the new one is kept");
}

# What may be kept but not used unasked: every request revalidates.
sub always_stale
{
    my ($c, @resources) = @_;
    stale_one($c, $_) for @resources;
    $_->{new} = change($_->{path}) for @resources;
    settle();
    for my $it (@resources) {
        my $what = "$it->{what}, $it->{host} $it->{url}";
        for my $kind (kinds()) {
            my $res = ask($c, $it->{host}, 'GET', $it->{url},
                validators_of($it->{full}, $kind));
            is("$res->{status} " . ($res->{body} eq $it->{new}), '200 1',
                "$what: changed: the new one at once, by $kind");
        }
        my $res = ask($c, $it->{host}, 'GET', $it->{url});
        is("$res->{status} " . ($res->{body} eq $it->{new}), '200 1',
            "$what: changed: the new one to who has none");
    }
}

sub stale_one
{
    my ($c, $it) = @_;
    my ($host, $path, $url) = @$it{qw(host path url)};
    my $what = "$it->{what}, $host $url";
    my $full = $it->{full} = ask($c, $host, 'GET', $url);
    whole($full, slurp($path), 'miss', "$what: sent in full");
    for my $n (1 .. 2) {
        my $res = ask($c, $host, 'GET', $url);
        whole($res, $full->{body}, again($host, $it->{far}), "$what:"
            . " revalidated, and whole ($n)")
            unless $n > 1 && $host =~ /shm/ && $it->{far};
        origin_said($res, '304 0', "$what: revalidated ($n)");
        for my $kind (kinds()) {
            $res = ask($c, $host, 'GET', $url, validators_of($full, $kind));
            is($res->{status}, 304, "$what: not modified by $kind ($n)");
            origin_said($res, '304 0', "$what: by $kind ($n)");
        }
    }
}

# A 304 with which the cache may not go on: it asks again, for all.
sub uncacheable
{
    my ($c, $what, $host, $folder, $url) = @_;
    $what .= ", $host";
    my $full = ask($c, $host, 'GET', $url);
    spew("$folder/.htaccess", "Header set Cache-Control no-store\n");
    my ($res, @wrong);
    my $end = time + 6;
    my $n = 0;
    do {
        $n++;
        $res = ask($c, $host, 'GET', $url, 'Cache-Control' => 'max-age=0');
        push @wrong, "request $n: $res->{status} " . length $res->{body}
            unless $res->{status} == 200 && $res->{body} eq $full->{body};
        Time::HiRes::sleep(0.02);
    } while (($res->{h}{'cache-control'} || '') ne 'no-store'
        && time < $end);
    all_right("$what: no longer to be kept: whole", @wrong);
    is($res->{h}{'cache-control'}, 'no-store', "$what: no longer to be kept:"
        . ' and it says so');
    $res = ask($c, $host, 'HEAD', $url);
    is("$res->{status} $res->{cache}", '200 miss', "$what: no longer to be"
        . ' kept: nor is it, and the connection is in order');
    unlink "$folder/.htaccess";
}

# Many at once while the content changes: each body is under its own tag, and a
# 304 names what the content was in the meantime.
sub hammer
{
    my ($server, $what, $path, $url, @hosts) = @_;
    my @version = slurp($path);
    my @wrong;
    my %given;
    my @clients = map { $server->client->connect } 1 .. 4 * @hosts;
    for my $n (1 .. 25) {
        push @version, "version $n of a page that changes\n" . $row x 60;
        my @tags = map { tag_of($_) } @version;
        my (%held, %host);
        for my $i (0 .. $#clients) {
            $host{$i} = $hosts[$i % @hosts];
            # None, the present one, the one before.
            my $hold = int($i / @hosts) % 4;
            $held{$i} = $hold == 1 ? $tags[-2] : $hold == 2 && $n > 1
                ? $tags[-3] : undef;
            write_file($path, $version[-1], $n) if $i == int(@clients / 2);
            $clients[$i]->send_text($clients[$i]->request_text('GET', $url,
                Host => "$host{$i}.test", 'Cache-Control' => 'max-age=0',
                'If-None-Match' => $held{$i}));
        }
        for my $i (0 .. $#clients) {
            my $res = $clients[$i]->read_response('GET')
                || { status => 0, h => {}, body => '' };
            my $tag = $res->{h}{etag} || 'none';
            $given{$res->{status}}++;
            next if $res->{status} == 200 && ($tag eq tag_of($res->{body})
                || $tag eq 'none') && ($res->{body} eq $version[-1]
                || $res->{body} eq $version[-2]);
            next if $res->{status} == 304 && defined $held{$i}
                && $tag eq $held{$i} && $tag eq $tags[-2];
            push @wrong, "version $n, client $i of $host{$i}: holds " . ($held{$i} || 'none')
                . ", told $res->{status} $tag " . substr $res->{body}, 0, 12;
        }
    }
    all_right("$what: changed while many ask: nothing untrue is said",
        @wrong);
    for my $i (0 .. $#clients) {
        my $res = $clients[$i]->get($url, Host => "$hosts[$i % @hosts].test",
            'Cache-Control' => 'max-age=0', 'If-None-Match' =>
            tag_of($version[-1]));
        $given{$res->{status}}++;
    }
    ok($given{200} && $given{304}, "$what: changed while many ask: both"
        . ' answers were given') or diag(explain(\%given));
}

# With the old mtime, or with its own.
sub write_file
{
    my ($path, $content, $n) = @_;
    spew("$path.new", $content);
    rename "$path.new", $path or die "$path: $!\n";
    stamp($path, $old) if $n % 3;
}

sub one_server
{
    my $server = start_one('cache-changed');
    my $c = $server->client;
    my @how = (what => 'one server');
    my (@change, @stale);
    for my $host (cache_hosts()) {
        my $docs = $server->docs($host);
        for my $dir (qw(full quick)) {
            push @change, { @how, host => $host, url => "/$dir/$_",
                path => "$docs/$dir/$_" } for qw(change.css change-big.css);
        }
        push @stale, { @how, host => $host, url => "/stale/$_",
            path => "$docs/stale/$_" } for qw(page.css page-big.css);
    }
    changes($c, @change);
    always_stale($c, @stale);
    uncacheable($c, 'one server', $_, $server->docs($_, 'full'),
        '/full/change.css') for qw(disk-q disk-h);
    hammer($server, "one server, $_", $server->docs($_, 'stale/page.css'),
        '/stale/page.css', $_) for qw(disk-q disk-h);
    is($c->{lost}, 0, 'one server: no connection was lost');
    stop_idle($server);
    forget_expected();
}

sub chain
{
    my ($origin, $proxy) = start_chain('cache-changed');
    my $c = $proxy->client;
    my @how = (what => 'chain', far => 1);
    my (@change, @stale);
    for my $host (chain_hosts()) {
        push @change, map { { @how, host => $host, url => "/$_",
            path => $origin->docs($_) } } "full/$host-change.css",
            "full/$host-change-big.css", "quick/$host-change.css";
        push @stale, map { { @how, host => $host, url => "/stale/$_",
            path => $origin->docs('stale', $_) } } "$host.css",
            "$host-big.css";
    }
    changes($c, @change);
    always_stale($c, @stale);
    my @disk = grep { /disk/ } chain_hosts();
    uncacheable($c, 'chain', $_, $origin->docs('full'),
        "/full/$_-change.css") for @disk;
    hammer($proxy, 'chain', $origin->docs('stale/lock.css'), '/stale/lock.css',
        @disk);
    is($c->{lost}, 0, 'chain: no connection was lost');
    stop_idle($origin);
    said_by($origin, 100);
    stop_idle($proxy);
}

one_server();
chain();
done_testing();
