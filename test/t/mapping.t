# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# However a URL comes to a file - index files, aliases, rewriting, symbolic
# links, virtual hosts - its validators are those of the content; and whatever
# takes its place later, no client is told that it has not changed.
use strict;
use warnings;
use lib 'lib';
use Test::More;
use Time::HiRes ();
use Vld::Extra;
use Vld::Origins;
use Vld::Server ();
use Vld::Test;

my $old = 1_500_000_000;
my $older = $old - 90_000_000;
my $ttl = 1;
my $row = "a row of a page that can be reached in many ways\n";
my @trees = qw(indexed unindexed);

sub page { return "page $_[0]\n" . $row x 30 }

# --- the servers ------------------------------------------------------------

# One folder of the tree; every name below is in both trees.
sub tree_conf
{
    my ($server, $tree) = @_;
    my ($root, $docs) = ($server->{root}, $server->docs($tree));
    my $self = "http://127.0.0.1:$server->{port}";
    my $auto = $tree eq 'unindexed' ? 'Off' : 'On';
    return <<"END";
<IfModule mod_validators.c>
    <DirectoryMatch "^\Q$root\E/(?:elsewhere|htdocs)/$tree">
        ValidatorsAutoIndex $auto
    </DirectoryMatch>
</IfModule>
Alias "/$tree/alias" "$root/elsewhere/$tree"
AliasMatch "^/$tree/match/(\\w+)\$" "$root/elsewhere/$tree/\$1.css"
<Directory "$root/elsewhere/$tree">
    Require all granted
    AllowOverride All
</Directory>
RewriteRule "^/$tree/rewrite/plain/(.*)" "$docs/target/\$1"
RewriteRule "^/$tree/rewrite/pass/(.*)" "/$tree/target/\$1" [PT]
RewriteRule "^/$tree/rewrite/mark/(.*)" "/$tree/target/\$1" [PT,E=MARK:yes]
RewriteRule "^/$tree/rewrite/proxy/(.*)" "$self/$tree/target/\$1" [P]
RewriteRule "^/$tree/rewrite/moved/(.*)" "/$tree/target/\$1" [R=302]
RewriteRule "^/$tree/rewrite/gone/" "-" [G]
RewriteRule "^/$tree/rewrite/forbidden/" "-" [F]
RewriteRule "^/$tree/rewrite/missing/" "-" [R=404]
RewriteRule "^/$tree/rewrite/lang/(.*)" "$docs/target/%{HTTP:X-Lang}-\$1"
RewriteRule "^/$tree/map/(.*)" "$docs/map/\${release:$tree}/\$1"
<Directory "$docs/target">
    Header set X-Mark "%{MARK}e" env=MARK
</Directory>
<Directory "$docs/track">
    IndexOptions FancyIndexing TrackModified
    DirectoryIndex disabled
</Directory>
<Directory "$docs/listing">
    IndexOptions FancyIndexing -TrackModified
    DirectoryIndex disabled
</Directory>
<Directory "$docs/spelling">
    CheckSpelling On
</Directory>
<Directory "$docs/fallback">
    FallbackResource /$tree/fallback/front.html
</Directory>
<Directory "$docs/indexed-by-redirect">
    DirectoryIndexRedirect on
</Directory>
<Directory "$docs/errors">
    ErrorDocument 404 /$tree/err/local.html
    ErrorDocument 500 /$tree/err/local.html
    ErrorDocument 403 /$tree/err/script.cgi
</Directory>
<Directory "$docs/errors/text">
    ErrorDocument 404 "nothing here"
    ErrorDocument 500 /$tree/err/script.cgi
    ErrorDocument 403 /$tree/err/local.html
</Directory>
<DirectoryMatch "^\Q$docs\E/errors/(?:text/)?closed">
    Require all denied
</DirectoryMatch>
<Directory "$docs/files">
    <Files "named.css">
        Header set Cache-Control max-age=11
    </Files>
    <If "%{REQUEST_URI} =~ m#/if\\.css\$#">
        Header set Cache-Control max-age=12
    </If>
</Directory>
<Location "/$tree/files/located.css">
    Header set Cache-Control max-age=13
</Location>
<Directory "$docs/condition/if">
    <If "req_novary('X-Made') == 'yes'">
        SetHandler cgi-script
    </If>
</Directory>
<Directory "$docs/condition/rule">
    RewriteEngine On
    RewriteCond %{HTTP:X-Made} =yes
    RewriteRule . - [H=cgi-script]
</Directory>
<Location "/$tree/chosen">
    Alias "$docs/target/%{HTTP:X-Lang}-b.css"
</Location>
<Directory "$docs/actions">
    Action page-maker /$tree/err/maker.cgi
    AddHandler page-maker .made
</Directory>
<Directory "$docs/pathinfo">
    AcceptPathInfo On
</Directory>
END
}

