# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A real browser in front of the server, without a window: what it is sent
# when it comes back with its cache, and what it then shows.  Over HTTP/1.1,
# and over HTTP/2 with TLS.
use strict;
use warnings;
use File::Path ();
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_540_000_000;
my $browser = (grep { -x } map { "$_/chromium" }
    split /:/, $ENV{PATH} || '/usr/bin')[0]
    or die "chromium is needed: apt-get install chromium\n";
my $pem = top() . '/conf/tls.pem';

# --- the site ----------------------------------------------------------------

# Both sizes: hashed as they are sent, and only by the index.
my $filler = "/* what makes a style sheet large */\n" x 4000;

sub style
{
    my $version = shift;
    return "body { --version: $version; }\n$filler";
}

sub script
{
    my $version = shift;
    return <<"END";
window.onload = function () {
    document.getElementById('shown').textContent = ['script $version',
        'style ' + getComputedStyle(document.body)
            .getPropertyValue('--version').trim(),
        'image ' + document.images[0].naturalWidth].join(', ');
};
END
}

sub image
{
    my $width = shift;
    return "<svg xmlns='http://www.w3.org/2000/svg' width='$width'"
        . " height='10'><rect width='9' height='9'/></svg>\n";
}

my $page = <<'END';
<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>a site</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css"><script src="script.js"></script>
</head><body><p id="shown">nothing</p><img src="image.svg" alt=""></body></html>
END

sub put
{
    my ($server, $name, $content) = @_;
    return stamp(spew($server->docs($name), $content), $old);
}

# What the browser sends with each request, beside what it was answered.
my $log = '%>s %{validators}n %B \"%{If-None-Match}i\"'
    . ' \"%{If-Modified-Since}i\" \"%{ETag}o\" %H %U';

sub conf
{
    my $server = shift;
    my $root = $server->{root};
    $server->{tls} = Vld::Server::free_port();
    my $common = <<'END';
Header set Cache-Control no-cache
AddOutputFilterByType DEFLATE text/html text/css application/javascript
END
    return <<"END";
ServerName site.example
LogFormat "$log" browser
CustomLog "$root/logs/browser_log" browser
SSLSessionCache none
Listen 127.0.0.1:$server->{tls}
<Directory "$root/htdocs">
    Require all granted
</Directory>
$common
<VirtualHost *:$server->{tls}>
    Protocols h2 http/1.1
    SSLEngine On
    SSLCertificateFile "$pem"
    CustomLog "$root/logs/browser_log" browser
    $common
</VirtualHost>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsQuickHandler On
    ValidatorsAnswerTTL 600
</IfModule>
END
}

# --- the browser -------------------------------------------------------------

# Its certificate is the only one that is not asked for its issuer, so that
# what comes under it is cached as from any site.
sub pin_of
{
    my $cert = shift;
    my (undef, $der) = run_command('sh', '-c', "openssl x509 -in '$cert' -noout"
        . ' -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256'
        . ' -binary | base64');
    $der =~ s/\s+//g;
    return $der;
}

my $pin = pin_of($pem);

# One visit of a browser with the cache of its last: what the page shows.
sub browse
{
    my ($server, $name, $url) = @_;
    my $home = "$server->{root}/$name";
    File::Path::make_path($home);
    local $ENV{HOME} = $home;
    local $ENV{XDG_CONFIG_HOME} = "$home/config";
    local $ENV{XDG_CACHE_HOME} = "$home/cache";
    my (undef, $out) = run_command('timeout', '-k', 5, 90, $browser, qw(--headless
        --no-sandbox --disable-gpu --disable-quic --no-first-run
        --disable-background-networking --disable-component-update
        --disable-sync --disable-breakpad --disable-dev-shm-usage),
        "--ignore-certificate-errors-spki-list=$pin",
        "--user-data-dir=$home/profile", '--dump-dom', $url);
    return $out =~ m{<p id="shown">(.*?)</p>} ? $1 : "no page: $out";
}

