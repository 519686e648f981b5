# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What is made for each request - by a CGI script, by PHP behind FastCGI, by an
# application behind a proxy, in Lua - is judged once by the validators that
# it has, whoever gave it these; and is otherwise left as stock httpd has it,
# which is asked beside it, where the engine is off.
use strict;
use warnings;
use lib 'lib';
use POSIX ();
use Test::More;
use Time::HiRes ();
use Vld::App ();
use Vld::Extra;
use Vld::Origins;
use Vld::Server ();
use Vld::Test;

my $old = 1_600_000_000;
my @makers = qw(cgi php app lua);
my $text = $Vld::App::text;

# --- what runs beside httpd -------------------------------------------------

my %beside;

sub group_ends
{
    my $pid = shift;
    kill 'TERM', -$pid, $pid;
    for (1 .. 100) {
        last if waitpid($pid, POSIX::WNOHANG()) != 0;
        Time::HiRes::sleep(0.05);
    }
    kill 'KILL', -$pid;
}

END {
    local $?;
    group_ends($_) for grep { $beside{$_} == $$ } keys %beside;
}

sub start_fpm
{
    my $root = shift;
    my ($fpm) = grep { -x } glob '/usr/sbin/php-fpm* /usr/local/sbin/php-fpm*';
    return undef unless $fpm;
    spew("$root/fpm.conf", <<"END");
[global]
error_log = $root/fpm.log
daemonize = no
[suite]
listen = $root/fpm.sock
pm = static
pm.max_children = 4
security.limit_extensions = .run
END
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        POSIX::setsid();
        open STDOUT, '>>', "$root/fpm.out";
        open STDERR, '>&', \*STDOUT;
        exec { $fpm } $fpm, '-n', '-F', '-y', "$root/fpm.conf", '-p', $root
            or POSIX::_exit(127);
    }
    $beside{$pid} = $$;
    return until_true(sub { -S "$root/fpm.sock" });
}

my $root = top() . '/private/dynamic-beside';
File::Path::make_path("$root/stream");
my ($app_pid, $app_port) = Vld::App::serve(VLD_RUNS => "$root/runs-app",
    VLD_STREAM => "$root/stream");
$beside{$app_pid} = $$;
ok(start_fpm($root), 'php-fpm runs')
    or diag(-e "$root/fpm.log" ? slurp("$root/fpm.log") : 'is it installed?');

# --- the server -------------------------------------------------------------

sub conf
{
    my $server = shift;
    my $docs = $server->docs;
    my $modules = load_modules(qw(proxy proxy_http proxy_fcgi lua asis));
    my $proxies = join '', map { <<"END" } qw(on off);
ProxyPass "/$_/app/" "http://127.0.0.1:$app_port/"
<Directory "$docs/$_/folder">
    DirectoryIndex index.cgi
</Directory>
<Directory "$docs/$_/errors">
    ErrorDocument 404 /$_/errors/found.cgi
</Directory>
<Directory "$docs/$_/cgi">
    SetEnv VLD_RUNS "$root/runs-cgi"
    AddHandler cgi-script .run
</Directory>
<Directory "$docs/$_/php">
    SetEnv VLD_RUNS "$root/runs-php"
    <Files *.run>
        SetHandler "proxy:unix:$root/fpm.sock|fcgi://suite"
    </Files>
</Directory>
<Directory "$docs/$_/lua">
    SetEnv VLD_RUNS "$root/runs-lua"
    AddHandler lua-script .run
</Directory>
END
    my $forward = $server->{forward} = Vld::Server::free_port();
    return <<"END";
$modules
Listen 127.0.0.1:$forward
<VirtualHost *:$forward>
    Protocols h2c http/1.1
    ProxyRequests On
    DocumentRoot "$docs"
    <IfModule mod_validators.c>
        ValidatorsEngine On
    </IfModule>
</VirtualHost>
<Directory "$docs">
    Require all granted
    Options ExecCGI FollowSymLinks
    SetEnv VLD_STREAM "$root/stream"
    AddHandler send-as-is .asis
    AddHandler cgi-script .cgi
</Directory>
<Proxy "fcgi://suite">
    ProxySet flushpackets=on
</Proxy>
$proxies
<IfModule mod_validators.c>
    LogLevel validators:trace1
    ValidatorsAnswerTTL 300
    <Location "/on">
        ValidatorsEngine On
        ValidatorsQuickHandler On
    </Location>
</IfModule>
END
}

