# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Directives of httpd's modules of which note is taken, each with the best that
# a client can get where it is in force: an answer from the quick handler, one
# after access control, or a 304 from a full response.  And requests that are led
# on: what an .htaccess file of the URL that was asked for sets by the client is
# known where a Header of the target reads it.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Fields;
use Vld::Http ();
use Vld::Test;

my $in = "SetEnvIf Cookie user IN=1\n";
my $frame = 'Header set X-Frame-Options DENY';
my %best = (
    none => ['', 'quick'],
    # mod_headers, the request
    'language-by-client' => [$in . 'RequestHeader set Accept-Language de env=IN',
        'replay'],
    'language-value' => ['RequestHeader set Accept-Language %{REMOTE_ADDR}e',
        'replay'],
    'language-expr' => ['RequestHeader set Accept-Language de'
        . ' "expr=-R \'10.0.0.1\'"', 'replay'],
    'language-for-all' => ['RequestHeader set Accept-Language de', 'quick'],
    'accept-edit' => [$in . 'RequestHeader edit Accept a b env=IN', 'replay'],
    negotiate => [$in . 'RequestHeader set Negotiate vlist env=IN', 'replay'],
    'host-edit' => ['RequestHeader edit Host x y', 'replay'],
    'origin-edit' => ['RequestHeader edit Origin x y', 'replay'],
    'other-field' => ['RequestHeader set X-From %{REMOTE_ADDR}e', 'quick'],
    # mod_headers, the response
    unknown => ["$frame env=GEOIP_COUNTRY_CODE", '304'],
    tls => ['Header set X-Frame-Options %{SSL_PROTOCOL}s', '304'],
    load => ['Header set X-Frame-Options "DENY %l"', '304'],
    idle => ['Header set X-Frame-Options "DENY %i"', '304'],
    busy => ['Header set X-Frame-Options "DENY %b"', '304'],
    percent => ['Header set X-Frame-Options "DENY %%l %%{x}e"', 'quick'],
    id => ['Header set X-Frame-Options "expr=%{md5:%{reqenv:UNIQUE_ID}}"',
        '304'],
    redirected => [$in . "$frame env=REDIRECT_IN", '304'],
    'redirected-for-all' => ["SetEnv all-of-them 1\n$frame"
        . ' env=REDIRECT_all-of-them', 'quick'],
    'unset-by-client' => ["SetEnv ours 1\nSetEnvIf Cookie user !ours\n"
        . "$frame env=ours", '304'],
    note => ['Header note X-Frame-Options frame env=IN', 'quick'],
    type => [$in . 'Header set Content-Type text/css env=IN', '304'],
    cookie => [$in . 'Header set Set-Cookie user=1 env=IN', '304'],
    tag => [$in . 'Header unset ETag env=IN', '304'],
    'echo-kept' => ['Header echo ^X-Fr', '304'],
    'echo-within' => ['Header echo Frame', '304'],
    'echo-group' => ['Header echo ^(X-Zebra)', '304'],
    'echo-or' => ['Header echo "^X-Zebra|Frame"', '304'],
    'echo-optional' => ['Header echo ^X-Z?', '304'],
    'echo-cors' => ['Header echo ^Access-Control-Request', '304'],
    'echo-other' => ['Header echo ^X-Zebra', 'quick'],
    # others
    handler => ['SetHandler "%{unescape:default-handler}%{REMOTE_USER}"',
        'replay'],
    'handler-for-all' => ['SetHandler "%{unescape:default-handler}"', 'quick'],
    'auth-type' => ['AuthType "%{unescape:None}%{REMOTE_USER}"', 'replay'],
    'auth-type-for-all' => ['AuthType None', 'quick'],
    session => ['Session On', 'replay'],
    'session-off' => ['Session Off', 'quick'],
    'no-vary' => ['BrowserMatch Old force-no-vary', 'replay'],
    'no-vary-by-uri' => ['SetEnvIf Request_URI x force-no-vary', 'quick'],
    language => ['SetEnvIf Cookie de prefer-language=de', 'replay'],
    'language-rewritten' => ["RewriteEngine On\nRewriteCond %{HTTP_COOKIE} de\n"
        . 'RewriteRule ^ - [E=prefer-language:de]', 'replay'],
    method => ["RewriteEngine On\nRewriteCond %{REQUEST_METHOD} ^HEAD\$\n"
        . 'RewriteRule nothing - [F]', 'replay'],
    cookies => ["RewriteEngine On\nRewriteCond %{HTTP_COOKIE} de\n"
        . 'RewriteRule nothing - [CO=a:b:localhost]', '304'],
    folder => ["RewriteEngine On\nRewriteCond %{HTTP_USER_AGENT} Dav\n"
        . 'RewriteRule ^$ /nothing [R]', 'quick'],
);

