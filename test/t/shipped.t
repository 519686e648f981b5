# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The .htaccess files that WordPress, Laravel, Joomla, Symfony and Nextcloud
# ship: what they do with Authorization and in <If> is the same for every client
# that the quick handler answers, so it does.  A client with Authorization, or
# with another field that closes the quick path, is never answered early, and
# nothing is prepared from its requests where a rule asks for the field.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_560_000_000;
my $text = "a { b: c }\n" x 40;

my %shipped = (
    wordpress => <<'END',
# BEGIN WordPress
<IfModule mod_rewrite.c>
RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteBase /
RewriteRule ^index\.php$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /index.php [L]
</IfModule>
# END WordPress
END
    laravel => <<'END',
<IfModule mod_rewrite.c>
    <IfModule mod_negotiation.c>
        Options -MultiViews -Indexes
    </IfModule>

    RewriteEngine On

    # Handle Authorization Header
    RewriteCond %{HTTP:Authorization} .
    RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]

    # Handle X-XSRF-Token Header
    RewriteCond %{HTTP:x-xsrf-token} .
    RewriteRule .* - [E=HTTP_X_XSRF_TOKEN:%{HTTP:X-XSRF-Token}]

    # Redirect Trailing Slashes If Not A Folder...
    RewriteCond %{REQUEST_FILENAME} !-d
    RewriteCond %{REQUEST_URI} (.+)/$
    RewriteRule ^ %1 [L,R=301]

    # Send Requests To Front Controller...
    RewriteCond %{REQUEST_FILENAME} !-d
    RewriteCond %{REQUEST_FILENAME} !-f
    RewriteRule ^ index.php [L]
</IfModule>
END
    joomla => <<'END',
<IfModule mod_autoindex.c>
  IndexIgnore *
</IfModule>
<IfModule mod_headers.c>
Header always set X-Content-Type-Options "nosniff"
</IfModule>
Options +FollowSymlinks
Options -Indexes
<FilesMatch "\.svg$">
  <IfModule mod_headers.c>
    Header always set Content-Security-Policy "script-src 'none'"
  </IfModule>