my %read;
my $quoted = qr/((?:[^\\"]|\\.)*)/;

# The requests since the last look, by name.
sub requests
{
    my $server = shift;
    my $path = "$server->{root}/logs/browser_log";
    my %met;
    open my $fh, '<', $path or return {};
    seek $fh, $read{$path} || 0, 0;
    while (my $line = <$fh>) {
        my %r;
        (@r{qw(status note octets held since etag protocol)}, my $name)
            = $line =~ m{^(\d+)\ (\S+)\ (\d+)\ "$quoted"\ "$quoted"
                \ "$quoted"\ (\S+)\ /(\S*)$}x or next;
        s/\\"/"/g for @r{qw(held etag)};
        $met{$name} = \%r;
    }
    $read{$path} = tell $fh;
    return \%met;
}

sub statuses
{
    my $met = shift;
    return join ' ', map { $_ . ' ' . ($met->{$_} ? $met->{$_}{status}
        : 'not asked for') } @_;
}

my @names = qw(page.html style.css script.js image.svg);

# All 304, but for what has changed.
sub visits
{
    my ($it, $shown, $what, @changed) = @_;
    my %changed = map { $_ => 1 } @changed;
    is(browse(@$it{qw(server name url)}), $shown, "$what: the page is shown"
        . ' as it is');
    my $met = requests($it->{server});
    is(statuses($met, @names), join(' ', map { "$_ "
        . ($changed{$_} ? 200 : 304) } @names), "$what: "
        . (@changed ? "only @changed sent" : 'nothing is sent'));
    return $met;
}

# --- what happens to a site --------------------------------------------------

# After a change the server reads by itself what it has to know.
sub wait_until_known
{
    my ($server, @paths) = @_;
    settle();
    for my $name (@paths) {
        for (1 .. 100) {
            my $tag = $server->client->get("/$name")->{h}{etag};
            last if strong($tag);
            Time::HiRes::sleep(0.1);
        }
    }
    requests($server);
}

sub site
{
    my ($name, %opt) = @_;
    my $server = Vld::Server->start(name => "browser-$name", conf => \&conf,
        prepare => sub {
            my $s = shift;
            put($s, 'page.html', $page);
            put($s, 'style.css', style(1));
            put($s, 'script.js', script(1));
            put($s, 'image.svg', image(11));
            settle();
        });
    my $base = $opt{tls} ? "https://127.0.0.1:$server->{tls}"
        : "http://127.0.0.1:$server->{port}";
    my %it = (server => $server, name => 'one', url => "$base/page.html");

    my $shown = browse($server, 'one', $it{url});
    is($shown, 'script 1, style 1, image 11', "$name: the page is shown");
    my $met = requests($server);
    is(statuses($met, @names), join(' ', map { "$_ 200" } @names),
        "$name: who comes first is sent all");
    # mod_http2 does not serve under prefork.
    my $protocol = $opt{tls} && mpm() ne 'prefork' ? 'HTTP/2.0' : 'HTTP/1.1';
    is(join(' ', map { $met->{$_}{protocol} || '' } @names),
        join(' ', ($protocol) x 4), "$name: over $protocol");
    my %first = map { $_ => $met->{$_}{etag} } @names;
    like($first{'script.js'}, qr/^"[\w-]{22}-gzip"$/, "$name: compressed,"
        . ' under the tag of that');

    # The style sheet was provisional for who came first, and is confirmed to
    # it when the server has read it.
    wait_until_known($server, 'style.css');
    $met = visits(\%it, $shown, "$name: again");
    is($met->{$_}{held}, $first{$_}, "$name: the browser asks with the tag of"
        . " $_") for @names;
    isnt($met->{'script.js'}{since}, '-', "$name: and with a date");
    is($met->{'script.js'}{note}, 'quick', "$name: the quick handler answers");

    browse($server, 'two', $it{url});
    $met = requests($server);
    ok(strong($met->{'style.css'}{etag}), "$name: who comes later is given"
        . ' the content\'s tag') or diag explain $met;
    $it{name} = 'two';
    $met = visits(\%it, $shown, "$name: a second browser, again");
    is(join(' ', map { $met->{$_}{note} } @names), 'quick quick quick quick',
        "$name: all by the quick handler");

    # A redeploy: other inodes, other times, the same content.
    for my $file (@names) {
        my $path = $server->docs($file);
        spew("$path.new", slurp($path));
        rename "$path.new", $path or die "$path: $!\n";
    }
    wait_until_known($server, @names);
    visits(\%it, $shown, "$name: after a redeploy");

    # Changed behind its back: the same size, the same time.
    put($server, 'style.css', style(2));
    wait_until_known($server, 'style.css');
    visits(\%it, 'script 1, style 2, image 11', "$name: a style sheet changed",
        'style.css');
    visits(\%it, 'script 1, style 2, image 11', "$name: and again");
    put($server, 'script.js', script(2));
    put($server, 'image.svg', image(12));
    settle();
    visits(\%it, 'script 2, style 2, image 12', "$name: script and image"
        . ' changed', 'script.js', 'image.svg');
    # Back to what it was.
    put($server, 'script.js', script(1));
    settle();
    visits(\%it, 'script 1, style 2, image 12', "$name: a roll-back",
        'script.js');
    ok($server->alive, "$name: and the server lives");
    $server->stop;
}

site('plain');
site('tls', tls => 1);
done_testing();
