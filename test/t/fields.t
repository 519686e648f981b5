# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What modules put around a response: the 304 that is made from the full
# response, the one that is replayed after access control and the one of the
# quick handler carry the fields that the 200 carries, in their order, and none
# that was meant for one response alone.
use strict;
use warnings;
use lib 'lib';
use Test::More;
use Time::HiRes ();
use Vld::Extra;
use Vld::Server ();
use Vld::Test;

my $old = 1_570_000_000;
my $text = join '', map { "line $_ of a page with fields\n" } 1 .. 60;
my $modules = load_modules(qw(unique_id usertrack));

# Fields of a stored response that matter, whoever replays them.
my @carried = map { lc } qw(ETag Cache-Control Vary Content-Location
    CDN-Cache-Control Surrogate-Control Access-Control-Allow-Origin
    Access-Control-Allow-Credentials Access-Control-Expose-Headers
    Content-Security-Policy Content-Security-Policy-Report-Only
    Cross-Origin-Embedder-Policy Cross-Origin-Opener-Policy
    Cross-Origin-Resource-Policy Permissions-Policy Referrer-Policy
    Strict-Transport-Security Timing-Allow-Origin X-Content-Type-Options
    X-Frame-Options);

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
        "expr=max-age=%{base64:%{REQUEST_METHOD}}"' },
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

sub conf
{
    my $s = shift;
    my ($docs, $port) = ($s->docs, $s->{port});
    my $conf = <<"END";
$modules
<Directory "$docs">
    Require all granted
    AllowOverride All
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsAnswerTTL $s->{ttl}
    <DirectoryMatch "/quick(/|\$)">
        ValidatorsQuickHandler On
    </DirectoryMatch>
</IfModule>
END
    return $conf . $s->{more}->($s);
}