sub prepare
{
    my $server = shift;
    my $lib = top() . '/lib';
    for my $side (qw(on off)) {
        my $docs = $server->docs($side);
        script_of("$docs/cgi/say.run", "#!$^X\nuse lib '$lib';\n"
            . "use Vld::App ();\nVld::App::cgi();\n");
        spew("$docs/php/say.run", Vld::App::php());
        spew("$docs/lua/say.run", Vld::App::lua());
        file_of("$docs/as.asis", "Content-Type: text/plain\r\n"
            . "ETag: \"as-it-is\"\r\nCache-Control: max-age=9\r\n\r\n$text",
            $old);
        file_of("$docs/error.asis", "Status: 404 Not Here\r\n"
            . "Content-Type: text/plain\r\nETag: \"as-it-is\"\r\n\r\n$text",
            $old);
        script_of("$docs/local.cgi", "#!/bin/sh\n"
            . "printf 'Location: /$side/target.css\\r\\n\\r\\n'\n");
        script_of("$docs/nph-own.cgi", "#!/bin/sh\n"
            . "printf 'HTTP/1.0 200 OK\\r\\nETag: \"nph\"\\r\\n\\r\\n'\n"
            . "echo all\n");
        script_of("$docs/folder/index.cgi", "#!/bin/sh\n"
            . "printf 'ETag: \"index\"\r\n\r\nindex\n'\n");
        script_of("$docs/errors/found.cgi", "#!/bin/sh\nprintf 'Status: 200"
            . " OK\r\nETag: \"found\"\r\n\r\nfound\n'\n");
        file_of("$docs/target.css", $text, $old);
    }
}

my $server = Vld::Server->start(name => 'dynamic', conf => \&conf,
    prepare => \&prepare);
my $c = $server->client;
my $log = $server->log_path;

# --- saying things ----------------------------------------------------------

sub say
{
    my ($side, $maker, $fields, %more) = @_;
    my $query = join '&', 'h=' . unpack('H*', join "\r\n", @$fields),
        map { "$_=$more{$_}" } sort keys %more;
    return "/$side/$maker/say.run?$query";
}

sub runs_of { return -s "$root/runs-$_[0]" || 0 }

# Field lines without those that differ from response to response: how a
# script's output is framed depends on whether it ends soon enough.
sub lines_told
{
    my $res = shift;
    return join "\n", "$res->{status}", (sort map { "$_->[0]: $_->[1]" }
        grep { $_->[0] !~ /^(?:date|x-connection|content-length
        |transfer-encoding)$/x } @{$res->{lines}}),
        '', $res->{body};
}

# The same as stock httpd says to the same request.
sub as_stock
{
    my ($method, $maker, $fields, $more, $what, @request) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($on, $off) = map { $c->request($method,
        say($_, $maker, $fields, %$more), @request) } qw(on off);
    is(lines_told($on), lines_told($off), "$maker, $what: as stock httpd"
        . ' says');
    return $on;
}

# --- 200s with validators ---------------------------------------------------

my @date = ('Last-Modified: ' . http_date($old));
my @more = ('Cache-Control: max-age=7', 'Vary: Cookie');
my @kinds_of_tags = (
    ['a strong tag', ['ETag: "made-1"', @more], 'tag'],
    ['a weak tag', ['ETag: W/"made,1"', @more], 'tag'],
    ['a date', [@date, @more], 'date'],
    ['a tag and a date', ['ETag: "made-2"', @date, @more], 'both'],
);

sub judged_once
{
    my ($maker, $what, $fields, $kind) = @_;
    my $url = say('on', $maker, $fields);
    my $id = new_id();
    my $full = $c->get($url, 'X-Id' => $id);
    is("$full->{status} $full->{body}", "200 $text", "$maker, $what: sent");
    noted($id, qr/^200$/, "$maker, $what: and noted as such", $log);
    my @held = validators_of($full, $kind);
    # mod_lua runs nothing for HEAD.
    for my $method ('GET', $maker eq 'lua' ? () : 'HEAD') {
        $id = new_id();
        my $before = runs_of($maker);
        my $res = $c->request($method, $url, @held, 'X-Id' => $id);
        is("$res->{status} $res->{body}", '304 ',
            "$maker, $what, $method: not modified");
        is(same_fields($full, $res), '', "$maker, $what, $method: as the"
            . ' 200 says');
        is(runs_of($maker) - $before, 1, "$maker, $what, $method: it has run"
            . ' once');
        noted($id, qr/^304$/, "$maker, $what, $method: noted", $log);
    }
    if ($kind ne 'date') {
        my $res = $c->get($url, 'If-None-Match' => $full->{h}{etag},
            'If-Modified-Since' => http_date($old - 9));
        is($res->{status}, 304, "$maker, $what: whatever the date says");
    }
    my @stale = $kind eq 'date' ? ('If-Modified-Since' => http_date($old - 9))
        : ('If-None-Match' => '"another"', 'If-Modified-Since' =>
            http_date($old + 9));
    $id = new_id();
    my $res = $c->get($url, @stale, 'X-Id' => $id);
    is("$res->{status} $res->{body}", "200 $text",
        "$maker, $what: sent to who holds another");
    noted($id, qr/^200-changed$/, "$maker, $what: noted as changed", $log);
    my @fails = $kind eq 'date'
        ? ('If-Unmodified-Since' => http_date($old - 9))
        : ('If-Match' => '"another"');
    is($c->get($url, @fails)->{status}, 412, "$maker, $what: 412 for who"
        . ' insists on another');
}

