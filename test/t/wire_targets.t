# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# However a client names a host and a target, what it gets is what stock httpd
# finds for it: with that content's tag, and nobody else's.
use strict;
use warnings;
use Test::More;
use Vld::Test;
use Vld::Wire;

start_wire('wire-targets');

my $others = join ', ', map { $tag{"$_ page.css"} } @places;

# A request's text, of one that ends the connection.
sub text_of
{
    my ($case, @fields) = @_;
    my $version = $case->{version} || '1.1';
    my $text = ($case->{method} || 'GET')
        . " $case->{target} HTTP/$version\r\n";
    $text .= "$_\r\n" for @{$case->{host} || ['Host: main.example']};
    while (my ($name, $value) = splice @fields, 0, 2) {
        $text .= "$name: $value\r\n";
    }
    return "${text}Connection: close\r\n\r\n";
}

# The whole story of one way to ask for something.
sub found_as_on_stock
{
    my ($name, %case) = @_;
    my $stock = ask('stock', text_of(\%case));
    my $tag = tag_of($stock->{body});
    my $strange = join ', ', grep { $_ ne $tag } split /, /, $others;
    for my $mode (@modes) {
        # Before anything is remembered of this way to ask for it.
        my $before = ask($mode, text_of(\%case, 'If-None-Match' => $strange));
        my $full = ask($mode, text_of(\%case));
        my $what = "$name ($mode)";
        if (plainly($full) ne plainly($stock)) {
            is(plainly($full), plainly($stock), "$what: as on stock httpd");
            next;
        }
        if ($stock->{status} != 200) {
            my $res = ask($mode, text_of(\%case, 'If-None-Match' => $others));
            is(join(' ', map { $_->{status} } $before, $full, $res),
                join(' ', ($case{status}) x 3), "$what: $case{status}"
                . ' whatever tag the client sends');
            next;
        }
        my @said = ("$before->{status}" . ($before->{body} eq $full->{body}
            ? ' its own' : ' another'), $full->{h}{etag} || '');
        my $id;
        for (1 .. 3) {
            $id = new_id();
            my $res = ask($mode, text_of(\%case, 'If-None-Match' => $tag,
                'X-Id' => $id));
            push @said, "$res->{status} " . ($res->{h}{etag} || '')
                . same_fields($full, $res);
        }
        my $res = ask($mode, text_of(\%case, 'If-None-Match' => $strange));
        push @said, "$res->{status}" . ($res->{body} eq $full->{body}
            ? ' its own' : ' another');
        is(join("\n", @said), join("\n", '200 its own', $tag,
            ("304 $tag") x 3, '200 its own'), "$what: found as on stock httpd, its tag is not"
            . ' modified, the tags of others are');
        my $want = exists $case{note} ? $case{note}
            : $mode eq 'quick' ? 'quick' : 'replay';
        note_later($id, qr/^(?:$want)$/, "$what: by $want");
    }
    is($stock->{status}, $case{status} || 200, "$name: it was asked right");
}

for my $spelled ('main.example', 'MAIN.Example', 'main.example:80',
    'main.example.', 'main.example.:8080', 'a.example',
    'A.EXAMPLE', 'a.example.', 'x.a.example', 'y.A.example:1', 'b.example',
    'unknown.example', 'one.pool.example', 'two.pool.example',
    'Two.Pool.example:99', '127.0.0.1', '[::1]', 'b.example:65535')
{
    found_as_on_stock("Host: $spelled", target => '/page.css',
        host => ["Host: $spelled"]);
}
for my $bad ('', 'main.example:', 'a.example, b.example', 'a..example', 'a/b', '..', '12',
    'a.example:x', 'a.example b.example', "a.ex\tample", '%61.example')
{
    found_as_on_stock("Host: $bad", target => '/page.css', status => 400,
        host => ["Host: $bad"]);
}
found_as_on_stock('an unknown host of the pool', target => '/page.css',
    host => ['Host: three.pool.example'], status => 404);
found_as_on_stock('two lines of Host', target => '/page.css', status => 400,
    host => ['Host: a.example', 'Host: b.example']);
found_as_on_stock('no Host in HTTP/1.1', target => '/page.css',
    status => 400, host => []);
found_as_on_stock('no Host in HTTP/1.0', target => '/page.css',
    version => '1.0', host => []);
found_as_on_stock('Host in HTTP/1.0', target => '/page.css',
    version => '1.0', host => ['Host: b.example']);
found_as_on_stock('HTTP/1.7', target => '/page.css', version => '1.7');