sub conf
{
    my ($server, $quick) = @_;
    my $root = $server->{root};
    my $hosts = $server->{hosts} = Vld::Server::free_port();
    my $docs = $server->docs;
    my $ip = $server->{ip} = Vld::Server::free_port();
    my $trees = join '', map { tree_conf($server, $_) } @trees;
    fill_inner($server, $_) for @trees;
    return load_modules(qw(autoindex speling userdir vhost_alias proxy
        proxy_http)) . <<"END";
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsAnswerTTL $ttl
    ValidatorsQuickHandler $quick
    LogLevel validators:trace2
</IfModule>
Listen 127.0.0.1:$hosts
Listen 127.0.0.1:$ip
Listen 127.0.0.2:$ip
<Directory "$docs">
    Require all granted
    AllowOverride All
    Options FollowSymLinks ExecCGI Indexes
    AddHandler cgi-script .cgi
    DirectoryIndex index.html index.htm index.txt
</Directory>
<Directory "$root/home">
    Require all granted
    AllowOverride All
</Directory>
<Directory "$root/people">
    Require all granted
</Directory>
<Directory "$root/hosts">
    Require all granted
</Directory>
UserDir "$root/home/*/public_html"
RewriteEngine On
RewriteMap release "txt:$root/release.map"
$trees
<VirtualHost *:$hosts>
    VirtualDocumentRoot "$root/hosts/%0"
</VirtualHost>
<VirtualHost *:$ip>
    VirtualDocumentRootIP "$root/hosts/%0"
</VirtualHost>
END
}

my $maker = <<'END';
#!/bin/sh
printf 'Content-Type: text/plain\r\n'
printf 'ETag: "made-by-the-script"\r\n'
printf 'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\n\r\n'
printf 'made of %s\n' "$PATH_INFO"
END

my $error_script = <<'END';
#!/bin/sh
printf 'Content-Type: text/plain\r\n'
printf 'Status: %s\r\n\r\n' "$REDIRECT_STATUS"
printf 'an error, %s, in words\n' "$REDIRECT_STATUS"
END

sub fill_tree
{
    my ($server, $tree) = @_;
    my $docs = $server->docs($tree);
    my $beside = "$server->{root}/elsewhere/$tree";
    file_of("$docs/$_", page("$tree $_"), $old)
        for qw(target/a.css target/de-b.css target/en-b.css slash/index.html
            indexed-by-redirect/index.html spelling/one1.css spelling/one2.css
            second/index.htm third/index.txt spelling/page.css
            fallback/front.html err/local.html files/named.css files/if.css
            files/located.css files/other.css actions/x.made pathinfo/a.css
            pathless/a.css inner/real.css inner/over.css htaccess/page.css
            listing/a.txt track/a.txt);
    stamp("$docs/target/de-b.css", $old + 10);
    file_of("$beside/a.css", page("$tree elsewhere"), $old);
    file_of("$docs/errors/$_/a.css", page("closed"), $old)
        for qw(closed text/closed);
    script_of("$docs/err/$_->[0]", $_->[1])
        for ['script.cgi', $error_script], ['maker.cgi', $maker];
    script_of("$docs/errors/${_}broken.cgi", "#!/bin/sh\nexit 1\n")
        for '', 'text/';
    for my $by (qw(if rule)) {
        script_of("$docs/condition/$by/a.css", $maker);
        stamp("$docs/condition/$by/a.css", $old);
    }
    spew("$docs/htaccess/.htaccess",
        "ErrorDocument 404 /$tree/err/local.html\n"
        . "Header set Cache-Control max-age=14\n");
}

