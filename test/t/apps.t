# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Responses that are not core's files: scripts, proxied applications, files
# that bring their own fields.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_530_000_000;
my $text = "text of a response that is not a file of core\n" x 40;

# The application behind the proxy counts how often it is run.
sub script
{
    my ($head, $body) = @_;
    return "#!/bin/sh\n" . 'echo x >> "$(dirname "$0")/runs"' . "\n"
        . join('', map { "printf '%s\\r\\n' '$_'\n" } @$head, '')
        . (ref $body ? $$body : "printf '%s' '$body'\n");
}

my $backend = Vld::Server->start(name => 'others-backend',
    loglevel => 'notice', conf => sub {
    my $docs = $_[0]->docs;
    return <<"END";
<IfModule mod_validators.c>
    ValidatorsEngine Off
</IfModule>
<Directory "$docs">
    Require all granted
    Options ExecCGI
    AddHandler cgi-script .cgi
</Directory>
END
}, prepare => sub {
    my $s = shift;
    cgi($s->docs('app.cgi'), ['Content-Type: text/css', 'ETag: "app-1"',
        'Cache-Control: max-age=3', 'Vary: Cookie'], $text);
    cgi($s->docs('weak.cgi'), ['Content-Type: text/css', 'ETag: W/"w,1"'],
        $text);
    cgi($s->docs('dated.cgi'), ['Content-Type: text/css',
        'Last-Modified: Mon, 02 Mar 2020 10:00:00 GMT'], $text);
    cgi($s->docs('big.cgi'), ['Content-Type: text/css', 'ETag: "big"'],
        \"head -c 3000000 /dev/zero\n");
    cgi($s->docs('error.cgi'), ['Status: 500 No', 'Content-Type: text/css',
        'ETag: "err"'], $text);
    cgi($s->docs('created.cgi'), ['Status: 201 Made',
        'Content-Type: text/css', 'ETag: "made"'], $text);
    stamp(spew($s->docs('file.css'), $text), $old);
});

sub cgi
{
    my ($path, $head, $body) = @_;
    spew($path, script($head, $body));
    chmod 0755, $path;
}

my $front = Vld::Server->start(name => 'others', loglevel => 'notice',
    conf => sub {
    my $docs = $_[0]->docs;
    my $libexec = $ENV{VLD_LIBEXECDIR};
    return <<"END";
LoadModule proxy_module "$libexec/mod_proxy.so"
LoadModule proxy_http_module "$libexec/mod_proxy_http.so"
LoadModule asis_module "$libexec/mod_asis.so"
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsQuickHandler On
    ValidatorsAnswerTTL 1
</IfModule>
ProxyPass /app/gzip http://127.0.0.1:$backend->{port}
ProxyPass /app http://127.0.0.1:$backend->{port}
<Location /app/gzip>
    SetOutputFilter DEFLATE
</Location>
<Directory "$docs">
    Require all granted
    Options ExecCGI FollowSymLinks
    AddHandler cgi-script .cgi
    AddHandler send-as-is .asis
</Directory>
END
}, prepare => sub {
    my $s = shift;
    stamp(spew($s->docs('a.asis'), "Status: 200 Fine\r\n"
        . "Content-Type: text/css\r\nETag: \"asis\"\r\n\r\n$text"), $old);
    cgi($s->docs('own.cgi'), ['Content-Type: text/css', 'ETag: "own"'],
        \('cat "$0"' . "\n"));
    cgi($s->docs('post.cgi'), ['Content-Type: text/css', 'ETag: "post"'],
        \"cat\n");
    cgi($s->docs('hurt.cgi'), ['Content-Type: text/css', 'ETag: "hurt"'],
        \("head -c 4000000 /dev/zero && echo done >"
        . ' "$(dirname "$0")/hurt.done"' . "\n"));
    cgi($s->docs('bad.cgi'), ['Content-Type: text/css', 'ETag: unquoted'],
        $text);
    scan_of($s);
});

my $c = $front->client;