</FilesMatch>
RewriteEngine On
RewriteCond %{QUERY_STRING} base64_encode[^(]*\([^)]*\) [OR]
RewriteCond %{QUERY_STRING} (<|%3C)([^s]*s)+cript.*(>|%3E) [NC,OR]
RewriteCond %{QUERY_STRING} GLOBALS(=|\[|\%[0-9A-Z]{0,2}) [OR]
RewriteCond %{QUERY_STRING} _REQUEST(=|\[|\%[0-9A-Z]{0,2})
RewriteRule .* index.php [F]
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteCond %{REQUEST_URI} !^/index\.php
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule .* index.php [L]
<IfModule mod_headers.c>
RewriteCond "%{HTTP:Accept-encoding}" "gzip"
RewriteCond "%{REQUEST_FILENAME}\.gz" -s
RewriteRule "^(.*)\.css" "$1\.css\.gz" [QSA]
RewriteCond "%{HTTP:Accept-encoding}" "gzip"
RewriteCond "%{REQUEST_FILENAME}\.gz" -s
RewriteRule "^(.*)\.js" "$1\.js\.gz" [QSA]
RewriteRule "\.css\.gz$" "-" [T=text/css,E=no-gzip:1,E=no-brotli:1,L]
RewriteRule "\.js\.gz$" "-" [T=text/javascript,E=no-gzip:1,E=no-brotli:1,L]
<FilesMatch "(\.js\.gz|\.css\.gz)$">
Header append Content-Encoding gzip
Header append Vary Accept-Encoding
</FilesMatch>
</IfModule>
END
    symfony => <<'END',
DirectoryIndex index.php
<IfModule mod_negotiation.c>
    Options -MultiViews
</IfModule>
<IfModule mod_rewrite.c>
    RewriteEngine On
    RewriteCond %{REQUEST_URI}::$0 ^(/.+)/(.*)::\2$
    RewriteRule .* - [E=BASE:%1]
    RewriteCond %{HTTP:Authorization} .+
    RewriteRule ^ - [E=HTTP_AUTHORIZATION:%0]
    RewriteCond %{ENV:REDIRECT_STATUS} =""
    RewriteRule ^index\.php(?:/(.*)|$) %{ENV:BASE}/$1 [R=301,L]
    RewriteCond %{REQUEST_FILENAME} !-f
    RewriteRule ^ %{ENV:BASE}/index.php [L]
</IfModule>
<IfModule !mod_rewrite.c>
    <IfModule mod_alias.c>
        RedirectMatch 307 ^/$ /index.php/
    </IfModule>
</IfModule>
END
    'symfony-2' => <<'END',
RewriteEngine On
RewriteCond %{REQUEST_URI}::$1 ^(/.+)/(.*)::\2$
RewriteRule ^(.*) - [E=BASE:%1]
RewriteCond %{HTTP:Authorization} .
RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteCond %{HTTP:Authorization} ^(.*)
RewriteRule .* - [e=HTTP_AUTHORIZATION:%1]
SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1
END
    nextcloud => <<'END',
<IfModule mod_headers.c>
  <IfModule mod_setenvif.c>
    SetEnvIfNoCase ^Authorization$ "(.+)" XAUTHORIZATION=$1
    RequestHeader set XAuthorization %{XAUTHORIZATION}e env=XAUTHORIZATION
    SetEnvIfNoCase Authorization "(.+)" HTTP_AUTHORIZATION=$1
  </IfModule>
  <IfModule mod_env.c>
    <If "%{REQUEST_URI} =~ m#/login$#">
      Header onsuccess unset Referrer-Policy
      Header always set Referrer-Policy "same-origin"
    </If>
    <Else>
      Header onsuccess unset Referrer-Policy
      Header always set Referrer-Policy "no-referrer"
    </Else>
    Header onsuccess unset X-Content-Type-Options
    Header always set X-Content-Type-Options "nosniff"
    Header onsuccess unset X-Frame-Options
    Header always set X-Frame-Options "SAMEORIGIN"
    SetEnv modHeadersAvailable true
  </IfModule>
  <FilesMatch "\.(css|js|mjs|svg|gif|ico|jpg|png|webp|html|otf|ttf|woff2?|map|webm|mp4|mp3|ogg|wav|flac|wasm|tflite)$">
    <If "%{QUERY_STRING} =~ /(^|&)v=/">
      Header set Cache-Control "max-age=15778463, immutable"
    </If>
    <Else>
      Header set Cache-Control "max-age=15778463"
    </Else>
  </FilesMatch>
  <FilesMatch "\.(otf|woff2?)$">
    Header set Cache-Control "max-age=604800"
  </FilesMatch>
</IfModule>
<IfModule mod_rewrite.c>
  RewriteEngine on
  RewriteCond %{HTTP_USER_AGENT} DavClnt
  RewriteRule ^$ /remote.php/webdav/ [L,R=302]
  RewriteRule .* - [env=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
  RewriteRule ^\.well-known/carddav /remote.php/dav/ [R=301,L]
  RewriteRule ^\.well-known/caldav /remote.php/dav/ [R=301,L]
  RewriteRule ^remote/(.*) remote.php [QSA,L]
  RewriteRule ^(?:build|tests|config|lib|3rdparty|templates)/.* - [R=404,L]
  RewriteRule ^\.well-known/(?!acme-challenge|pki-validation) /index.php [QSA,L]
  RewriteRule ^(?:\.(?!well-known)|autotest|occ|issue|indie|db_|console).* - [R=404,L]
</IfModule>
AddDefaultCharset utf-8
Options -Indexes
END
);

# What still ends the quick path: a second question, another field, a variable
# that the client decides, a rule that does more.
my %closed = (
    both => 'RewriteCond %{HTTP:Authorization}%{HTTP_COOKIE} user
        RewriteRule ^ - [F]',
    second => 'RewriteCond %{HTTP:Authorization} ^$
        RewriteCond %{HTTP:X-User} .
        RewriteRule ^ - [F]',
    variable => 'SetEnvIf Cookie user USER=1
        RewriteCond %{ENV:USER} 1
        RewriteRule ^ - [F]',
    rewritten => 'RewriteCond %{HTTP_COOKIE} user
        RewriteRule ^ - [E=USER:1]
        RewriteCond %{ENV:USER} 1
        RewriteRule ^ - [F]',
    last => 'RewriteCond %{HTTP_COOKIE} user
        RewriteRule ^ - [E=USER:1,L]
        RewriteRule ^ - [E=GUEST:1]
        RewriteCond %{ENV:GUEST} 1
        RewriteRule nothing - [F]',
    if => '<If "%{HTTP:Authorization} == \'\' && %{HTTP_COOKIE} =~ /user/">
        Require all denied
        </If>',
    expr => 'RewriteCond expr "%{HTTP:Authorization} == \'\' && -R \'10.0.0.1\'"
        RewriteRule ^ - [F]',
);

# Rules that decide by a field which closes the quick path: who has it is sent
# something else than who has not.
my %decides = (
    authorization => ['RewriteCond %{HTTP:Authorization} .
        RewriteRule ^page\.css$ /other.css [L]',
        Authorization => 'Basic dXNlcjp3b3Jk'],
    'authorization-unset' => ['RewriteCond %{HTTP:Authorization} .
        RewriteRule ^page\.css$ - [F]
        RequestHeader unset Authorization',
        Authorization => 'Basic dXNlcjp3b3Jk'],
    'header-unset' => ['SetEnvIf Authorization . KNOWN=1
        Header set Cache-Control "max-age=86400"
        Header set Cache-Control "max-age=0, must-revalidate" env=KNOWN
        RequestHeader unset Authorization',
        Authorization => 'Basic dXNlcjp3b3Jk'],
    upgrade => ['RewriteCond %{HTTP:Upgrade} none [NC]
        RewriteRule ^page\.css$ - [F]', Upgrade => 'none',
        Connection => 'upgrade'],
    'upgrade-field' => ['Header set Cache-Control max-age=1
        Header set Cache-Control max-age=2 "expr=%{HTTP:Upgrade} == \'none\'"
        RequestHeader unset Upgrade', Upgrade => 'none',
        Connection => 'upgrade'],
    # Not one that closes it, but part of the key.
    origin => ['RewriteCond %{HTTP:Origin} evil
        RewriteRule ^page\.css$ - [F]', Origin => 'https://evil.test'],
    if => ['<If "%{HTTP:Authorization} != \'\'">
        Header set Cache-Control no-cache
        </If>', Authorization => 'Basic dXNlcjp3b3Jk'],
);

my %folder = (%shipped,
    map({ ("c-$_" => "RewriteEngine On\n$closed{$_}\n") } keys %closed),
    map({ ("d-$_" => "RewriteEngine On\n$decides{$_}[0]\n") } keys %decides));

my $server = Vld::Server->start(name => 'shipped', prepare => sub {
    my $s = shift;
    for my $name (keys %folder) {
        stamp(spew($s->docs($name, $_), "/* $_ */\n$text"), $old)
            for qw(page.css other.css);
        spew($s->docs($name, '.htaccess'), $folder{$name});
        spew($s->docs($name, 'index.php'), '');
    }
    settle();
}, conf => sub {
    my $s = shift;
    my $docs = $s->docs;
    return engine("ValidatorsEngine On\nValidatorsQuickHandler On\n"
        . "ValidatorsAnswerTTL 600") . "<Directory \"$docs\">\n"
        . "AllowOverride All\nRequire all granted\n</Directory>\n"
        . join '', map { "<VirtualHost 127.0.0.1:$s->{port}>\n"
            . "ServerName $_.test\nDocumentRoot \"$docs/$_\"\n"
            . "</VirtualHost>\n" } sort keys %folder;
});

sub client_of
{
    return Vld::Http->new(port => $server->{port}, host => shift . '.test');
}

my @notes;

# A conditional request; its note is looked at when the server has stopped.
sub ask
{
    my ($c, $full, $note, $what, @fields) = @_;
    my $id = new_id();
    push @notes, [$id, $note, "$c->{host}: $what"];
    return $c->get('/page.css', validators_of($full, 'tag'), @fields,
        'X-Id' => $id);
}

my @known = (Authorization => 'Basic dXNlcjp3b3Jk');
for my $name (sort keys %shipped) {
    my $c = client_of($name);
    my $full = $c->get('/page.css');
    is($full->{status}, 200, "$name: the page is there");
    for my $n (1, 2) {
        my $res = ask($c, $full, qr/^quick$/, "answered early ($n)");
        is($res->{status}, 304, "$name: not modified ($n)");
        is($res->{h}{'cache-control'}, $full->{h}{'cache-control'},
            "$name: with the fields of the 200 ($n)");
        $res = ask($c, $full, qr/^(?!quick$|replay$)/,
            "never with Authorization ($n)", @known);
        is($res->{status}, 304, "$name: with Authorization, too ($n)");
    }
}
for my $name (sort keys %closed) {
    my $c = client_of("c-$name");
    my $full = $c->get('/page.css');
    for my $n (1, 2) {
        my $res = ask($c, $full, qr/^(?!quick$)/, "not answered early ($n)");
        is($res->{status}, 304, "closed, $name: not modified ($n)");
    }
    my $res = ask($c, $full, qr/^(?!quick$)/, 'who is refused', Cookie => 'user',
        'X-User' => 'user');
    is($res->{status}, $name =~ /expr|last/ ? 304 : 403,
        "closed, $name: who is refused is");
}
for my $name (sort keys %decides) {
    my (undef, @fields) = @{$decides{$name}};
    my $c = client_of("d-$name");
    for my $n (1, 2) {
        my %full = (with => $c->get('/page.css', @fields),
            without => $c->get('/page.css'));
        $c->get('/page.css', @fields);
        my $res = ask($c, $full{without}, qr/./, 'without');
        is("$res->{status} $res->{h}{etag} "
            . ($res->{h}{'cache-control'} || ''), "304 $full{without}{h}{etag} "
            . ($full{without}{h}{'cache-control'} || ''), "decides, $name:"
            . " without the field, as its 200 ($n)");
        $res = ask($c, $full{without}, qr/^(?!quick$|replay$)/, 'with',
            @fields);
        is("$res->{status} " . ($res->{h}{'cache-control'} || ''),
            ($full{with}{status} != 200 ? $full{with}{status} :
            $full{with}{h}{etag} ne $full{without}{h}{etag} ? 200 : 304) . ' '
            . ($full{with}{h}{'cache-control'} || ''), "decides, $name: with"
            . " the field, as its 200 ($n)");
    }
}
# The folder's own URL, which Nextcloud's first rule is for.
{
    my $c = client_of('nextcloud');
    my $res = $c->get('/', 'User-Agent' => 'DavClnt');
    is($res->{status}, 302, 'nextcloud: a WebDAV client is led on');
}
stop_idle($server);
my $said = notes_of($server->log_path, map { $_->[0] } @notes);
my @wrong = map { "$_->[2]: " . ($said->{$_->[0]} || 'not logged') }
    grep { ($said->{$_->[0]} || 'not logged') !~ $_->[1] } @notes;
all_right(scalar(@notes) . ' requests went the ways that they were meant to go',
    @wrong);
done_testing();
