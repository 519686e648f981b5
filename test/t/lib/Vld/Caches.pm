# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites about mod_cache: one server that attaches the validators and keeps
# its own responses, and a chain of a proxy that keeps before an origin.  Both
# have a virtual host for each way of keeping.  Knows what mod_cache calls its
# answers, and judges afterwards what the origin was asked.
package Vld::Caches;
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use Vld::Extra;
use Vld::Server ();
use Vld::Test;

our @EXPORT = qw(cache_hosts chain_hosts start_one start_chain ask origin_said
    said_by forget_expected whole kept again changed change);

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
    scan_of($s);
    settle();
}

# --- servers ---------------------------------------------------------------------

sub cache_hosts { return sort keys %keep }

sub chain_hosts { return map { ($_, "on-$_") } cache_hosts() }

# The one server, of a suite of that name.
sub start_one
{
    my $name = shift;
    return Vld::Server->start(name => "$name-one",
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
}

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

sub start_origin
{
    my $name = shift;
    return Vld::Server->start(name => "$name-origin", prepare => \&prepare,
        names => [qw(lock ignore error fields),
            map { ($_, "$_-change") } chain_hosts()],
        conf => sub { return folders($_[0]->docs) . more_folders($_[0]) });
}

sub start_proxy
{
    my ($name, $origin) = @_;
    return Vld::Server->start(name => "$name-proxy", prepare => \&prepare,
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

# The chain: its origin, its proxy.
sub start_chain
{
    my $name = shift;
    my $origin = start_origin($name);
    return ($origin, start_proxy($name, $origin));
}

# --- requests ------------------------------------------------------------------

# What the origin must have said: [X-Id, `none` or "status octets", the test].
my @expected;

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
    push @expected, [$res->{id}, $said, $name];
}

# What was expected of one server's requests has no origin to ask.
sub forget_expected { @expected = () }

# What was expected of the origin, which has been stopped, against its log; of
# more requests than that.
sub said_by
{
    my ($origin, $least) = @_;
    my %said = served($origin);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my (%got, %want, @names);
    for my $e (@expected) {
        my ($id, $want, $name) = @$e;
        push @names, $name unless $want{$name};
        $want{$name} = $want;
        my $got = $said{$id} || 'none';
        $got{$name} = $got unless defined $got{$name} && $got eq $want;
    }
    Test::More::is($got{$_}, $want{$_}, "$_: what the origin said") for @names;
    Test::More::cmp_ok(scalar @expected, '>', $least,
        'chain: the origin was looked at');
}

sub whole
{
    my ($res, $body, $cache, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = defined $res->{body} && $res->{body} eq $body
        ? 'whole' : 'not what it is';
    Test::More::like("$res->{status} $got $res->{cache}",
        qr/^200 whole (?:$cache)$/, $name)
        or Test::More::diag(Test::More::explain($res->{h}),
            $res->{h}{'x-cache-detail'} || '');
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
    Test::More::ok($res->{status} == 200
        && ($res->{body} eq $body || $res->{body} eq ''), "$name, or lost by mod_cache_socache");
}

# How mod_cache calls it when a copy is true.
sub again
{
    my ($host, $far) = @_;
    return $host =~ /shm/ && !$far ? 'miss' : 'revalidate';
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

1;
