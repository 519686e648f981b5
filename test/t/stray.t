# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Files whose handler no loaded module has: core sends them as they are, so they
# have the validators of files.  What another handler sends keeps its own.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_580_000_000;
my @strays = qw(x-nobody application/x-httpd-nobody default-handler);
my %size = ('small.css' => 2000, 'big.css' => 100_000);

sub folder { (my $name = shift) =~ tr{/}{-}; return $name }

my $server = Vld::Server->start(name => 'stray', conf => sub {
    my $docs = $_[0]->docs;
    my $folders = join '', map { my $folder = folder($_); <<"END" } @strays;
<Directory "$docs/$folder">
    AddHandler $_ .css
</Directory>
END
    return <<"END";
<Directory "$docs">
    Require all granted
    <IfModule mod_validators.c>
        ValidatorsEngine On
    </IfModule>
</Directory>
$folders
<Directory "$docs/set">
    SetHandler x-nobody
</Directory>
END
}, prepare => sub {
    my $s = shift;
    for my $folder ('set', map { folder($_) } @strays) {
        for my $name (keys %size) {
            stamp(spew($s->docs($folder, $name), 'a' x $size{$name}), $old);
        }
    }
    settle();
});
my $c = $server->client;

for my $folder ('set', map { folder($_) } @strays) {
    for my $name (sort keys %size) {
        my ($url, $path) = ("/$folder/$name", $server->docs($folder, $name));
        my $a = $c->get($url);
        is($a->{status}, 200, "$url is sent");
        ok(tag_in($a) eq tag_of($a->{body}) || weak(tag_in($a)),
            "$url: by its content's tag, or a weak one") or diag(tag_in($a));
        is($c->get($url, 'If-None-Match' => tag_in($a))->{status}, 304,
            "$url: and not modified by it");
        spew($path, 'b' x $size{$name});
        stamp($path, $old);
        my $b = $c->get($url, 'If-None-Match' => tag_in($a),
            'If-Modified-Since' => $a->{h}{'last-modified'} || http_date($old));
        is($b->{status}, 200, "$url: other content of that size and mtime is "
            . 'sent');
        isnt(tag_in($b), tag_in($a), "$url: under another tag");
        is($c->get($url, 'If-Match' => tag_in($a))->{status}, 412,
            "$url: and the former is no longer true");
    }
}
$server->stop;
done_testing();
