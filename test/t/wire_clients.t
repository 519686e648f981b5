# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What depends on who asks: the address that a connection comes to, the one
# that a proxy tells, and what a cookie chooses.
use strict;
use warnings;
use Test::More;
use Vld::Test;
use Vld::Wire;

start_wire('wire-clients');

# --- hosts told apart by address ---------------------------------------------

# The second of them by mod_vhost_alias.
for my $case (['ip', 'ip1', 'ip3'], ['rootip', 'ip/127.0.0.1',
    'ip/127.0.0.3'])
{
    my ($where, @at) = @$case;
    my @addresses = ('127.0.0.1', '127.0.0.3');
    my $text = "GET /page.css HTTP/1.1\r\nHost: ip.example\r\n"
        . "Connection: close\r\n";
    my @wrong;
    # Every order of who asks, and with whose tag.
    for my $n (0 .. 63) {
        for my $step ($n & 3, $n >> 2 & 3, $n >> 4) {
            my ($i, $whose) = ($step & 1, $step >> 1);
            my $res = ask($where, $text . 'If-None-Match: '
                . $tag{"$at[$whose] page.css"} . "\r\n\r\n", $addresses[$i]);
            my $said = "$res->{status} " . ($res->{h}{etag} || '');
            my $want = ($i == $whose ? 304 : 200) . ' '
                . $tag{"$at[$i] page.css"};
            push @wrong, "order $n, $addresses[$i] with the tag of"
                . " $addresses[$whose]: $said, not $want" if $said ne $want;
        }
    }
    all_right("hosts told apart by address ($where): none answers with what"
        . ' the other has', @wrong);
}

# --- addresses that a proxy tells ------------------------------------------------------------------

{
    my $own = tag_of(content('proxied', 'page.css'));
    my $shut = tag_of(content('proxied', 'shut'));
    my $request = sub {
        my ($path, $tag, $id) = @_;
        return "GET $path HTTP/1.1\r\nHost: proxied.example\r\nX-Id: $id\r\n"
            . "If-None-Match: $tag\r\nConnection: close\r\n\r\n";
    };
    my $line = sub { "PROXY TCP4 $_[0] 127.0.0.1 5000 80\r\n" };
    my ($friend, $stranger) = map { $line->($_) } '203.0.113.9',
        '203.0.113.10';
    my ($id, @said);
    for my $who ($friend, $stranger, $friend, $stranger) {
        $id = new_id();
        push @said, answers_in(say_raw('proxy', $who
            . $request->('/page.css', $own, $id)));
    }
    is(join(' ', map { $_->{status} } @said), '304 304 304 304',
        'behind the PROXY protocol: what all may see is not modified');
    note_later($id, qr/^quick$/, 'by the quick handler');
    @said = ();
    for my $who ($stranger, $friend, $friend, $stranger, $friend) {
        $id = new_id();
        push @said, answers_in(say_raw('proxy', $who
            . $request->('/shut/page.css', $shut, $id)));
    }
    is(join(' ', map { $_->{status} } @said), '403 304 304 403 304',
        'behind the PROXY protocol: addresses that it tells decide');
    note_later($id, qr/^replay$/, 'after access control');
    is(say_raw('proxy', $request->('/page.css', $own, new_id())) =~ m{304},
        '', 'without its line nothing is answered');
    # By a field, on the other ports.
    my $c = on('quick');
    $c->get('/page.css');
    is($c->get('/page.css', 'X-Client' => '203.0.113.9', 'If-None-Match' =>
        $tag{'main page.css'})->{status}, 304, 'an address in a field changes nothing where'
        . ' all may see');
}

# --- what a client's cookie chooses ------------------------------------------------------

for my $mode (@modes) {
    my $c = on($mode);
    my %held = map { $_ => tag_of("a page in $_\n" x 9) } qw(en de);
    my @wrong;
    for my $n (0 .. 63) {
        for my $step ($n & 3, $n >> 2 & 3, $n >> 4) {
            my ($chosen, $has) = map { $_ ? 'de' : 'en' } $step & 1,
                $step >> 1;
            my $res = $c->get('/lang/page.html', 'If-None-Match' =>
                $held{$has}, $chosen eq 'de' ? (Cookie => 'language=de')
                    : ());
            push @wrong, "order $n, $chosen is chosen by who holds $has:"
                . " $res->{status} " . ($res->{h}{etag} || '')
                unless $res->{status} == ($chosen eq $has ? 304 : 200)
                && ($res->{h}{etag} || '') eq $held{$chosen};
        }
    }
    all_right('a language that a cookie chooses: who holds the other is sent'
        . " it ($mode)", @wrong);
}

end_wire();
done_testing();
