# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fields that were meant for one response alone: none of them is in a 304 that
# is replayed, and the others have their own; but a nonce, which is in none.
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
            if ($name eq 'each') {
                is($res->{h}{'content-security-policy'}, undef,
                    "$what: and no nonce");
                next;
            }
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

# --- nonces ----------------------------------------------------------------------

# The page that is stored has the nonce of the field that is stored: no 304 has
# another, nor any line of a field that has one; and no field is lost that has
# none.
my %nonce = (
    policy => [q(Header set Content-Security-Policy)
        . q( "script-src 'nonce-%{UNIQUE_ID}e'"), 'content-security-policy'],
    always => [q(Header always set Content-Security-Policy)
        . q( "script-src 'NONCE-%{UNIQUE_ID}e'"), 'content-security-policy'],
    report => [q(Header set Content-Security-Policy-Report-Only)
        . q( "style-src 'self' 'nonce-%{UNIQUE_ID}e'"),
        'content-security-policy-report-only'],
    other => [q(Header set X-WebKit-CSP "script-src 'nonce-%{UNIQUE_ID}e'"),
        'x-webkit-csp'],
    lines => [qq(Header add Content-Security-Policy "default-src 'self'")
        . qq(\nHeader add Content-Security-Policy)
        . qq( "script-src 'nonce-%{UNIQUE_ID}e'"), 'content-security-policy'],
    link => ['Header set Link "</a.js>; rel=preload; nonce=%{UNIQUE_ID}e"',
        'link'],
    variable => [q(SetEnvIf User-Agent "(.*)" NONCE=$1
        Header set Content-Security-Policy "script-src 'nonce-%{NONCE}e'"),
        'content-security-policy'],
    script => ["Options ExecCGI\nAddHandler cgi-script .css",
        'content-security-policy'],
);
my $script = <<'END';
#!/bin/sh
cat <<HEAD
Content-Type: text/css
ETag: "one"
Content-Security-Policy: script-src 'nonce-$$'

HEAD
echo "a page"
END

sub nonces
{
    my $c = shift;
    for my $way (qw(full quick)) {
        for my $name (sort keys %nonce) {
            my $url = "/$way/n-$name/page.css";
            my $field = $nonce{$name}[1];
            my $full = $c->get($url, 'User-Agent' => 'one');
            like($full->{h}{$field} || '', qr/nonce/i, "$way $name: a nonce");
            my @notes = $name eq 'script' ? ('304') x 3
                : ($way eq 'full' ? 'replay' : 'quick', '304', '304');
            for my $ask ('', '?1', '?2') {
                my $note = shift @notes;
                my $res = conditional($c, "$url$ask", $note,
                    [validators_of($full, 'tag')], 'User-Agent' => 'two');
                is($res->{status}, 304, "$way $name: not modified ($note)");
                is($res->{h}{$field}, undef, "$way $name: no nonce ($note)");
                is($res->{h}{'x-frame-options'}, 'DENY',
                    "$way $name: and the other fields ($note)");
            }
        }
        my $url = "/$way/hash/page.css";
        my $full = $c->get($url);
        for my $ask ('', '?1') {
            my $res = $c->get("$url$ask", validators_of($full, 'tag'));
            is("$res->{status} $res->{h}{'content-security-policy'}",
                "304 $full->{h}{'content-security-policy'}", "$way: a policy"
                . " without a nonce is in the 304 $ask");
        }
    }
}

my $server = start_fields(name => 'fields-each', folders => { each => $each,
    hash => q(Header set Content-Security-Policy "script-src 'sha256-bm9uY2U='"),
    (map { ("n-$_" => "Header set X-Frame-Options DENY\n$nonce{$_}[0]") }
        keys %nonce),
    'each-id' => $each_id, 'each-must' => $each_must,
    'each-looks' => $each_looks,
}, files => sub {
    my $s = shift;
    chmod 0755, spew($s->docs($_, 'n-script', 'page.css'), $script)
        for qw(full quick);
});
my $c = $server->client;
each_must($c);
each_response($c, $_) for qw(each each-id);
nonces($c);
is($c->{lost}, 0, 'no connection was lost');
stop_idle($server);
check_notes($server);
done_testing();