# Directory sections, and Location, Files and virtual hosts for the case `both`
# and others that say much.
sub places_conf
{
    my $s = shift;
    my ($docs, $port) = ($s->docs, $s->{port});
    my $conf = '';
    for my $way (qw(full quick)) {
        for my $name (sort keys %case) {
            $conf .= "<Directory \"$docs/$way/$name\">\n" . lines_for($name)
                . "</Directory>\n";
        }
        $conf .= "<Location /$way/at-location/>\n" . lines_for('both')
            . lines_for('policies') . "</Location>\n"
            . "<Directory \"$docs/$way/at-files\">\n<Files page.css>\n"
            . lines_for('both') . lines_for('policies')
            . "</Files>\n</Directory>\n";
    }
    $conf .= "BrowserMatch Old/1 downgrade-1.0 force-response-1.0\n"
        . "BrowserMatch Old/2 nokeepalive\n"
        . "BrowserMatch Old/3 force-no-vary\n"
        . "BrowserMatch Old/4 no-gzip\n";
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

sub prepare
{
    my $s = shift;
    for my $way (qw(full quick)) {
        for my $name (sort(keys %case), (map { "at-$_" } @places),
            @{$s->{folders} || []})
        {
            stamp(spew($s->docs($way, $name, 'page.css'), $text), $old);
        }
        spew($s->docs($way, 'at-htaccess/.htaccess'), lines_for('both')
            . lines_for('policies'));
    }
    settle();
    # A date of today is sent when its second is over.
    Time::HiRes::sleep(1.1);
}

# --- what is compared ----------------------------------------------------

# Fields that one message has and another of the same resource may not.
my %own = map { $_ => 1 } qw(date connection keep-alive upgrade server
    expires);

sub lines_text
{
    my ($res, $name) = @_;
    return join "\n", lines_of($res, $name);
}

sub differences
{
    my ($full, $res) = @_;
    my @wrong;
    for my $name (@carried) {
        my ($want, $got) = map { lines_text($_, $name) } $full, $res;
        push @wrong, "$name: 200 [$want], 304 [$got]" if $want ne $got;
    }
    my %seen;
    for my $name (grep { !$own{$_} && !$seen{$_}++ } map { $_->[0] }
        @{$res->{lines}})
    {
        my ($want, $got) = map { lines_text($_, $name) } $full, $res;
        push @wrong, "$name: 200 [$want], 304 [$got]" if $want ne $got
            && $name ne 'set-cookie';
    }
    push @wrong, 'Expires: ' . ($res->{h}{expires} || 'none')
        if !defined $full->{h}{expires} ne !defined $res->{h}{expires};
    return join "\n", @wrong;
}

# The X-Id of requests, and the note that each must have left.
my @notes;

sub conditional
{
    my ($c, $url, $note, $held, @fields) = @_;
    my $id = new_id();
    push @notes, [$id, $note, $url];
    return $c->get($url, @$held, @fields, 'X-Id' => $id);
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

# The notes of all conditional requests, after the server has stopped.
sub check_notes
{
    my $server = shift;
    my %said;
    for my $line (split /\n/, slurp($server->log_path)) {
        $said{$1} = $2 if $line =~ /^(\w+-\d+-\d+) \d+ (\S+)/;
    }
    my @wrong;
    for my $note (@notes) {
        my ($id, $want, $url) = @$note;
        push @wrong, "$url: " . ($said{$id} || 'not logged') . ", not $want"
            unless ($said{$id} || '') eq $want;
    }
    is(join("\n", @wrong), '', scalar(@notes) . ' requests went the ways that'
        . ' they were meant to go');
    @notes = ();
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

# --- fields of one response ----------------------------------------------

my $each = <<'END';
Header set X-Request "%{UNIQUE_ID}e"
Header set Server-Timing "total;dur=%D"
Header set X-Time "%t"
Header set Link "</%{UNIQUE_ID}e.css>; rel=preload"
Header add Content-Security-Policy "script-src 'nonce-%{UNIQUE_ID}e'"
Header add Content-Security-Policy "script-src 'NONCE-%{UNIQUE_ID}e'"
Header add Content-Security-Policy "default-src 'self'"
Header set Referrer-Policy origin
END

# One alone that is kept where it is the same for all.
my $each_id = <<'END';
Header set X-Request "%{UNIQUE_ID}e"
Header set Content-Security-Policy "report-uri /csp/%{UNIQUE_ID}e"
Header set Referrer-Policy origin
END

# A 304 must have these: then there is none but the full path's.
my $each_must = <<'END';
Header set X-Request "%{UNIQUE_ID}e"
Header set Cache-Control "max-age=60, ext=%{UNIQUE_ID}e"
Header set Content-Location "/page;id=%{UNIQUE_ID}e"
END

# A word that only looks like the time of a request.
my $each_looks = <<'END';
Header set Cache-Control "max-age=60, x-limit=5"
Header set Content-Location "/page?t=5&D=7"
END

# What differs from response to response is in no 304 that is replayed, and
# in the others as it is for this one.
sub each_response
{
    my ($c, $name) = @_;
    for my $way (qw(full quick)) {
        my $url = "/$way/$name/page.css";
        my @full = map { $c->get($url) } 1 .. 2;
        my @own = map { $_->{h}{'x-request'} || 'none' } @full;
        isnt($own[0], $own[1], "$way $name: each 200 has its own");
        for my $kind (kinds()) {
            my @held = validators_of($full[0], $kind);
            my $what = "$way $name: by $kind";
            my $res = conditional($c, $url, $way eq 'quick' ? 'quick'
                : 'replay', \@held);
            my $all = join "\n", map { "$_->[0]: $_->[1]" } @{$res->{lines}};
            is($res->{status}, 304, "$what: not modified");
            unlike($all, qr/\Q$own[$_]\E/, "$what: not with what was"
                . " another's ($_)") for 0, 1;
            unlike($all, qr/^(?:x-|link|server-timing)/m, "$what: nothing that"
                . ' is not known');
            # One line of several would take the place of all.
            unlike($all, qr/^content-security-policy/m, "$what: no line of a"
                . ' field that is of one response in part');
            like($all, qr/^referrer-policy: origin$/m, "$what: with what is"
                . ' the same for all');
            $res = conditional($c, "$url?$kind", '304', \@held);
            my $id = $res->{h}{'x-request'} || 'none';
            isnt($id, $_, "$what: a 304 of the full path has its own")
                for @own;
            like($res->{h}{'content-security-policy'} || '', qr/\Q$id\E/,
                "$what: everywhere");
        }
    }
}

sub each_must
{
    my $c = shift;
    for my $way (qw(full quick)) {
        for my $name (qw(each-must each-looks)) {
            my $url = "/$way/$name/page.css";
            my $full = $c->get($url);
            for my $n (1 .. 2) {
                my $res = $c->get($url, validators_of($full, 'tag'));
                my $own = $res->{h}{'x-request'} || '';
                is($res->{status}, 304, "$way $name: not modified ($n)");
                like($res->{h}{'cache-control'} || '', qr/^max-age=60, .*$own/,
                    "$way $name: with its own Cache-Control ($n)");
                like($res->{h}{'content-location'} || '', qr/^\/page.*$own/,
                    "$way $name: with its own Content-Location ($n)");
            }
        }
    }
}

# --- origins -------------------------------------------------------------

sub origins
{
    my $c = shift;
    for my $way (qw(full quick)) {
        for my $name (qw(cors-origin cors-no-vary)) {
            my $url = "/$way/$name/page.css";
            my %origin = (one => 'https://x.test', two => 'https://y.test',
                evil => 'https://evil.example', none => undef);
            my %full = map { $_ => $c->get($url, Origin => $origin{$_}) }
                keys %origin;
            for my $who (sort keys %origin, 'evil', 'one') {
                my $res = $c->get($url, Origin => $origin{$who},
                    validators_of($full{$who}, 'tag'));
                my $want = $who =~ /one|two/ && $who ne 'none'
                    ? $origin{$who} : undef;
                is($res->{status}, 304, "$way $name: $who: not modified");
                is($res->{h}{'access-control-allow-origin'}, $want,
                    "$way $name: $who: is told what is meant for it");
                is(differences($full{$who}, $res), '', "$way $name: $who:"
                    . ' as by its 200');
            }
            preflight($c, $way, $name, $url, $full{one});
        }
    }
}

sub preflight
{
    my ($c, $way, $name, $url, $full) = @_;
    my @ask = (Origin => 'https://x.test',
        'Access-Control-Request-Method' => 'GET');
    my $plain = $c->request('OPTIONS', $url, @ask);
    my $res = $c->request('OPTIONS', $url, @ask, validators_of($full, 'both'));
    is("$res->{status} " . ($res->{h}{allow} || ''), "$plain->{status} "
        . ($plain->{h}{allow} || 'none'), "$way $name: a preflight is never"
        . ' conditional');
    is($res->{h}{'access-control-allow-origin'}, 'https://x.test',
        "$way $name: a preflight has its grant");
    is($res->{h}{etag}, undef, "$way $name: a preflight has no tag");
}

# --- variables of the environment ----------------------------------------

sub environment
{
    my $c = shift;
    for my $way (qw(full quick)) {
        my $url = "/$way/gzip/page.css";
        my $what = "$way env";
        my @gzip = ('Accept-Encoding' => 'gzip');
        my $new = $c->get($url, @gzip);
        my $old = $c->get($url, @gzip, 'User-Agent' => 'Old/4');
        is($new->{h}{'content-encoding'}, 'gzip', "$what: compressed");
        is($old->{h}{'content-encoding'}, undef, "$what: no-gzip: not");
        isnt($new->{h}{etag}, $old->{h}{etag}, "$what: two tags");
        for (1 .. 2) {
            my $res = $c->get($url, @gzip, 'User-Agent' => 'Old/4',
                validators_of($old, 'tag'));
            is("$res->{status} $res->{h}{etag}", "304 $old->{h}{etag}",
                "$what: no-gzip: not modified ($_)");
            $res = $c->get($url, @gzip, validators_of($new, 'tag'));
            is("$res->{status} $res->{h}{etag}", "304 $new->{h}{etag}",
                "$what: compressed: not modified ($_)");
            is(differences($new, $res), '', "$what: compressed: as the 200"
                . " ($_)");
            $res = $c->get($url, @gzip, 'User-Agent' => 'Old/4',
                validators_of($new, 'tag'));
            # mod_deflate says of neither that it depends on the variable:
            # what such a client holds of the other is as good.
            ok($res->{status} == 304 && $res->{h}{etag} eq $new->{h}{etag}
                || $res->{status} == 200 && $res->{body} eq $text,
                "$what: no-gzip: has what is compressed: sent, or still true"
                . " ($_)");
        }
        # A Vary that core takes away from this client.
        my $blind = $c->get($url, @gzip, 'User-Agent' => 'Old/3');
        is($blind->{h}{vary}, undef, "$what: force-no-vary: none");
        for my $ask ('', '?1') {
            my $res = Vld::Http->new(port => $c->{port})->get("$url$ask", @gzip,
                'User-Agent' => 'Old/3', validators_of($blind, 'tag'));
            is("$res->{status} " . ($res->{h}{vary} || 'none'), '304 none',
                "$what: force-no-vary: nor in the 304 $ask");
        }
        connections($c, $url, $what);
    }
}

sub connections
{
    my ($c, $url, $what) = @_;
    my @gzip = ('Accept-Encoding' => 'gzip');
    my $full = $c->get($url, @gzip);
    my %version = ('Old/1' => '1.0', 'Old/2' => '1.1');
    for my $agent (sort keys %version) {
        for my $ask ('', '?2') {
            my @ask = (@gzip, 'User-Agent' => $agent);
            my $client = Vld::Http->new(port => $c->{port});
            my $sent = $client->get("$url$ask", @ask);
            $client->close;
            my $res = $client->get("$url$ask", @ask,
                validators_of($full, 'tag'));
            is("$res->{status} $res->{version} " . lc($res->{h}{connection}
                || ''), "304 $sent->{version} " . lc($sent->{h}{connection}
                || ''), "$what: $agent: a 304 in the version, and with the"
                . " end, of the 200 $ask");
            is($sent->{version}, $version{$agent}, "$what: $agent: HTTP/"
                . $version{$agent});
        }
    }
}

# --- validators that are changed on the way ------------------------------

my %tampered = (
    'no-tag' => 'Header unset ETag',
    'own-tag' => 'Header set ETag "\"version-1\""',
    'no-date' => 'Header unset Last-Modified',
    'later-date' => 'Header set Last-Modified "Wed, 01 Jan 2025 00:00:00 GMT"',
    'earlier-date' => 'Header set Last-Modified'
        . ' "Tue, 01 Jan 2013 00:00:00 GMT"',
);

# What leaves is what is judged, by whichever way.
sub tampered
{
    my $c = shift;
    my @dates = map { http_date($_) } $old - 1, $old, $old + 1, 1_356_998_400,
        1_735_689_599, 1_735_689_600, time - 10;
    for my $way (qw(full quick)) {
        for my $name (sort keys %tampered) {
            my $url = "/$way/$name/page.css";
            my $full = $c->get($url);
            is($full->{h}{etag}, $name eq 'no-tag' ? undef : '"version-1"',
                "$way $name: the tag is as configured")
                if $name =~ /tag/;
            my @held = (map { [validators_of($full, $_)] } kinds());
            my @ask = ((map { ['If-Modified-Since' => $_] } @dates),
                ['If-None-Match' => '"other"'], grep { @$_ } @held);
            for my $ask (@ask) {
                my $slow = $c->get("$url?" . new_id(), @$ask);
                my $fast = $c->get($url, @$ask);
                is("$fast->{status} " . ($fast->{h}{etag} || ''),
                    "$slow->{status} " . ($slow->{h}{etag} || ''),
                    "$way $name: @$ask: the same by each way");
            }
            for my $ask (grep { @$_ } @held) {
                is($c->get($url, @$ask)->{status}, 304,
                    "$way $name: not modified by what was sent: @$ask");
            }
        }
    }
}

# --- conditions that are changed on the way --------------------------------

my %edited = (
    # What many have done about mod_deflate's suffix.
    'request-edit' => 'SetOutputFilter DEFLATE
RequestHeader edit If-None-Match "^\"(.*)-gzip\"$" "\"$1\""',
    'request-both' => 'SetOutputFilter DEFLATE
RequestHeader edit If-None-Match "^\"((.*)-gzip)\"$" "\"$1\", \"$2\""',
    'request-unset' => 'SetOutputFilter DEFLATE
RequestHeader unset If-None-Match
RequestHeader unset If-Modified-Since',
);

sub requests
{
    my $c = shift;
    for my $name (sort keys %edited) {
        my $url = "/full/$name/page.css";
        my %full = map { $_ => $c->get($url, 'Accept-Encoding' => $_) }
            qw(gzip identity);
        my $want = $name =~ /unset/ ? 200 : 304;
        for my $coding (sort keys %full) {
            my @accept = ('Accept-Encoding' => $coding);
            for my $kind (qw(tag both)) {
                my @held = validators_of($full{$coding}, $kind);
                is($c->get("$url$_", @accept, @held)->{status}, $want,
                    "$name: $coding by $kind: $want $_") for '', "?$kind";
            }
            my $res = $c->get($url, @accept, 'If-None-Match' => '"other"');
            is($res->{status}, 200, "$name: $coding: another tag is another");
            is($res->{h}{etag}, $full{$coding}{h}{etag}, "$name: $coding: and"
                . ' told the right one');
        }
        my $res = $c->get($url, 'Accept-Encoding' => 'gzip',
            validators_of($full{identity}, 'tag'));
        is($res->{status}, 200, "$name: the tag of what is plain is not that"
            . ' of what is compressed');
    }
}

# --- one server in which answers stay ------------------------------------

my $server = Vld::Server->start(name => 'fields', ttl => 600,
    folders => [qw(each each-id each-must each-looks),
        sort(keys %tampered), sort keys %edited], prepare => \&prepare,
    conf => \&conf, more => sub {
        my $s = shift;
        my $docs = $s->docs;
        return join '', places_conf($s), map { my $way = $_;
            "<Directory \"$docs/$way/each\">\n$each</Directory>\n"
                . "<Directory \"$docs/$way/each-id\">\n$each_id"
                . "</Directory>\n"
                . "<Directory \"$docs/$way/each-must\">\n$each_must"
                . "</Directory>\n"
                . "<Directory \"$docs/$way/each-looks\">\n$each_looks"
                . "</Directory>\n",
            map { my ($name, $of) = ($_, { %tampered, %edited });
                "<Directory \"$docs/$way/$name\">\n$of->{$name}\n"
                . "</Directory>\n" } sort(keys %tampered), sort keys %edited
            } qw(full quick);
    });
my $c = $server->client;
three_ways($c, $_, $case{$_}) for sort keys %case;
three_ways($c, "at-$_", {}, $_ eq 'vhost' ? (Host => 'vhost.test') : ())
    for @places;
failed($c);
each_must($c);
each_response($c, $_) for qw(each each-id);
origins($c);
environment($c);
tampered($c);
requests($c);
is($c->{lost}, 0, 'no connection was lost');
stop_idle($server);
check_notes($server);

# --- another, in which they end soon -------------------------------------

my $ttl = 1;

# Ask until it is so; for how many seconds, or undef.
sub until_so
{
    my $is_so = shift;
    my $began = Time::HiRes::time();
    while (Time::HiRes::time() < $began + $ttl + 8) {
        return Time::HiRes::time() - $began if $is_so->();
        Time::HiRes::sleep(0.05);
    }
    return undef;
}

# A field that an edited .htaccess file changes or takes away is right when
# the answers of before are too old.
sub edited
{
    my ($c, $server) = @_;
    my @steps = (
        ["Header set Cache-Control max-age=1\nHeader set X-Frame-Options DENY\n"
            . "Header set Access-Control-Allow-Origin *\n", 'max-age=1',
            'DENY', '*'],
        ["Header set Cache-Control max-age=2\nHeader set X-Frame-Options"
            . " SAMEORIGIN\n", 'max-age=2', 'SAMEORIGIN', undef],
        ["Header set Cache-Control no-store\n", 'no-store', undef, undef],
        [undef, undef, undef, undef],
    );
    my $n = 0;
    for my $step (@steps) {
        my ($rules, @want) = @$step;
        $n++;
        for my $way (qw(full quick)) {
            my $path = $server->docs($way, 'at-htaccess/.htaccess');
            defined $rules ? spew($path, $rules) : unlink $path;
        }
        is_right($c, "/$_/at-htaccess/page.css", "$_: .htaccess edited ($n)",
            @want) for qw(full quick);
    }
}

sub is_right
{
    my ($c, $url, $what, @want) = @_;
    my $res;
    my $took = until_so(sub {
        my $tag = $c->head($url)->{h}{etag};
        $res = $c->get($url, 'If-None-Match' => $tag);
        my @got = map { $res->{h}{$_} } qw(cache-control x-frame-options
            access-control-allow-origin);
        return $res->{status} == 304 && join(' ', map { $_ || 'none' } @got)
            eq join ' ', map { $_ || 'none' } @want;
    });
    ok(defined $took, "$what: the 304 is right") or diag(explain($res->{h}));
    cmp_ok(defined $took ? $took : 99, '<', $ttl + 2, "$what: when the"
        . ' answers are too old, at the latest');
    my $full = $c->get($url);
    is(differences($full, $c->get($url, 'If-None-Match' => $full->{h}{etag})),
        '', "$what: and says what the 200 says");
}

sub date_of
{
    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 0 .. 11;
    my ($d, $m, $y, $H, $M, $S) = (shift || '') =~
        /^\w+, (\d+) (\w+) (\d+) (\d+):(\d+):(\d+) GMT$/ or return 0;
    require Time::Local;
    return Time::Local::timegm($S, $M, $H, $d, $month{$m}, $y);
}

# Expires and max-age that depend on the time are as of now, or of an answer
# that is not too old.
sub expiring
{
    my $c = shift;
    my $slack = $ttl + 1;
    my %about = (access => 300, modified => undef);
    my @urls = map { my $way = $_; map { ["/$way/$_/page.css", $about{$_}] }
        sort keys %about } qw(full quick);
    my %held = map { $_->[0] => [validators_of($c->get($_->[0]), 'tag')] }
        @urls;
    my (%n, %wrong);
    my $end = Time::HiRes::time() + $ttl + 0.7;
    while (Time::HiRes::time() < $end) {
        for my $it (@urls) {
            my ($url, $about) = @$it;
            my $res = $c->get($url, @{$held{$url}});
            my $date = date_of($res->{h}{date});
            my $left = date_of($res->{h}{expires}) - $date;
            my ($age) = ($res->{h}{'cache-control'} || '') =~
                /^max-age=(-?\d+)$/;
            my $want = $about || $old + 2_000_000_000 - $date;
            $n{$url}++;
            push @{$wrong{$url}}, "$res->{status} $left "
                . (defined $age ? $age : 'none') . ", not about $want"
                unless $res->{status} == 304 && defined $age
                && abs($age - $want) <= $slack
                && abs($left - $want) <= $slack;
        }
        Time::HiRes::sleep(0.03);
    }
    for my $url (map { $_->[0] } @urls) {
        is(join("\n", splice @{$wrong{$url} || []}, 0, 3), '', "$url: Expires"
            . ' and max-age are of now');
        cmp_ok($n{$url}, '>', 5, "$url: asked often");
    }
}

my $short = Vld::Server->start(name => 'fields-short', ttl => $ttl,
    folders => [qw(access modified)], prepare => \&prepare, conf => \&conf,
    more => sub {
        my $docs = $_[0]->docs;
        return join '', map { <<"END" } qw(full quick);
<Directory "$docs/$_/access">
    ExpiresActive On
    ExpiresDefault "access plus 5 minutes"
</Directory>
<Directory "$docs/$_/modified">
    ExpiresActive On
    ExpiresDefault M2000000000
</Directory>
END
    });
$c = $short->client;
edited($c, $short);
expiring($c);
is($c->{lost}, 0, 'no connection was lost where answers end soon');
stop_idle($short);
done_testing();