# With the port, which is known last.
sub fill_inner
{
    my ($server, $tree) = @_;
    my $self = "http://127.0.0.1:$server->{port}";
    spew($server->docs($tree, 'inner/.htaccess'), <<"END");
RewriteEngine On
RewriteRule ^over\\.css\$ real.css [L]
RewriteRule ^gone - [G]
RewriteRule ^moved /$tree/inner/real.css [R=302,L]
RewriteRule ^proxied\$ $self/$tree/inner/real.css [P]
RewriteRule ^marked\$ real.css [E=MARK:inner,L]
Header set X-Mark "%{REDIRECT_MARK}e" env=REDIRECT_MARK
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^front/ real.css [L]
END
}

sub prepare
{
    my $server = shift;
    my $root = $server->{root};
    fill_tree($server, $_) for @trees;
    file_of("$root/people/ann/site/page.css", page('ann'), $old);
    File::Path::make_path("$root/home/ann");
    symlink '../../people/ann/site', "$root/home/ann/public_html";
    file_of("$root/hosts/$_/page.css", page("host $_"), $old)
        for qw(one.test two.test);
    file_of("$root/hosts/127.0.0.$_/page.css", page("address $_"), $old + $_)
        for 1, 2;
    changing($server, $_) for @trees;
    scan_of($server, $server->docs('indexed'), "$root/elsewhere/indexed",
        "$root/people", "$root/hosts/one.test");
}

sub start
{
    my ($name, $quick) = @_;
    return Vld::Server->start(name => "mapping-$name", prepare => \&prepare,
        conf => sub { conf($_[0], $quick) });
}

# --- what changes under a running server ------------------------------------

