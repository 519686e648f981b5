# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What modules put around a response: the 304 that is made from the full
# response, the one that is replayed after access control and the one of the
# quick handler carry the fields that the 200 carries, in their order.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Fields;
use Vld::Test;

# Each case: lines of configuration, and how it is asked.
my %case = (
    plain => {},
    set => { conf => 'Header set Cache-Control max-age=7' },
    append => { conf => 'Header set Cache-Control max-age=7
        Header append Cache-Control public' },
    merge => { conf => 'Header set Vary Origin
        Header merge Vary Origin
        Header merge Vary X-Own' },
    add => { conf => q(Header add Content-Security-Policy "img-src 'self'"
        Header add Content-Security-Policy "font-src 'self'"
        Header add Content-Security-Policy "media-src 'self'") },
    edit => { conf => 'Header set Cache-Control "max-age=1, public"
        Header edit Cache-Control max-age=1 max-age=99' },
    'edit-all' => { conf => 'Header set Cache-Control "a=1, b=1, c=1"
        Header edit* Cache-Control =1 =2' },
    'edit-tag' => { conf => q(Header edit ETag ^ W/) },
    echo => { conf => 'Header echo ^X-Say', fields => ['X-Say' => 'hello'] },
    setifempty => { conf => 'Header setifempty Cache-Control max-age=5
        Header setifempty Cache-Control max-age=6' },
    unset => { conf => 'Header set X-Frame-Options DENY
        Header set Referrer-Policy same-origin
        Header unset X-Frame-Options', not => ['x-frame-options'] },
    both => { conf => 'Header always set Cache-Control public
        Header onsuccess set Cache-Control max-age=8
        Header always set X-Frame-Options DENY
        Header onsuccess set X-Frame-Options SAMEORIGIN' },
    always => { conf => 'Header always set Strict-Transport-Security
        "max-age=99; includeSubDomains"
        Header always set X-Content-Type-Options nosniff' },
    expr => { conf => 'Header set Cache-Control
        "expr=max-age=%{base64:%{REQUEST_URI}}"' },
    'expr-if' => { conf => q(Header set Cache-Control max-age=3
        "expr=%{REQUEST_URI} =~ m#page#"
        Header set X-Frame-Options DENY "expr=%{REQUEST_URI} =~ m#none#"),
        not => ['x-frame-options'] },
    env => { conf => 'SetEnvIf Request_URI css$ style
        Header set Cache-Control max-age=4 env=style
        Header set X-Frame-Options DENY env=!style',
        not => ['x-frame-options'] },
    'set-env' => { conf => 'SetEnv where here
        Header set Referrer-Policy "origin" env=where
        Header set Content-Location "/%{where}e"' },
    policies => { conf => join "\n", map { "Header set $_" }
        q(Content-Security-Policy "default-src 'self'"),
        q(Content-Security-Policy-Report-Only "default-src 'none'"),
        'Cross-Origin-Embedder-Policy require-corp',
        'Cross-Origin-Opener-Policy same-origin',
        'Cross-Origin-Resource-Policy same-site',
        'Permissions-Policy "camera=(), geolocation=(self)"',
        'Referrer-Policy no-referrer', 'X-Frame-Options DENY',
        'Strict-Transport-Security max-age=31536000',
        'Timing-Allow-Origin *', 'X-Content-Type-Options nosniff' },
    caches => { conf => 'Header set CDN-Cache-Control max-age=10
        Header set Surrogate-Control max-age=20
        Header set Cache-Control "public, max-age=30, immutable"
        Header set Content-Location /canonical' },
    'cors-all' => { conf => 'Header set Access-Control-Allow-Origin *
        Header set Access-Control-Expose-Headers "ETag, Link"',
        fields => [Origin => 'https://a.test'] },
    'cors-origin' => { conf =>
        'SetEnvIf Origin "^https://[a-z]\.test$" ORIGIN=$0
        Header set Access-Control-Allow-Origin %{ORIGIN}e env=ORIGIN
        Header set Access-Control-Allow-Credentials true env=ORIGIN
        Header merge Vary Origin', fields => [Origin => 'https://b.test'] },
    'cors-no-vary' => { conf =>
        'SetEnvIf Origin "^https://[a-z]\.test$" ORIGIN=$0
        Header set Access-Control-Allow-Origin %{ORIGIN}e env=ORIGIN',
        fields => [Origin => 'https://c.test'] },
    expires => { conf => 'ExpiresActive On
        ExpiresDefault "access plus 5 minutes"' },
    'expires-type' => { conf => 'ExpiresActive On
        ExpiresByType text/css "access plus 1 hour"
        Header append Cache-Control public' },
    gzip => { conf => 'SetOutputFilter DEFLATE',
        fields => ['Accept-Encoding' => 'gzip'] },
    'no-gzip' => { conf => "SetOutputFilter DEFLATE\nSetEnv no-gzip 1",
        fields => ['Accept-Encoding' => 'gzip'] },
    'force-gzip' => { conf => "SetOutputFilter DEFLATE\nSetEnv force-gzip 1",
        fields => ['Accept-Encoding' => 'identity'] },
    other => { conf => 'Header set Link "</a.css>; rel=preload"
        Header set X-Own value
        Header set Server-Timing "cache;desc=hit"
        Header set Cache-Control max-age=2' },
    many => { conf => join("\n", map { "Header add Content-Security-Policy"
        . " \"img-src host$_\"" } 1 .. 20), full => 1 },
    long => { conf => 'Header set Content-Security-Policy "img-src '
        . 'x' x 2000 . '"', full => 1 },
    'vary-many' => { conf => 'Header set Vary "' . join(', ', map { "X-$_" }
        1 .. 9) . '"', full => 1 },
    'vary-odd' => { conf => 'Header set Vary "X-A,, X-B ,"
        Header add Vary "X-C"' },
    cookie => { conf => 'Header set Set-Cookie "a=b; Path=/"', full => 1 },
    note => { conf => 'Header set X-Frame-Options DENY
        Header note X-Frame-Options frame' },
    track => { conf => "CookieTracking on\nCookieName who", full => 1 },
    'no-store' => { conf => 'Header set Cache-Control no-store', full => 1 },
    'no-last-modified' => { conf => 'Header unset Last-Modified' },
);
# The same in other places.
my @places = qw(location files htaccess vhost);

sub lines_for
{
    my $name = shift;
    my $conf = $case{$name}{conf} || '';
    # One directive a line.
    $conf =~ s/\n\s*(?=["'])/ /g;
    return "$conf\n";
}

# Location and Files sections and a virtual host for the case `both` and others
# that say much.
sub places_conf
{
    my $s = shift;
    my ($docs, $port) = ($s->docs, $s->{port});
    my $conf = '';
    for my $way (qw(full quick)) {
        $conf .= "<Location /$way/at-location/>\n" . lines_for('both')
            . lines_for('policies') . "</Location>\n"
            . "<Directory \"$docs/$way/at-files\">\n<Files page.css>\n"
            . lines_for('both') . lines_for('policies')
            . "</Files>\n</Directory>\n";
    }
    return $conf . <<"END" . lines_for('both') . <<"END2";
<VirtualHost *:$port>
    ServerName first.test
    DocumentRoot "$docs"
</VirtualHost>
<VirtualHost *:$port>
    ServerName vhost.test
    DocumentRoot "$docs"
END
    Header add Content-Security-Policy "img-src a"
    Header always add Content-Security-Policy "img-src b"
    Header set Referrer-Policy origin early
    Header set X-Early yes early
</VirtualHost>
END2
}

sub htaccess
{
    my $s = shift;
    for my $way (qw(full quick)) {
        spew($s->docs($way, 'at-htaccess/.htaccess'), lines_for('both')
            . lines_for('policies'));
    }
}

# By the full path, by replay and by the quick handler.
sub three_ways
{
    my ($c, $name, $case, @host) = @_;
    my @fields = (@{$case->{fields} || []}, @host);
    for my $way (qw(full quick)) {
        my $url = "/$way/$name/page.css";
        my $full = $c->get($url, @fields);
        is($full->{status}, 200, "$way $name: sent");
        is(lines_text($full, $_), '', "$way $name: without $_")
            for @{$case->{not} || []};
        for my $kind (kinds()) {
            my @held = validators_of($full, $kind) or next;
            my $short = $way eq 'quick' ? 'quick' : 'replay';
            my $res = conditional($c, $url, $case->{full} ? '304' : $short,
                \@held, @fields);
            is("$res->{status} " . differences($full, $res), '304 ',
                "$way $name: not modified by $kind, with the fields of the"
                . ' 200');
            $res = conditional($c, "$url?$kind", '304', \@held, @fields);
            is("$res->{status} " . differences($full, $res), '304 ',
                "$way $name: the same by the full path");
        }
    }
}

# A 412 has what is always sent, once.
sub failed
{
    my $c = shift;
    for my $way (qw(full quick)) {
        for my $name (qw(always both)) {
            my $url = "/$way/$name/page.css";
            my $full = $c->get($url);
            my $res = $c->get($url, 'If-Match' => '"other"');
            is("$res->{status} $res->{body}", '412 ', "$way $name: a condition"
                . ' that fails') if module_loaded();
            is($res->{status}, 412, "$way $name: is told so");
            my %twice;
            $twice{$_->[0]}++ for @{$res->{lines}};
            is(join(' ', grep { $twice{$_} > 1 && $_ ne 'cache-control'
                && $_ ne 'x-frame-options' } sort keys %twice), '',
                "$way $name: with no field twice");
            is(lines_text($res, 'strict-transport-security'), lines_text($full,
                'strict-transport-security'), "$way $name: with what is always"
                . ' sent');
        }
    }
}

my $server = start_fields(name => 'fields-carried', files => \&htaccess,
    folders => { (map { ($_ => lines_for($_)) } keys %case),
        map { ("at-$_" => '') } @places }, more => \&places_conf);
my $c = $server->client;
three_ways($c, $_, $case{$_}) for sort keys %case;
three_ways($c, "at-$_", {}, $_ eq 'vhost' ? (Host => 'vhost.test') : ())
    for @places;
failed($c);
is($c->{lost}, 0, 'no connection was lost');
stop_idle($server);
check_notes($server);
done_testing();
