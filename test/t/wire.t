# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Whatever a client may write: versions, pipelines, streams, hosts, targets,
# fields.  A virtual host with the engine off says what stock httpd does.
use strict;
use warnings;
use IO::Socket::INET ();
use Socket qw(SHUT_WR SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes ();
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_540_000_000;
my %port;
my @modes = qw(plain quick);

# The same paths everywhere, another content in each place.
sub content
{
    my ($place, $name) = @_;
    my $text = join '', map { "$place has $name, line $_\n" } 1 .. 60;
    return $name =~ /^big/ ? $text x 90 : $text;
}

my @places = ('main', 'a', 'b', 'pool/one.pool.example',
    'pool/two.pool.example', 'ip/127.0.0.1', 'ip/127.0.0.3', 'ip1', 'ip3',
    'strict');
my @names = ('page.css', 'big.css', 'sub/page.css', 'sub/deep/page.css',
    'a b.css', 'a+b.css', '~user.css', 'semi;a=b.css', 'semi', "\xc3\xbc.css",
    'index/index.html', 'info/page.css', 'back\\slash.css', 'per%cent.css');
my %tag; # of what a place has under a name

sub fill
{
    my $server = shift;
    my $docs = $server->docs;
    for my $place (@places) {
        for my $name (@names) {
            my $text = content($place, $name);
            stamp(spew("$docs/$place/$name", $text), $old);
            $tag{"$place $name"} = tag_of($text);
        }
    }
    stamp(spew("$docs/main/$_.css", content('main', 'page.css')), $old)
        for map { "same$_" } 1 .. 25;
    stamp(spew("$docs/main/other$_.css", content('main', "other$_")), $old)
        for 1 .. 25;
    stamp(spew("$docs/main/shut/page.css", content('main', 'shut')), $old);
    stamp(spew("$docs/main/lang/page.html.$_", "a page in $_\n" x 9), $old)
        for qw(en de);
    stamp(spew("$docs/main/huge.bin", content('main', 'big') x 150), $old);
    stamp(spew("$docs/proxied/page.css", content('proxied', 'page.css')),
        $old);
    stamp(spew("$docs/proxied/shut/page.css", content('proxied', 'shut')),
        $old);
    local $ENV{VLD_INDEX} = $server->index_path;
    scan($docs);
    # A large file that the index does not know.
    stamp(spew("$docs/main/late.bin", content('main', 'big') . 'late'), $old);
    settle();
}

sub hosts
{
    my ($address, $docs, $more) = @_;
    my @hosts = (
        ['main.example', "DocumentRoot \"$docs/main\""],
        ['a.example', "ServerAlias *.a.example\nDocumentRoot \"$docs/a\""],
        ['b.example', "DocumentRoot \"$docs/b\""],
        ['pool.example', "ServerAlias *.pool.example\nUseCanonicalName Off\n"
            . "VirtualDocumentRoot \"$docs/pool/%0\""],
        ['slash-on.example', "DocumentRoot \"$docs/main\"\n"
            . 'AllowEncodedSlashes On'],
        ['slash-no.example', "DocumentRoot \"$docs/main\"\n"
            . 'AllowEncodedSlashes NoDecode'],
        ['no-merge.example', "DocumentRoot \"$docs/main\"\nMergeSlashes Off"],
    );
    return join '', map { "<VirtualHost $address>\nServerName $_->[0]\n"
        . "$_->[1]\n$more</VirtualHost>\n" } @hosts;
}

sub engine
{
    my $text = shift;
    return "<IfModule mod_validators.c>\n$text\n</IfModule>\n";
}

sub configuration
{
    my $server = shift;
    my ($docs, $conf) = ($server->docs, top() . '/conf');
    $port{plain} = $server->{port};
    $port{$_} = Vld::Server::free_port() for qw(quick stock tls tlsplain
        proxy ip rootip);
    my $off = engine('ValidatorsEngine Off');
    my $quick = engine('ValidatorsQuickHandler On');
    my $lib = libexec();
    my $tls = "Protocols h2 http/1.1\nSSLEngine On\n"
        . "SSLCertificateFile \"$conf/tls.pem\"\n";
    return join '', <<"END", hosts("127.0.0.1:$port{plain}", $docs, ''),
LoadModule vhost_alias_module "$lib/mod_vhost_alias.so"
Protocols h2c http/1.1
TraceEnable On
LogLevel remoteip:crit
RemoteIPHeader X-Client
DirectoryIndex index.html
ErrorDocument 410 "gone"
<Directory "$docs">
    Require all granted
    Header set Cache-Control max-age=60
</Directory>
<Directory "$docs/main/shut">
    Require all denied
</Directory>
<Location "/info/">
    AcceptPathInfo On
</Location>
<Directory "$docs/main/lang">
    Options +MultiViews
    AddLanguage en .en
    AddLanguage de .de
    LanguagePriority en de
    ForceLanguagePriority Prefer Fallback
    SetEnvIf Cookie "language=(en|de)" prefer-language=\$1
</Directory>
Redirect 302 /moved /elsewhere
Redirect gone /gone
Listen 127.0.0.1:$port{quick}
Listen 127.0.0.1:$port{stock}
Listen 127.0.0.1:$port{tls}
Listen 127.0.0.1:$port{tlsplain}
Listen 127.0.0.1:$port{proxy}
Listen 127.0.0.1:$port{ip}
Listen 127.0.0.3:$port{ip}
Listen 127.0.0.1:$port{rootip}
Listen 127.0.0.3:$port{rootip}
END
        engine("ValidatorsEngine On\nValidatorsAnswerTTL 600"),
        hosts("127.0.0.1:$port{quick}", $docs, $quick),
        hosts("127.0.0.1:$port{stock}", $docs, $off),
        hosts("127.0.0.1:$port{tls}", $docs, "$tls$quick"),
        hosts("127.0.0.1:$port{tlsplain}", $docs, $tls), <<"END";
<VirtualHost 127.0.0.1:$port{proxy}>
    ServerName proxied.example
    DocumentRoot "$docs/proxied"
    RemoteIPProxyProtocol On
    $quick
    <Directory "$docs/proxied/shut">
        Require ip 203.0.113.9
    </Directory>
</VirtualHost>
<VirtualHost 127.0.0.1:$port{ip}>
    ServerName ip.example
    DocumentRoot "$docs/ip1"
    $quick
</VirtualHost>
<VirtualHost 127.0.0.3:$port{ip}>
    ServerName ip.example
    DocumentRoot "$docs/ip3"
    $quick
</VirtualHost>
<VirtualHost *:$port{rootip}>
    ServerName root.example
    VirtualDocumentRootIP "$docs/ip/%0"
    $quick
</VirtualHost>
END
}

sub libexec
{
    my ($dir) = slurp(top() . '/../modules.conf')
        =~ m{"(/[^"]+)/mod_mpm_};
    return $dir;
}

