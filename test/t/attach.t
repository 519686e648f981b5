# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Which validators a response gets: from the content, or none that could lie.
use strict;
use warnings;
use Test::More;
use Vld::Test;

my $old = 1_590_000_000;
my $text = join '', map { "a line of text, number $_\n" } 1 .. 40;
my $big = $text x 150;
my $c = client();

sub file
{
    my ($path, $content, $mtime) = @_;
    spew(docs("attach/$path"), $content);
    stamp(docs("attach/$path"), defined $mtime ? $mtime : $old);
    return "/attach/$path";
}

sub date_of { my $d = $_[0]{h}{'last-modified'}; return defined $d ? $d : 'none' }

# Small files: the content's tag, indexed or not.
{
    my $url = file('small/a.txt', $text);
    my $first = $c->get($url);
    is(tag_in($first), tag_of($text),
        'a small file that is in no index has the tag of its content');
    is($first->{body}, $text, 'and its own octets');
    is(tag_in($c->head($url)), tag_of($text), 'and for HEAD the same tag');
    scan(docs('attach/small'));
    is(tag_in($c->get($url)), tag_of($text), 'and the same tag once indexed');
    spew(docs('attach/small/a.txt'), "$text changed");
    my $changed = $c->get($url);
    is(tag_in($changed), tag_of("$text changed"),
        'a small file that was changed has its new tag at once');
    is($changed->{body}, "$text changed", 'with the new octets');
    for my $size (1, 4096, 65535, 65536) {
        my $content = substr $big, 0, $size;
        my $u = file("small/$size.txt", $content);
        is(tag_in($c->get($u)), tag_of($content), "a file of $size octets is"
            . ' hashed as it is sent');
    }
    my $empty = file('small/empty.txt', '');
    is(tag_in($c->get($empty)), tag_of(''), 'an empty file has a tag');
    not_modified($c, $empty, $c->get($empty), 'tag', 'and is not modified');
}

# Larger ones: weak until they are indexed.
{
    my $url = file('large/b.txt', $big, time); # a log that may grow
    my $fresh = $c->get($url);
    ok(tag_in($fresh) eq 'none' || weak(tag_in($fresh)),
        'a large file that was just written has no strong tag');
    settle();
    my $first = $c->get($url);
    ok(weak(tag_in($first)), 'a large file that is in no index has a weak tag')
        or diag(tag_in($first));
    is(date_of($first), 'none', 'and no Last-Modified');
    my $inode = sprintf "%x", (stat docs("attach/large/b.txt"))[1];
    unlike(tag_in($first), qr{\Q$inode\E}i,
        'the weak tag does not show the inode');
    my $res = $c->get($url, 'If-None-Match' => tag_in($first));
    is($res->{status}, 304, 'a large file that did not change is not modified'
        . ' by its weak tag');
    is($c->get($url, 'If-Modified-Since' => http_date(time + 5))->{status},
        200, 'but not by any date');
    (my $other = $big) =~ tr/a-z/b-za/;
    file('large/b.txt', $other);
    $res = $c->get($url, 'If-None-Match' => tag_in($first));
    ok($res->{status} == 200 && $res->{body} eq $other
        && tag_in($res) ne tag_in($first), 'a changed large file is sent to the'
        . ' client that sends the weak tag');
    scan(docs('attach/large'));
    $res = $c->get($url);
    is(tag_in($res), tag_of($other), 'after a scan its tag is strong: the'
        . ' content\'s');
    my $other_url = file('large/d.txt', $big);
    settle();
    is(date_of($c->get($other_url)), http_date($old),
        'the date of one that nobody has asked for is the file\'s');
    my $head = $c->head($url);
    is_deeply([map { $head->{h}{$_} } qw(etag last-modified content-length
        content-type)], [map { $res->{h}{$_} } qw(etag last-modified
        content-length content-type)], 'HEAD says what GET says');
    ok(tag_in($head) eq tag_of($other) && $head->{body} eq '',
        'with the same tag and without a body');
    spew(docs('attach/large/b.txt'), "$other changed");
    isnt(tag_in($c->get($url)), tag_of($other), 'an indexed large file that was'
        . ' changed does not keep its tag');
}