for my $case (['http://a.example/page.css', 'a.example'],
    ['http://a.example/page.css', 'b.example'],
    ['http://b.example/page.css', 'a.example'],
    ['HTTP://B.EXAMPLE:80/page.css', 'a.example'],
    ['http://b.example./page.css', 'unknown.example'],
    ['https://b.example/page.css', 'b.example'],
    ['http://two.pool.example/page.css', 'one.pool.example'],
    ['http://a.example//sub/../page.css?q', 'b.example'],
    ['http://unknown.example/page.css', 'a.example'])
{
    my ($target, $host) = @$case;
    found_as_on_stock("GET $target, Host: $host", target => $target,
        host => ["Host: $host"]);
}
found_as_on_stock('an absolute target without Host in HTTP/1.0',
    target => 'http://a.example/page.css', version => '1.0', host => []);
found_as_on_stock('an absolute target with a user', status => 400,
    target => 'http://user@a.example/page.css');
found_as_on_stock('an absolute target with an empty path', status => 404,
    target => 'http://a.example', host => ['Host: a.example']);

my $long = 'x' x 7000;
for my $target ('/page.css', '/%70age.css', '/pag%65.css', '/p%61ge%2Ecss',
    '/p%61ge%2ecss', '/~user.css', '/%7Euser.css', '/%7euser.css',
    '//page.css', '///sub///page.css', '/./page.css', '/sub/./page.css',
    '/sub/../page.css', '/sub/%2e%2e/page.css', '/sub/%2E%2e/page.css',
    '/sub/.%2e/page.css', '/sub//../page.css', '/sub/deep/../../page.css',
    '/semi;a=b.css', '/semi%3Ba=b.css', '/semi%3ba%3db.css', '/semi',
    '/a%20b.css', '/a+b.css', '/a%2bb.css', "/\xc3\xbc.css", '/%C3%BC.css',
    '/%c3%bc.css', '/page.css?', '/page.css?q', '/page.css?a=b&a=b',
    '/page.css?a=%zz', '/page.css?%00', '/page.css??', '/page.css?/../x',
    '/page.css?http://b.example/page.css', '/back%5Cslash.css',
    '/back%5cslash.css', '/per%25cent.css', '/index/', '/index/?q',
    '/index//', '/info/page.css', '/info/page.css/', '/info/page.css/more',
    '/info/page.css/more/%2e%2e', '/info/page.css//x;y?z', '/big.css',
    '/%62ig.css?1')
{
    found_as_on_stock("GET $target", target => $target);
}
found_as_on_stock('a target of 7,000 octets', target => "/page.css?$long",
    note => '304');
for my $case (['/../page.css', 400], ['/%2e%2e/page.css', 400],
    ['/%2e%2e/%2e%2e/etc/passwd', 400], ['/sub/../../main/page.css', 400],
    ['/sub%2Fpage.css', 404], ['/sub%2fpage.css', 404], ['/%2Fpage.css', 404],
    ['/page.css;a=b', 404], ['/semi;a=c.css', 404], ['/page.css%00', 404],
    ['/page.css%00.html', 404], ['/%00', 404], ['/page.css%20', 404],
    ['/%zz', 400], ['/%2', 400], ['/%', 400], ['/page.css%3Fq', 404],
    ['/PAGE.css', 404], ['/page.css/', 404], ['/page.css/more', 404],
    ['/page.css%23', 404], ['/page.css%0d%0aX:y', 404], ['/sub', 301],
    ['/sub?q', 301], ['/index', 301], ['/index//index.html/', 404],
    ['/moved/page.css', 302], ['/gone/page.css', 410],
    ['/shut/page.css', 403], ['/shut/../shut/page.css', 403],
    ['/%73hut/page.css', 403], ['//shut//page.css', 403],
    ['/page.css#part', 400], ['/sub\\page.css', 404], ['page.css', 400],
    ['*', 400], ['/page.css?' . 'x' x 8200, 414], ['/' . 'x' x 400, 403],
    ['/' . 'x' x 5000, 403], ['/' . 'x/' x 2000, 404])
{
    my ($target, $status) = @$case;
    my $name = length $target > 60 ? substr($target, 0, 12)
        . '... of ' . length($target) . ' octets' : $target;
    found_as_on_stock("GET $name", target => $target, status => $status);
}
for my $case (['slash-on', '/sub%2Fpage.css', 200],
    ['slash-on', '/sub%2fdeep%2F..%2fpage.css', 200],
    ['slash-on', '/sub%2F..%2F..%2Fa%2Fpage.css', 404],
    ['slash-no', '/sub%2Fpage.css', 404], ['slash-no', '/page.css', 200],
    ['no-merge', '//page.css', 200], ['no-merge', '/sub//page.css', 200],
    ['slash-on', '/%2Fpage.css', 200])
{
    my ($host, $target, $status) = @$case;
    found_as_on_stock("GET $target of $host", target => $target,
        host => ["Host: $host.example"], status => $status);
}

end_wire();
done_testing();
