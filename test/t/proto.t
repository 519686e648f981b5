# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The same answers over every protocol, on kept connections, and across a
# graceful restart under load.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_550_000_000;
my $text = join '', map { "text $_ that goes over several protocols\n" }
    1 .. 100;
my $tmp = top() . '/logs/proto';

for my $dir (qw(quick plain)) {
    stamp(spew(docs("proto/$dir/page.css"), $text), $old);
    stamp(spew(docs("proto/$dir/big.css"), $text x 100), $old);
    stamp(spew(docs("proto/$dir/huge.bin"), $text x 500), $old);
}
scan(docs('proto'));

# --- curl: TLS, HTTP/2 over TLS, h2c ----------------------------------------

sub curl
{
    my ($base, $options, $path, @fields) = @_;
    my ($head, $body) = ("$tmp.head", "$tmp.body");
    unlink $head, $body;
    my @lines;
    while (my ($name, $value) = splice @fields, 0, 2) {
        push @lines, '-H', "$name: $value";
    }
    my ($rc, $out) = run_command('curl', '-sk', '--max-time', 20, @$options,
        '-D', $head, '-o', $body, '-w', '%{http_code} %{http_version}',
        @lines, "$base$path");
    my ($status, $version) = $out =~ /(\d+) ([\d.]+)\s*$/;
    my %h;
    if (-e $head) {
        my $text = (split /\r\n\r\n/, slurp($head))[-1];
        $h{lc $1} = $2 while $text =~ /^([^:\r\n]+):\s*([^\r\n]*)/mg;
    }
    return { rc => $rc, status => $status || 0, version => $version || '',
        h => \%h, body => -e $body ? slurp($body) : '' };
}

my @transports = (
    ['http/1.0', 'http', undef, ['--http1.0'], '1.0|1.1'],
    ['http/1.1', 'http', undef, ['--http1.1'], '1.1'],
    ['tls', 'https', 'tls', ['--http1.1'], '1.1'],
    # Under prefork mod_http2 does not offer itself.
    mpm() eq 'prefork' ? () : (['h2', 'https', 'tls', ['--http2'], '2'],
        ['h2c upgrade', 'http', undef, ['--http2'], '2']),
    ['h2c', 'http', undef, ['--http2-prior-knowledge'], '2'],
);

