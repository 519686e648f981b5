# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fields that were meant for one response alone: none of them is in a 304 that
# is replayed, and the others have their own.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Fields;
use Vld::Test;

my $each = <<'END';
Header set X-Request "%{UNIQUE_ID}e"
Header set Server-Timing "total;dur=%D"
Header set X-Time "%t"
Header set Link "</%{UNIQUE_ID}e.css>; rel=preload"
Header add Content-Security-Policy "script-src 'nonce-%{UNIQUE_ID}e'"
Header add Content-Security-Policy "script-src 'NONCE-%{UNIQUE_ID}e'"
Header add Content-Security-Policy "default-src 'self'"
Header set Referrer-Policy origin
END

# One alone that is kept where it is the same for all.
my $each_id = <<'END';
Header set X-Request "%{UNIQUE_ID}e"
Header set Content-Security-Policy "report-uri /csp/%{UNIQUE_ID}e"
Header set Referrer-Policy origin
END

# A 304 must have these: then there is none but the full path's.
my $each_must = <<'END';
Header set X-Request "%{UNIQUE_ID}e"
Header set Cache-Control "max-age=60, ext=%{UNIQUE_ID}e"
Header set Content-Location "/page;id=%{UNIQUE_ID}e"
END

# A word that only looks like the time of a request.
my $each_looks = <<'END';
Header set Cache-Control "max-age=60, x-limit=5"
Header set Content-Location "/page?t=5&D=7"
END

# What differs from response to response is in no 304 that is replayed, and
# in the others as it is for this one.
sub each_response
{
    my ($c, $name) = @_;
    for my $way (qw(full quick)) {
        my $url = "/$way/$name/page.css";
        my @full = map { $c->get($url) } 1 .. 2;
        my @own = map { $_->{h}{'x-request'} || 'none' } @full;
        isnt($own[0], $own[1], "$way $name: each 200 has its own");
        for my $kind (kinds()) {
            my @held = validators_of($full[0], $kind);
            my $what = "$way $name: by $kind";
            my $res = conditional($c, $url, $way eq 'quick' ? 'quick'
                : 'replay', \@held);
            my $all = join "\n", map { "$_->[0]: $_->[1]" } @{$res->{lines}};
            is($res->{status}, 304, "$what: not modified");
            unlike($all, qr/\Q$own[$_]\E/, "$what: not with what was"
                . " another's ($_)") for 0, 1;
            unlike($all, qr/^(?:x-|link|server-timing)/m, "$what: nothing that"
                . ' is not known');
            # One line of several would take the place of all.
            unlike($all, qr/^content-security-policy/m, "$what: no line of a"
                . ' field that is of one response in part');
            like($all, qr/^referrer-policy: origin$/m, "$what: with what is"
                . ' the same for all');
            $res = conditional($c, "$url?$kind", '304', \@held);
            my $id = $res->{h}{'x-request'} || 'none';
            isnt($id, $_, "$what: a 304 of the full path has its own")
                for @own;
            like($res->{h}{'content-security-policy'} || '', qr/\Q$id\E/,
                "$what: everywhere");
        }
    }
}

sub each_must
{
    my $c = shift;
    for my $way (qw(full quick)) {
        for my $name (qw(each-must each-looks)) {
            my $url = "/$way/$name/page.css";
            my $full = $c->get($url);
            for my $n (1 .. 2) {
                my $res = $c->get($url, validators_of($full, 'tag'));
                my $own = $res->{h}{'x-request'} || '';
                is($res->{status}, 304, "$way $name: not modified ($n)");
                like($res->{h}{'cache-control'} || '', qr/^max-age=60, .*$own/,
                    "$way $name: with its own Cache-Control ($n)");
                like($res->{h}{'content-location'} || '', qr/^\/page.*$own/,
                    "$way $name: with its own Content-Location ($n)");
            }
        }
    }
}

my $server = start_fields(name => 'fields-each', folders => { each => $each,
    'each-id' => $each_id, 'each-must' => $each_must,
    'each-looks' => $each_looks });
my $c = $server->client;
each_must($c);
each_response($c, $_) for qw(each each-id);
is($c->{lost}, 0, 'no connection was lost');
stop_idle($server);
check_notes($server);
done_testing();