# Prepared before the servers start: [name, url, prepare, steps...]; a step
# changes what the URL shows and returns it.  What is there in between is dated
# earlier, where a file's date can be.
my @changes = (
    ['another index file', 'index/', sub {
        my $d = shift;
        file_of("$d/index/index.html", page('first'), $old);
        file_of("$d/index/index.htm", page('second'), $older);
        return page('first');
    }, sub {
        rename "$_[0]/index/index.html", "$_[0]/index/away" or die $!;
        return page('second');
    }, sub {
        rename "$_[0]/index/away", "$_[0]/index/index.html" or die $!;
        return page('first');
    }],
    ['a file in place of the fallback', 'fallback/page', sub {
        file_of("$_[0]/fallback/later", page('later'), $older);
        return slurp("$_[0]/fallback/front.html");
    }, sub {
        rename "$_[0]/fallback/later", "$_[0]/fallback/page" or die $!;
        return page('later');
    }, sub {
        rename "$_[0]/fallback/page", "$_[0]/fallback/later" or die $!;
        return slurp("$_[0]/fallback/front.html");
    }],
    ['another release by a RewriteMap', 'map/page.css', sub {
        my $d = shift;
        file_of("$d/map/r1/page.css", page('map 1'), $old);
        file_of("$d/map/r2/page.css", page('map 2'), $older);
        map_to($d, 'r1');
        return page('map 1');
    }, sub { map_to($_[0], 'r2'); return page('map 2') },
       sub { map_to($_[0], 'r1'); return page('map 1') }],
    ['a file in place of another by RewriteCond -f', 'cond/page.css', sub {
        my $d = shift;
        file_of("$d/cond/page.css", page('usual'), $old);
        file_of("$d/cond/kept", page('for a while'), $older);
        spew("$d/cond/.htaccess", "RewriteEngine On\n"
            . "RewriteCond %{REQUEST_FILENAME}.now -f\n"
            . "RewriteRule (.*) \$1.now [END]\n");
        return page('usual');
    }, sub {
        rename "$_[0]/cond/kept", "$_[0]/cond/page.css.now" or die $!;
        return page('for a while');
    }, sub {
        rename "$_[0]/cond/page.css.now", "$_[0]/cond/kept" or die $!;
        return page('usual');
    }],
    ['another release by a symbolic link', 'link/now/page.css', sub {
        my $d = shift;
        file_of("$d/link/r1/page.css", page('link 1'), $old);
        file_of("$d/link/r2/page.css", page('link 2'), $older);
        link_to("$d/link/now", 'r1');
        return page('link 1');
    }, sub { link_to("$_[0]/link/now", 'r2'); return page('link 2') },
       sub { link_to("$_[0]/link/now", 'r1'); return page('link 1') }],
    ['another release of the same size and time', 'same/now/page.css', sub {
        my $d = shift;
        file_of("$d/same/r$_/page.css", page("same $_"), $old) for 1, 2;
        link_to("$d/same/now", 'r1');
        return page('same 1');
    }, sub { link_to("$_[0]/same/now", 'r2'); return page('same 2') },
       sub { link_to("$_[0]/same/now", 'r1'); return page('same 1') }],
    ['a link to another file', 'linked/page.css', sub {
        my $d = shift;
        file_of("$d/linked/f$_", page("file $_"), $old - $_) for 1, 2;
        link_to("$d/linked/page.css", 'f1');
        return page('file 1');
    }, sub { link_to("$_[0]/linked/page.css", 'f2'); return page('file 2') },
       sub { link_to("$_[0]/linked/page.css", 'f1'); return page('file 1') }],
    ['a folder renamed into place', 'swap/now/page.css', sub {
        my $d = shift;
        file_of("$d/swap/now/page.css", page('swap 1'), $old);
        file_of("$d/swap/next/page.css", page('swap 2'), $older);
        return page('swap 1');
    }, sub { swap($_[0]); return page('swap 2') },
       sub { swap($_[0]); return page('swap 1') }],
    ['a page that becomes a script', 'made/page.css', sub {
        script_of("$_[0]/made/page.css", $maker);
        stamp("$_[0]/made/page.css", $old);
        return $maker;
    }, sub {
        spew("$_[0]/made/.htaccess", "AddHandler cgi-script .css\n");
        return "made of \n";
    }, sub {
        unlink "$_[0]/made/.htaccess";
        return $maker;
    }],
    ['a page that is away', 'away/page.css', sub {
        file_of("$_[0]/away/page.css", page('here'), $old);
        file_of("$_[0]/away/kept", page('here anew'), $older);
        return page('here');
    }, sub { unlink "$_[0]/away/page.css"; return 404 },
       sub {
        rename "$_[0]/away/kept", "$_[0]/away/page.css" or die $!;
        return page('here anew');
    }],
    ['a page that has moved', 'moved/page.css', sub {
        file_of("$_[0]/moved/page.css", page('not moved'), $old);
        return page('not moved');
    }, sub {
        spew("$_[0]/moved/.htaccess", "Redirect 302 / /elsewhere\n");
        return 302;
    }, sub {
        unlink "$_[0]/moved/.htaccess";
        return page('not moved');
    }],
    ['a page that others may see', 'closed/page.css', sub {
        file_of("$_[0]/closed/page.css", page('open'), $old);
        return page('open');
    }, sub {
        spew("$_[0]/closed/.htaccess", "Require all denied\n");
        return 403;
    }, sub {
        unlink "$_[0]/closed/.htaccess";
        return page('open');
    }],
);

sub swap
{
    my $d = shift;
    rename "$d/swap/now", "$d/swap/aside" or die $!;
    rename "$d/swap/next", "$d/swap/now" or die $!;
    rename "$d/swap/aside", "$d/swap/next" or die $!;
}

my %mapped;

# The map of both trees, by rename: httpd reads it again when its time is
# another.
sub map_to
{
    my ($docs, $release) = @_;
    my ($root, $tree) = $docs =~ m{^(.*)/htdocs/(\w+)\z};
    $mapped{$root}{$tree} = $release;
    spew("$root/release.new", join '', map { "$_ $mapped{$root}{$_}\n" }
        sort keys %{$mapped{$root}});
    rename "$root/release.new", "$root/release.map" or die $!;
}

sub changing
{
    my ($server, $tree) = @_;
    $_->[2]->($server->docs($tree)) for @changes;
}

# --- however it is reached --------------------------------------------------

my %server = (full => start('full', 'Off'), quick => start('quick', 'On'));
settle();

