# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fields that change with time or with an edited .htaccess file: a 304 has those
# of now when the prepared answer is too old, at the latest.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Extra;
use Vld::Fields;
use Vld::Test;

my $ttl = 1;

# A field that an edited .htaccess file changes or takes away is right when
# the answers of before are too old.
sub edited
{
    my ($c, $server) = @_;
    my @steps = (
        ["Header set Cache-Control max-age=1\nHeader set X-Frame-Options DENY\n"
            . "Header set Access-Control-Allow-Origin *\n", 'max-age=1',
            'DENY', '*'],
        ["Header set Cache-Control max-age=2\nHeader set X-Frame-Options"
            . " SAMEORIGIN\n", 'max-age=2', 'SAMEORIGIN', undef],
        ["Header set Cache-Control no-store\n", 'no-store', undef, undef],
        [undef, undef, undef, undef],
    );
    my $n = 0;
    for my $step (@steps) {
        my ($rules, @want) = @$step;
        $n++;
        for my $way (qw(full quick)) {
            my $path = $server->docs($way, 'at-htaccess/.htaccess');
            defined $rules ? spew($path, $rules) : unlink $path;
        }
        is_right($c, "/$_/at-htaccess/page.css", "$_: .htaccess edited ($n)",
            @want) for qw(full quick);
    }
}

sub is_right
{
    my ($c, $url, $what, @want) = @_;
    my $res;
    my $took = seconds_until($ttl + 8, sub {
        my $tag = $c->head($url)->{h}{etag};
        $res = $c->get($url, 'If-None-Match' => $tag);
        my @got = map { $res->{h}{$_} } qw(cache-control x-frame-options
            access-control-allow-origin);
        return $res->{status} == 304 && join(' ', map { $_ || 'none' } @got)
            eq join ' ', map { $_ || 'none' } @want;
    });
    ok(defined $took, "$what: the 304 is right") or diag(explain($res->{h}));
    cmp_ok(defined $took ? $took : 99, '<', $ttl + 2, "$what: when the"
        . ' answers are too old, at the latest');
    my $full = $c->get($url);
    is(differences($full, $c->get($url, 'If-None-Match' => $full->{h}{etag})),
        '', "$what: and says what the 200 says");
}

sub date_of
{
    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 0 .. 11;
    my ($d, $m, $y, $H, $M, $S) = (shift || '') =~
        /^\w+, (\d+) (\w+) (\d+) (\d+):(\d+):(\d+) GMT$/ or return 0;
    require Time::Local;
    return Time::Local::timegm($S, $M, $H, $d, $month{$m}, $y);
}

# Expires and max-age that depend on the time are as of now, or of an answer
# that is not too old.
sub expiring
{
    my $c = shift;
    my $slack = $ttl + 1;
    my %about = (access => 300, modified => undef);
    my @urls = map { my $way = $_; map { ["/$way/$_/page.css", $about{$_}] }
        sort keys %about } qw(full quick);
    my %held = map { $_->[0] => [validators_of($c->get($_->[0]), 'tag')] }
        @urls;
    my (%n, %wrong);
    my $end = Time::HiRes::time() + $ttl + 0.7;
    while (Time::HiRes::time() < $end) {
        for my $it (@urls) {
            my ($url, $about) = @$it;
            my $res = $c->get($url, @{$held{$url}});
            my $date = date_of($res->{h}{date});
            my $left = date_of($res->{h}{expires}) - $date;
            my ($age) = ($res->{h}{'cache-control'} || '') =~
                /^max-age=(-?\d+)$/;
            my $want = $about || $old + 2_000_000_000 - $date;
            $n{$url}++;
            push @{$wrong{$url}}, "request $n{$url}: $res->{status} $left "
                . (defined $age ? $age : 'none') . ", not about $want"
                unless $res->{status} == 304 && defined $age
                && abs($age - $want) <= $slack
                && abs($left - $want) <= $slack;
        }
        Time::HiRes::sleep(0.03);
    }
    for my $url (map { $_->[0] } @urls) {
        all_right("$url: Expires and max-age are of now",
            @{$wrong{$url} || []});
        cmp_ok($n{$url}, '>', 5, "$url: asked often");
    }
}

my $server = start_fields(name => 'fields-expiring', ttl => $ttl, folders => {
    'at-htaccess' => '',
    access => "ExpiresActive On\nExpiresDefault \"access plus 5 minutes\"",
    modified => "ExpiresActive On\nExpiresDefault M2000000000",
});
my $c = $server->client;
edited($c, $server);
expiring($c);
is($c->{lost}, 0, 'no connection was lost where answers end soon');
stop_idle($server);
done_testing();
