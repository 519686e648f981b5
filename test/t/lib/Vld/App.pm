# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# An application that says what the query tells it to say: as a script behind
# CGI, and as an HTTP server of its own behind a proxy.  The same in PHP and
# Lua for those who run these.
#
#   s=STATUS h=HEX (field lines) own=1 (judges If-None-Match for itself)
#   stream=NAME (one piece, then waits for NAME.go before the second)
#   endless=NAME (only as a server: pieces until nobody reads on)
#
# It never compares a validator unless it is told to.  VLD_RUNS names the file
# that grows by one octet a run; VLD_STREAM the folder of NAME.
package Vld::App;
use strict;
use warnings;

our $text = join '', map { "line $_ of what an application says\n" } 1 .. 90;
our @pieces = ("the first piece\n", "the second piece\n");

sub asked
{
    my $query = shift;
    my %asked = map { my ($name, $value) = split /=/, $_, 2;
        ($name => defined $value ? $value : '') } split /&/, $query || '';
    return \%asked;
}

sub touch
{
    my ($path, $more) = @_;
    open my $fh, $more ? '>>' : '>', $path or die "$path: $!\n";
    print {$fh} 'x';
    close $fh;
}

sub wait_for
{
    my $path = shift;
    for (1 .. 1000) {
        return if -e $path;
        select undef, undef, undef, 0.02;
    }
}

# One answer: head->(status, field lines), then body->(octets) for each piece.
sub answer
{
    my ($env, $content, $head, $body) = @_;
    my $asked = asked($env->{QUERY_STRING});
    my @lines = split /\r\n/, pack 'H*', $asked->{h} || '';
    touch($env->{VLD_RUNS}, 1);
    if (my $name = $asked->{stream}) {
        my $path = "$env->{VLD_STREAM}/$name";
        $head->(200, 'Content-Type: text/plain', @lines);
        $body->($pieces[0]);
        touch("$path.began");
        wait_for("$path.go");
        $body->($pieces[1]);
        return touch("$path.done");
    }
    if (my $name = $asked->{endless}) {
        $head->(200, 'Content-Type: text/plain', @lines);
        local $SIG{PIPE} = 'IGNORE';
        1 while $body->($text);
        return touch("$env->{VLD_STREAM}/$name.done");
    }
    my ($tag) = map { /^ETag: (.*)/ } @lines;
    my $held = $env->{HTTP_IF_NONE_MATCH};
    if ($asked->{own} && defined $held && $held eq $tag) {
        return $head->(304, @lines, 'X-Judged: by the application');
    }
    $head->($asked->{s} || 200, 'Content-Type: text/plain', @lines);
    $body->($env->{REQUEST_METHOD} =~ /^P/
        ? "$env->{REQUEST_METHOD} $content" : $text);
}

# --- as a script ------------------------------------------------------------

sub cgi
{
    local $| = 1;
    binmode STDIN;
    my $content = '';
    read STDIN, $content, $ENV{CONTENT_LENGTH} if $ENV{CONTENT_LENGTH};
    answer(\%ENV, $content, sub {
        my ($status, @lines) = @_;
        print join "\r\n", $status == 200 ? () : "Status: $status So",
            @lines, '', '';
    }, sub { print $_[0] });
}

# --- as a server ------------------------------------------------------------

# Serve until killed; (process id, port).  A process group of its own.
sub serve
{
    my %env = @_;
    require IO::Socket::INET;
    require POSIX;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Proto => 'tcp', Listen => 50) or die "no port: $!\n";
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return ($pid, $listen->sockport) if $pid;
    POSIX::setsid();
    $SIG{CHLD} = 'IGNORE';
    my $n = 0;
    while (my $s = $listen->accept) {
        $n++;
        my $child = fork;
        next if $child || !defined $child;
        close $listen;
        eval { connection($s, $n, %env); 1 } or print STDERR "# $@";
        POSIX::_exit(0);
    }
    POSIX::_exit(1);
}

sub connection
{
    my ($s, $n, %env) = @_;
    $s->autoflush(1);
    binmode $s;
    local $/ = "\r\n\r\n";
    while (my $request = <$s>) {
        $request =~ /^(\S+) \S*?\?(\S*) HTTP/ or return;
        my %own = (%env, REQUEST_METHOD => $1, QUERY_STRING => $2);
        $own{HTTP_IF_NONE_MATCH} = $1
            if $request =~ /^If-None-Match: (.*?)\r$/mi;
        my $content = '';
        read $s, $content, $1 if $request =~ /^Content-Length: (\d+)/mi;
        one($s, $n, \%own, $content);
    }
}

