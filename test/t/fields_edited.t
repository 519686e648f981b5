# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Validators and conditions that mod_headers changes on the way: what leaves is
# what is judged, by whichever way.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Fields;
use Vld::Test;

# --- validators that are changed on the way ------------------------------------

my %tampered = (
    'no-tag' => 'Header unset ETag',
    'own-tag' => 'Header set ETag "\"version-1\""',
    'no-date' => 'Header unset Last-Modified',
    'later-date' => 'Header set Last-Modified "Wed, 01 Jan 2025 00:00:00 GMT"',
    'earlier-date' => 'Header set Last-Modified'
        . ' "Tue, 01 Jan 2013 00:00:00 GMT"',
);

# What leaves is what is judged, by whichever way.
sub tampered
{
    my $c = shift;
    my @dates = map { http_date($_) } $old - 1, $old, $old + 1, 1_356_998_400,
        1_735_689_599, 1_735_689_600, time - 10;
    for my $way (qw(full quick)) {
        for my $name (sort keys %tampered) {
            my $url = "/$way/$name/page.css";
            my $full = $c->get($url);
            is($full->{h}{etag}, $name eq 'no-tag' ? undef : '"version-1"',
                "$way $name: the tag is as configured")
                if $name =~ /tag/;
            my @held = (map { [validators_of($full, $_)] } kinds());
            my @ask = ((map { ['If-Modified-Since' => $_] } @dates),
                ['If-None-Match' => '"other"'], grep { @$_ } @held);
            for my $ask (@ask) {
                my $slow = $c->get("$url?" . new_id(), @$ask);
                my $fast = $c->get($url, @$ask);
                is("$fast->{status} " . ($fast->{h}{etag} || ''),
                    "$slow->{status} " . ($slow->{h}{etag} || ''),
                    "$way $name: @$ask: the same by each way");
            }
            for my $ask (grep { @$_ } @held) {
                is($c->get($url, @$ask)->{status}, 304,
                    "$way $name: not modified by what was sent: @$ask");
            }
        }
    }
}

# --- conditions that are changed on the way ------------------------------------

my %edited = (
    # What many have done about mod_deflate's suffix.
    'request-edit' => 'SetOutputFilter DEFLATE
RequestHeader edit If-None-Match "^\"(.*)-gzip\"$" "\"$1\""',
    'request-both' => 'SetOutputFilter DEFLATE
RequestHeader edit If-None-Match "^\"((.*)-gzip)\"$" "\"$1\", \"$2\""',
    'request-unset' => 'SetOutputFilter DEFLATE
RequestHeader unset If-None-Match
RequestHeader unset If-Modified-Since',
);

sub requests
{
    my $c = shift;
    for my $name (sort keys %edited) {
        my $url = "/full/$name/page.css";
        my %full = map { $_ => $c->get($url, 'Accept-Encoding' => $_) }
            qw(gzip identity);
        my $want = $name =~ /unset/ ? 200 : 304;
        for my $coding (sort keys %full) {
            my @accept = ('Accept-Encoding' => $coding);
            for my $kind (qw(tag both)) {
                my @held = validators_of($full{$coding}, $kind);
                is($c->get("$url$_", @accept, @held)->{status}, $want,
                    "$name: $coding by $kind: $want $_") for '', "?$kind";
            }
            my $res = $c->get($url, @accept, 'If-None-Match' => '"other"');
            is($res->{status}, 200, "$name: $coding: another tag is another");
            is($res->{h}{etag}, $full{$coding}{h}{etag}, "$name: $coding: and"
                . ' told the right one');
        }
        my $res = $c->get($url, 'Accept-Encoding' => 'gzip',
            validators_of($full{identity}, 'tag'));
        is($res->{status}, 200, "$name: the tag of what is plain is not that"
            . ' of what is compressed');
    }
}

my $server = start_fields(name => 'fields-edited',
    folders => { %tampered, %edited });
my $c = $server->client;
tampered($c);
requests($c);
is($c->{lost}, 0, 'no connection was lost');
stop_idle($server);
done_testing();