for my $maker (@makers) {
    for my $case (@kinds_of_tags) {
        my ($what, $fields, $kind) = @$case;
        judged_once($maker, $what, $fields, $kind);
        as_stock($_, $maker, $fields, {}, "$what, $_") for qw(GET HEAD POST);
        as_stock('GET', $maker, $fields, {}, "$what, a range",
            Range => 'bytes=5-20');
        as_stock('GET', $maker, $fields, {}, "$what, ranges",
            Range => 'bytes=99999-');
    }
    my $tagged = say('on', $maker, ['ETag: "part"']);
    my $part = $c->get($tagged, Range => 'bytes=5-20',
        'If-Range' => '"another"');
    is("$part->{status} $part->{body}", "200 $text", "$maker: no range of"
        . ' what has another tag');
    is($c->get($tagged, Range => 'bytes=5-20', 'If-None-Match' => '"part"')
        ->{status}, 304, "$maker: not modified wins over a range");
    is($c->{lost}, 0, "$maker: no connection was lost");
}

# --- what is left alone -----------------------------------------------------

sub left_alone
{
    my $maker = shift;
    for my $bad ('unquoted', '"open', "'single'", 'w/"small"', '"a" "b"') {
        my $url = say('on', $maker, ["ETag: $bad"]);
        my %got;
        $got{$c->get($url, 'If-None-Match' => $_)->{status}}++
            for $bad, "\"$bad\"", "\"none\", $bad";
        is_deeply(\%got, { 200 => 3 }, "$maker: a tag that is none matches"
            . " nothing: $bad");
    }
    my $id = new_id();
    my $url = say('on', $maker, []);
    is($c->get($url, 'If-None-Match' => '"any"', 'If-Modified-Since' =>
        http_date(time), 'X-Id' => $id)->{status}, 200,
        "$maker: without validators it is always sent");
    noted($id, qr/^declined-handler$/, "$maker: and noted so", $log);

    my @both = ('ETag: "e"', @date);
    for my $status (201, 302, 404, 410, 500, 503) {
        my %got;
        my @asks = (['If-None-Match' => '"e"'], ['If-Match' => '"no"'],
            ['If-None-Match' => '*'],
            ['If-Modified-Since' => http_date($old)],
            ['If-Unmodified-Since' => http_date(5)]);
        @asks = @asks[0, 1] unless $status =~ /^(?:404|500)$/;
        for my $asks (@asks) {
            my $res = as_stock('GET', $maker,
                [@both, $status =~ /^30/ ? 'Location: http://other.test/'
                    : ()], { s => $status }, "$status with $asks->[0]",
                @$asks);
            $got{$res->{status}}++;
        }
        is_deeply([keys %got], [$status], "$maker: $status stays");
    }
    as_stock('GET', $maker, [@both, 'Content-Range: bytes 0-9/100'],
        { s => 206 }, 'a 206 of its own', @$_)
        for [Range => 'bytes=0-9'], [Range => 'bytes=0-9',
            'If-None-Match' => '"e"'], [Range => 'bytes=0-9',
            'If-Range' => '"e"'];
    for my $method (qw(POST PUT)) {
        for my $asks ([], ['If-None-Match' => '"e"'], ['If-Match' => '"no"'])
        {
            my $res = as_stock($method, $maker, \@both, {},
                "$method " . ($asks->[0] || ''), @$asks, ':body' => 'content');
            is("$res->{status} $res->{body}", "200 $method content",
                "$maker, $method: its answer is sent");
        }
    }
}