# Who came before the record holds a weak tag, and need not be sent it again.
{
    my $url = file('before/c.css', $big, time);
    settle();
    my @gzip = ('Accept-Encoding' => 'gzip');
    my $weak = $c->get($url);
    my $coded = $c->get($url, @gzip);
    ok(weak(tag_in($weak)) && weak(tag_in($coded))
        && tag_in($weak) ne tag_in($coded),
        'before a file is indexed its tags are weak')
        or diag(tag_in($weak), ' ', tag_in($coded));
    scan(docs('attach/before'));
    my $strong = $c->get($url);
    is(tag_in($strong), tag_of($big), 'and strong once it is');
    not_modified($c, $url, $strong, 'tag', 'by that it is not modified');
    for my $held ([$weak], [$coded, @gzip]) {
        my ($full, @fields) = @$held;
        my $res = $c->get($url, 'If-None-Match' => tag_in($full), @fields);
        is($res->{status} . ' ' . tag_in($res), '304 ' . tag_in($full),
            'nor is it, under its weak tag, to who holds ' . tag_in($full));
        is(date_of($res), 'none', 'without a date, as it had none');
        $res = $c->get($url, 'If-None-Match' => '"other", ' . tag_in($full),
            'If-Modified-Since' => http_date($old - 86400), @fields);
        is($res->{status} . ' ' . tag_in($res), '304 ' . tag_in($full),
            'and among others');
    }
    my $res = $c->get($url, 'If-None-Match' => tag_in($weak) . ', '
        . tag_in($strong));
    is($res->{status} . ' ' . tag_in($res), '304 ' . tag_in($strong),
        'who holds both is told the strong one');
    $res = $c->get($url, 'If-None-Match' => tag_in($coded));
    ok($res->{status} == 200 && $res->{body} eq $big, 'the tag of the coded'
        . ' content is none of the uncoded');
    $res = $c->get($url, 'If-None-Match' => tag_in($weak), 'If-Match' =>
        tag_in($strong));
    isnt($res->{status}, 412, 'If-Match is judged by the strong tag');
    is(tag_in($c->get($url)), tag_in($strong), 'who asks after that is given the'
        . ' strong one');
    not_modified($c, $url, $strong, 'tag', 'by which it is not modified');
    (my $other = $big) =~ tr/a-z/b-za/;
    file('before/c.css', $other);
    settle();
    $res = $c->get($url, 'If-None-Match' => tag_in($weak));
    ok($res->{status} == 200 && $res->{body} eq $other, 'a change is sent to'
        . ' who holds the weak tag');
    scan(docs('attach/before'));
    $res = $c->get($url, 'If-None-Match' => tag_in($weak));
    is($res->{status} . ' ' . tag_in($res), '200 ' . tag_of($other),
        'also once it is indexed');
}

# FileETag and ContentDigest make no difference.
{
    my %name = ('etag-none' => 'FileETag None', 'etag-all' => 'FileETag All',
        'etag-digest' => 'FileETag Digest', 'etag-inode' => 'FileETag INode',
        'md5' => 'ContentDigest On', 'htaccess' => 'FileETag None in'
        . ' .htaccess');
    file("$_/s.txt", $text) for sort keys %name;
    file("$_/l.txt", $big) for sort keys %name;
    spew(docs('attach/htaccess/.htaccess'), "FileETag None\n");
    scan(docs('attach'));
    for my $dir (sort keys %name) {
        is(tag_in($c->get("/attach/$dir/s.txt")), tag_of($text),
            "$name{$dir} does not change the tag of a small file");
        my $full = $c->get("/attach/$dir/l.txt");
        is(tag_in($full), tag_of($big),
            "$name{$dir} does not change the tag of a large file");
        not_modified($c, "/attach/$dir/l.txt", $full, 'both',
            "$name{$dir}: not modified");
    }
    require Digest::MD5;
    is($c->get('/attach/md5/s.txt')->{h}{'content-md5'},
        Digest::MD5::md5_base64($text) . '==', 'ContentDigest On still sends'
        . ' the right Content-MD5') if module_loaded();
}

