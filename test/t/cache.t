# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# mod_cache on the server that attaches the validators, and on a proxy before
# it: what is kept is revalidated, refreshed and replaced as RFC 9111 asks,
# and nobody is told an untrue 304.
use strict;
use warnings;
use lib 'lib';
use Digest::SHA ();
use MIME::Base64 ();
use Test::More;
use Time::HiRes ();
use Vld::Extra;
use Vld::Server ();
use Vld::Test;

my $old = 1_550_000_000;
my $row = "a row of a page that caches keep\n";
my $modules = load_modules(qw(cache cache_disk cache_socache proxy
    proxy_http));

# Virtual hosts by what keeps, and whether it answers in the quick handler.
my %keep = (
    'disk-q' => ['disk', 'on'],
    'disk-h' => ['disk', 'off'],
    'shm-q' => ['socache', 'on'],
    'shm-h' => ['socache', 'off'],
);

sub cache_host
{
    my ($port, $name, $docs, $provider, $quick, $more) = @_;
    return <<"END";
<VirtualHost *:$port>
    ServerName $name.test
    DocumentRoot "$docs"
    CacheEnable $provider /
    CacheQuickHandler $quick
    CacheHeader on
    CacheDetailHeader on
    $more
</VirtualHost>
END
}

sub cache_common
{
    my $server = shift;
    return <<"END";
$modules
CacheRoot "$server->{root}/cache"
CacheDirLevels 1
CacheDirLength 2
CacheSocache shmcb:$server->{root}/logs/shm(16777216)
CacheLockPath "$server->{root}/lock"
END
}

# The folders of content, alike in every place.
sub folders
{
    my $docs = shift;
    return <<"END";
<Directory "$docs">
    Require all granted
    AllowOverride All
    Header set Cache-Control max-age=600
</Directory>
<Directory "$docs/stale">
    Header set Cache-Control max-age=0
</Directory>
<Directory "$docs/coded">
    AddOutputFilterByType DEFLATE text/css
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    # A tag that is confirmed must not become another between two requests.
    ValidatorsAutoIndex Off
    ValidatorsAnswerTTL 1
    <Directory "$docs/quick">
        ValidatorsQuickHandler On
    </Directory>
    <Directory "$docs/stale">
        ValidatorsQuickHandler On
    </Directory>
</IfModule>
END
}

sub prepare
{
    my $s = shift;
    mkdir "$s->{root}/$_" for qw(cache lock);
    return if $s->{no_files};
    for my $host ($s->{hosts} ? @{$s->{hosts}} : '') {
        for my $dir (qw(full quick stale coded lock fields error)) {
            for my $name (map { ("$_.css", "$_-big.css") }
                $s->{names} ? @{$s->{names}} : qw(page change))
            {
                my $n = $name =~ /big/ ? 2500 : 90;
                my $path = $s->docs(grep { $_ ne '' } $host, $dir, $name);
                stamp(spew($path, "$dir/$name\n" . $row x $n), $old);
            }
        }
    }
    if ($ENV{VLD_HTVALIDATORS}) {
        local $ENV{VLD_INDEX} = $s->index_path;
        scan($s->docs);
    }
    settle();
}

# --- requests ------------------------------------------------------------

# By X-Id what the origin must have said to it: `none`, or "status octets";
# and the name of that test.
my %expected;

sub ask
{
    my ($c, $host, $method, $url, @fields) = @_;
    my $id = new_id();
    my $res = $c->request($method, $url, Host => "$host.test", 'X-Id' => $id,
        @fields);
    $res->{id} = $id;
    $res->{cache} = lc((($res->{h}{'x-cache'} || 'none') =~ /(\w+)/)[0]);
    return $res;
}

sub origin_said
{
    my ($res, $said, $name) = @_;
    push @{$expected{order}}, [$res->{id}, $said, $name];
}

