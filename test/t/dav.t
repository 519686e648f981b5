# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# mod_dav on files: the tag that GET shows is the one of PROPFIND, of every
# precondition and of the If field, and of many writers with one tag one wins.
use strict;
use warnings;
use File::Path ();
use MIME::Base64 ();
use POSIX ();
use Test::More;
use Time::HiRes ();
use Vld::Test;

my $old = 1_580_000_000;
my $text = join '', map { "line $_ of a shared document\n" } 1 .. 30;
my $big = $text x 120;
my $c = client();
my $base = 'http://127.0.0.1:' . port_of();

sub file
{
    my ($path, $content, $mtime) = @_;
    spew(docs("dav/$path"), $content);
    stamp(docs("dav/$path"), defined $mtime ? $mtime : $old);
    return "/dav/$path";
}

# What the file holds; undef: there is none.
sub content
{
    my $path = docs(substr $_[0], 1);
    return -e $path ? slurp($path) : undef;
}

sub tag_at { return tag_in($c->head($_[0])) }
sub put { my ($url, $body, @f) = @_; $c->request('PUT', $url, @f, ':body' => $body) }
sub status { return $c->request(@_)->{status} }

# --- PROPFIND -----------------------------------------------------------------

sub propfind
{
    my ($url, $depth, $what) = @_;
    my $body = '<?xml version="1.0"?><D:propfind xmlns:D="DAV:">'
        . ($what =~ /^(allprop|propname)$/ ? "<D:$what/>" : '<D:prop>'
            . join('', map { "<D:$_/>" } split / /, $what) . '</D:prop>')
        . '</D:propfind>';
    return $c->request('PROPFIND', $url, Depth => $depth,
        'Content-Type' => 'text/xml', ':body' => $body);
}

# href => { name => text, ... } of the properties that were found.
sub props
{
    my $res = shift;
    my %of;
    for my $response ($res->{body} =~ m{<D:response[ >].*?</D:response>}gs) {
        my ($href) = $response =~ m{<D:href>(.*?)</D:href>};
        $href =~ s/&amp;/&/g;
        $href =~ s/%26/&/g;
        for my $stat ($response =~ m{<D:propstat>.*?</D:propstat>}gs) {
            next unless $stat =~ m{<D:status>HTTP/1.1 200};
            $of{$href}{$1} = $2
                while $stat =~ m{<lp\d+:(\w+)>([^<]*)</lp\d+:\1>}g;
        }
    }
    return \%of;
}