# Dates that mean nothing.
{
    my %mtime = (zero => 0, one => 1, future => time + 30 * 86400,
        negative => -86400, zip => 315_532_800, gradle => 318_211_200,
        npm => 499_162_500, y2001 => 978_307_200);
    my %url;
    for my $when (sort keys %mtime) {
        for my $size ('s', 'l') {
            $url{"$when $size"} = file("dates/$when-$size.txt",
                "$when$size" . ($size eq 's' ? $text : $big),
                $mtime{$when});
        }
    }
    scan(docs('attach/dates'));
    # Their dates are of their last change, this second; they are sent when it is
    # over by 20 ms.
    select undef, undef, undef, 1.1;
    for my $which (sort keys %url) {
        my $res = $c->get($url{$which});
        my $date = date_of($res);
        my $what = "a file ($which) with an mtime";
        if ($which =~ /2001/) {
            is($date, http_date(978_307_200), "$what of 2001 keeps its date");
            next;
        }
        my $seconds = $date =~ /(\d\d) (\w{3}) (\d{4})/ ? $3 : 0;
        my $stamp = stamp_of($date);
        ok($stamp && $stamp > time - 60 && $stamp <= time
            && tag_in($res) =~ /^"[\w-]{22}"$/,
            "$what that means nothing has the time of its last change for a"
            . ' date')
            or diag("Last-Modified: $date");
    }
}

