# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The seven faults of stock httpd that the module is for, each turned around.
# Every test here fails on stock httpd.
use strict;
use warnings;
use Test::More;
use Vld::Test;

my $old = 1_580_000_000;
my $small = join '', map { "line $_ of the small page\n" } 1 .. 100;
my $large = $small x 100;
my $c = client();

sub page
{
    my ($path, $content) = @_;
    stamp(spew(docs($path), $content), $old);
    return "/$path";
}

# Same content, new mtime.
{
    my $small_url = page('rows/touch/small.css', $small);
    my $large_url = page('rows/touch/large.css', $large);
    scan(docs('rows/touch'));
    my %full = map { $_ => $c->get($_) } $small_url, $large_url;
    stamp(docs('rows/touch', $_), $old + 86400) for qw(small.css large.css);
    settle();
    not_modified($c, $small_url, $full{$small_url}, $_,
        "after touch a small file is not modified for a client that sends $_")
        for kinds();
    scan(docs('rows/touch'));
    for my $url ($small_url, $large_url) {
        not_modified($c, $url, $full{$url}, $_,
            "after touch and scan $url is not modified for a client that"
            . " sends $_") for kinds();
    }
    unlink docs('rows/touch', $_) for qw(small.css large.css);
    page('rows/touch/small.css', $small);
    page('rows/touch/large.css', $large);
    stamp(docs('rows/touch', $_), $old + 2 * 86400)
        for qw(small.css large.css);
    scan(docs('rows/touch'));
    for my $url ($small_url, $large_url) {
        not_modified($c, $url, $full{$url}, $_,
            "after a redeploy of the same content $url is not modified for"
            . " a client that sends $_") for kinds();
    }
}

# New content, same size, same mtime.
for my $size (qw(small large)) {
    for my $way (qw(rewritten replaced)) {
        my $content = $size eq 'small' ? $small : $large;
        my $url = page("rows/same/$size-$way.css", $content);
        my $file = docs("rows/same/$size-$way.css");
        scan($file);
        my $full = $c->get($url);
        (my $new = $content) =~ tr/a-z/b-za/;
        if ($way eq 'replaced') {
            stamp(spew("$file.new", $new), $old);
            rename "$file.new", $file or die $!;
        }
        else {
            stamp(spew($file, $new), $old);
        }
        for my $kind (kinds()) {
            my $res = $c->get($url, validators_of($full, $kind));
            ok(validators_of($full, $kind) && $res->{status} == 200
                && $res->{body} eq $new, "a $size file $way with the same"
                . " size and mtime is sent to a client that sends $kind");
        }
    }
}

# Compressed responses.
for my $coding (qw(gzip br)) {
    my $url = page("rows/$coding/page.css", $small);
    scan(docs("rows/$coding"));
    my @accept = ('Accept-Encoding' => $coding);
    my $plain = $c->get($url);
    my $full = $c->get($url, @accept);
    my ($tag, $plain_tag) = map { $_->{h}{etag} || '' } $full, $plain;
    my ($word) = $tag =~ /-(\w+)"$/;
    ok(($full->{h}{'content-encoding'} || '') eq $coding && $word
        && strong($tag) && strong($plain_tag)
        && $tag eq $plain_tag =~ s/"$/-$word"/r,
        "$coding has a strong tag of its own: the plain one's with a suffix");
    for my $kind (qw(tag both)) {
        not_modified($c, $url, $full, $kind, "a $coding response is not"
            . " modified for a client that sends $kind", @accept);
        my $res = $c->get($url, validators_of($full, $kind), @accept);
        ok($res->{status} == 304 && $res->{h}{etag} eq $tag
            && ($res->{h}{vary} || '') =~ /accept-encoding/i,
            "its 304 has the tag with suffix and Vary ($kind)");
    }
}