# It judges for itself: its 304 is not touched.
sub judges_itself
{
    my $maker = shift;
    my @fields = ('ETag: "own"', 'Cache-Control: max-age=3', 'X-Mine: yes');
    my %more = (own => 1);
    my $before = runs_of($maker);
    my $id = new_id();
    my $res = $c->get(say('on', $maker, \@fields, %more),
        'If-None-Match' => '"own"', 'X-Id' => $id);
    is("$res->{status} " . ($res->{h}{'x-judged'} || ''),
        '304 by the application', "$maker: its own 304 passes");
    is(runs_of($maker) - $before, 1, "$maker: it has run once");
    noted($id, qr/^declined-evaluated$/, "$maker: and was left alone", $log);
    as_stock('GET', $maker, \@fields, \%more, 'its own 304', @$_)
        for ['If-None-Match' => '"own"'], ['If-None-Match' => '"own"',
            'If-Match' => '"no"'], ['If-None-Match' => '"own"',
            Range => 'bytes=0-4'];
    $res = $c->get(say('on', $maker, \@fields, %more),
        'If-None-Match' => '"no", "own"');
    is($res->{status} . ($res->{h}{'x-judged'} || ''), '304',
        "$maker: what it does not see it is helped with");
    is($c->get(say('on', $maker, \@fields, %more),
        'If-None-Match' => '"no"')->{body}, $text,
        "$maker: and what it sends in full is sent");
}

for my $maker (@makers) {
    left_alone($maker);
    judges_itself($maker);
}

# --- piece by piece ---------------------------------------------------------

my $streams = 0;

# The head and the first piece are here before the second is made.
sub streams
{
    my ($maker, $side, $method, @asks) = @_;
    my $what = "$maker, $side, $method " . ($asks[0] || 'without conditions');
    my $name = 'slow-' . ++$streams;
    my $client = $server->client(timeout => 20);
    my $url = say($side, $maker, ['ETag: "slow"', @date], stream => $name);
    $client->connect;
    $client->send_text($client->request_text($method, $url, @asks));
    my $first = until_true(sub {
        $client->fill or return 1;
        return index($client->{buf}, $Vld::App::pieces[0]) >= 0;
    });
    ok($first && $client->{buf} =~ /^HTTP\S+ 200 .*the first piece\n/s,
        "$what: the first piece arrives");
    ok(!-e "$root/stream/$name.go" && !-e "$root/stream/$name.done"
        && $client->{buf} !~ /second/, "$what: before the second is made");
    Vld::App::touch("$root/stream/$name.go");
    my $res = $client->read_response($method);
    is($res && $res->{body}, join('', @Vld::App::pieces),
        "$what: and then the second");
}

# What it does after its head is done, though nobody is sent it.
sub runs_to_its_end
{
    my ($maker, $status, @asks) = @_;
    my $name = "end-$maker-$status";
    my $url = say('on', $maker, ['ETag: "slow"', @date], stream => $name);
    my $client = $server->client(timeout => 10);
    $client->connect;
    $client->send_text($client->request_text('GET', $url, @asks));
    my $res = $client->read_response('GET');
    is($res && "$res->{status} $res->{body}", "$status ",
        "$maker: the $status is here");
    ok(!-e "$root/stream/$name.done", "$maker: the $status is here before the"
        . ' rest is made');
    Vld::App::touch("$root/stream/$name.go");
    ok(until_true(sub { -e "$root/stream/$name.done" }),
        "$maker, $status: and what is made is made to its end");
    is($res && $client->get(say('on', $maker, []))->{status} . $client->{lost},
        2000, "$maker, $status: and the connection is good for more");
}

for my $maker (@makers) {
    streams($maker, 'on', 'GET');
    streams($maker, 'on', 'GET', 'If-None-Match' => '"another"');
    streams($maker, 'on', 'GET', 'If-Modified-Since' => http_date($old - 9));
    streams($maker, 'on', 'POST', 'If-None-Match' => '"slow"', ':body' => 'x');
    streams($maker, 'off', 'GET');
    runs_to_its_end($maker, 304, 'If-None-Match' => '"slow"');
    runs_to_its_end($maker, 412, 'If-Match' => '"another"');
}
is($c->{lost}, 0, 'no connection to httpd was lost');

# --- the proxy's connection -------------------------------------------------