sub stamp_of
{
    my $date = shift;
    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = (0 .. 11);
    require Time::Local;
    return $date =~ /(\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT/
        ? Time::Local::timegm($6, $5, $4, $1, $month{$2}, $3) : undef;
}

# The engine switched off.
{
    my $url = file('off/a.txt', $text);
    my $res = $c->get($url);
    is(tag_in($res), sprintf('"%x-%x"', length $text, $old * 1_000_000),
        'ValidatorsEngine Off leaves httpd\'s own tag');
    my $id = new_id();
    $c->get($url, 'X-Id' => $id);
    noted($id, qr/^-$/, 'and no note');
    my $inner = file('off/on/a.txt', $text);
    is(tag_in($c->get($inner)), tag_of($text), 'ValidatorsEngine On in a folder'
        . ' below has its effect there');
    spew(docs('attach/off/htaccess/.htaccess'), $ENV{VLD_MODULE}
        ? "ValidatorsEngine On\n" : '');
    my $third = file('off/htaccess/a.txt', $text);
    is(tag_in($c->get($third)), tag_of($text), 'as it has in .htaccess');
}

# Filters that change the octets.
{
    my %what = ('include/a.shtml' => 'mod_include',
        'substitute/a.txt' => 'mod_substitute', 'sed/a.txt' => 'mod_sed',
        'ext/a.txt' => 'mod_ext_filter',
        'substitute-type/a.txt' => 'mod_substitute by type');
    my $body = "$text <!--#echo var=\"QUERY_STRING\" -->\n";
    file($_, $body) for sort keys %what;
    scan(docs('attach'));
    for my $path (sort keys %what) {
        for my $method (qw(GET HEAD)) {
            my $res = $c->request($method, "/attach/$path?x=$$");
            my $changed = $method eq 'HEAD' || $res->{body} ne $body;
            ok($changed && $res->{status} == 200 && !strong(tag_in($res))
                || $res->{status} == 200 && $method eq 'GET'
                && tag_in($res) eq tag_of($res->{body}),
                "no strong tag for other octets than were hashed:"
                . " $what{$path}, $method") or diag(tag_in($res));
            is($c->request($method, "/attach/$path", 'If-None-Match' =>
                tag_of($body))->{status}, 200, "the tag of the file is none"
                . " of the response's: $what{$path}, $method")
        }
    }
}

# A release switched by a symbolic link.
{
    for my $size ([small => $text], [large => $big]) {
        my ($word, $content) = @$size;
        my $base = docs("attach/release-$word");
        file("release-$word/one/page.txt", "one$content");
        file("release-$word/two/page.txt", "two$content");
        unlink "$base/current";
        symlink 'one', "$base/current" or die $!;
        scan("$base/one", "$base/two");
        my $url = "/attach/release-$word/current/page.txt";
        my $one = $c->get($url);
        is(tag_in($one), tag_of("one$content"), "a $word file behind a symbolic"
            . ' link has the tag of its content');
        not_modified($c, $url, $one, 'tag', "and is not modified ($word)");
        sleep 2; # the switch was a change, whose date is sent when it is over
        $one = $c->get($url);
        not_modified($c, $url, $one, 'both', "nor by its date ($word)");
        symlink 'two', "$base/next" or die $!;
        rename "$base/next", "$base/current" or die $!;
        my $res = $c->get($url, validators_of($one, 'both'));
        is($res->{status}, 200, "after the switch it is sent ($word)");
        is(tag_in($res), tag_of("two$content"), "with the tag of the new content"
            . " at once ($word)");
        is($c->get($url, validators_of($one, 'date'))->{status}, 200,
            "to a client that sends a date too ($word)");
    }
}

# Every way that a file is come by.
{
    file('ways/index.html', $text);
    file('ways/page.html.en', "en $text");
    file('ways/page.html.de', "de $text");
    file('ways/handler.foo', $text);
    file('ways/err.html', "error $text");
    scan(docs('attach/ways'));
    my %want = ('/attach/ways/' => $text, '/attach/alias/index.html' => $text,
        '/attach/ways/rewritten' => $text,
        '/attach/ways/page.html' => "en $text",
        '/attach//ways/../ways/%69ndex.html' => $text);
    for my $url (sort keys %want) {
        my $res = $c->get($url, 'Accept-Language' => 'en');
        is(tag_in($res) . $res->{status}, tag_of($want{$url}) . 200,
            "$url has its file's tag");
        not_modified($c, $url, $res, 'tag', "$url is not modified",
            'Accept-Language' => 'en');
    }
    my $de = $c->get('/attach/ways/page.html', 'Accept-Language' => 'de',
        'If-None-Match' => tag_of("en $text"));
    is($de->{status} . tag_in($de), '200' . tag_of("de $text"),
        'another language is another content');
    my $res = $c->get('/attach/missing/x.html', 'If-None-Match' =>
        tag_of("error $text"));
    is($res->{status}, 404, 'an error document is never not modified');
    my $range = $c->get('/attach/ways/index.html', Range => 'bytes=5-9');
    is($range->{status} . $range->{body} . tag_in($range), 206
        . substr($text, 5, 5) . tag_of($text), 'a range has the whole\'s tag');
}

# Rewrite a file in place while a slow client is being sent it; what the client
# then has: nothing whole, or a response, and the contents before and after.
sub rewritten_under_way {
    my ($dir, $size, $range) = @_;
    my $line = sprintf "%-31s\n", "$dir $size first";
    my $first = $line x ($size / 32);
    (my $second = $first) =~ s/first/other/g;
    my $url = file("$dir/$size.txt", $first);
    scan(docs("attach/$dir"));
    my $slow = client(undef, slow => 0.001);
    $slow->connect;
    $slow->send_text($slow->request_text('GET', $url, Range => $range));
    $slow->fill;
    select undef, undef, undef, 0.1;
    open my $fh, '+<:raw', docs("attach/$dir/$size.txt") or die $!;
    print {$fh} $second;
    close $fh;
    stamp(docs("attach/$dir/$size.txt"), $old);
    my $res = $slow->read_response('GET');
    return ($res && $res->{complete} ? $res : undef, $first, $second);
}

# What arrives whole is what its strong tag says.
for my $dir (qw(torn-plain torn-sendfile torn-mmap)) {
    my ($whole, $tried, @wrong) = (0, 0);
    for my $size (100_000, 300_000, 1_000_000, 3_000_000, 9_000_000) {
        for my $range (undef, 'bytes=1000-90999') {
            my ($res, @contents) = rewritten_under_way($dir, $size, $range);
            $tried++;
            next unless $res;
            $whole++;
            my ($now) = grep { tag_in($res) eq tag_of($_) } @contents;
            $now = substr $now, 1000, 90_000 if defined $now && $range;
            push @wrong, "$size octets, " . ($range || 'whole')
                . ": $res->{status} " . length($res->{body}) . ' octets of '
                . (defined $now ? 'another content' : 'no content') . ' under '
                . tag_in($res) if strong(tag_in($res)) && (!defined $now
                || $now ne $res->{body});
        }
    }
    all_right("a file that is rewritten while it is sent is cut, or whole as"
        . " its tag says ($dir)", @wrong);
    diag("$dir: $whole of $tried arrived whole");
}

# Where the administrator says that no file changes, none is looked at again.
for my $dir (qw(never-sendfile never-mmap)) {
    for my $range (undef, 'bytes=1000-8999999') {
        my ($res, $first) = rewritten_under_way($dir, 9_000_000, $range);
        my $way = $range ? 'a range' : 'a whole file';
        ok($res, "$dir: $way is sent to its end");
        is(tag_in($res || {}), tag_of($first), "$dir: under the tag of the record"
            . " ($way)");
    }
}

# To another content and back, where the index sees only the first: its record
# keeps its date, but whoever was sent the other has a later one.
for my $size (['s', $text], ['l', $big]) {
    my ($name, $one) = @$size;
    (my $two = $one) =~ tr/a-z/b-za/;
    my $url = file("back/$name.txt", $one);
    scan(docs('attach/back'));
    my $before = date_of($c->get($url));
    is($before, http_date($old), "a content ($name) has its date");
    file("back/$name.txt", $two);
    settle();
    select undef, undef, undef, 1.1;
    my $other = $c->get($url);
    is($other->{body}, $two, 'another is sent');
    my $date = $name eq 's' ? date_of($other) : undef;
    ok(!defined $date || $date && stamp_of($date) > $old,
        'with a later date, if with any');
    file("back/$name.txt", $one);
    scan(docs('attach/back'));
    select undef, undef, undef, 1.1;
    for my $time ('first', 'second', 'third') {
        is($c->get($url, 'If-Modified-Since' => $date)->{status}, 200,
            "the first content again: who has the other's date is not told"
            . " 304 the $time time") if $date;
        is($c->get($url)->{body}, $one, 'but sent it');
        # The index changes: what is remembered is looked up again.
        file("back/$name-$time.txt", "$time$text");
        scan(docs('attach/back'));
    }
}

# Two tags are equal where the content is, over a whole folder.
{
    my ($n, @wrong) = (0);
    for my $i (1 .. 60) {
        my $content = ($i % 2 ? $text : $big) . $i % 7;
        file("many/f$i.txt", $content, $old + $i);
    }
    scan(docs('attach/many'));
    for my $i (1 .. 60) {
        my $res = $c->get("/attach/many/f$i.txt");
        $n++ if $res->{status} == 200;
        push @wrong, "f$i.txt: " . tag_in($res) . ' of '
            . length($res->{body}) . ' octets'
            if tag_in($res) ne tag_of($res->{body});
    }
    is($n, 60, 'every file of a folder is sent');
    all_right('each with the tag of its own content', @wrong);
}

done_testing();