# The decision table: the rows of stock httpd's fourteen departures.  (All
# rows are in table.t.)
{
    my $url = page('rows/table.css', $small);
    page('rows/nodate.cgi', <<'END');
#!/bin/sh
printf 'Content-Type: text/plain\r\nETag: "t"\r\n\r\nbody'
END
    chmod 0755, docs('rows/nodate.cgi');
    scan(docs('rows'));
    my $full = $c->get($url);
    my $tag = $full->{h}{etag} || '""';
    my $date = $full->{h}{'last-modified'} || 'none';
    my ($older, $newer) = (http_date($old - 9), http_date(time + 86400));
    my @rows = (
        ['an older If-Modified-Since beside a matching If-None-Match', 304,
            [I => $tag, M => $older]],
        ['an If-Modified-Since that is no date beside a matching'
            . ' If-None-Match', 304, [I => $tag, M => 'yesterday']],
        ['a future If-Modified-Since', 304, [M => $newer]],
        ['two If-Modified-Since values', 200, [M => "$date, $newer"]],
        ['an If-Modified-Since with a zone', 200,
            [M => $date =~ s/GMT/+0500/r]],
        ['an older If-Unmodified-Since beside a true If-Match', 200,
            [F => $tag, U => $older]],
        ['an If-Unmodified-Since of garbage and a matching If-None-Match',
            304, [I => $tag, U => 'garbage']],
        ['a weak form of the tag with Range', 304,
            [I => "W/$tag", R => 'bytes=0-9']],
        ['Range and If-Range beside a matching If-None-Match', 304,
            [I => $tag, R => 'bytes=0-9', G => $tag]],
        ['an If-Match whose first member is weak', 200,
            [F => "W/\"x\", $tag"]],
        ['an If-Match of *foo', 412, [F => '*foo']],
        ['a backslash before the quote of another tag', 304,
            [I => "\"x\\\", $tag"]],
        ['HEAD with Range', 200, [R => 'bytes=0-9'], 'HEAD'],
    );
    my %name = (I => 'If-None-Match', M => 'If-Modified-Since',
        F => 'If-Match', U => 'If-Unmodified-Since', R => 'Range',
        G => 'If-Range');
    for my $row (@rows) {
        my ($what, $want, $fields, $method) = @$row;
        my @fields = map { $name{$_} || $_ } @$fields;
        my $res = $c->request($method || 'GET', $url, @fields);
        is($res->{status}, $want, "$what: $want");
    }
    my $res = $c->get('/rows/nodate.cgi', 'If-None-Match' => '"t"',
        'If-Modified-Since' => http_date($old));
    is($res->{status}, 304, 'a date for a response without Last-Modified does'
        . ' not cancel If-None-Match: 304');
}

# Tags come from the content.
{
    my $one = page('rows/tags/one.css', $small);
    my $two = page('rows/tags/two.css', $small);
    stamp(docs('rows/tags/two.css'), $old + 777);
    my $three = page('rows/tags/large.css', $large);
    my $four = page('rows/tags/elsewhere/large.css', $large);
    stamp(docs('rows/tags/elsewhere/large.css'), $old - 777);
    scan(docs('rows/tags'));
    my %tag = map { $_ => $c->get($_)->{h}{etag} || "none for $_" }
        $one, $two, $three, $four;
    is($tag{$one}, $tag{$two}, 'two small files of the same content have the'
        . ' same tag');
    is($tag{$three}, $tag{$four}, 'two large files of the same content have'
        . ' the same tag');
    system('cp', docs('rows/tags/one.css'), docs('rows/tags/copy.css'));
    settle();
    is($c->get('/rows/tags/copy.css')->{h}{etag}, $tag{$one},
        'a copy made elsewhere has the same tag');
    is($tag{$one}, tag_of($small), 'the tag is 128 bits of the SHA-256 of the'
        . ' content in base64url');
}

# A deep tree with .htaccess, answered by the quick handler.
{
    my $dir = 'rows/deep';
    for my $level (1 .. 8) {
        spew(docs("$dir/.htaccess"), "Header set X-Level $level\n");
        $dir .= "/d$level";
    }
    spew(docs("$dir/.htaccess"), "Header set X-Level leaf\n");
    my $url = page("$dir/page.css", $small);
    scan(docs('rows/deep'));
    my $full = $c->get($url);
    not_modified($c, $url, $full, 'both', 'a page under eight .htaccess'
        . ' files is not modified') if module_loaded();
    my $id = new_id();
    my $res = $c->get($url, validators_of($full, 'both'), 'X-Id' => $id);
    noted($id, qr/^quick$/, 'a page under eight .htaccess files is answered'
        . ' by the quick handler');
    ok($res->{status} == 304 && same_fields($full, $res) eq ''
        && ($full->{h}{etag} || '') =~ /^"[\w-]{22}"$/,
        'and that 304 says what the 200 said');
}

# A script that sends an entity tag.
{
    page('rows/script.cgi', <<'END');
#!/bin/sh
printf 'Content-Type: text/plain\r\nETag: "v1"\r\n'
printf 'Cache-Control: max-age=7\r\nLast-Modified: '
printf 'Mon, 02 Mar 2020 10:00:00 GMT\r\n\r\nthe script ran'
END
    chmod 0755, docs('rows/script.cgi');
    settle();
    my $url = '/rows/script.cgi';
    my $full = $c->get($url);
    is($full->{body}, 'the script ran', 'a script answers in full')
        if module_loaded();
    my $res = $c->get($url, 'If-None-Match' => '"v1"', 'If-Modified-Since' =>
        'Sun, 01 Mar 2020 10:00:00 GMT');
    ok($res->{status} == 304 && $res->{body} eq ''
        && same_fields($full, $res) eq '', 'a script that sends a matching'
        . ' tag is not modified, whatever the date says');
    $res = $c->get($url, 'If-None-Match' => 'W/"x", W/"v1"',
        'Range' => 'bytes=0-3');
    is($res->{status}, 304, 'and with Range by weak comparison');
    $res = $c->get($url, 'If-None-Match' => '"v2"', 'If-Modified-Since' =>
        'Mon, 02 Mar 2020 10:00:00 GMT');
    is($res->{status}, 200, 'a script whose tag differs is answered in full,'
        . ' whatever the date says') if module_loaded();
}

done_testing();