sub reached
{
    my ($server, $name, $tree) = @_;
    my $what = "$name, $tree";
    my $c = $server->client;
    my $t = sub { page("$tree $_[0]") };
    my $target = $t->('target/a.css');
    served_right($c, "/$tree/$_->[0]", $_->[1], "$what, $_->[2]")
        for ['slash/', $t->('slash/index.html'), 'the first index file'],
            ['second/', $t->('second/index.htm'), 'the second index file'],
            ['third/', $t->('third/index.txt'), 'the third index file'],
            ['alias/a.css', page("$tree elsewhere"), 'Alias'],
            ['match/a', page("$tree elsewhere"), 'AliasMatch'],
            ['rewrite/plain/a.css', $target, 'a rule of the server'],
            ['rewrite/pass/a.css', $target, 'a rule with PT'],
            ['rewrite/mark/a.css', $target, 'a rule with E'],
            ['rewrite/proxy/a.css', $target, 'a rule with P'],
            ['inner/over.css', $t->('inner/real.css'),
                'a rule of .htaccess'],
            ['inner/front/a/b', $t->('inner/real.css'),
                'a front controller in .htaccess'],
            ['inner/proxied', $t->('inner/real.css'),
                'a rule with P in .htaccess'],
            ['inner/marked', $t->('inner/real.css'),
                'a rule with E in .htaccess'],
            ['fallback/any/thing', $t->('fallback/front.html'),
                'FallbackResource'],
            ['files/named.css', $t->('files/named.css'), '<Files>'],
            ['files/if.css', $t->('files/if.css'), '<If>'],
            ['files/located.css', $t->('files/located.css'), '<Location>'],
            ['htaccess/page.css', $t->('htaccess/page.css'), '.htaccess'],
            ['pathinfo/a.css/more/of/it', $t->('pathinfo/a.css'),
                'AcceptPathInfo On'],
            ['pathinfo/a.css?a=b', $t->('pathinfo/a.css'), 'a query'];
    is($c->get("/$tree/rewrite/mark/a.css")->{h}{'x-mark'}, 'yes',
        "$what: what a rule sets by E is in the response");
    is($c->get("/$tree/inner/marked")->{h}{'x-mark'}, 'inner',
        "$what: and in .htaccess");
    my %age = (named => 11, if => 12, located => 13);
    for my $of (sort keys %age) {
        my $full = $c->get("/$tree/files/$of.css");
        my $res = $c->get("/$tree/files/$of.css",
            'If-None-Match' => $full->{h}{etag});
        is("$res->{status} " . ($res->{h}{'cache-control'} || ''),
            "304 max-age=$age{$of}", "$what: the 304 has the fields of its"
            . " own section ($of)");
    }
    my $made = $c->get("/$tree/actions/x.made");
    served_right($c, "/$tree/actions/x.made",
        "made of /$tree/actions/x.made\n", "$what, Action", strong => 0);
    is($made->{h}{etag}, '"made-by-the-script"',
        "$what, Action: with the script's tag");
}

sub refused
{
    my ($server, $name, $tree) = @_;
    my $what = "$name, $tree";
    my $c = $server->client;
    my $seen = $c->get("/$tree/target/a.css")->{h}{etag};
    my %more = (tag => $seen);
    my %to;
    for my $case (['slash', 301, 'DirectorySlash'],
        ['rewrite/moved/a.css', 302, 'a rule with R'],
        ['rewrite/gone/a.css', 410, 'a rule with G'],
        ['rewrite/forbidden/a.css', 403, 'a rule with F'],
        ['rewrite/missing/a.css', 404, 'a rule with R=404'],
        ['inner/gone', 410, 'a rule with G in .htaccess'],
        ['inner/moved', 302, 'a rule with R in .htaccess'],
        ['pathless/a.css/more', 404, 'AcceptPathInfo Off'],
        ['spelling/pagr.css', 301, 'mod_speling'],
        ['spelling/PAGE.css', 301, 'mod_speling, by case'],
        ['spelling/one3.css', 300, 'mod_speling, choices'],
        ['indexed-by-redirect/', 302, 'DirectoryIndexRedirect'],
        ['htaccess/missing', 404, 'ErrorDocument in .htaccess'],
        ['errors/missing.css', 404, 'ErrorDocument 404, a file'],
        ['errors/closed/a.css', 403, 'ErrorDocument 403, a script'],
        ['errors/broken.cgi', 500, 'ErrorDocument 500, a file'],
        ['errors/text/missing.css', 404, 'ErrorDocument 404, a text'],
        ['errors/text/closed/a.css', 403, 'ErrorDocument 403, a file'],
        ['errors/text/broken.cgi', 500, 'ErrorDocument 500, a script'])
    {
        my ($path, $status, $why) = @$case;
        $to{$path} = never_instead($c, "/$tree/$path", $status,
            "$what, $why", %more);
    }
    is($to{'errors/missing.css'}{body}, page("$tree err/local.html"),
        "$what: the error's file is sent");
    is($to{'errors/closed/a.css'}{body}, "an error, 403, in words\n",
        "$what: and what the error's script says");
    like($to{'spelling/pagr.css'}{h}{location},
        qr{/$tree/spelling/page\.css$}, "$what: spelling leads to the page");
}

