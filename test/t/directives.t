# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What httpd says to directives that are wrong: the name of the directive and
# what is to be done.
use strict;
use warnings;
use lib 'lib';
use Test::More;
use Vld::Test;

sub accepted
{
    my ($text, $name) = @_;
    my ($status, $out) = try_config($text);
    is($status, 0, "$name is accepted") or diag($out);
}

sub refused
{
    my ($text, $like, $name) = @_;
    my ($status, $out) = try_config($text);
    isnt($status, 0, "$name is refused");
    like($out, $like, "$name: the error says what is to be done");
}

my @good = ('ValidatorsEngine On', 'ValidatorsIndex some/where.mdb',
    'ValidatorsQuickHandler On', 'ValidatorsAnswers 0',
    'ValidatorsAnswers 100', 'ValidatorsAnswerTTL 0',
    'ValidatorsAutoIndex On', 'ValidatorsAutoIndex off',
    'ValidatorsAutoIndex On 0', 'ValidatorsAutoIndex On 12345',
    'ValidatorsAutoIndex on 64k', 'ValidatorsAutoIndex On 1M',
    'ValidatorsAutoIndex On 8G',
    'ValidatorsVerify mtime', 'ValidatorsVouchFor mod_a.c mod_b.c');
accepted("$_\n", $_) for @good;
accepted("<VirtualHost *:1>\n$_\n</VirtualHost>\n", "$_ in a virtual host")
    for 'ValidatorsEngine On', 'ValidatorsQuickHandler Off',
        'ValidatorsVerify none', 'ValidatorsAutoIndex On 1G';
accepted("<Directory />\n$_\n</Directory>\n", "$_ in a directory")
    for 'ValidatorsEngine On', 'ValidatorsQuickHandler Off',
        'ValidatorsVerify strict', 'ValidatorsAutoIndex Off';

refused("ValidatorsEngine Maybe\n", qr/ValidatorsEngine must be On or Off/,
    'an engine that is neither on nor off');
refused("ValidatorsAutoIndex Maybe\n",
    qr/ValidatorsAutoIndex: "Maybe" is neither On nor Off/,
    'an auto-index that is neither on nor off');
refused("ValidatorsAutoIndex Off 5M\n",
    qr/ValidatorsAutoIndex: Off takes no size/, 'one that is off for a size');
refused("ValidatorsAutoIndex On $_\n",
    qr/ValidatorsAutoIndex: "\Q$_\E" is no size: say a number of octets/,
    "a size of $_") for '-1', 'big', '5X', '5MB', 'M', '+5', '9999999999G',
        '99999999999999999999';
refused("ValidatorsVerify size\n",
    qr/ValidatorsVerify: "size" is none of strict, mtime and none/,
    'an unknown way to verify');
refused("ValidatorsAnswers $_\n",
    qr/ValidatorsAnswers: "\Q$_\E" is not a whole number from 0 to \d+/,
    "$_ prepared answers") for '-1', 'many', '1x', '99999999999999999999';
refused("ValidatorsAnswerTTL $_\n",
    qr/ValidatorsAnswerTTL: "\Q$_\E" is not a whole number from 0 to 86400/,
    "answers of $_ seconds") for '-5', '1.5', '86401';
refused(qq{ValidatorsIndex ""\n},
    qr/ValidatorsIndex takes one argument, the file of the index/,
    'an index without a name');
refused("<VirtualHost *:1>\n$_\n</VirtualHost>\n",
    qr/\Q@{[(split ' ')[0]]}\E cannot occur within/, "$_ in a virtual host")
    for 'ValidatorsIndex x', 'ValidatorsAnswers 5', 'ValidatorsAnswerTTL 5',
        'ValidatorsVouchFor mod_a.c', 'ValidatorsTagKey x';

# Of other modules' directives only note is taken.
accepted(<<'END', 'what chooses a language');
SetEnvIf Cookie "language=(de|en)" prefer-language=$1
SetEnvIfNoCase Request_URI "/(de|en)/" prefer-language=$1
SetEnvIfExpr "%{HTTP_HOST} == 'de.example'" prefer-language=de
BrowserMatch Old no-gzip
BrowserMatchNoCase old prefer-language=en
<Directory />
    SSLCipherSuite HIGH
</Directory>
END
accepted(<<'END', 'redirects, with variables and without');
RedirectTemp /a /b
RedirectPermanent /c /d
<Location /e>
    Redirect 302 "/%{HTTP_HOST}"
</Location>
END
refused("<Directory />\nRewriteCond %{HTTPS}\n</Directory>\n",
    qr/RewriteCond: bad argument/, 'a wrong RewriteCond');
accepted("<Directory />\n    SSLRequire true\n</Directory>\n", 'SSLRequire');
accepted("FilterDeclare SHRINK\n"
    . "FilterProvider SHRINK DEFLATE \"true\"\n", 'FilterProvider');
for my $line ('LuaHookNothing x', 'Order allow,denied') {
    refused("<Directory />\n$line\n</Directory>\n", qr/\w/, $line);
}

# Whatever is wrong with a directive, httpd's word comes, or its module's: with
# nothing after the name, and with a word that is no argument of it.
my @noted = qw(Allow Deny Satisfy Alias Redirect RedirectTemp RedirectPermanent
    AuthType SetHandler PassEnv SetEnv UnsetEnv AddOutputFilterByType
    FilterProvider Header RequestHeader RewriteRule RewriteCond SetEnvIf
    SetEnvIfNoCase SetEnvIfExpr BrowserMatch BrowserMatchNoCase SSLRequire
    SSLCipherSuite CacheEnable Session);
push @noted, map { ("Header $_", "Header always $_", "RequestHeader $_") }
    qw(set edit unset echo add);
for my $line (map { ($_, "$_ :", "$_ \"\"") } @noted) {
    my ($status, $out) = try_config("$line\n");
    ok($out =~ /Syntax (?:OK|error)|AH\d+/, "$line: httpd has its say")
        or diag("status $status: $out");
}

# In an .htaccess file it is an error of that folder's requests alone.
mkdir docs('attach', 'wordless');
spew(docs('attach', 'wordless', 'a.css'), 'a');
for my $line ('Header set', 'RequestHeader', 'RewriteRule', 'SetEnvIf') {
    spew(docs('attach', 'wordless', '.htaccess'), "$line\n");
    is(client()->get('/attach/wordless/a.css')->{status}, 500,
        "$line in an .htaccess file is answered");
}

done_testing();
