# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites about what travels between a client and httpd: one configuration
# with many hosts, in which `plain` and `quick` have the engine on (by fixups, by
# the quick handler) and `stock` has it off, the same files everywhere, requests
# as octets, and the notes of the access log, judged at the end.
package Vld::Wire;
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET ();
use Socket qw(SHUT_WR);
use Test::More ();
use Vld::Extra;
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

our @EXPORT = qw(@modes @places %port %tag content start_wire end_wire on
    ask say_raw answers_in plainly note_later mixture is_right);

our %port; # by what answers there
our @modes = qw(plain quick);
my $old = 1_540_000_000;

# The same paths everywhere, another content in each place.
sub content
{
    my ($place, $name) = @_;
    my $text = join '', map { "$place has $name, line $_\n" } 1 .. 60;
    return $name =~ /^big/ ? $text x 90 : $text;
}

our @places = ('main', 'a', 'b', 'pool/one.pool.example',
    'pool/two.pool.example', 'ip/127.0.0.1', 'ip/127.0.0.3', 'ip1', 'ip3',
    'strict');
my @names = ('page.css', 'big.css', 'sub/page.css', 'sub/deep/page.css',
    'a b.css', 'a+b.css', '~user.css', 'semi;a=b.css', 'semi', "\xc3\xbc.css",
    'index/index.html', 'info/page.css', 'back\\slash.css', 'per%cent.css');
our %tag; # of what a place has under a name

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
    scan_of($server);
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

sub configuration
{
    my $server = shift;
    my ($docs, $conf) = ($server->docs, top() . '/conf');
    $port{plain} = $server->{port};
    $port{$_} = Vld::Server::free_port() for qw(quick stock tls tlsplain
        proxy ip rootip);
    my $off = engine('ValidatorsEngine Off');
    my $quick = engine('ValidatorsQuickHandler On');
    my $modules = load_modules('vhost_alias');
    my $tls = "Protocols h2 http/1.1\nSSLEngine On\n"
        . "SSLCertificateFile \"$conf/tls.pem\"\n";
    return join '', <<"END", hosts("127.0.0.1:$port{plain}", $docs, ''),
${modules}Protocols h2c http/1.1
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

my $server;

# Start the server, whose folder has that name.
sub start_wire
{
    my $name = shift;
    return $server = Vld::Server->start(name => $name, loglevel => 'notice',
        conf => \&configuration, prepare => \&fill);
}

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

# --- requests of every kind ----------------------------------------------------

# Requests to main.example: [status, method, target, fields].
sub mixture
{
    my $tag = $tag{'main page.css'};
    return (
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
}

# Whether the response is the one that such a request wants.
sub is_right
{
    my ($req, $res) = @_;
    my ($status, $method, $target, %fields) = @$req;
    return 0 unless $res->{status} == $status;
    return $res->{body} eq '' if $method eq 'HEAD' || $status == 304
        || $status == 412;
    my $whole = content('main', $target =~ /big/ ? 'big.css' : 'page.css');
    return $res->{body} eq $whole if $status == 200;
    return 1 unless $status == 206;
    my ($first, $last) = $fields{Range} =~ /(\d+)-(\d+)/;
    return $res->{body} eq substr $whole, $first, $last - $first + 1;
}

# --- the end --------------------------------------------------------------------

# The notes that were asked for, and that nothing went wrong; stops the server.
sub end_wire
{
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $notes = notes_of($server->log_path, map { $_->[0] } @noted);
    for my $case (@noted) {
        my ($id, $pattern, $name) = @$case;
        Test::More::like(defined $notes->{$id} ? $notes->{$id}
            : 'not logged', $pattern, $name);
    }
    Test::More::is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        'no child of httpd died');
    Test::More::is(join("\n", $server->complaints), '',
        'and the module had nothing to complain of');
    $server->stop;
}

1;