{
    my @names = ('small.txt', 'empty.txt', 'a b&c%41.txt', "\xc3\xbc.txt",
        'sub/inner.txt', 'big.txt', 'loose.txt', 'kept.txt');
    my %is = ('empty.txt' => '', 'big.txt' => $big, 'loose.txt' => $big);
    my $n = 0;
    file("tree/$_", defined $is{$_} ? $is{$_} : "$text$_", $old + $n++)
        for @names;
    unlink docs('dav/tree/loose.txt');
    scan(docs('dav/tree'));
    file('tree/loose.txt', $big);
    stamp(docs('dav/tree/kept.txt'), $old + 5000);
    settle();
    my %got;
    for my $name (@names) {
        (my $url = "/dav/tree/$name")
            =~ s{([^\w./&])}{sprintf '%%%02x', ord $1}ge;
        my $get = $c->get($url);
        is($get->{status}, 200, "GET $url");
        is(tag_in($get), tag_of($get->{body}), "$url has the tag of its content")
            unless $name eq 'loose.txt';
        $got{$url} = $get;
        for my $what ('allprop', 'getetag getlastmodified') {
            my $res = propfind($url, 0, $what);
            my ($p) = values %{props($res)};
            is($p->{getetag}, tag_in($get), "PROPFIND ($what) of $url: getetag"
                . ' is the tag that GET shows');
            is($p->{getlastmodified}, $get->{h}{'last-modified'},
                'and getlastmodified the date')
                if $get->{h}{'last-modified'};
        }
    }
    is(tag_in($got{'/dav/tree/loose.txt'}),
        promised_tag_of(docs('dav/tree/loose.txt')), 'a large file that is in no'
        . ' index has the tag of its identity for GET and PROPFIND');
    is($got{'/dav/tree/kept.txt'}{h}{'last-modified'}, http_date($old + 7),
        'a file that was touched keeps its date for GET and PROPFIND')
        if module_loaded();
    for my $depth (1, 'infinity') {
        for my $what ('allprop', 'getetag', 'getcontentlength getetag') {
            my $p = props(propfind('/dav/tree/', $depth, $what));
            my @wrong;
            for my $url (sort keys %got) {
                next if $depth eq '1' && $url =~ m{/sub/};
                my $told = $p->{lc $url}{getetag} || $p->{$url}{getetag} || '';
                push @wrong, "$url: [$told], not " . tag_in($got{$url})
                    if $told ne tag_in($got{$url});
            }
            all_right("PROPFIND ($what) of the folder, depth $depth: every"
                . ' getetag is what GET shows', @wrong);
        }
    }
    my $names = propfind('/dav/tree/', 1, 'propname');
    like($names->{body}, qr{<lp\d:getetag/>}, 'propname names getetag');
    unlike($names->{body}, qr{getetag>[^<\s]}, 'and gives no value');

    # The same folder under an alias where the engine is off.
    for my $what ('allprop', 'propname', 'getetag getlastmodified quota',
        'getcontentlength') {
        my ($on, $off) = map { propfind("/$_/tree/", 'infinity', $what) }
            'dav', 'dav-off';
        is("$on->{status} $off->{status}", '207 207', "PROPFIND ($what)");
        for ($on, $off) {
            $_->{body} =~ s{/dav-off/}{/dav/}g;
            $_->{body} =~ s{(:(?:getetag|getlastmodified)>)[^<]+}{$1}g;
        }
        is($on->{body}, $off->{body}, "PROPFIND ($what) says everything else"
            . ' as mod_dav does, octet for octet');
    }
    my $p = props(propfind('/dav-off/tree/small.txt', 0, 'getetag'));
    unlike((values %$p)[0]{getetag}, qr/\Q@{[tag_of("${text}small.txt")]}\E/,
        'with the engine off the tag is httpd\'s');
}

# --- conditional PUT ------------------------------------------------------------

{
    my $url = file('put/doc.txt', $text);
    my $first = $c->get($url);
    my $res = put($url, 'second', 'If-Match' => tag_in($first));
    is($res->{status}, 204, 'a PUT with the tag that GET showed is done');
    is(content($url), 'second', 'and the content is there');
    ok(!defined $res->{h}{etag} && !defined $res->{h}{'last-modified'},
        'its response has no validator');
    my $id = new_id();
    $res = put($url, 'third', 'If-Match' => tag_in($first), 'X-Id' => $id);
    is($res->{status}, 412, 'a PUT with the tag before is refused');
    is(content($url), 'second', 'and changes nothing');
    ok(!defined $res->{h}{etag} && !defined $res->{h}{'last-modified'},
        'the refusal has no validator either');
    noted($id, qr/^412$/, 'and is noted as 412') if module_loaded();
    my $p = props(propfind($url, 0, 'getetag'));
    $res = put($url, 'third', 'If-Match' => $p->{$url}{getetag});
    is($res->{status}, 204, 'a PUT with the tag of PROPFIND is done');

    my @cases = (
        ['a list with the tag', 204, '"x", %s'],
        ['a list with a weak tag before it', 204, 'W/"x", %s'],
        ['the tag, weak', 412, 'W/%s'],
        ['another tag', 412, '"other"'],
        ['*', 204, '*'],
        ['*foo', 412, '*foo'],
        ['the tag without quotes', 412, 'bare'],
        ['an empty list', 412, ''],
    );
    for my $case (@cases) {
        my ($what, $want, $value) = @$case;
        my $t = tag_at($url);
        $value =~ s/%s/$t/;
        is(put($url, 'third', 'If-Match' => $value)->{status},
            $want, "PUT, If-Match: $what: $want");
    }
    is(put($url, 'third', 'If-None-Match' => tag_at($url))->{status}, 412,
        'a PUT with If-None-Match of the tag is refused');
    is(put($url, 'third', 'If-None-Match' => 'W/' . tag_at($url))->{status},
        412, 'also where it says it weakly');
    is(put($url, 'third', 'If-None-Match' => '"other"')->{status}, 204,
        'with another tag it is done');

    # httpd's own tag says size and mtime: it must not be believed.
    my $stock = $c->head('/dav-off/put/doc.txt')->{h}{etag};
    is(put($url, 'third', 'If-Match' => $stock)->{status}, 412,
        'a PUT with the tag of size and mtime is refused');
    is(status('PUT', $url, If => "([$stock])", ':body' => 'no'), 412,
        'also in the If field');
}