sub listed
{
    my ($server, $name, $tree) = @_;
    my $what = "$name, $tree";
    my $c = $server->client;
    my $full = $c->get("/$tree/listing/");
    like($full->{body}, qr/a\.txt/, "$what: a listing is sent");
    is(join(' ', grep { defined } @{$full->{h}}{qw(etag last-modified)}), '',
        "$what: without validators");
    for my $asks (['If-None-Match' => '"some"'],
        ['If-Modified-Since' => http_date(time)])
    {
        is($c->get("/$tree/listing/", @$asks)->{status}, 200,
            "$what: it is always sent ($asks->[0])");
    }
    # Its validators are those of the folder, and are settled after a second.
    stamp($server->docs($tree, 'track'), $old);
    $full = $c->get("/$tree/track/");
    for my $kind (kinds()) {
        not_modified($c, "/$tree/track/", $full, $kind, "$what: with"
            . " TrackModified a listing is not modified by $kind");
    }
    file_of($server->docs($tree, 'track', 'b.txt'), 'x', $older);
    for my $kind (kinds()) {
        my $res = $c->get("/$tree/track/", validators_of($full, $kind));
        is($res->{status} . ($res->{body} =~ /b\.txt/ || 0), 2001,
            "$what: until there is a file more, by $kind");
    }
}

# What a request's own fields choose, though Vary does not say so.
sub chosen
{
    my ($server, $name, $tree) = @_;
    my $c = $server->client;
    for my $way ('rewrite/lang/b.css', 'chosen') {
        my $what = "$name, $tree, $way";
        my %full;
        for my $lang (qw(de en)) {
            my @by = ('X-Lang' => $lang);
            my $res = $full{$lang} = $c->get("/$tree/$way", @by);
            is($res->{body}, page("$tree target/$lang-b.css"),
                "$what: $lang is chosen");
            $c->get("/$tree/$way", @by, validators_of($res, 'both'))
                for 1 .. 2;
        }
        for my $lang (qw(de en)) {
            my @by = ('X-Lang' => $lang eq 'de' ? 'en' : 'de');
            for my $kind (kinds()) {
                $c->get("/$tree/$way", 'X-Lang' => $lang,
                    validators_of($full{$lang}, $kind)) for 1 .. 2;
                my $res = $c->get("/$tree/$way", @by,
                    validators_of($full{$lang}, $kind));
                is($res->{status}, 200, "$what: who holds $lang is sent the"
                    . " other, asking by $kind");
            }
        }
    }
    for my $by (qw(if rule)) {
        my $url = "/$tree/condition/$by/a.css";
        my $what = "$name, $tree, a handler for some by $by";
        my $plain = $c->get($url);
        is($plain->{body}, $maker, "$what: the file is sent");
        $c->get($url, validators_of($plain, 'both')) for 1 .. 2;
        for my $kind (kinds()) {
            my $res = $c->get($url, 'X-Made' => 'yes',
                validators_of($plain, $kind));
            is("$res->{status} $res->{body}", "200 made of \n",
                "$what: who holds the file is sent what is made, by $kind");
        }
    }
}