# Chunked, so that a stream needs no end that is known before.
sub one
{
    my ($s, $n, $env, $content) = @_;
    my $bare = $env->{REQUEST_METHOD} eq 'HEAD';
    my $ended = 0;
    answer($env, $content, sub {
        my ($status, @lines) = @_;
        $bare ||= $status == 304 || $status == 204;
        print {$s} join "\r\n", "HTTP/1.1 $status So", @lines,
            "X-Connection: $n", $bare ? () : 'Transfer-Encoding: chunked',
            '', '';
    }, sub {
        $bare || printf {$s} "%x\r\n%s\r\n", length $_[0], $_[0];
    });
    print {$s} "0\r\n\r\n" unless $bare;
}

# --- in other languages -----------------------------------------------------

# The texts of $text and @pieces are given to them in hexadecimal.
sub constants
{
    return map { unpack 'H*', $_ } $text, @pieces;
}

sub php
{
    my ($text, $one, $two) = constants();
    return <<"END";
<?php
parse_str(\$_SERVER['QUERY_STRING'], \$asked);
\$lines = array_filter(explode("\\r\\n", hex2bin(\$asked['h'] ?? '')));
file_put_contents(\$_SERVER['VLD_RUNS'], 'x', FILE_APPEND);
header('Content-Type: text/plain');
header_remove('X-Powered-By');
foreach (\$lines as \$line) {
    header(\$line);
}
if (isset(\$asked['stream'])) {
    \$path = \$_SERVER['VLD_STREAM'] . '/' . \$asked['stream'];
    echo hex2bin('$one');
    flush();
    touch("\$path.began");
    for (\$i = 0; \$i < 1000 && !file_exists("\$path.go"); \$i++) {
        usleep(20000);
        clearstatcache();
    }
    echo hex2bin('$two');
    flush();
    touch("\$path.done");
    exit;
}
foreach (\$lines as \$line) {
    if (isset(\$asked['own'])
        && \$line === 'ETag: ' . (\$_SERVER['HTTP_IF_NONE_MATCH'] ?? '')) {
        http_response_code(304);
        header_remove('Content-Type');
        header('X-Judged: by the application');
        exit;
    }
}
http_response_code((int)(\$asked['s'] ?? 200));
\$method = \$_SERVER['REQUEST_METHOD'];
echo \$method[0] === 'P' ? "\$method " . file_get_contents('php://input')
    : hex2bin('$text');
END
}

sub lua
{
    my ($text, $one, $two) = constants();
    return <<"END";
local function octets(hex)
    return (hex:gsub('..', function(h)
        return string.char(tonumber(h, 16))
    end))
end

local function touch(path, how)
    local file = assert(io.open(path, how or 'w'))
    file:write('x')
    file:close()
end

function handle(r)
    local asked = r:parseargs()
    local tag
    touch(r.subprocess_env['VLD_RUNS'], 'a')
    r.content_type = 'text/plain'
    for line in octets(asked.h or ''):gmatch('[^\\r\\n]+') do
        local name, value = line:match('^([^:]+): (.*)\$')
        r.headers_out[name] = value
        if name == 'ETag' then tag = value end
    end
    if asked.stream then
        local path = r.subprocess_env['VLD_STREAM'] .. '/' .. asked.stream
        r:write(octets('$one'))
        r:flush()
        touch(path .. '.began')
        for i = 1, 1000 do
            local go = io.open(path .. '.go')
            if go then go:close() break end
            r.usleep(20000)
        end
        r:write(octets('$two'))
        r:flush()
        touch(path .. '.done')
        return apache2.OK
    end
    if asked.own and r.headers_in['If-None-Match'] == tag then
        r.headers_out['X-Judged'] = 'by the application'
        r.status = 304
        return apache2.OK
    end
    r.status = tonumber(asked.s or '200')
    if r.method:sub(1, 1) == 'P' then
        r:write(r.method .. ' ' .. (r:requestbody() or ''))
    else
        r:write(octets('$text'))
    end
    return apache2.OK
end
END
}

1;