sub whole
{
    my ($res, $body, $cache, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = defined $res->{body} && $res->{body} eq $body
        ? 'whole' : 'not what it is';
    like("$res->{status} $got $res->{cache}", qr/^200 whole (?:$cache)$/, $name)
        or diag(explain($res->{h}), $res->{h}{'x-cache-detail'} || '');
}

sub changed
{
    my $body = shift;
    (my $new = $body) =~ tr/a-z/b-za/;
    return $new;
}

# Change the content behind the cache's back: same size, same mtime.
sub change
{
    my ($path) = @_;
    my $new = changed(slurp($path));
    stamp(spew($path, $new), $old);
    return $new;
}

# --- one resource through one cache --------------------------------------

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

# mod_cache_socache of httpd 2.4 loses the body of what it revalidates, and
# sends none from then on.  On the server that makes the response it is given
# it again, whole; before another server it does what it does.
sub kept
{
    my ($host, $res, $body, $name, $far) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return whole($res, $body, 'hit', $name) unless $host =~ /shm/;
    return whole($res, $body, 'hit|miss', $name) unless $far;
    ok($res->{status} == 200 && ($res->{body} eq $body || $res->{body} eq ''),
        "$name, or lost by mod_cache_socache");
}

# How mod_cache calls it when a copy is true.
sub again
{
    my ($host, $far) = @_;
    return $host =~ /shm/ && !$far ? 'miss' : 'revalidate';
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

# --- on one server -------------------------------------------------------

sub one_server
{
    my $server = Vld::Server->start(name => 'cache-one',
        hosts => [sort(keys %keep), 'mark-h'], prepare => \&prepare,
        conf => sub {
            my $s = shift;
            my $conf = cache_common($s);
            for my $host (sort keys %keep) {
                $conf .= cache_host($s->{port}, $host, $s->docs($host),
                    @{$keep{$host}}, '') . folders($s->docs($host));
            }
            $conf .= cache_host($s->{port}, 'mark-h', $s->docs('mark-h'),
                'disk', 'off', '') . folders($s->docs('mark-h')) . <<"END";
<Directory "$s->{root}/htdocs/mark-h/coded">
    RemoveOutputFilter css
    SetOutputFilter CACHE;DEFLATE
</Directory>
END
            return $conf;
        });
    my $c = $server->client;
    my @how = (what => 'one server');
    my (@change, @stale);
    for my $host (sort keys %keep) {
        my $docs = $server->docs($host);
        for my $dir (qw(full quick)) {
            tour($c, $host, "$docs/$dir/$_", "/$dir/$_", @how)
                for qw(page.css page-big.css);
            push @change, { @how, host => $host, url => "/$dir/$_",
                path => "$docs/$dir/$_" } for qw(change.css change-big.css);
        }
        push @stale, { @how, host => $host, url => "/stale/$_",
            path => "$docs/stale/$_" } for qw(page.css page-big.css);
        codings($c, $host, "$docs/coded/$_", "/coded/$_", @how)
            for qw(page.css page-big.css);
        my $res = ask($c, $host, 'GET', '/full/nothing-kept.css',
            'Cache-Control' => 'only-if-cached');
        is($res->{status}, 504, "one server, $host: only if it is cached, and"
            . ' it is not');
    }
    changes($c, @change);
    always_stale($c, @stale);
    after_a_while($c, sort keys %keep);
    marker($c, $server->docs('mark-h', 'coded/page-big.css'));
    uncacheable($c, 'one server', $_, $server->docs($_, 'full'),
        '/full/change.css') for qw(disk-q disk-h);
    hammer($server, "one server, $_", $server->docs($_, 'stale/page.css'),
        '/stale/page.css', $_) for qw(disk-q disk-h);
    is($c->{lost}, 0, 'one server: no connection was lost');
    stop_idle($server);
    %expected = ();
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
            push @wrong, "$n, $host{$i}: holds " . ($held{$i} || 'none')
                . ", told $res->{status} $tag " . substr $res->{body}, 0, 12;
        }
    }
    is(join("\n", splice @wrong, 0, 5), '', "$what: changed while many ask:"
        . ' nothing untrue is said');
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

sub tag_of
{
    my $raw = substr Digest::SHA::sha256(shift), 0, 16;
    (my $b64 = MIME::Base64::encode_base64($raw, '')) =~ tr{+/=}{-_}d;
    return "\"$b64\"";
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
    do {
        $res = ask($c, $host, 'GET', $url, 'Cache-Control' => 'max-age=0');
        push @wrong, "$res->{status} " . length $res->{body}
            unless $res->{status} == 200 && $res->{body} eq $full->{body};
        Time::HiRes::sleep(0.02);
    } while (($res->{h}{'cache-control'} || '') ne 'no-store'
        && time < $end);
    is(join(', ', @wrong), '', "$what: no longer to be kept: whole");
    is($res->{h}{'cache-control'}, 'no-store', "$what: no longer to be kept:"
        . ' and it says so');
    $res = ask($c, $host, 'HEAD', $url);
    is("$res->{status} $res->{cache}", '200 miss', "$what: no longer to be"
        . ' kept: nor is it, and the connection is in order');
    unlink "$folder/.htaccess";
}

# --- a proxy before an origin --------------------------------------------

sub proxy_host
{
    my ($s, $name, $origin, $provider, $quick, $more) = @_;
    return cache_host($s->{port}, $name, $s->docs, $provider, $quick, <<"END");
    ProxyPass / http://127.0.0.1:$origin/
    $more
END
}

sub on_at_proxy
{
    my $quick = shift;
    return <<"END";
<IfModule mod_validators.c>
        ValidatorsEngine On
        ValidatorsQuickHandler $quick
    </IfModule>
END
}

sub origin
{
    return Vld::Server->start(name => 'cache-origin', prepare => \&prepare,
        names => [qw(lock ignore error fields),
            map { ($_, "$_-change") } chain_hosts()],
        conf => sub { return folders($_[0]->docs) . more_folders($_[0]) });
}

sub chain_hosts { return map { ($_, "on-$_") } sort keys %keep }

sub more_folders
{
    my $docs = $_[0]->docs;
    return <<"END";
<Directory "$docs/fields">
    Header set Set-Cookie "for=one"
    Header set X-Each "%t"
</Directory>
<Directory "$docs/error">
    Header set Cache-Control "expr=%{QUERY_STRING}"
</Directory>
END
}

sub proxy
{
    my $origin = shift;
    return Vld::Server->start(name => 'cache-proxy', prepare => \&prepare,
        no_files => 1, conf => sub {
            my $s = shift;
            my $port = $origin->{port};
            my $conf = cache_common($s);
            for my $host (sort keys %keep) {
                $conf .= proxy_host($s, $host, $port, @{$keep{$host}}, '');
                $conf .= proxy_host($s, "on-$host", $port, @{$keep{$host}},
                    on_at_proxy('On'));
            }
            $conf .= proxy_host($s, "lock-$_", $port, @{$keep{$_}},
                'CacheLock on') for qw(disk-q disk-h);
            $conf .= proxy_host($s, "ignore-$_", $port, @{$keep{$_}},
                'CacheIgnoreHeaders Set-Cookie X-Each') for qw(disk-q disk-h);
            return $conf;
        });
}

sub chain
{
    my $origin = origin();
    my $proxy = proxy($origin);
    my $c = $proxy->client;
    %expected = ();
    my @how = (what => 'chain', far => 1);
    my (@change, @stale);
    for my $host (chain_hosts()) {
        my @names = ("$host.css", "$host-big.css");
        for my $at ((map { "full/$_" } @names), "quick/$host.css") {
            tour($c, $host, $origin->docs($at), "/$at", @how);
            (my $change = $at) =~ s/\Q$host\E/$host-change/;
            push @change, { @how, host => $host, url => "/$change",
                path => $origin->docs($change) };
        }
        push @stale, { @how, host => $host, url => "/stale/$_",
            path => $origin->docs('stale', $_) } for @names;
        codings($c, $host, $origin->docs('coded', $_), "/coded/$_", @how)
            for @names;
        my $res = ask($c, $host, 'GET', '/full/nothing-kept.css',
            'Cache-Control' => 'only-if-cached');
        is($res->{status}, 504, "chain, $host: only if it is cached, and it"
            . ' is not');
    }
    changes($c, @change);
    always_stale($c, @stale);
    my @disk = grep { /disk/ } chain_hosts();
    refreshed($c, $origin, @disk);
    uncacheable($c, 'chain', $_, $origin->docs('full'),
        "/full/$_-change.css") for @disk;
    locked($proxy, "lock-$_", slurp($origin->docs('lock/lock-big.css')))
        for qw(disk-q disk-h);
    ignored($c, "ignore-$_") for qw(disk-q disk-h);
    hammer($proxy, 'chain', $origin->docs('stale/lock.css'), '/stale/lock.css',
        @disk);
    my %error = map { $_ => before_error($c, $_) } @disk;
    is($c->{lost}, 0, 'chain: no connection was lost');
    stop_idle($origin);
    said_by($origin);
    after_error($c, $_, @{$error{$_}}) for @disk;
    stop_idle($proxy);
}

sub said_by
{
    my %said = served(shift);
    my (%got, %want, @names);
    for my $e (@{$expected{order}}) {
        my ($id, $want, $name) = @$e;
        push @names, $name unless $want{$name};
        $want{$name} = $want;
        my $got = $said{$id} || 'none';
        $got{$name} = $got unless defined $got{$name} && $got eq $want;
    }
    is($got{$_}, $want{$_}, "$_: what the origin said") for @names;
    cmp_ok(scalar @{$expected{order}}, '>', 100, 'chain: the origin was'
        . ' looked at');
}

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
        my ($res, @wrong);
        my $end = time + 6;
        do {
            $res = ask($c, $host, 'GET', $url, 'Cache-Control' => 'max-age=0');
            push @wrong, "$res->{status} $res->{cache}" unless $res->{body}
                eq $full{$host}{body} && $res->{cache} eq 'revalidate';
            origin_said($res, '304 0', "$what: nothing is sent again");
            Time::HiRes::sleep(0.02);
        } while ($res->{h}{'cache-control'} ne 'max-age=602' && time < $end);
        is(join(', ', @wrong), '', "$what: all to who asks");
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
            push @wrong, "$i: $res->{status} " . length $res->{body}
                unless $res->{status} == 200 && $res->{body} eq $body
                || $res->{status} == 304 && defined $tags[$i];
        }
        is(join(', ', @wrong), '', "$what: each gets all, or what it asked"
            . ' for');
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

one_server();
chain();
done_testing();
