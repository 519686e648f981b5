# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# POST to a file, which core answers as it answers GET: its preconditions are
# judged by the validators that GET shows, before anything acts.  What a handler
# of another module does with POST is left to it.
use strict;
use warnings;
use Test::More;
use Vld::Test;

my $old = 1_570_000_000;
my $small = join '', map { "line $_ of a page that is posted to\n" } 1 .. 50;
my $large = $small x 60;
my $c = client();

sub page
{
    my ($path, $content) = @_;
    stamp(spew(docs("post/$path"), $content), $old);
    return "/post/$path";
}

sub post { my ($url, @f) = @_; return $c->request('POST', $url, @f, ':body' => 'x') }

# --- the rows -----------------------------------------------------------------

sub rows
{
    my ($tag, $date, $weak) = @_;
    my ($older, $newer) = (http_date($old - 9), http_date(time + 86400));
    my @rows = (
        ['no precondition', 200],
        ['If-Match of the tag', $weak ? 412 : 200, 'If-Match' => $tag],
        ['If-Match of a list with the tag', $weak ? 412 : 200,
            'If-Match' => "W/\"x\", $tag"],
        ['If-Match of another tag', 412, 'If-Match' => '"other"'],
        ['If-Match of the weak form', 412, 'If-Match' => 'W/' . $tag =~ s{^W/}{}r],
        ['If-Match of *', 200, 'If-Match' => '*'],
        ['If-None-Match of the tag', 412, 'If-None-Match' => $tag],
        ['If-None-Match of the weak form', 412,
            'If-None-Match' => 'W/' . $tag =~ s{^W/}{}r],
        ['If-None-Match of another tag', 200, 'If-None-Match' => '"other"'],
        ['If-None-Match of *', 412, 'If-None-Match' => '*'],
        ['both true', $weak ? 412 : 200, 'If-Match' => $tag,
            'If-None-Match' => '"other"'],
        ['If-Match that is true beside an If-None-Match that matches', 412,
            'If-Match' => '*', 'If-None-Match' => $tag],
        ['If-Modified-Since of the date', 200, 'If-Modified-Since' => $date],
        ['If-Modified-Since in the future', 200,
            'If-Modified-Since' => $newer],
        ['If-Modified-Since beside If-None-Match that matches', 412,
            'If-Modified-Since' => $older, 'If-None-Match' => $tag],
        ['If-Range and Range', 200, 'Range' => 'bytes=0-9',
            'If-Range' => $tag],
        ['Range', 200, 'Range' => 'bytes=0-9'],
    );
    push @rows, ['If-Unmodified-Since of the date', 200,
            'If-Unmodified-Since' => $date],
        ['If-Unmodified-Since of a date before', 412,
            'If-Unmodified-Since' => $older],
        ['If-Unmodified-Since of a date before, beside If-Match', 200,
            'If-Unmodified-Since' => $older, 'If-Match' => $tag]
        if !$weak && $date ne 'none';
    return @rows;
}

sub judged
{
    my ($what, $url, @accept) = @_;
    my $full = $c->get($url, @accept);
    my $tag = tag_in($full);
    my $date = $full->{h}{'last-modified'} || 'none';
    for my $row (rows($tag, $date, weak($tag))) {
        my ($name, $want, @fields) = @$row;
        my $id = new_id();
        my $res = post($url, @fields, @accept, 'X-Id' => $id);
        is($res->{status}, $want, "$what, $name: $want");
        if ($res->{status} == 412) {
            is($res->{body}, '', 'and no content');
            noted($id, qr/^412$/, 'and noted as 412') if module_loaded();
            next;
        }
        is($res->{body}, $full->{body}, 'and all of the content');
        is(tag_in($res), $tag, 'with the tag that GET shows');
    }
    return $full;
}

{
    my %url = map { $_ => page("plain/$_.css", $_ eq 'large' ? $large
        : "$_: $small") } qw(small large fresh);
    scan(docs("post/plain/$_.css")) for qw(small large);
    is(tag_in(post($url{small})), tag_of("small: $small"),
        'POST to a file shows the tag of its content');
    judged("a $_ file", $url{$_}) for qw(small large fresh);
    my $late = page('unindexed/late.css', $large . 'late');
    settle();
    judged('a large file that no index has', $late);
    my $url = page('gzip/page.css', $small);
    scan(docs('post/gzip'));
    my $full = judged('a compressed file', $url, 'Accept-Encoding' => 'gzip');
    my $plain = tag_in($c->get($url));
    like(tag_in($full), qr/-gzip"$/, 'a compressed file has a tag of its own');
    is(post($url, 'If-Match' => tag_in($full))->{status}, 200,
        'the tag of gzip names the state for who asks for no coding');
    is(post($url, 'If-Match' => $plain, 'Accept-Encoding' => 'gzip')
        ->{status}, 200, 'and the plain tag for who asks for gzip');
    is(post($url, 'If-None-Match' => tag_in($full))->{status}, 412,
        'and it matches in If-None-Match');
    is(post($url, 'If-Match' => '"other-gzip"')->{status}, 412,
        'not so the tag of gzip of another content');
    stamp(spew(docs('post/gzip/page.css'), $small =~ tr/a-z/b-za/r), $old);
    is(post($url, 'If-Match' => $_)->{status}, 412, "after a change $_ is"
        . ' another content') for $plain, tag_in($full);
}

# No response to POST is what a later 304 is made of.
{
    my $url = page('plain/kept.css', "kept: $small");
    settle();
    my $id = new_id();
    my $res = post($url);
    is($c->get($url, 'If-None-Match' => tag_in($res), 'X-Id' => $id)
        ->{status}, 304, 'the tag that POST shows is good for GET');
    noted($id, qr/^304$/, 'which is not replayed from it') if module_loaded();
    ok(!defined $res->{h}{'last-modified'}, 'POST says no date that no GET has'
        . ' said');
}

# --- filters that rewrite -------------------------------------------------------

{
    my $url = page('substitute/page.css', $small);
    settle();
    my $full = judged('a rewritten file', $url);
    ok(!strong(tag_in($full)), 'a rewritten file has no strong tag');
    ok(!strong(tag_in(post($url))), 'nor for POST');

    my $mark = docs('post/include/mark');
    $url = page('include/page.shtml', "<!--#exec cmd=\"touch $mark\" -->here");
    settle();
    is(post($url, $_->[0] => $_->[1])->{status}, 412, "a page with includes,"
        . " $_->[0]: $_->[1]: refused")
        for ['If-None-Match' => '*'], ['If-Match' => '"other"'];
    ok(!-e $mark, 'and nothing of it was carried out');
    my $res = post($url);
    ok($res->{status} == 200 && -e $mark && !strong(tag_in($res)),
        'without preconditions it is carried out');
}

# --- what is left to others -----------------------------------------------------

{
    spew(docs('post/take.cgi'), <<'END');
#!/bin/sh
cat >/dev/null
printf 'Content-Type: text/plain\r\nETag: "taken"\r\n\r\ntaken'
END
    chmod 0755, docs('post/take.cgi');
    my $url = page('script/page.css', $small);
    settle();
    for my $to ($url, '/post/take.cgi') {
        for my $fields (['If-None-Match' => '"taken"'],
            ['If-Match' => '"other"'], ['If-None-Match' => '*'])
        {
            my $res = post($to, @$fields);
            is("$res->{status} $res->{body}", '200 taken', "what a script"
                . " answers to POST $to with $fields->[0] is not held back");
        }
    }
    is($c->get($url)->{body}, $small, 'GET shows the file')
}

done_testing();
