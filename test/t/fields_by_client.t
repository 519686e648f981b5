# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fields, or a coding, that a directive of httpd's own modules gives to some
# clients alone, told apart by what Vary does not name: cookie, name, address.
# Each client's 304 has what its own 200 has, whoever asked before; and where
# such a directive is the same for all, prepared answers are given.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Fields;
use Vld::Http ();
use Vld::Test;

# What tells the second client from the first.
my %other = (
    cookie => { fields => [Cookie => 'user=1'] },
    agent => { fields => ['User-Agent' => 'Old/4'] },
    address => { from => '127.0.0.2' },
    field => { fields => ['Timing-Allow-Origin' => '*'] },
);
my $logged_in = 'SetEnvIf Cookie user=1 LOGGED_IN';
my $public = 'Header set Cache-Control "public, max-age=86400"';
my $private = 'Header set Cache-Control "max-age=0, must-revalidate"';
my $gzip = 'SetOutputFilter DEFLATE';
my $engine = 'RewriteEngine On';

# The directives, and who is the other client.
my %differs = (
    env => [cookie => "$logged_in\n$public\n$private env=LOGGED_IN"],
    'env-not' => [cookie => "$logged_in\n$private\n$public env=!LOGGED_IN"],
    always => [cookie => "$logged_in\nHeader always set X-Frame-Options DENY"
        . ' env=LOGGED_IN'],
    'no-case' => [cookie => "SetEnvIfNoCase cookie USER=1 IN=yes\n$public\n"
        . "$private env=IN"],
    'env-expr' => [cookie => 'SetEnvIfExpr "%{HTTP_COOKIE} =~ /user=1/" IN=1'
        . "\n$public\n$private env=IN"],
    browser => [agent => "BrowserMatch Old OLD\n$public\n$private env=OLD"],
    'browser-no-case' => [agent => "BrowserMatchNoCase old OLD\n$public\n"
        . "$private env=OLD"],
    address => [address => "SetEnvIf Remote_Addr ^127\\.0\\.0\\.2 NEAR\n"
        . "$public\n$private env=NEAR"],
    value => [cookie => 'SetEnvIf Cookie user=(\w+) WHO=$1
        Header set Content-Security-Policy "frame-ancestors %{WHO}e"'],
    merged => [cookie => "SetEnvIf Cookie user=(\\w+) WHO=\$1\n$public\n"
        . 'Header merge Cache-Control "ext=%{WHO}e"'],
    expr => [cookie => qq($public\n$private "expr=%{HTTP_COOKIE} =~ /user/")],
    'expr-address' => [address => qq($public\n$private "expr=-R '127.0.0.2'")],
    'expr-function' => [agent => "$public\n$private \"expr=req('User-Agent')"
        . ' == \'Old/4\'"'],
    'expr-env' => [cookie => "$logged_in\n$public\n"
        . "$private \"expr=-n %{reqenv:LOGGED_IN}\""],
    'expr-value' => [address => 'Header set Permissions-Policy'
        . ' "expr=geolocation=(%{REMOTE_ADDR})"'],
    edit => [cookie => qq($public\nHeader edit Cache-Control public no-cache)
        . ' "expr=%{HTTP_COOKIE} =~ /user/"'],
    'edit-value' => [agent => "$public\nBrowserMatch ^(Old) WHO=\$1\n"
        . 'Header edit* Cache-Control public "ext=%{WHO}e"'],
    echo => [field => 'Header echo ^Timing'],
    unset => [cookie => "$logged_in\nHeader set X-Frame-Options DENY\n"
        . 'Header unset X-Frame-Options env=LOGGED_IN'],
    rewrite => [cookie => "$engine\nRewriteCond %{HTTP_COOKIE} user=1\n"
        . "RewriteRule ^ - [E=IN:1]\n$public\n$private env=IN"],
    'rewrite-value' => [agent => "$engine\nRewriteRule ^ -"
        . ' [E=WHO:%{HTTP_USER_AGENT}]
        Header set Referrer-Policy %{WHO}e'],
    'rewrite-skip' => [cookie => "$engine\nRewriteCond %{HTTP_COOKIE} user=1\n"
        . "RewriteRule ^ - [S=1]\nRewriteRule ^ - [E=OUT:1]\n$private\n"
        . "$public env=OUT"],
    'rewrite-type' => [cookie => "$engine\nRewriteCond %{HTTP_COOKIE} user=1\n"
        . "RewriteRule ^ - [T=text/plain]\n$public\n"
        . "$private \"expr=%{CONTENT_TYPE} =~ m#^text/plain#\""],
    'gzip-cookie' => [cookie => "$gzip\nSetEnvIf Cookie user=1 no-gzip"],
    'gzip-agent' => [agent => "$gzip\nBrowserMatch Old no-gzip"],
    'gzip-address' => [address => "$gzip\nSetEnvIf Remote_Addr 0\\.2\$ no-gzip"],
    'gzip-rewrite' => [cookie => "$gzip\n$engine\n"
        . "RewriteCond %{HTTP_COOKIE} user=1\nRewriteRule ^ - [E=no-gzip:1]"],
    'gzip-html' => [agent => "$gzip\nBrowserMatch Old gzip-only-text/html"],
    'gzip-filter' => [cookie => "FilterDeclare COMPRESS\n"
        . 'FilterProvider COMPRESS DEFLATE "%{HTTP_COOKIE} !~ /user/"'
        . "\nFilterChain COMPRESS"],
    if => [cookie => "$public\n<If \"%{HTTP_COOKIE} =~ /user/\">\n$private\n"
        . '</If>'],
    'if-env' => [cookie => "<If \"%{HTTP_COOKIE} =~ /user/\">\n"
        . "SetEnv IN 1\n</If>\n$public\n$private env=IN"],
    'if-else' => [address => "<If \"%{REQUEST_URI} == '/none'\">\n</If>\n"
        . "<ElseIf \"%{REMOTE_ADDR} == '127.0.0.2'\">\n$private\n</ElseIf>\n"
        . "<Else>\n$public\n</Else>"],
);

# The same for all of them.
my %alike = (
    'set-env' => "SetEnv here 1\n$public\n$private env=here",
    'unset-env' => "SetEnv here 1
        UnsetEnv here\n$public\n$private env=here",
    'pass-env' => "PassEnv PATH\n$public\n$private env=PATH",
    'uri' => "SetEnvIf Request_URI css here\n$public\n$private env=here",
    'host' => "SetEnvIf ^Host\$ 127 here=yes\n$public\n$private env=here",
    'uri-gzip' => "$gzip\nSetEnvIf Request_URI page no-gzip",
    'expr' => qq($public\n$private "expr=%{REQUEST_URI} =~ m#page#"),
    'expr-status' => qq($public\n$private "expr=%{REQUEST_STATUS} == 200"),
    'https' => "$public\n$private env=HTTPS",
    'other-field' => "$logged_in\n$public\nHeader set X-Who in env=LOGGED_IN",
    'other-variable' => "$logged_in\nSetEnv here 1\n$public\n$private env=here",
    'e' => "$engine\nRewriteRule css - [E=here:1]\n$public\n$private env=here",
    'keepalive' => "BrowserMatch Old nokeepalive\n$public",
    'echo' => "$public\nHeader echo ^X-Say",
    'by-type' => "FilterDeclare COMPRESS\n"
        . 'FilterProvider COMPRESS DEFLATE "%{CONTENT_TYPE} =~ m#^text/#"'
        . "\nFilterChain COMPRESS",
    'if' => "<If \"%{REQUEST_URI} =~ m#page#\">\n$public\n</If>\n"
        . "<Else>\n$private\n</Else>",
);

my @clients = qw(one two);
my $server;

# A client's connection, and what it sends with each request.
sub client_of
{
    my $how = shift;
    my $other = $other{$how};
    my %client = (
        one => { c => $server->client, fields => [] },
        two => { c => Vld::Http->new(port => $server->{port},
            from => $other->{from}), fields => [@{$other->{fields} || []}] },
    );
    push @{$_->{fields}}, 'Accept-Encoding' => 'gzip' for values %client;
    return %client;
}

# Both have a copy; both ask whether it is still true, in turns.
sub ask_in_turns
{
    my ($url, $how, $note) = @_;
    my %client = client_of($how);
    my %full = map { $_ => $client{$_}{c}->get($url, @{$client{$_}{fields}}) }
        @clients, 'two';
    my @wrong;
    for my $who (qw(two one one two)) {
        my ($c, @fields) = ($client{$who}{c}, @{$client{$who}{fields}});
        my $res = conditional($c, $url, $note,
            [validators_of($full{$who}, 'tag')], @fields);
        push @wrong, "$who: $res->{status}" if $res->{status} != 304;
        push @wrong, map { "$who: $_" } grep { $_ ne '' }
            differences($full{$who}, $res);
    }
    all_right("$url: each is told what is meant for it", @wrong);
    return %full;
}

sub text_of
{
    my $res = shift;
    return join "\n", map { lines_text($res, $_) } qw(etag cache-control
        x-frame-options content-security-policy permissions-policy
        referrer-policy timing-allow-origin);
}

my %htaccess = map { ("$_-ht" => $differs{$_}) } keys %differs;
my %led = (
    'led-gzip' => [$gzip, 'BrowserMatch Old no-gzip'],
    'led-env' => ["$public\n$private env=OLD", 'BrowserMatch Old OLD'],
    'led-if' => ["SetEnv none 1\n$public\n$private env=IN",
        "<If \"%{HTTP_USER_AGENT} =~ /Old/\">\nSetEnv IN 1\n</If>"],
);

sub led_on
{
    return join '', map { "<LocationMatch \"^/(full|quick)/$_/\$\">\n"
        . "$led{$_}[1]\n</LocationMatch>\n" } sort keys %led;
}

$server = start_fields(name => 'fields-by-client', folders => {
    (map { ("d-$_" => $differs{$_}[1]) } keys %differs),
    (map { ("a-$_" => $alike{$_} =~ s/\bhere\b/here-$_/gr) } keys %alike),
    (map { ("d-$_" => '') } keys %htaccess),
    (map { ($_ => "DirectoryIndex page.css\n$led{$_}[0]") } keys %led),
}, files => sub {
    my $s = shift;
    for my $way (qw(full quick)) {
        spew($s->docs($way, "d-$_", '.htaccess'), "$htaccess{$_}[1]\n")
            for keys %htaccess;
    }
}, more => \&led_on);

for my $way (qw(full quick)) {
    for my $name (sort keys %differs, keys %htaccess) {
        my ($how) = @{$differs{$name} || $htaccess{$name}};
        my %full = ask_in_turns("/$way/d-$name/page.css", $how, '304');
        isnt(text_of($full{one}), text_of($full{two}),
            "$way $name: they are told different things");
    }
    for my $name (sort keys %led) {
        my %full = ask_in_turns("/$way/$name/", 'agent', '304');
        isnt(text_of($full{one}), text_of($full{two}),
            "$way $name: they are told different things");
    }
    for my $name (sort keys %alike) {
        ask_in_turns("/$way/a-$name/page.css", $_,
            $way eq 'full' ? 'replay' : 'quick') for sort keys %other;
    }
}
stop_idle($server);
check_notes($server);

# --- mod_lua --------------------------------------------------------------------

# Its functions may set any field.  Where it is loaded the quick handler answers
# nothing.  One hook a server, since some are of all of it.
my $function = <<'END';
function fields(r)
    r.headers_out['X-Frame-Options'] =
        r.headers_in['Cookie'] and 'SAMEORIGIN' or 'DENY'
    return apache2.DECLINED
end
END
my $script = spew(top() . "/private/fields-$$.lua",
    "require 'apache2'\n$function");
my @inline = ("<LuaHookFixups fields>\n$function</LuaHookFixups>\n",
    grep { s/SCRIPT/"$script"/ } split /^/, <<'END');
LuaHookPreTranslateName SCRIPT fields
LuaHookTranslateName SCRIPT fields early
LuaHookMapToStorage SCRIPT fields
LuaHookAccessChecker SCRIPT fields
LuaHookCheckUserID SCRIPT fields
LuaHookAuthChecker SCRIPT fields
LuaHookTypeChecker SCRIPT fields
LuaHookFixups SCRIPT fields
LuaQuickHandler SCRIPT fields
END

for my $hook (@inline) {
    my ($name) = $hook =~ /(\w+)/;
    $server = start_fields(name => "fields-$name", folders => { lua => '' },
        more => sub { load_modules('lua') . $hook });
    ask_in_turns('/full/lua/page.css', 'cookie', '304');
    stop_idle($server);
    check_notes($server);
}
unlink $script;
done_testing();