for my $transport (@transports) {
    my ($name, $scheme, $vhost, $options, $version) = @$transport;
    my $base = "$scheme://127.0.0.1:" . port_of($vhost);
    # curl loses data when much follows the 101 at once.
    my @large = $name =~ /upgrade/ ? ()
        : qw(quick/big.css plain/huge.bin);
    for my $path (qw(quick/page.css plain/page.css), @large) {
        my $what = "$name $path";
        my $full = curl($base, $options, "/proto/$path");
        my $want = $path =~ /page/ ? $text : $path =~ /big/ ? $text x 100
            : $text x 500;
        ok($full->{status} == 200 && $full->{body} eq $want
            && $full->{version} =~ /^(?:$version)$/, "$what: sent in full")
            or diag("$full->{status} over $full->{version}, "
                . length($full->{body}) . " octets, curl's $full->{rc}");
        like($full->{h}{etag}, qr/^"[\w-]{22}"$/, "$what: with a tag");
        for my $kind (kinds()) {
            my $res = curl($base, $options, "/proto/$path",
                validators_of($full, $kind));
            is($res->{status} . length($res->{body}) . same_fields($full,
                $res), '3040', "$what: not modified by $kind");
        }
        my $gzip = curl($base, $options, "/proto/$path",
            'Accept-Encoding' => 'gzip');
        my $res = curl($base, $options, "/proto/$path",
            'Accept-Encoding' => 'gzip', validators_of($gzip, 'both'));
        is($res->{status} . same_fields($gzip, $res), '304',
            "$what: nor compressed");
        if ($path =~ /css/) {
            like($gzip->{h}{etag}, qr/-gzip"$/, "$what: with its suffix");
        }
        $res = curl($base, $options, "/proto/$path", 'If-Match' => '"no"');
        is($res->{status} . $res->{body}, '412', "$what: 412, without a body");
        $res = curl($base, $options, "/proto/$path", 'Range' => 'bytes=3-12',
            'If-Range' => $full->{h}{etag} || '');
        is($res->{status} . $res->{body}, 206 . substr($want, 3, 10),
            "$what: a range");
        $res = curl($base, [@$options, '-I'], "/proto/$path",
            'If-None-Match' => $full->{h}{etag} || '');
        is($res->{status}, 304, "$what: HEAD is not modified");
    }
}

# The schemes are told apart, and so are the hosts: same path, other content.
{
    my $tag = curl('http://127.0.0.1:' . port_of(), ['--http1.1'],
        '/proto/quick/page.css')->{h}{etag};
    my $res = curl('https://127.0.0.1:' . port_of('tls'), ['--http1.1'],
        '/proto/quick/page.css');
    is($res->{h}{'cache-control'}, 'max-age=443',
        'over TLS the fields are that host\'s');
    for (1 .. 3) {
        $res = curl('https://127.0.0.1:' . port_of('tls'), ['--http1.1'],
            '/proto/quick/page.css', 'If-None-Match' => $tag);
    }
    is($res->{h}{'cache-control'} . " $res->{status}", 'max-age=443 304',
        'of quick 304s too');
}

# --- nghttp: many streams on one connection ------------------------------------

{
    my $url = 'http://127.0.0.1:' . port_of() . '/proto/quick/page.css';
    my $big = 'http://127.0.0.1:' . port_of() . '/proto/plain/big.css';
    my $full = client()->get('/proto/quick/page.css');
    my $tag = $full->{h}{etag} || '""';
    for (1, 2) {
        my ($rc, $out) = run_command('nghttp', '-vn', '-H',
            "If-None-Match: $tag", '-H', 'Accept-Encoding: identity',
            (map { "$url?$_" } 1 .. 3), $big);
        my @status = $out =~ /:status: (\d+)/g;
        is_deeply([sort @status], [200, 304, 304, 304],
            'nghttp: three streams not modified, one sent') or diag($out);
    }
    my ($rc, $out) = run_command('h2load', '-n', 2000, '-c', 4, '-m', 20,
        '-H', "If-None-Match: $tag", $url);
    like($out, qr/status codes: 0 2xx, 2000 3xx, 0 4xx, 0 5xx/,
        'h2load: 2,000 of 2,000 not modified');
    ($rc, $out) = run_command('h2load', '-n', 400, '-c', 4, '-m', 20, $big);
    like($out, qr/status codes: 400 2xx, 0 3xx, 0 4xx, 0 5xx/,
        'h2load: 400 of 400 large files sent');
    like($out, qr/, 0 failed, 0 errored/, 'none of them cut');
}

# --- kept connections ---------------------------------------------------------------

{
    my $c = client();
    for my $dir (qw(quick plain)) {
        my $url = "/proto/$dir/page.css";
        my $full = $c->get($url);
        my $tag = $full->{h}{etag} || '""';
        my @kinds = (
            [200], [304, 'If-None-Match' => $tag],
            [412, 'If-Match' => '"other"'],
            [206, Range => 'bytes=0-9'],
            [304, 'If-None-Match' => $tag, Range => 'bytes=0-9'],
            [200, 'If-None-Match' => '"other"'],
            [304, 'If-Modified-Since' => $full->{h}{'last-modified'}
                || http_date(0)],
            [412, 'If-Unmodified-Since' => http_date(5)],
        );
        $c->connect;
        my $before = $c->{lost};
        my @wrong;
        for my $first (@kinds) {
            for my $second (@kinds) {
                for my $case ($first, $second) {
                    my ($want, @fields) = @$case;
                    my $res = $c->get($url, @fields);
                    push @wrong, "@$second after @$first: $res->{status} for"
                        . " @$case" if $res->{status} != $want;
                }
            }
        }
        all_right("$dir: each kind of answer follows each", @wrong);
        is($c->{lost}, $before, "$dir: on one connection");
        # The same without waiting, with large ones and scripts between.
        my @order = map { $kinds[rand @kinds] } 1 .. 300;
        my ($i, $got) = (0, 0);
        @wrong = ();
        my $p = client();
        $p->pipeline(sub {
            my $case = $order[$i++] or return undef;
            my ($want, @fields) = @$case;
            return ['GET', $p->request_text('GET', $url, @fields), $case];
        }, sub {
            my ($req, $res) = @_;
            $got++;
            my $case = $req->[2];
            push @wrong, "answer $got: $res->{status} "
                . length($res->{body}) . " octets for @$case"
                if $res->{status} != $case->[0]
                || $res->{status} == 200 && $res->{body} ne $text;
        }, 30);
        push @wrong, "$got answers" if $got != 300;
        push @wrong, "$p->{lost} connections lost" if $p->{lost};
        all_right("$dir: three hundred in a pipeline", @wrong);
        # A large file, gzipped, that is not modified must not cost the
        # connection, nor its whole compression.
        my $big = "/proto/$dir/big.css";
        my @gzip = ('Accept-Encoding' => 'gzip');
        $full = $c->get($big, @gzip);
        my ($id, $res);
        $before = $c->{lost};
        for (1 .. 5) {
            $res = $c->get($big, @gzip, 'If-None-Match' =>
                $full->{h}{etag} || '""');
        }
        is("$res->{status} " . ($c->{lost} - $before), '304 0',
            "$dir: a large compressed file that is not modified keeps the"
            . ' connection');
    }
    # With content in the request.
    my $full = $c->get('/proto/quick/page.css');
    my $res = $c->request('GET', '/proto/quick/page.css', 'If-None-Match' =>
        $full->{h}{etag} || '""', ':body' => 'GET / HTTP/1.1');
    is($res->{status}, 304, 'a GET with content is not modified');
    $res = $c->get('/proto/quick/page.css');
    is($res->{status} . length $res->{body}, 200 . length $text,
        'and its content is not taken for a request');
}

# HTTP/1.0: no Host, the connection is closed.
{
    my $tag = client()->get('/proto/quick/page.css')->{h}{etag} || '""';
    for my $keep ('', "Connection: keep-alive\r\n") {
        my $c = client();
        $c->connect;
        $c->send_text("GET /proto/quick/page.css HTTP/1.0\r\n"
            . "If-None-Match: $tag\r\n$keep\r\n");
        my $res = $c->read_response('GET');
        is($res && $res->{status}, 304, 'HTTP/1.0: not modified'
            . ($keep ? ' on a kept connection' : ''));
        is($c->is_closed ? 'closed' : 'open', $keep ? 'open' : 'closed',
            'HTTP/1.0: as the client said');
    }
}

# --- a graceful restart under load -----------------------------------------------------

{
    my $server = Vld::Server->start(name => 'proto', loglevel => 'notice',
        conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
<Directory "$docs">
    Require all granted
    AddOutputFilterByType DEFLATE text/css
    Header set Cache-Control max-age=5
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsQuickHandler On
</IfModule>
END
    }, prepare => sub {
        my $s = shift;
        for my $i (1 .. 20) {
            stamp(spew($s->docs("f$i.css"), "$i$text" x ($i % 4 ? 1 : 40)),
                $old);
        }
        scan_of($s);
    });
    my %full = map { $_ => $server->client->get("/f$_.css") } 1 .. 20;
    my $end = Time::HiRes::time() + 6;
    my @pids;
    for my $n (1 .. 4) {
        my $pid = fork;
        die "fork: $!\n" unless defined $pid;
        if (!$pid) {
            POSIX::_exit(load($server, \%full, $end, $n));
        }
        push @pids, $pid;
    }
    for (1 .. 4) {
        Time::HiRes::sleep(1.1);
        $server->graceful;
    }
    my ($asked, @failed, @untrue) = (0);
    for my $n (1 .. 4) {
        waitpid $pids[$n - 1], 0;
        my ($count, @lines) = split /\n/, slurp("$tmp.load$n");
        $asked += $count;
        push @failed, map { /^failed (.*)/ } @lines;
        push @untrue, map { /^untrue (.*)/ } @lines;
    }
    diag("$asked requests across four graceful restarts");
    cmp_ok($asked, '>', 2000, 'there was load');
    all_right('no request failed across four graceful restarts', @failed);
    all_right('and each was answered 304 with its own tag', @untrue);
    my $restarts = () = $server->error_log =~ /doing (?:graceful )?restart/gi;
    is($restarts, 4, 'the restarts took place');
    my $c = $server->client;
    my $res = $c->get('/f1.css', 'If-None-Match' => $full{1}{h}{etag}
        || '""');
    is($res->{status} . same_fields($full{1}, $res), 304,
        'after them it is not modified');
    spew($server->docs('f1.css'), 'changed');
    is($c->get('/f1.css', 'If-None-Match' => $full{1}{h}{etag} || '""')
        ->{status}, 200, 'until it is changed');
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        'no child of httpd died');
    $server->stop;
}

sub load
{
    my ($server, $full, $end, $n) = @_;
    srand $n;
    my $c = $server->client;
    my ($asked, @wrong) = (0);
    while (Time::HiRes::time() < $end) {
        my $i = 1 + int rand 20;
        my $want = $full->{$i}{h}{etag} || '""';
        my $res = $c->get("/f$i.css", 'If-None-Match' => $want);
        $asked++;
        my $what = "f$i.css, request $asked of client $n: $res->{status}";
        push @wrong, "failed $what $res->{reason}"
            unless $res->{status} == 200 || $res->{status} == 304;
        push @wrong, "untrue $what " . tag_in($res)
            unless $res->{status} == 304 && $res->{h}{etag} eq $want;
    }
    spew("$tmp.load$n", join '', map { "$_\n" } $asked, @wrong);
    return 0;
}

done_testing();