# Proxied applications.
for my $prefix ('/app', '/app/gzip') {
    my @gzip = $prefix =~ /gzip/ ? ('Accept-Encoding' => 'gzip') : ();
    for my $name (qw(app.cgi weak.cgi dated.cgi file.css)) {
        my $url = "$prefix/$name";
        my $full = $c->get($url, @gzip);
        is($full->{status}, 200, "$url: sent");
        my $kind = $name =~ /dated/ ? 'date' : 'tag';
        my @held = validators_of($full, $kind);
        my $by = $c->get($url, @held, @gzip);
        is($by->{status}, 304, "$url: not modified");
        # By its date an application that judges for itself has said 304
        # before any filter could add to it.
        is(same_fields($full, $by), '', "$url: as the 200 says")
            if $kind eq 'tag';
        my $res = $c->get($url, validators_of($full, $kind), @gzip,
            $kind eq 'tag' ? ('If-Modified-Since' => http_date(5)) : ());
        is($res->{status}, 304, "$url: whatever the date says")
            if $kind eq 'tag';
        $res = $c->get($url, 'If-None-Match' => '"other"', @gzip);
        is($res->{status}, 200, "$url: another tag is sent in full");
    }
    my $full = $c->get("$prefix/big.cgi", @gzip);
    for (1 .. 5) {
        my $res = $c->get("$prefix/big.cgi", validators_of($full, 'tag'),
            @gzip);
        is($res->{status}, 304, "$prefix/big.cgi: not modified");
    }
    is($c->{lost}, 0, "$prefix: on one connection");
}
for my $name (qw(error.cgi created.cgi)) {
    my $full = $c->get("/app/$name");
    my $res = $c->get("/app/$name", 'If-None-Match' => $full->{h}{etag});
    is($res->{status}, $full->{status}, "$name: its own status stands");
    is($res->{body}, $text, "$name: with its content");
}
{
    my @wrong;
    for my $n (1 .. 50) {
        my $res = $c->get('/app/app.cgi', 'If-None-Match' => '"app-1"');
        push @wrong, "request $n: $res->{status}" if $res->{status} != 304;
    }
    all_right('a proxied application is not modified fifty times', @wrong);
}

# Scripts of this server's own.
{
    my $full = $c->get('/own.cgi');
    not_modified($c, '/own.cgi', $full, 'tag', 'a script is not modified');
    my $res = $c->request('POST', '/post.cgi', 'If-None-Match' => '"post"',
        ':body' => 'posted');
    is("$res->{status} $res->{body}", '200 posted',
        'what a script answers to POST is not held back');
    $res = $c->get('/bad.cgi', 'If-None-Match' => 'unquoted');
    is($res->{status}, 200, 'a tag that is none matches nothing');
    $res = $c->get('/hurt.cgi', 'If-None-Match' => '"hurt"');
    is($res->{status}, 304, 'a script that sends much is not modified');
    for (1 .. 60) {
        last if -e $front->docs('hurt.done');
        Time::HiRes::sleep(0.1);
    }
    ok(-e $front->docs('hurt.done'), 'and runs to its end all the same');
    $res = $c->head('/own.cgi', 'If-None-Match' => '"own"');
    is($res->{status}, 304, 'HEAD of a script is not modified');
    $res = $c->get('/own.cgi', 'If-Match' => '"other"');
    is("$res->{status}$res->{body}", '412', 'and fails If-Match');
    $res = $c->get('/own.cgi', Range => 'bytes=2-6', 'If-Range' => '"own"');
    ok($res->{status} == 206 && $res->{body} eq 'bin/s'
        || $res->{status} == 200, 'a range of a script is the right one');
    $res = $c->get('/own.cgi', Range => 'bytes=0-6', 'If-Range' => '"no"');
    is($res->{status}, 200, 'and none by another tag');
}

# A file that brings its own fields.
{
    my $full = $c->get('/a.asis');
    is($full->{h}{etag}, '"asis"', 'an as-is file has its own tag')
        if module_loaded();
    is($full->{body}, $text, 'and its content');
    my $res = $c->get('/a.asis', 'If-None-Match' => '"asis"',
        'If-Modified-Since' => http_date(5));
    is($res->{status}, 304, 'by which it is not modified');
}

is(scalar(() = $front->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$front->stop;
$backend->stop;
done_testing();