# The same Host on two addresses, and two names on one.
sub hosted
{
    my ($server, $name) = @_;
    my $c = Vld::Http->new(port => $server->{hosts});
    for my $host (qw(one.test two.test)) {
        served_right($c, '/page.css', page("host $host"),
            "$name, VirtualDocumentRoot, $host", fields => [Host => $host]);
    }
    my $tag = $c->get('/page.css', Host => 'one.test')->{h}{etag};
    is($c->get('/page.css', Host => 'two.test', 'If-None-Match' => $tag)
        ->{status}, 200, "$name: a host's tag is not another's");
    served_right($server->client, '/~ann/page.css', page('ann'),
        "$name, UserDir through a link");
    my %full;
    for my $n (1, 2, 1, 2) {
        my $at = Vld::Origins::At->new("127.0.0.$n", $server->{ip});
        my @same = (Host => 'same.test');
        $full{$n} ||= $at->get('/page.css', @same);
        is($full{$n}{body}, page("address $n"),
            "$name, VirtualDocumentRootIP, address $n");
        $at->get('/page.css', @same, validators_of($full{$n}, 'both'))
            for 1 .. 2;
        my $other = $full{3 - $n} or next;
        my $there = Vld::Origins::At->new('127.0.0.' . (3 - $n),
            $server->{ip});
        for my $kind (qw(tag both)) {
            my @held = validators_of($other, $kind);
            $there->get('/page.css', @same, @$_) for [], \@held, \@held;
            is($at->get('/page.css', @same, @held)->{status}, 200,
                "$name: an address's page is not another's, by $kind");
        }
    }
}

for my $name (sort keys %server) {
    for my $tree (@trees) {
        reached($server{$name}, $name, $tree);
        refused($server{$name}, $name, $tree);
        listed($server{$name}, $name, $tree);
        chosen($server{$name}, $name, $tree);
    }
    hosted($server{$name}, $name);
}

# --- whatever takes its place -----------------------------------------------

sub has_truth
{
    my ($w, $what) = @_;
    my $has = $w->{holder}->ask($w->{url});
    return is($has, $w->{truth}, "$w->{name}, $w->{tree}: $w->{change}[0],"
        . " $what, by $w->{kind}")
        || diag("$w->{url}: $w->{holder}{last}");
}

# All changes at once: each kind of client of each URL asks before and
# after every step.
{
    my @watched;
    for my $name (sort keys %server) {
        my $c = $server{$name}->client;
        for my $tree (@trees) {
            for my $change (@changes) {
                # Of a script's date nothing is known.
                my @kinds = grep { $_ ne 'date'
                    || $change->[0] !~ /script/ } kinds();
                push @watched, map { { name => $name, tree => $tree,
                    change => $change, kind => $_,
                    docs => $server{$name}->docs($tree),
                    url => "/$tree/$change->[1]",
                    holder => Vld::Origins::Holder->new($c, $_) } }
                    @kinds;
            }
        }
    }
    $_->{holder}->prepare($_->{url}) for @watched;
    $_->{holder}->ask($_->{url}) for (@watched) x 2;
    my %truth;
    for my $step (3, 4) {
        for my $w (@watched) {
            my $key = join '/', $w->{docs}, $w->{change}[1];
            $truth{"$key $step"} = $w->{change}[$step]->($w->{docs})
                unless exists $truth{"$key $step"};
            $w->{truth} = $truth{"$key $step"};
        }
        # What surrounds a file may be seen late by the TTL, but by the quick
        # handler only.
        my $what = $step == 3 ? 'there' : 'and back';
        has_truth($_, "$what at once") for grep { $_->{name} eq 'full' }
            @watched;
        Time::HiRes::sleep($ttl + 0.1);
        has_truth($_, $what) for grep { $_->{name} eq 'quick' } @watched;
        if ($step == 3) {
            $_->{holder}->prepare($_->{url}) for @watched;
            $_->{holder}->ask($_->{url}) for (@watched) x 2;
        }
    }
    my $kept = 0;
    $kept += $_->{holder}{kept} || 0 for @watched;
    cmp_ok($kept, '>=', 2 * @watched, 'and clients kept what had not changed');
}

for my $name (sort keys %server) {
    is(scalar(() = $server{$name}->error_log =~ /exit signal/g), 0,
        "$name: no child of httpd died");
    $server{$name}->stop;
    all_told($server{$name}, $name);
}

done_testing();