# A client that got the content compressed holds the tag of that coding.
for my $coding (qw(gzip br)) {
    my $url = file("coded/$coding.txt", "$coding: $text");
    my $tag = sub { tag_in($c->get($url, 'Accept-Encoding' => $coding)) };
    my $first = $tag->();
    like($first, qr/-$coding"$/, "GET under $coding: a tag of its own");
    is(put($url, "one $text", 'If-Match' => $first)->{status}, 204,
        "a PUT with the tag of $coding is done");
    is(content($url), "one $text", 'and the content is there');
    for my $fields (['If-Match' => $first], ['If-Match' => '"x-gzip"'],
        ['If-Match' => 'W/' . $tag->()], ['If-None-Match' => $tag->()],
        [If => "([$first])"], [If => '(Not [' . $tag->() . '])'])
    {
        is(put($url, 'no', @$fields)->{status}, 412, "a PUT with $fields->[0]:"
            . " $fields->[1] is refused");
        is(status('DELETE', $url, @$fields), 412, 'and so is DELETE');
    }
    is(content($url), "one $text", 'and nothing was changed');
    is(put($url, "two $text", If => '([' . $tag->() . '])')->{status}, 204,
        "the field If names the tag of $coding, too");
    is(put($url, "two $text", If => "([$first]) (Not [$first])")->{status}, 204,
        'and not that of a content before');
    is(status('DELETE', $url, 'If-Match' => $tag->()), 204,
        "DELETE with the tag of $coding is done");
}

# A lost update that size and mtime do not show.
{
    my $url = file('same/doc.txt', 'content A');
    my $mine = tag_at($url);
    my $theirs = put($url, 'content B');
    stamp(docs('dav/same/doc.txt'), $old);
    my $get = $c->get($url, 'If-None-Match' => $mine);
    is("$get->{status} $get->{body}", '200 content B', 'after a PUT of the'
        . ' same size, with the same mtime, GET by the old tag gets the new');
    is(put($url, 'content C', 'If-Match' => $mine)->{status}, 412,
        'a PUT with the old tag is refused');
    is(content($url), 'content B', 'and the other\'s content stays');
    is(status('DELETE', $url, 'If-Match' => $mine), 412,
        'and so is a DELETE');
    my $p = props(propfind($url, 0, 'getetag'));
    is($p->{$url}{getetag}, tag_of('content B'), 'PROPFIND has the new tag');
}

# Dates.
{
    my $url = file('dates/doc.txt', $text, $old);
    scan(docs('dav/dates'));
    my $get = $c->get($url);
    my $date = $get->{h}{'last-modified'};
    is($date, http_date($old), 'an indexed file has a date');
    is(put($url, $text, 'If-Unmodified-Since' => http_date($old - 1))
        ->{status}, 412, 'a PUT with an earlier If-Unmodified-Since is'
        . ' refused');
    is(put($url, $text, 'If-Unmodified-Since' => http_date($old - 1),
        'If-Match' => tag_in($get))->{status}, 204, 'beside an If-Match that is'
        . ' true it does not count');
    scan(docs('dav/dates'));
    $date = $c->get($url)->{h}{'last-modified'};
    is(put($url, 'new', 'If-Unmodified-Since' => $date)->{status}, 204,
        'a PUT with the date that GET showed is done');
    is(put($url, 'newer', 'If-Unmodified-Since' => $date)->{status}, 412,
        'a second one with that date is refused');
    is(content($url), 'new', 'and changes nothing');
    is(put($url, 'newer', 'If-Unmodified-Since' => 'yesterday')->{status},
        204, 'what is no date does not count');
}

# Who is let in by name: GET's dates go by other rules.
{
    my $url = file('dates/auth/doc.txt', $text, $old);
    my @as = (Authorization => 'Basic ' . MIME::Base64::encode_base64(
        'friend:friend', ''));
    is(status('GET', $url), 401, 'without a name: 401');
    sleep 2;
    my $get = $c->get($url, @as);
    is($get->{status}, 200, 'with a name: 200');
    my $date = $get->{h}{'last-modified'};
    my $res = $c->request('PROPFIND', $url, Depth => 0, @as);
    my ($p) = values %{props($res)};
    is("$p->{getetag} $p->{getlastmodified}", tag_in($get) . " $date",
        'PROPFIND says to who is let in by name what GET says');
    is(put($url, 'new', @as, 'If-Unmodified-Since' => $date)->{status}, 204,
        'and a PUT with that date is done');
}

# --- creating ---------------------------------------------------------------------

{
    File::Path::make_path(docs('dav/create'));
    my $url = '/dav/create/new.txt';
    is(put($url, 'a', 'If-Match' => '*')->{status}, 412,
        'PUT of what is not there, If-Match: *: refused');
    is(put($url, 'a', 'If-Match' => tag_of('a'))->{status}, 412,
        'If-Match with a tag: refused');
    is(content($url), undef, 'and nothing is made');
    is(put($url, 'a', 'If-None-Match' => '*')->{status}, 201,
        'PUT of what is not there, If-None-Match: *: made');
    is(put($url, 'b', 'If-None-Match' => '*')->{status}, 412,
        'again: refused');
    is(content($url), 'a', 'and the content stays');
    is(put('/dav/create/none/new.txt', 'b', 'If-None-Match' => '*')
        ->{status}, 409, 'in a folder that is not there: 409');
    is(put('/dav/create/', 'b', 'If-Match' => '"x"')->{status}, 409,
        'PUT to a folder is refused for what it is, not for its tag');
    is(status('MKCOL', '/dav/create/col', 'If-None-Match' => '*'), 201,
        'MKCOL with If-None-Match: * makes a folder');
    is(status('MKCOL', '/dav/create/col/', 'If-None-Match' => '*'), 405,
        'again: 405');
    is(status('MKCOL', '/dav/create/col2', 'If-Match' => '*'), 412,
        'MKCOL with If-Match is refused');
    is(status('DELETE', '/dav/create/gone', 'If-Match' => '*'), 404,
        'DELETE of what is not there: 404 whatever is asked');
}

# --- other methods -----------------------------------------------------------------

my $patch = '<D:propertyupdate xmlns:D="DAV:" xmlns:x="x:"><D:set><D:prop>'
    . '<x:mark>%s</x:mark></D:prop></D:set></D:propertyupdate>';
my $lockinfo = '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/>'
    . '</D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>';

{
    my $url = file('other/doc.txt', $text);
    my ($tag, $no) = (tag_of($text), '"no"');
    is(status('DELETE', $url, 'If-Match' => $no), 412,
        'DELETE with another tag is refused');
    is(status('PROPPATCH', $url, 'If-Match' => $no,
        ':body' => sprintf $patch, 1), 412, 'and PROPPATCH');
    is(status('PROPPATCH', $url, 'If-Match' => $tag,
        ':body' => sprintf $patch, 1), 207, 'PROPPATCH with the tag is done');
    is(tag_at($url), $tag, 'and leaves the tag');
    is(status('LOCK', $url, 'If-Match' => $no, ':body' => $lockinfo), 412,
        'LOCK with another tag is refused');
    my %to = (Destination => "$base/dav/other/to.txt");
    is(status('COPY', $url, %to, 'If-Match' => $no), 412,
        'COPY with another tag is refused');
    is(content('/dav/other/to.txt'), undef, 'and makes nothing');
    is(status('COPY', $url, %to, 'If-Match' => $tag), 201,
        'COPY with the source\'s tag is done, though the destination is not'
        . ' there');
    is(tag_at('/dav/other/to.txt'), $tag, 'and the copy has the tag');
    is(status('COPY', $url, Destination => "$base/dav/other/any.txt",
        'If-Match' => '*'), 201, 'and with If-Match: *');
    put('/dav/other/to.txt', 'something else');
    is(status('COPY', $url, %to, 'If-Match' => $tag), 204,
        'also over a destination of another tag');
    is(status('COPY', $url, %to, 'If-None-Match' => '"x"', Overwrite => 'F'),
        412, 'Overwrite: F is asked of the destination');
    is(status('MOVE', $url, %to, 'If-Match' => $no), 412,
        'MOVE with another tag is refused');
    is(status('MOVE', $url, Destination => "$base/dav/other/away.txt",
        'If-Match' => $tag), 201, 'MOVE with the tag is done');
    is(tag_at('/dav/other/away.txt'), $tag, 'and the tag moves along');
    is(status('DELETE', '/dav/other/away.txt', 'If-Match' => $tag), 204,
        'DELETE with the tag is done');
    is(content('/dav/other/away.txt'), undef, 'and the file is gone');
    file('off/doc.txt', $text);
    is(status('COPY', '/dav/other/to.txt',
        Destination => "$base/dav/off/copy.txt"), 201,
        'COPY goes from where the engine is on to where it is off');
    is(status('MOVE', '/dav/off/copy.txt',
        Destination => "$base/dav/other/back.txt"), 201, 'and MOVE back');
    is(content('/dav/other/back.txt'), $text, 'with the content');
    is(status('DELETE', '/dav/other/', 'If-Match' => '"x"'), 412,
        'a folder\'s preconditions are mod_dav\'s');
    is(status('DELETE', '/dav/other/'), 204, 'a folder is removed');
}

# --- the If field --------------------------------------------------------------------

{
    my $url = file('if/doc.txt', 'one');
    file('if/other.txt', 'two');
    my ($one, $two) = map { tag_of($_) } 'one', 'two';
    my @cases = (
        ['the tag', 204, "([$one])"],
        ['another tag', 412, "([$two])"],
        ['two lists, one of them true', 204, "([$two]) ([$one])"],
        ['Not the tag', 412, "(Not [$one])"],
        ['Not another tag', 204, "(Not [$two])"],
        ['the tag and Not another', 204, "([$one] Not [$two])"],
        ['both tags', 412, "([$one] [$two])"],
        ['a tagged list', 204, "<$base$url> ([$one])"],
        ['a tagged list, a path', 204, "<$url> ([$one])"],
        ['a tagged list, another tag', 412, "<$base$url> ([$two])"],
        ['a tagged list of another resource', 204,
            "<$base/dav/if/other.txt> ([$one])"],
        ['tagged lists of both', 204,
            "<$base$url> ([$one]) <$base/dav/if/other.txt> ([$two])"],
        ['a token of no lock, and the tag', 412,
            "(<opaquelocktoken:5b0c4fc8-2a1c-1710-9a24-000000000000> [$one])"],
        ['Not a token of no lock, and the tag', 204,
            "(Not <DAV:no-lock> [$one])"],
        ['what is no list', 400, '([unclosed'],
    );
    for my $case (@cases) {
        my ($what, $want, $value) = @$case;
        is(status('PUT', $url, If => $value, ':body' => 'one'), $want,
            "PUT, If with $what: $want");
    }
    is(status('PUT', $url, If => "([$one])", 'If-Match' => $two,
        ':body' => 'no'), 412, 'If and If-Match must both be true');
    is(status('DELETE', $url, If => "<$base$url> ([$two])"), 412,
        'DELETE by another tag is refused');
    is(status('MOVE', $url, Destination => "$base/dav/if/third.txt",
        If => "<$base$url> ([$two])"), 412, 'MOVE by another tag is refused');
    is(status('COPY', $url, Destination => "$base/dav/if/other.txt",
        If => "<$base/dav/if/other.txt> ([$one])"), 412,
        'COPY over a destination that has another tag is refused')
        or diag(content('/dav/if/other.txt'));
    is(content('/dav/if/other.txt'), 'two', 'and it stays');
    is(status('COPY', $url, Destination => "$base/dav/if/other.txt",
        If => "<$base/dav/if/other.txt> ([$two])"), 204,
        'COPY over a destination that has the tag is done');
    is(status('DELETE', $url, If => "<$base$url> ([$one])"), 204,
        'DELETE by the tag is done');
}

# --- locks ------------------------------------------------------------------------------

{
    my $url = file('locks/doc.txt', 'one');
    my $res = $c->request('LOCK', $url, Timeout => 'Second-300',
        ':body' => $lockinfo);
    is($res->{status}, 200, 'LOCK');
    my $token = $res->{h}{'lock-token'};
    is(put($url, 'two')->{status}, 423, 'PUT without the token: 423');
    is(put($url, 'two', 'If-Match' => '"no"')->{status}, 423,
        'PUT with another tag and without the token: 423 too');
    is(put($url, 'two', 'If-Match' => tag_of('one'))->{status}, 423,
        'with the tag and without the token: 423');
    is(status('DELETE', $url, 'If-Match' => '"no"'), 423,
        'DELETE with another tag and without the token: 423');
    is(put($url, 'two', If => "($token)", 'If-Match' => '"no"')->{status},
        412, 'with the token and another tag: 412');
    is(put($url, 'two', If => "($token [\"no\"])")->{status}, 412,
        'with the token and another tag in the If field: 412');
    is(put($url, 'two', If => "($token [@{[tag_of('one')]}])")->{status},
        204, 'with the token and the tag: done');
    is(put($url, 'three', If => "($token)",
        'If-Match' => tag_of('two'))->{status}, 204, 'also by If-Match');
    is(status('UNLOCK', $url, 'Lock-Token' => $token, 'If-Match' => '"no"'),
        412, 'UNLOCK with another tag is refused');
    is(status('UNLOCK', $url, 'Lock-Token' => $token,
        'If-Match' => tag_of('three')), 204, 'UNLOCK with the tag is done');
    is(put($url, 'four')->{status}, 204, 'PUT after it');
}

# --- weak tags -----------------------------------------------------------------------------

{
    my $url = file('weak/big.txt', $big, time);
    settle();
    my $tag = tag_at($url);
    ok(weak($tag), 'a large file that was just written has a weak tag') or diag $tag;
    is(put($url, 'no', 'If-Match' => $tag)->{status}, 412,
        'which is none for If-Match');
    is(put($url, 'no', 'If-None-Match' => $tag)->{status}, 412,
        'but one for If-None-Match');
    is(status('PUT', $url, If => "([$tag])", ':body' => "$big."), 204,
        'and for the If field, since every change changes it');
    is(status('PUT', $url, If => "([$tag])", ':body' => 'no'), 412,
        'after a PUT it is no longer true');
    settle();
    isnt(tag_at($url), $tag, 'nor shown');
    my $fresh = tag_at(file('weak/fresh.txt', $big, time));
    my $p = props(propfind('/dav/weak/fresh.txt', 0, 'getetag'));
    ok(!defined $p->{'/dav/weak/fresh.txt'}{getetag}
        || weak($p->{'/dav/weak/fresh.txt'}{getetag}), 'a large file that was'
        . ' just written has no strong tag for PROPFIND either');
    is(put($url, 'no', 'If-Match' => tag_of($big . '.'))->{status}, 412,
        'the tag that it will have is not yet one');
    scan(docs('dav/weak'));
    is(tag_at($url), tag_of("$big."), 'once indexed the tag is strong');
    is(put($url, 'yes', 'If-Match' => tag_of("$big."))->{status}, 204,
        'and a PUT with it is done');
}

# --- parts ---------------------------------------------------------------------------------

{
    my $url = file('parts/doc.txt', '0123456789');
    my @part = ('Content-Range' => 'bytes 2-4/10', ':body' => 'abc');
    is(status('PUT', $url, 'If-Match' => '"no"', @part), 412,
        'PUT of a part with another tag is refused');
    is(status('PUT', $url, 'If-Match' => tag_of('0123456789'), @part), 204,
        'PUT of a part with the tag is done');
    is(content($url), '01abc56789', 'and the rest stays');
    is(status('PUT', $url, 'If-Match' => tag_of('01abc56789'),
        'Content-Range' => 'bytes 8-12/13', ':body' => 'VWXYZ'), 204,
        'also past the end');
    is(content($url), '01abc567VWXYZ', 'where it grows');
    is(status('PUT', $url, @part), 204, 'and without preconditions');
    is(content($url), '01abc567VWXYZ', 'with the same outcome');
}

# --- after a PUT ---------------------------------------------------------------------------

for my $dir ('after', 'quick') {
    my $url = file("$dir/page.txt", 'version 0000');
    scan(docs("dav/$dir"));
    my (%seen, @wrong);
    my $prev = $c->get($url);
    for my $n (1 .. 25) {
        # Warm: what is prepared is prepared for the content before.
        for (1 .. 3) {
            my $res = $c->get($url, 'If-None-Match' => tag_in($prev));
            push @wrong, "$n: $res->{status} before" if $res->{status} != 304;
        }
        my $new = sprintf 'version %04d', $n;
        my $put = put($url, $new, 'If-Match' => tag_in($prev));
        push @wrong, "$n: PUT $put->{status}" if $put->{status} != 204;
        stamp(docs("dav/$dir/page.txt"), $old) if $n % 2;
        my $res = $c->get($url, 'If-None-Match' => tag_in($prev));
        push @wrong, "$n: $res->{status} $res->{body}"
            if $res->{status} != 200 || $res->{body} ne $new;
        push @wrong, "$n: the old tag" if tag_in($res) eq tag_in($prev);
        push @wrong, "$n: HEAD" if tag_at($url) ne tag_in($res);
        if (my $date = $prev->{h}{'last-modified'}) {
            my $by_date = $c->get($url, 'If-Modified-Since' => $date);
            push @wrong, "$n: 304 by the old date"
                if $by_date->{status} == 304;
        }
        $prev = $res;
    }
    all_right("after each of 25 PUTs ($dir) no old validator is sent or true",
        @wrong);
}

# --- many at once -----------------------------------------------------------------------------

# Run a code in n processes; the lines that they print.
sub at_once
{
    my ($n, $code) = @_;
    my @pipes = map {
        my $who = $_;
        my $pid = open my $out, '-|';
        die "fork: $!\n" unless defined $pid;
        if (!$pid) {
            srand;
            $| = 1;
            eval { $code->($who, client(undef, timeout => 60)) };
            print "died $@" if $@;
            POSIX::_exit(0);
        }
        $out;
    } 1 .. $n;
    return map { my $out = $_; my @lines = <$out>; chomp @lines; @lines }
        @pipes;
}

# A PUT whose content comes late.
sub slow_put
{
    my ($client, $url, $body, $pause, @fields) = @_;
    my $text = $client->request_text('PUT', $url, @fields,
        ':body' => $body);
    my $head = substr $text, 0, length($text) - length $body;
    $client->connect;
    $client->send_text($head);
    Time::HiRes::sleep($pause);
    $client->send_text($body);
    my $res = $client->read_response('PUT');
    $client->close;
    return $res ? $res->{status} : 0;
}

{
    my $url = file('race/count.txt', "0\n");
    my @lines = at_once(8, sub {
        my ($who, $client) = @_;
        for my $try (1 .. 25) {
            my $get = $client->get($url);
            my ($n) = $get->{body} =~ /^(\d+)/;
            my $body = sprintf "%d by %d/%d\n", $n + 1, $who, $try;
            my $status = rand() < 0.5
                ? $client->request('PUT', $url, 'If-Match' => tag_in($get),
                    ':body' => $body)->{status}
                : slow_put($client, $url, $body, rand 0.02,
                    'If-Match' => tag_in($get));
            print "$status ", tag_in($get), "\n";
        }
    });
    my @done = grep { /^204 / } @lines;
    my @refused = grep { /^412 / } @lines;
    my %by;
    $by{$_}++ for @done;
    is(scalar @lines, 200, '200 PUTs by 8 writers');
    is(@done + @refused, 200, 'each is done or refused');
    cmp_ok(scalar @done, '>', 10, scalar(@done) . ' are done');
    cmp_ok(scalar @refused, '>', 0, 'and some are refused');
    all_right('no tag is good for two', map { "$_: $by{$_} were done" }
        grep { $by{$_} > 1 } sort keys %by);
    my ($n) = content($url) =~ /^(\d+)/;
    is($n, scalar @done, 'no update is lost');
}
{
    my $url = file('race/gens.txt', 'generation 0');
    my @wrong;
    for my $gen (1 .. 12) {
        my $tag = tag_at($url);
        my $part = $gen % 3 == 0;
        my @done = grep { /^204/ } at_once(6, sub {
            my ($who, $client) = @_;
            my $status = $part
                ? slow_put($client, $url, 'X', 0.1, 'If-Match' => $tag,
                    'Content-Range' => "bytes $who-$who/*")
                : $gen % 3 == 1
                ? slow_put($client, $url, "generation $gen by $who", 0.1,
                    'If-Match' => $tag)
                : slow_put($client, $url, "generation $gen by $who", 0.1,
                    If => "([$tag])");
            print "$status\n";
        });
        push @wrong, "generation $gen: " . @done . ' were done'
            if @done != 1;
    }
    all_right('of six slow PUTs with one tag exactly one is done, by'
        . ' If-Match, by the If field, and in parts', @wrong);
    my @made;
    for my $n (1 .. 5) {
        my @lines = at_once(6, sub {
            print slow_put($_[1], "/dav/race/new$n.txt", "by $_[0]", 0.1,
                'If-None-Match' => '*'), "\n";
        });
        push @made, join ' ', sort @lines;
    }
    is_deeply(\@made, [('201 412 412 412 412 412') x 5],
        'of six slow PUTs that may only create exactly one is done');
    file('race/del.txt', 'x');
    my $tag = tag_of('x');
    my @lines = at_once(2, sub {
        my ($who, $client) = @_;
        if ($who == 1) {
            print slow_put($client, '/dav/race/del.txt', 'y', 0.3,
                'If-Match' => $tag), "\n";
        }
        else {
            Time::HiRes::sleep(0.1);
            print $client->request('DELETE', '/dav/race/del.txt',
                'If-Match' => $tag)->{status}, "\n";
        }
    });
    is("@lines", '412 204', 'a PUT that is overtaken by a DELETE is refused');
    is(content('/dav/race/del.txt'), undef, 'and the file stays removed');
    my $page = file('race/page.shtml', 'page', $old);
    for my $by ('If-Match', 'If', 'If-Unmodified-Since') {
        my $p = props(propfind($page, 0, 'getetag getlastmodified'));
        my $value = $by eq 'If-Match' ? $p->{$page}{getetag}
            : $by eq 'If' ? "([$p->{$page}{getetag}])"
            : $p->{$page}{getlastmodified};
        @lines = at_once(2, sub {
            my ($who, $client) = @_;
            print slow_put($client, $page, "by $who", $who == 1 ? 0.4 : 0.1,
                $by => $value), "\n";
        });
        is("@lines", '412 204', "a page with INCLUDES: of two PUTs by $by, as"
            . ' PROPFIND shows it, the later is refused');
        is(content($page), 'by 2', 'and changes nothing');
        stamp(docs('dav/race/page.shtml'), $old);
    }
    is_deeply([map { glob docs("dav/race/$_") } '.dav*', '*tmp*'], [],
        'what was refused leaves nothing behind');
}

# --- nobody learns more ---------------------------------------------------------------------

{
    my %secret = ('hidden.txt' => 'pin 4711', 'page.shtml' => 'ssi 4711',
        'app.cgi' => "#!/bin/sh\nexit\n");
    file("secret/$_", $secret{$_}) for sort keys %secret;
    file('secret/open.txt', 'open');
    chmod 0755, docs('dav/secret/app.cgi');
    my ($on, $off) = map { props(propfind("/$_/secret/", 1, 'getetag')) }
        'dav', 'dav-off';
    is($on->{'/dav/secret/open.txt'}{getetag}, tag_of('open'),
        'a file that the client may get has the tag of its content');
    for my $name (sort keys %secret) {
        my ($a, $b) = ($on->{"/dav/secret/$name"}{getetag},
            $off->{"/dav-off/secret/$name"}{getetag});
        is($a, $b, "PROPFIND tells of $name only what stock httpd tells");
        isnt($a, tag_of($secret{$name}), "no digest of $name");
        is(put("/dav/secret/$name", $secret{$name},
            'If-Match' => tag_of($secret{$name}))->{status}, 412,
            "and a PUT does not tell whether a guess of $name is right");
    }
}

# --- tools -----------------------------------------------------------------------------------

{
    my $url = file('curl/doc.txt', 'one');
    my $body = spew(top() . '/dav-body', 'two');
    my @curl = ('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-T',
        $body, '-H');
    my $tag = tag_at($url);
    my ($rc, $out) = run_command(@curl, "If-Match: $tag", "$base$url");
    is($out, '204', 'curl puts a file with the tag of GET');
    ($rc, $out) = run_command(@curl, "If-Match: $tag", "$base$url");
    is($out, '412', 'and once only');
}
{
    my @out;
    for my $dir ('litmus', 'off/litmus') {
        my $home = top() . "/private/dav-$dir";
        File::Path::make_path($home, docs("dav/$dir"));
        my ($rc, $out) = run_command('sh', '-c',
            "cd '$home' && exec litmus -k '$base/dav/$dir/'");
        push @out, join "\n", grep { /^<- summary|^ *\d+\. .*(FAIL|WARN)/ }
            split /[\r\n]+/, $out;
    }
    my @ran = $out[0] =~ /of (\d+) tests run/g;
    cmp_ok(scalar @ran, '>=', 4, 'litmus runs (it is needed for this suite)');
    is($out[0], $out[1], 'litmus says of the module on what it says of the'
        . ' module off');
    unlike($out[0], qr/FAIL/, 'and nothing fails');
}

done_testing();