# --- led on ----------------------------------------------------------------------

# The file of the folder that is asked for, and the main configuration, which
# sets the variable for all in another place.
my $leads = "SetEnvIf Cookie user ASKED=1\nFallbackResource WAYtarget/page.css\n";
my $target = qq(Header set Cache-Control "public, max-age=86400"
    Header set Cache-Control "max-age=0, must-revalidate" env=ASKED);

my $server = start_fields(name => 'noted', folders => {
    (map { ("n-$_" => /^session/ ? '' : $best{$_}[0]) } keys %best),
    asked => '', target => $target,
}, files => sub {
    my $s = shift;
    spew($s->docs($_, 'asked', '.htaccess'), $leads =~ s/WAY/\/$_\//r)
        for qw(full quick);
}, more => sub {
    my $s = shift;
    return load_modules('session') . in_folders($s, map { ("n-$_" =>
        $best{$_}[0]) } grep { /^session/ } keys %best)
        . "SetEnvIf Request_URI ^/elsewhere ASKED=1\n";
});
my $c = $server->client;

for my $name (sort keys %best) {
    for my $way (qw(full quick)) {
        my $url = "/$way/n-$name/page.css";
        my $note = $best{$name}[1];
        $note = 'replay' if $way eq 'full' && $note eq 'quick';
        my $full = $c->get($url);
        for my $n (1, 2) {
            my $res = conditional($c, $url, $note,
                [validators_of($full, 'tag')]);
            is($res->{status}, 304, "$way $name: not modified ($n)");
        }
    }
}
for my $way (qw(full quick)) {
    my %held = map { $_ => $c->get("/$way/asked/nothing", Cookie => $_) }
        qw(guest user);
    isnt($held{guest}{h}{'cache-control'}, $held{user}{h}{'cache-control'},
        "$way: they are told different things");
    for my $who (qw(guest user user guest)) {
        my $res = conditional($c, "/$way/asked/nothing", '304',
            [validators_of($held{$who}, 'tag')], Cookie => $who);
        is("$res->{status} $res->{h}{'cache-control'}",
            "304 $held{$who}{h}{'cache-control'}",
            "$way: who is led on: $who: as the 200");
    }
}
# The folder's own URL is asked for by two clients.
for my $way (qw(full quick)) {
    my $url = "/$way/n-folder/";
    is($c->get($url, 'User-Agent' => 'Dav')->{status}, 302,
        "$way: a rule for the folder alone");
}
stop_idle($server);
check_notes($server);

# --- where a rule asks for Accept-Encoding ------------------------------------------

# It is part of the key then, as the client sends it: a directive that edits it
# comes too late for the quick handler.  `early` is before it.
my %edited = (none => 'quick', unset => 'replay', ours => 'quick');
$server = start_fields(name => 'noted-coding', folders => {
    asks => "RewriteEngine On\nRewriteCond %{HTTP:Accept-Encoding} gzip\n"
        . 'RewriteRule nothing - [F]',
    unset => 'RequestHeader unset Accept-Encoding',
    none => '', ours => 'RequestHeader set Accept-Language de',
}, more => sub { <<'END' });
RequestHeader edit Origin https://a.test https://b.test early
RequestHeader set Accept-Language %{REMOTE_ADDR}e early
END
$c = $server->client;
for my $name (sort keys %edited) {
    my $url = "/quick/$name/page.css";
    my @coding = ('Accept-Encoding' => 'gzip');
    my $full = $c->get($url, @coding);
    for my $n (1, 2) {
        my $res = conditional($c, $url, $edited{$name},
            [validators_of($full, 'tag')], @coding);
        is($res->{status}, 304, "Accept-Encoding, $name: not modified ($n)");
    }
    my $res = conditional($c, $url, $name eq 'unset' ? 'replay' : '304',
        [validators_of($full, 'tag')], 'Accept-Encoding' => 'br');
    is($res->{status}, 304, "Accept-Encoding, $name: by who accepts another");
}
stop_idle($server);
check_notes($server);
done_testing();