{
    my $url = say('on', 'app', ['ETag: "kept"']);
    my %seen;
    for my $n (1 .. 20) {
        my $res = $c->get($url, $n % 4 ? ('If-None-Match' => '"kept"') : (),
            $n % 4 == 3 ? ('If-Match' => '"no"') : ());
        $seen{$res->{status} . ' ' . ($res->{h}{'x-connection'} || '')}++;
    }
    my %status;
    my %connections = map { my ($s, $n) = split ' ', $_; $status{$s}++;
        ($n => 1) } keys %seen;
    is(join(' ', sort keys %status), '200 304 412',
        'a proxied application is asked for 200s, 304s and 412s');
    is(scalar keys %connections, 1, 'all over one connection')
        or diag(join ', ', map { "$_ ($seen{$_})" } sort keys %seen);
}

# --- without end ------------------------------------------------------------

{
    my $url = say('on', 'app', ['ETag: "endless"'], endless => 'river');
    my $client = $server->client(timeout => 10);
    my $res = $client->get($url, 'If-None-Match' => '"endless"');
    is($res->{status}, 304, 'of a response without end: not modified');
    ok(until_true(sub { -e "$root/stream/river.done" }),
        'a response without end is let go');
    is($client->get(say('on', 'app', []))->{status}, 200,
        'and the connection is good for more');
}

# --- files that are made to look like scripts, and the other way ------------

{
    my $full = $c->get('/on/as.asis');
    is($full->{body}, $text, 'an as-is file is sent');
    not_modified($c, '/on/as.asis', $full, 'tag', 'and is not modified by its'
        . ' own tag');
    is($c->get('/on/as.asis', 'If-None-Match' => '"other"')->{status}, 200,
        'and is by another');
    is($c->get('/on/as.asis', 'If-Match' => '"other"')->{status}, 412,
        'and fails If-Match');
    is($c->get('/on/error.asis', 'If-None-Match' => '"as-it-is"')->{status},
        404, 'an as-is file that is an error stays one');
    served_right($c, '/on/local.cgi', $text, 'a script that leads to a file');
    $full = $c->get('/on/folder/');
    is("$full->{status} " . ($full->{h}{etag} || ''), '200 "index"',
        'a script is the index of its folder');
    not_modified($c, '/on/folder/', $full, 'tag', 'and is not modified');
    for my $asks ([], ['If-None-Match' => '"found"'],
        ['If-Match' => '"no"'])
    {
        my ($on, $off) = map { $c->get("/$_/errors/nothing", @$asks) }
            qw(on off);
        is(lines_told($on), lines_told($off), 'an ErrorDocument that says 200'
            . ' is left alone ' . ($asks->[0] || ''));
        is("$on->{status} $on->{body}", "200 found\n", 'and is sent');
    }
    my ($on, $off) = map { $c->get("/$_/nph-own.cgi",
        'If-None-Match' => '"nph"') } qw(on off);
    is(lines_told($on), lines_told($off), 'a script that sends its own head'
        . ' is left to it');
    is($on->{body}, "all\n", 'and says all that it says');
}

# --- over HTTP/2 ------------------------------------------------------------

# (status, content) by curl, which speaks HTTP/2 at once.
sub by_h2
{
    my ($url, @fields) = @_;
    my @lines;
    while (my ($name, $value) = splice @fields, 0, 2) {
        push @lines, '-H', "$name: $value";
    }
    my ($rc, $out) = run_command('curl', '-s', '-m', 30,
        '--http2-prior-knowledge', '-w', '\n%{http_version} %{http_code}',
        @lines, "http://127.0.0.1:$server->{forward}$url");
    return $out =~ /^(.*)\n2 (\d+)\z/s ? "$2 $1" : "curl $rc: $out";
}

for my $maker (@makers) {
    my $url = say('on', $maker, ['ETag: "h2"', @date]);
    is(by_h2($url), "200 $text", "$maker, HTTP/2: sent");
    is(by_h2($url, 'If-None-Match' => '"h2"'), '304 ',
        "$maker, HTTP/2: not modified");
    is(by_h2($url, 'If-None-Match' => '"other"'), "200 $text",
        "$maker, HTTP/2: sent to who holds another");
    is(by_h2($url, 'If-Match' => '"other"'), '412 ', "$maker, HTTP/2: 412");
}

# --- a forward proxy --------------------------------------------------------

{
    my @to = ("http://127.0.0.1:$app_port"
        . say('', 'x', ['ETag: "far"']) =~ s{^//x}{}r);
    for my $asks ([], ['If-None-Match' => '"far"'], ['If-Match' => '"no"']) {
        my $res = Vld::Http->new(port => $server->{forward})->get(@to,
            @$asks);
        is("$res->{status} $res->{body}", "200 $text", 'what a forward proxy'
            . ' brings is not judged ' . ($asks->[0] || ''));
    }
}

is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$server->stop;
all_told($server, 'dynamic');
done_testing();