my $server = Vld::Server->start(name => 'wire', loglevel => 'notice',
    conf => \&configuration, prepare => \&fill);
my $log = $server->log_path;

sub on { return Vld::Http->new(port => $port{$_[0]}, host => 'main.example') }

# --- what is asked and what comes back ---------------------------------------

# All that the server says to these octets on a connection of their own, which
# ends after them: [status, reason, fields, body] each, or the octets.
sub say_raw
{
    my ($where, $text, $address) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $address || '127.0.0.1',
        PeerPort => $port{$where}, Proto => 'tcp', Timeout => 10)
        or die "port $port{$where}: $!\n";
    binmode $s;
    local $SIG{PIPE} = 'IGNORE';
    my ($off, $got, $n) = (0, '');
    while ($off < length $text) {
        $n = syswrite $s, $text, length($text) - $off, $off;
        last unless defined $n;
        $off += $n;
    }
    shutdown $s, SHUT_WR;
    1 while sysread $s, $got, 262144, length $got;
    return $got;
}

sub answers_in
{
    my ($octets, @methods) = @_;
    my $c = Vld::Http->new;
    ($c->{buf}, $c->{eof}) = ($octets, 1);
    my @found;
    while (length $c->{buf}) {
        my $res = $c->read_response(shift @methods || 'GET') or last;
        push @found, $res;
    }
    return @found;
}

sub ask
{
    my ($where, $text, $address) = @_;
    my ($method) = $text =~ /^(\w+) /;
    my ($res) = answers_in(say_raw($where, $text, $address), $method);
    return $res || { status => 0, h => {}, lines => [], body => '' };
}

# Without what differs from moment to moment, port to port, and by design.
sub plainly
{
    my $res = shift;
    my @lines = map { "$_->[0]: $_->[1]" }
        grep { $_->[0] !~ /^(?:date|etag|last-modified|keep-alive)$/ }
        @{$res->{lines}};
    my ($body, $boundary) = ($res->{body} || '',
        ($res->{h}{'content-type'} || '') =~ /boundary=(\S+)/);
    my $text = join "\n", "$res->{status} " . ($res->{reason} || ''),
        sort(@lines), '', $body;
    $text =~ s/\Q$boundary\E/BOUNDARY/g if defined $boundary;
    my $ports = join '|', values %port;
    $text =~ s/\b(?:$ports)\b/PORT/g;
    return $text;
}

my @noted; # [identifier, pattern, name]

sub note_later
{
    my ($id, $pattern, $name) = @_;
    push @noted, [$id, $pattern, $name];
}

# --- hosts and targets: what stock httpd finds, and nobody else's ---------------

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

# Of hosts told apart by address alone; one of them by mod_vhost_alias.
for my $case (['ip', 'ip1', 'ip3'], ['rootip', 'ip/127.0.0.1',
    'ip/127.0.0.3'])
{
    my ($where, @at) = @$case;
    my @addresses = ('127.0.0.1', '127.0.0.3');
    my $text = "GET /page.css HTTP/1.1\r\nHost: ip.example\r\n"
        . "Connection: close\r\n";
    my (@said, @want);
    # Every order of who asks, and with whose tag.
    for my $n (0 .. 63) {
        for my $step ($n & 3, $n >> 2 & 3, $n >> 4) {
            my ($i, $whose) = ($step & 1, $step >> 1);
            my $res = ask($where, $text . 'If-None-Match: '
                . $tag{"$at[$whose] page.css"} . "\r\n\r\n", $addresses[$i]);
            push @said, "$i $whose $res->{status} "
                . ($res->{h}{etag} || '');
            push @want, "$i $whose " . ($i == $whose ? 304 : 200) . ' '
                . $tag{"$at[$i] page.css"};
        }
    }
    my @wrong = grep { $said[$_] ne $want[$_] } 0 .. $#said;
    is(scalar(@wrong), 0, "hosts told apart by address ($where): none"
        . ' answers with what the other has')
        or diag("$said[$wrong[0]], not $want[$wrong[0]]");
}

# --- what httpd refuses stays refused --------------------------------------------

my $tag = $tag{'main page.css'};

