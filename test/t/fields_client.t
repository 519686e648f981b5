# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fields that depend on the client, by its origin or its name: each is told what
# is meant for it, and a 304 has the version and the end of its 200.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Fields;
use Vld::Http ();
use Vld::Test;

sub origins
{
    my $c = shift;
    for my $way (qw(full quick)) {
        for my $name (qw(cors-origin cors-no-vary)) {
            my $url = "/$way/$name/page.css";
            my %origin = (one => 'https://x.test', two => 'https://y.test',
                evil => 'https://evil.example', none => undef);
            my %full = map { $_ => $c->get($url, Origin => $origin{$_}) }
                keys %origin;
            for my $who (sort keys %origin, 'evil', 'one') {
                my $res = $c->get($url, Origin => $origin{$who},
                    validators_of($full{$who}, 'tag'));
                my $want = $who =~ /one|two/ && $who ne 'none'
                    ? $origin{$who} : undef;
                is($res->{status}, 304, "$way $name: $who: not modified");
                is($res->{h}{'access-control-allow-origin'}, $want,
                    "$way $name: $who: is told what is meant for it");
                is(differences($full{$who}, $res), '', "$way $name: $who:"
                    . ' as by its 200');
            }
            preflight($c, $way, $name, $url, $full{one});
        }
    }
}

sub preflight
{
    my ($c, $way, $name, $url, $full) = @_;
    my @ask = (Origin => 'https://x.test',
        'Access-Control-Request-Method' => 'GET');
    my $plain = $c->request('OPTIONS', $url, @ask);
    my $res = $c->request('OPTIONS', $url, @ask, validators_of($full, 'both'));
    is("$res->{status} " . ($res->{h}{allow} || ''), "$plain->{status} "
        . ($plain->{h}{allow} || 'none'), "$way $name: a preflight is never"
        . ' conditional');
    is($res->{h}{'access-control-allow-origin'}, 'https://x.test',
        "$way $name: a preflight has its grant");
    is($res->{h}{etag}, undef, "$way $name: a preflight has no tag");
}

sub environment
{
    my $c = shift;
    for my $way (qw(full quick)) {
        my $url = "/$way/gzip/page.css";
        my $what = "$way env";
        my @gzip = ('Accept-Encoding' => 'gzip');
        my $new = $c->get($url, @gzip);
        my $old = $c->get($url, @gzip, 'User-Agent' => 'Old/4');
        is($new->{h}{'content-encoding'}, 'gzip', "$what: compressed");
        is($old->{h}{'content-encoding'}, undef, "$what: no-gzip: not");
        isnt($new->{h}{etag}, $old->{h}{etag}, "$what: two tags");
        for (1 .. 2) {
            my $res = $c->get($url, @gzip, 'User-Agent' => 'Old/4',
                validators_of($old, 'tag'));
            is("$res->{status} $res->{h}{etag}", "304 $old->{h}{etag}",
                "$what: no-gzip: not modified ($_)");
            $res = $c->get($url, @gzip, validators_of($new, 'tag'));
            is("$res->{status} $res->{h}{etag}", "304 $new->{h}{etag}",
                "$what: compressed: not modified ($_)");
            is(differences($new, $res), '', "$what: compressed: as the 200"
                . " ($_)");
            $res = $c->get($url, @gzip, 'User-Agent' => 'Old/4',
                validators_of($new, 'tag'));
            # mod_deflate says of neither that it depends on the variable:
            # what such a client holds of the other is as good.
            ok($res->{status} == 304 && $res->{h}{etag} eq $new->{h}{etag}
                || $res->{status} == 200 && $res->{body} eq $text,
                "$what: no-gzip: has what is compressed: sent, or still true"
                . " ($_)");
        }
        # A Vary that core takes away from this client.
        my $blind = $c->get($url, @gzip, 'User-Agent' => 'Old/3');
        is($blind->{h}{vary}, undef, "$what: force-no-vary: none");
        for my $ask ('', '?1') {
            my $res = Vld::Http->new(port => $c->{port})->get("$url$ask", @gzip,
                'User-Agent' => 'Old/3', validators_of($blind, 'tag'));
            is("$res->{status} " . ($res->{h}{vary} || 'none'), '304 none',
                "$what: force-no-vary: nor in the 304 $ask");
        }
        connections($c, $url, $what);
    }
}

sub connections
{
    my ($c, $url, $what) = @_;
    my @gzip = ('Accept-Encoding' => 'gzip');
    my $full = $c->get($url, @gzip);
    my %version = ('Old/1' => '1.0', 'Old/2' => '1.1');
    for my $agent (sort keys %version) {
        for my $ask ('', '?2') {
            my @ask = (@gzip, 'User-Agent' => $agent);
            my $client = Vld::Http->new(port => $c->{port});
            my $sent = $client->get("$url$ask", @ask);
            $client->close;
            my $res = $client->get("$url$ask", @ask,
                validators_of($full, 'tag'));
            is("$res->{status} $res->{version} " . lc($res->{h}{connection}
                || ''), "304 $sent->{version} " . lc($sent->{h}{connection}
                || ''), "$what: $agent: a 304 in the version, and with the"
                . " end, of the 200 $ask");
            is($sent->{version}, $version{$agent}, "$what: $agent: HTTP/"
                . $version{$agent});
        }
    }
}

my $server = start_fields(name => 'fields-client', folders => {
    'cors-origin' => 'SetEnvIf Origin "^https://[a-z]\.test$" ORIGIN=$0
        Header set Access-Control-Allow-Origin %{ORIGIN}e env=ORIGIN
        Header set Access-Control-Allow-Credentials true env=ORIGIN
        Header merge Vary Origin',
    'cors-no-vary' => 'SetEnvIf Origin "^https://[a-z]\.test$" ORIGIN=$0
        Header set Access-Control-Allow-Origin %{ORIGIN}e env=ORIGIN',
    gzip => 'SetOutputFilter DEFLATE',
}, more => sub { <<'END' });
BrowserMatch Old/1 downgrade-1.0 force-response-1.0
BrowserMatch Old/2 nokeepalive
BrowserMatch Old/3 force-no-vary
BrowserMatch Old/4 no-gzip
END
my $c = $server->client;
origins($c);
environment($c);
is($c->{lost}, 0, 'no connection was lost');
stop_idle($server);
done_testing();