# What is accepted is not modified; what is not is refused in the same words.
sub refused_as_on_stock
{
    my ($name, $text, $status) = @_;
    $text =~ s/TAG/$tag/g;
    my $stock = ask('stock', $text);
    for my $mode (@modes) {
        my $res = ask($mode, $text);
        if ($stock->{status} >= 400 || $status >= 400) {
            is(plainly($res), plainly($stock), "$name ($mode): refused as on"
                . ' stock httpd');
        }
        else {
            is("$res->{status} " . ($res->{h}{etag} || ''), "304 $tag",
                "$name ($mode): accepted, and not modified");
        }
    }
    is($stock->{status} >= 400 ? $stock->{status} : 304, $status,
        "$name: it was asked right");
}

my $head = "GET /page.css HTTP/1.1\r\nHost: main.example\r\n"
    . "Connection: close\r\n";
my $size = 8190 - length('If-None-Match: ');
my $filled = '"' . 'x' x ($size - length($tag) - 4) . '", ' . $tag;
my @cases = (
    ['a field of the most octets', "If-None-Match: $filled\r\n", 304],
    ['a field of one octet more', "If-None-Match: xxx$filled\r\n", 400],
    ['three hundred tags', 'If-None-Match: ' . join(',', map { "\"n$_\"" }
        1 .. 300) . ", $tag\r\n", 304],
    ['eight hundred tags in eighty lines', join('', map { 'If-None-Match: '
        . join(', ', map { "\"$_\"" } 100 .. 109) . "\r\n" }
        1 .. 80) . "if-none-match: $tag\r\n", 304],
    ['more lines than may be', "X: y\r\n" x 101, 400],
    ['empty members and weak tags', "If-None-Match: ,, W/\"a\" ,\r\n"
        . "If-None-Match:\r\nIf-None-Match: ,W/TAG\r\n", 304],
    ['a folded field', "If-None-Match: \"a\",\r\n\t\"b\",\r\n   TAG\r\n",
        304],
    ['a field folded at once', "If-None-Match:\r\n TAG\r\n", 304],
    ['a fold before any field', "", 400],
    ['spaces and tabs around a value', "If-None-Match:  \t TAG \t\r\n", 304],
    ['a field in capitals', "IF-NONE-MATCH: TAG\r\n", 304],
    ['NUL in a value', "If-None-Match: \"\0\", TAG\r\n", 400],
    ['NUL in a name', "If-None\0-Match: TAG\r\n", 400],
    ['a control octet in a value', "If-None-Match: \"\x01\", TAG\r\n", 400],
    ['DEL in a value', "If-None-Match: \"\x7f\", TAG\r\n", 400],
    ['CR in a value', "If-None-Match: \"a\rb\", TAG\r\n", 400],
    ['octets above 127 in a value', "If-None-Match: \"\xff\xc3\", TAG\r\n",
        304],
    ['a space before the colon', "If-None-Match : TAG\r\n", 400],
    ['no colon', "If-None-Match\r\n", 400],
    ['an empty name', ": TAG\r\n", 400],
    ['octets above 127 in a name', "If-N\xc3\xb6ne: TAG\r\n", 400],
    ['a length that is no number', "If-None-Match: TAG\r\nContent-Length: x"
        . "\r\n", 400],
    ['a negative length', "If-None-Match: TAG\r\nContent-Length: -1\r\n",
        400],
    ['two lengths', "If-None-Match: TAG\r\nContent-Length: 1\r\n"
        . "Content-Length: 2\r\n", 400],
    ['a transfer coding that is unknown', "If-None-Match: TAG\r\n"
        . "Transfer-Encoding: magic\r\n", 400],
    ['a length beside a transfer coding', "If-None-Match: TAG\r\n"
        . "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 304],
    ['a chunk that is none', "If-None-Match: TAG\r\n"
        . "Transfer-Encoding: chunked\r\n\r\nnone\r\n", 400],
    ['a chunk of another length', "If-None-Match: TAG\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n", 400],
    ['content that is cut short', "If-None-Match: TAG\r\n"
        . "Content-Length: 100\r\n\r\nabc", 400],
    ['an unknown expectation', "If-None-Match: TAG\r\nExpect: magic\r\n",
        417],
);
for my $case (@cases) {
    my ($name, $fields, $status) = @$case;
    my $text = $name =~ /before any field/
        ? "GET /page.css HTTP/1.1\r\n X: y\r\nHost: main.example\r\n\r\n"
        : "$head$fields\r\n" . ($name =~ /beside/ ? "0\r\n\r\n" : '');
    refused_as_on_stock($name, $text, $status);
}
my $rest = "Host: main.example\r\nIf-None-Match: TAG\r\n"
    . "Connection: close\r\n\r\n";
for my $case (
    ['lines that end with LF alone', "GET /page.css HTTP/1.1\nHost: a\n\n",
        400],
    ['an LF alone within', "GET /page.css HTTP/1.1\r\nHost: main.example\n"
        . "If-None-Match: TAG\r\nConnection: close\r\n\r\n", 400],
    ['a control octet in the target', "GET /page.css\x01 HTTP/1.1\r\n$rest",
        400],
    ['NUL in the target', "GET /page.css\0 HTTP/1.1\r\n$rest", 400],
    ['a tab in the request line', "GET\t/page.css HTTP/1.1\r\n$rest", 400],
    ['two spaces in the request line', "GET  /page.css HTTP/1.1\r\n$rest",
        400],
    ['a space in the target', "GET /a b.css HTTP/1.1\r\n$rest", 400],
    ['a space after the version', "GET /page.css HTTP/1.1 \r\n$rest", 400],
    ['a version that is not one', "GET /page.css HTTP/1\r\n$rest", 400],
    ['HTTP/2.0 on a line', "GET /page.css HTTP/2.0\r\n$rest", 304],
    ['HTTP/3.0', "GET /page.css HTTP/3.0\r\n$rest", 304],
    ['a method in small letters', "get /page.css HTTP/1.1\r\n$rest", 501],
    ['an unknown method', "LOOK /page.css HTTP/1.1\r\n$rest", 501],
    ['a method that is no token', "G(T /page.css HTTP/1.1\r\n$rest", 400],
    ['an empty line before the request', "\r\n\r\nGET /page.css HTTP/1.1\r\n"
        . $rest, 304],
)
{
    refused_as_on_stock(@$case);
}

# Methods that are not evaluated.
for my $method (qw(OPTIONS TRACE POST PUT DELETE PATCH PROPFIND LOCK)) {
    for my $field ("If-None-Match: $tag", 'If-None-Match: *',
        'If-Match: "no"', 'If-Modified-Since: ' . http_date(time))
    {
        my $text = "$method /page.css HTTP/1.1\r\nHost: main.example\r\n"
            . "$field\r\nConnection: close\r\n"
            . ($method =~ /^P[OUA]/ ? "Content-Length: 1\r\n\r\nx" : "\r\n");
        my $stock = plainly(ask('stock', $text));
        is_deeply([map { plainly(ask($_, $text)) } @modes], [$stock, $stock],
            "$method with $field: as on stock httpd");
    }
}
for my $line ('OPTIONS *', 'OPTIONS http://a.example/page.css', 'TRACE /',
    'CONNECT a.example:443', 'CONNECT /page.css', 'GET *', 'OPTIONS /moved/x',
    'TRACE *')
{
    my $text = "$line HTTP/1.1\r\nHost: main.example\r\n"
        . "If-None-Match: $tag\r\nConnection: close\r\n\r\n";
    my $stock = plainly(ask('stock', $text));
    is_deeply([map { plainly(ask($_, $text)) } @modes], [$stock, $stock],
        "$line: as on stock httpd");
}

# HTTP/0.9: the content, and nothing else.
for my $text ("GET /page.css\r\n", "GET /missing.css\r\n",
    "GET /page.css\r\nIf-None-Match: $tag\r\n\r\n")
{
    my $stock = say_raw('stock', $text);
    is_deeply([map { say_raw($_, $text) } @modes], [$stock, $stock],
        'HTTP/0.9: as on stock httpd: ' . length($stock) . ' octets');
}

# --- pipelines and kept connections --------------------------------------------------

my $text = content('main', 'page.css');
my $big = content('main', 'big.css');

# [status, method, target, fields], and the body where it is not the file's.
my @mixture = (
    [200, 'GET', '/page.css'], [200, 'GET', '/big.css'],
    [304, 'GET', '/page.css', 'If-None-Match' => $tag],
    [304, 'GET', '/big.css', 'If-None-Match' => $tag{'main big.css'}],
    [304, 'HEAD', '/page.css', 'If-None-Match' => $tag],
    [412, 'GET', '/page.css', 'If-Match' => '"no"'],
    [412, 'GET', '/big.css', 'If-Match' => '"no"'],
    [206, 'GET', '/page.css', 'Range' => 'bytes=3-20'],
    [206, 'GET', '/big.css', 'Range' => 'bytes=70000-70009'],
    [304, 'GET', '/page.css', 'Range' => 'bytes=3-20',
        'If-None-Match' => $tag],
    [404, 'GET', '/missing.css'],
    [404, 'GET', '/missing.css', 'If-None-Match' => '*'],
    [403, 'GET', '/shut/page.css', 'If-None-Match' => '*'],
    [302, 'GET', '/moved/page.css', 'If-None-Match' => '*'],
    [416, 'GET', '/page.css', 'Range' => 'bytes=999999-'],
    [200, 'HEAD', '/big.css'], [200, 'GET', '/same7.css?x'],
    [304, 'GET', '/same7.css', 'If-None-Match' => "\"a\", $tag"],
    [200, 'POST', '/page.css', ':body' => 'GET / HTTP/1.1'],
    [405, 'PUT', '/page.css', ':body' => 'GET / HTTP/1.1'],
    [304, 'GET', '/page.css', ':body' => 'GET / HTTP/1.1',
        'If-None-Match' => $tag],
    [412, 'GET', '/page.css', ':body' => 'x' x 40000, 'If-Match' => '"no"'],
    [304, 'HEAD', '/page.css', ':body' => 'x', 'If-None-Match' => $tag],
    [304, 'GET', '/page.css', 'If-Modified-Since' => http_date($old)],
    [200, 'GET', '/page.css', 'If-None-Match' => '"no"',
        'If-Modified-Since' => http_date($old)],
);

sub is_right
{
    my ($req, $res) = @_;
    my ($status, $method, $target, %fields) = @$req;
    return 0 unless $res->{status} == $status;
    return $res->{body} eq '' if $method eq 'HEAD' || $status == 304
        || $status == 412;
    my $whole = $target =~ /big/ ? $big : $text;
    return $res->{body} eq $whole if $status == 200;
    return 1 unless $status == 206;
    my ($first, $last) = $fields{Range} =~ /(\d+)-(\d+)/;
    return $res->{body} eq substr $whole, $first, $last - $first + 1;
}

for my $mode (@modes) {
    srand 7;
    my @order = map { $mixture[rand @mixture] } 1 .. 1200;
    my ($i, $got, $wrong) = (0, 0, 0);
    my $c = on($mode);
    $c->pipeline(sub {
        my $req = $order[$i++] or return undef;
        my ($status, $method, $target, @fields) = @$req;
        return [$method, $c->request_text($method, $target, @fields), $req];
    }, sub {
        my ($sent, $res) = @_;
        $got++;
        $wrong++ unless is_right($sent->[2], $res);
    }, 100);
    is("$got answers, $wrong wrong, $c->{lost} connections lost",
        '1200 answers, 0 wrong, 0 connections lost',
        "1,200 requests of every kind, a hundred in a pipeline ($mode)");
    # After each kind every other one, in turn, on one connection.
    $c = on($mode);
    my @wrong;
    for my $first (@mixture) {
        for my $second (@mixture) {
            for my $req ($first, $second) {
                my ($status, $method, $target, @fields) = @$req;
                my $res = $c->request($method, $target, @fields);
                push @wrong, "$res->{status}: @$req[0 .. 2]"
                    unless is_right($req, $res);
            }
        }
    }
    is("@wrong; $c->{lost} lost", '; 0 lost',
        "each kind of answer follows each on a kept connection ($mode)");
    # HTTP/1.0, kept or not.
    for my $keep (0, 1) {
        my ($closed, @bad) = (0);
        $c = on($mode);
        for my $req (grep { $_->[2] !~ /moved/ } @mixture) {
            my ($status, $method, $target, @fields) = @$req;
            $c->connect if !$c->{sock} || $closed;
            my $line = $c->request_text($method, $target,
                $keep ? (Connection => 'keep-alive') : (), @fields);
            $line =~ s{HTTP/1\.1\r\n}{HTTP/1.0\r\n};
            $line =~ s{Host: [^\r]*\r\n}{};
            $c->send_text($line);
            my $res = $c->read_response($method) || { status => 0 };
            $closed = lc($res->{h}{connection} || '') !~ /\bkeep-alive\b/;
            # After some errors the connection is closed all the same.
            push @bad, "$res->{status}: @$req[0 .. 2]"
                unless is_right($req, $res)
                && ($closed eq !$keep || $keep && $status >= 400);
            push @bad, "open: @$req[0 .. 2]" if $closed && !$c->is_closed;
        }
        is("@bad", '', 'HTTP/1.0 without Host, '
            . ($keep ? 'kept open' : 'closed each time') . " ($mode)");
    }
}

# Content of a request that nobody reads.
for my $mode (@modes) {
    my $c = on($mode);
    my $chunked = "5\r\nGET /\r\n12\r\n HTTP/1.1\r\nHost: a\r\n0\r\n"
        . "Trailer: x\r\n\r\n";
    my @wrong;
    for my $size (0, 1, 8000, 70_000, 900_000) {
        for my $case ([304, 'GET', "If-None-Match: $tag"],
            [304, 'HEAD', "If-None-Match: $tag"],
            [412, 'GET', 'If-Match: "no"'], [200, 'GET', 'X: y'],
            [206, 'GET', 'Range: bytes=0-1'])
        {
            my ($status, $method, $field) = @$case;
            my $line = "$method /page.css HTTP/1.1\r\n"
                . "Host: main.example\r\n$field\r\n";
            for my $body ("Content-Length: $size\r\n\r\n" . 'G' x $size,
                "Transfer-Encoding: chunked\r\n\r\n"
                . sprintf("%x\r\n%s\r\n", $size + 1, 'x' x ($size + 1))
                . $chunked)
            {
                my $res = $c->exchange($method, $line . $body);
                push @wrong, "$res->{status} for $case->[0] with $size"
                    unless $res->{status} == $status;
                $res = $c->get('/big.css');
                push @wrong, "next $res->{status}" unless $res->{status}
                    == 200 && $res->{body} eq $big;
            }
        }
    }
    is("@wrong; $c->{lost} lost", '; 0 lost', 'content that nobody reads is'
        . " not taken for a request, and does not cost the connection ($mode)");
}

# Expect: the statuses in order, and whether the connection is kept.
sub expecting
{
    my ($where, $line, $body) = @_;
    my $c = on($where);
    $c->connect;
    my ($method) = $line =~ /^(\w+)/;
    $c->send_text("$line\r\nHost: main.example\r\nExpect: 100-continue\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n");
    my (@seen, $res);
    while (1) {
        while ($c->{buf} !~ /\r\n\r\n/) {
            $c->fill or last;
        }
        last unless $c->{buf} =~ s{^HTTP/1\.1 (1\d\d)[^\r]*\r\n\r\n}{};
        push @seen, $1;
        $c->send_text($body);
    }
    $res = $c->read_response($method) || { status => 0 };
    push @seen, $res->{status};
    $c->send_text($c->request_text('GET', '/missing.css'));
    $res = $c->read_response('GET');
    push @seen, $res ? "and then $res->{status}" : 'and then the end';
    return "@seen";
}

for my $case (['GET /page.css HTTP/1.1'], ['HEAD /page.css HTTP/1.1'],
    ["GET /page.css HTTP/1.1\r\nIf-None-Match: *"],
    ["HEAD /page.css HTTP/1.1\r\nIf-None-Match: *"],
    ['GET /missing.css HTTP/1.1'], ['PUT /page.css HTTP/1.1'],
    ["PUT /page.css HTTP/1.1\r\nIf-Match: \"no\""],
    ["GET /page.css HTTP/1.1\r\nIf-Match: \"no\""],
    ['POST /missing.css HTTP/1.1'])
{
    my $line = $case->[0];
    my $stock = expecting('stock', $line, 'content');
    is_deeply([map { expecting($_, $line, 'content') } @modes],
        [$stock, $stock], 'Expect: 100-continue: ' . ($line =~ s/\r\n/, /gr)
        . ": $stock, as on stock httpd");
}
for my $mode (@modes) {
    like(expecting($mode, "GET /page.css HTTP/1.1\r\nIf-None-Match: $tag",
        'content'), qr/\b304 /, "Expect: 100-continue with the tag: not"
        . " modified ($mode)");
}

# --- ranges --------------------------------------------------------------------------------

# The parts of a multipart body: [first, last, length, octets]; nothing where
# it is not put together as it must be.
sub parts_of
{
    my $res = shift;
    my ($boundary) = ($res->{h}{'content-type'} || '')
        =~ m{^multipart/byteranges; boundary=(\S+)$} or return;
    my ($body, @parts) = ($res->{body});
    while ($body =~ s{^\r\n--\Q$boundary\E\r\n}{}) {
        $body =~ s{^Content-type: text/css\r\n}{}
            || $body =~ s{^Content-type: \S+\r\n}{};
        $body =~ s{^Content-range: bytes (\d+)-(\d+)/(\d+)\r\n\r\n}{}
            or return;
        push @parts, [$1, $2, $3, substr $body, 0, $2 - $1 + 1, ''];
    }
    return $body eq "\r\n--$boundary--\r\n" ? @parts : ();
}

my %whole = ('/page.css' => $text, '/big.css' => $big,
    '/late.bin' => content('main', 'big') . 'late');

# Range, status of it, what is expected as first-last pairs.
my @ranges = (
    ['bytes=0-0,-1', 206], ['bytes=0-9,20-29,40-49', 206],
    ['bytes=0-9,5-14', 206], ['bytes=20-29,0-9,24-26', 206],
    ['bytes=-1,-2,-3', 206], ['bytes=0-0,99999999-', 206],
    ['bytes=99999999-', 416], ['bytes=99999999-,999999999-', 416],
    ['bytes=-0', 416], ['bytes=10-5', 200], ['bytes=a-b', 200],
    ['octets=0-9', 200], ['bytes=0-9,x', 200], ['bytes=1-2,4-5,', 206],
    ['bytes=1-2 , 4-5', 206], ['bytes=0-', 206], ['bytes=1-99999999', 206],
    ['bytes=0-1199,1000-', 206], ['BYTES=0-9', 206],
    ['bytes=' . join(',', map { 2 * $_ . '-' . 2 * $_ } 0 .. 150), 206],
    ['bytes=' . join(',', map { 2 * $_ . '-' . 2 * $_ } 0 .. 250), 200],
    ['bytes=' . join(',', ('0-9') x 30), 200],
);

for my $path (sort keys %whole) {
    for my $case (@ranges) {
        my ($range, $status) = @$case;
        my $name = length $range > 40 ? substr($range, 0, 20) . '...'
            : $range;
        my $head = "GET $path HTTP/1.1\r\nHost: main.example\r\n"
            . "Range: $range\r\nConnection: close\r\n";
        my $stock = ask('stock', "$head\r\n");
        for my $mode (@modes) {
            my $res = ask($mode, "$head\r\n");
            is(plainly($res), plainly($stock), "$path, $name ($mode):"
                . " $stock->{status} as on stock httpd");
            my @parts = parts_of($res);
            next unless @parts;
            is(scalar(grep { $_->[3] ne substr($whole{$path}, $_->[0],
                $_->[1] - $_->[0] + 1) || $_->[2] != length $whole{$path} }
                @parts), 0, "$path, $name ($mode): each of " . @parts
                . ' parts is the file\'s');
        }
    }
    for my $mode (@modes) {
        my $c = on($mode);
        my $tag = $c->get($path)->{h}{etag} || '""';
        my $range = 'bytes=0-3,10-13';
        my $weak = $tag =~ /^W/;
        my @said = map { $_->{status} } $c->get($path, Range => $range,
                'If-None-Match' => $tag),
            $c->get($path, Range => $range, 'If-Range' => $tag),
            $c->get($path, Range => $range, 'If-Range' => '"no"'),
            $c->get($path, Range => $range, 'If-Match' => '"no"'),
            $c->get($path, Range => $range, 'If-Match' => '*'),
            $c->get($path, Range => 'bytes=99999999-',
                'If-None-Match' => $tag),
            $c->get($path, Range => 'bytes=99999999-', 'If-Range' => '"no"'),
            $c->head($path, Range => $range);
        is("@said", join(' ', 304, $weak ? 200 : 206, 200, 412, 206, 304,
            200, 200), "$path: conditions come before ranges ($mode)");
    }
}

# --- many streams at once ---------------------------------------------------------------------

SKIP_H2: {
    last SKIP_H2 unless h2_here();
    for my $where (qw(tls tlsplain)) {
        my @streams = map { $mixture[$_ % @mixture] } 0 .. 199;
        @streams = grep { !grep { /^:body$/ } @$_ } @streams;
        my @requests = map {
            my ($status, $method, $target, @fields) = @$_;
            { url => "https://main.example:$port{$where}$target",
                to => "127.0.0.1:$port{$where}", method => $method,
                fields => [@fields], http2 => undef }
        } @streams;
        my @got = curl_many(\@requests, 100);
        my @wrong = grep { !is_right($streams[$_], $got[$_]) } 0 .. $#got;
        is(join('; ', map { "$got[$_]{status} for @{$streams[$_]}" } @wrong),
            '', scalar(@got) . " requests of every kind, a hundred streams at"
            . " once ($where)");
        my %connections = map { $_->{port} || 0 => 1 } @got;
        cmp_ok(scalar(keys %connections), '<=', 3,
            "over few connections ($where)");
        is(scalar(grep { $_->{version} ne '2' } @got), 0,
            "all of them HTTP/2 ($where)");
    }
    # One client that says the same on each stream.
    my @paths = ((map { "/same$_.css" } 1 .. 25), (map { "/other$_.css" }
        1 .. 25), (map { "/missing$_.css" } 1 .. 25),
        map { "/shut/page.css?$_" } 1 .. 25);
    my $base = "http://127.0.0.1:$port{quick}";
    for my $round (1, 2) {
        my ($rc, $out) = run_command('nghttp', '-ns', '-H',
            "If-None-Match: $tag", map { "$base$_" } @paths);
        my %count;
        while ($out =~ /^\s*\d+\s+\S+\s+\S+\s+\S+\s+(\d+)\s+\S+\s+(\S+)$/mg) {
            my ($status, $path) = ($1, $2);
            $path =~ s/\d.*//;
            $count{"$path $status"}++;
        }
        is_deeply(\%count, { '/same 304' => 25, '/other 200' => 25,
            '/missing 404' => 25, '/shut/page.css? 403' => 25 },
            'a hundred streams at once: each its own status') or diag($out);
    }
    my ($rc, $out) = run_command('nghttp', '-ns', '-m', 100, '-H',
        "If-None-Match: $tag", "$base/page.css");
    my @status = $out =~ /^\s*\d+\s+\S+\s+\S+\s+\S+\s+(\d+)\s/mg;
    is(join(' ', scalar(@status), scalar grep { $_ == 304 } @status),
        '100 100', 'one resource a hundred times at once') or diag($out);
    for my $tls (0, 1) {
        my $at = $tls ? "https://127.0.0.1:$port{tls}" : $base;
        ($rc, $out) = run_command('h2load', '-n', 4000, '-c', 2, '-m', 100,
            '-H', "If-None-Match: $tag", "$at/same1.css", "$at/other1.css",
            "$at/missing.css", "$at/same2.css");
        like($out, qr/status codes: 1000 2xx, 2000 3xx, 1000 4xx, 0 5xx/,
            'h2load: 4,000 on two connections, a hundred streams each ('
            . ($tls ? 'TLS' : 'h2c') . ')') or diag($out);
        like($out, qr/, 0 errored, 0 timeout/, 'and none of them cut');
    }
    # What the streams of two hosts on one connection are told.
    my @requests = map { my $host = $_ % 2 ? 'a' : 'main';
        { url => "https://main.example:$port{tls}/page.css?$_",
            to => "127.0.0.1:$port{tls}", fields => [Host => "$host.example",
            'If-None-Match' => join(', ', $tag{'a page.css'},
                $_ % 4 < 2 ? '"x"' : $tag)],
            http2 => undef } } 0 .. 99;
    my @got = (curl_many(\@requests, 100), curl_many(\@requests, 100));
    my @wrong = grep { my $n = $_ % 100; my $host = $n % 2 ? 'a' : 'main';
        my $want = $host eq 'a' || $n % 4 >= 2 ? 304 : 200;
        $got[$_]{status} != $want
            || $got[$_]{h}{etag} ne $tag{"$host page.css"} } 0 .. $#got;
    is(scalar(@wrong), 0, 'streams of two hosts on one connection: each is'
        . ' told of its own');
}

# Names of the TLS connection, and of the request.
{
    my @requests = map { { url => "https://$_->[0]:$port{tls}/page.css",
        to => "127.0.0.1:$port{tls}", fields => [Host => $_->[1],
            'If-None-Match' => $tag{"$_->[2] page.css"}],
        'http1.1' => undef } } (['main.example', 'main.example', 'main'],
        ['a.example', 'a.example', 'a'], ['main.example', 'main.example',
        'main'], ['a.example', 'a.example', 'main'],
        ['main.example', 'a.example', 'main']);
    my @got = map { curl_many(\@requests) } 1 .. 3;
    is(join(' ', map { $_->{status} } @got[10 .. 14]), '304 304 304 200 200',
        'hosts over TLS: each its own');
}

# --- addresses that a proxy tells ------------------------------------------------------------------

{
    my $own = tag_of(content('proxied', 'page.css'));
    my $shut = tag_of(content('proxied', 'shut'));
    my $request = sub {
        my ($path, $tag, $id) = @_;
        return "GET $path HTTP/1.1\r\nHost: proxied.example\r\nX-Id: $id\r\n"
            . "If-None-Match: $tag\r\nConnection: close\r\n\r\n";
    };
    my $line = sub { "PROXY TCP4 $_[0] 127.0.0.1 5000 80\r\n" };
    my ($friend, $stranger) = map { $line->($_) } '203.0.113.9',
        '203.0.113.10';
    my ($id, @said);
    for my $who ($friend, $stranger, $friend, $stranger) {
        $id = new_id();
        push @said, answers_in(say_raw('proxy', $who
            . $request->('/page.css', $own, $id)));
    }
    is(join(' ', map { $_->{status} } @said), '304 304 304 304',
        'behind the PROXY protocol: what all may see is not modified');
    note_later($id, qr/^quick$/, 'by the quick handler');
    @said = ();
    for my $who ($stranger, $friend, $friend, $stranger, $friend) {
        $id = new_id();
        push @said, answers_in(say_raw('proxy', $who
            . $request->('/shut/page.css', $shut, $id)));
    }
    is(join(' ', map { $_->{status} } @said), '403 304 304 403 304',
        'behind the PROXY protocol: addresses that it tells decide');
    note_later($id, qr/^replay$/, 'after access control');
    is(say_raw('proxy', $request->('/page.css', $own, new_id())) =~ m{304},
        '', 'without its line nothing is answered');
    # By a field, on the other ports.
    my $c = on('quick');
    $c->get('/page.css');
    is($c->get('/page.css', 'X-Client' => '203.0.113.9', 'If-None-Match' =>
        $tag)->{status}, 304, 'an address in a field changes nothing where'
        . ' all may see');
}

# --- what a client's cookie chooses ------------------------------------------------------

for my $mode (@modes) {
    my $c = on($mode);
    my %held = map { $_ => tag_of("a page in $_\n" x 9) } qw(en de);
    my @wrong;
    for my $n (0 .. 63) {
        for my $step ($n & 3, $n >> 2 & 3, $n >> 4) {
            my ($chosen, $has) = map { $_ ? 'de' : 'en' } $step & 1,
                $step >> 1;
            my $res = $c->get('/lang/page.html', 'If-None-Match' =>
                $held{$has}, $chosen eq 'de' ? (Cookie => 'language=de')
                    : ());
            push @wrong, "$res->{status} for $chosen"
                unless $res->{status} == ($chosen eq $has ? 304 : 200)
                && ($res->{h}{etag} || '') eq $held{$chosen};
        }
    }
    is(scalar(@wrong), 0, 'a language that a cookie chooses: who holds the'
        . " other is sent it ($mode)") or diag($wrong[0]);
}

# --- clients that go away -----------------------------------------------------------------------------

{
    local $SIG{PIPE} = 'IGNORE';
    my $cut = sub {
        my ($mode, $send, $read, $reset) = @_;
        my $c = on($mode);
        $c->connect;
        $c->send_text($send);
        sysread $c->{sock}, my $some, $read if $read;
        setsockopt $c->{sock}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $reset;
        $c->close;
    };
    for my $mode (@modes) {
        my $c = on($mode);
        my $huge = $c->request_text('GET', '/huge.bin');
        my $parts = $c->request_text('GET', '/huge.bin', Range =>
            'bytes=0-3000000,1000-4000000');
        my $same = $c->request_text('GET', '/page.css',
            'If-None-Match' => $tag);
        for my $reset (0, 1) {
            for (1 .. 5) {
                $cut->($mode, $huge, 1, $reset);
                $cut->($mode, $huge, 300_000, $reset);
                $cut->($mode, $parts, 1, $reset);
                $cut->($mode, $same x 40, 0, $reset);
                $cut->($mode, $same x 40, 1, $reset);
                $cut->($mode, substr($same, 0, length($same) - 2), 0,
                    $reset);
                $cut->($mode, $same . substr($huge, 0, 9), 0, $reset);
                $cut->($mode, "GET /page.css HTTP/1.1\r\nHost: main.example"
                    . "\r\nIf-None-Match: $tag\r\nContent-Length: 90\r\n\r\n",
                    0, $reset);
            }
        }
        my @after = map { $_->{status} . length $_->{body} }
            $c->get('/page.css'), $c->get('/page.css', 'If-None-Match' =>
                $tag), $c->get('/big.css');
        is("@after", join(' ', 200 . length $text, '3040',
            200 . length $big), "after eighty clients that went away in the"
            . " middle all is answered ($mode)");
    }
}

# --- the notes, and the end -------------------------------------------------------------------------------

{
    my $notes = notes_of($log, map { $_->[0] } @noted);
    for my $case (@noted) {
        my ($id, $pattern, $name) = @$case;
        like(defined $notes->{$id} ? $notes->{$id} : 'not logged', $pattern,
            $name);
    }
}

# A stop that lets requests end: those under way are sent whole.
{
    my $huge = content('main', 'big') x 150;
    my @clients;
    for my $mode (@modes, @modes) {
        my $c = on($mode);
        $c->connect;
        setsockopt $c->{sock}, SOL_SOCKET, Socket::SO_RCVBUF(), 16384;
        $c->send_text($c->request_text('GET', '/page.css', 'If-None-Match' =>
            $tag) . $c->request_text('GET', '/huge.bin'));
        my $res = $c->read_response('GET');
        push @clients, [$c, $res ? $res->{status} : 0];
        # The large one has begun.
        $c->fill while length $c->{buf} < 1000;
    }
    kill 'WINCH', $server->{pid};
    my @got = map {
        my ($c, $first) = @$_;
        my $res = $c->read_response('GET');
        $first . ' ' . ($res && $res->{status} == 200
            && $res->{body} eq $huge ? 'whole' : 'cut');
    } @clients;
    is(join(', ', @got), join(', ', ('304 whole') x 4),
        'a graceful stop in the middle: what was under way is sent whole');
    $_->[0]->close for @clients;
    my $ended = 0;
    for (1 .. 150) {
        last if $ended = !$server->alive;
        Time::HiRes::sleep(0.1);
    }
    ok($ended, 'and then the server ends');
}
my $errors = $server->error_log;
is(scalar(() = $errors =~ /exit signal/g), 0, 'no child of httpd died');
is(join('', $errors =~ /^.*\[validators:(?:warn|error|crit).*\n/mg), '',
    'and the module had nothing to complain of');
$server->stop;

done_testing();
