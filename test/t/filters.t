# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Content filters: octets that were not hashed have no strong tag, whoever
# changed them; what is said in its place is true of what was sent; filters
# that change nothing keep nothing from its tag.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Around;
use Vld::Extra;
use Vld::Http ();
use Vld::Test;

my $mtime = 1_510_000_000;
my $some = join '', map { "a word of the text, number $_\n" } 1 .. 60;
my $many = $some x 120;

sub other
{
    my $text = shift;
    $text =~ s/of the text/of the task/g;
    return $text;
}

my $words = sub { $_[0] =~ s/word/name/gr };
my $capitals = sub { uc $_[0] };
my $same = sub { $_[0] };

# Folder => [configuration, what it makes of the file, what is said of it:
# weak, none, strong; name of the file].
my %cases = (
    'substitute' => ["SetOutputFilter SUBSTITUTE\n"
        . "Substitute s/word/name/n", $words, 'weak'],
    'substitute-type' => ["AddOutputFilterByType SUBSTITUTE text/html\n"
        . "Substitute s/word/name/n", $words, 'weak', 'a.html'],
    'substitute-css' => ["AddOutputFilterByType SUBSTITUTE text/html\n"
        . "Substitute s/word/name/n", $same, 'strong', 'a.css'],
    'substitute-add' => ["AddOutputFilter SUBSTITUTE html\n"
        . "Substitute s/word/name/n", $words, 'weak', 'a.html'],
    'substitute-idle' => ["SetOutputFilter SUBSTITUTE\n"
        . "Substitute s/nothing-of-this/name/n", $same, 'weak'],
    'sed' => ["SetOutputFilter Sed\nOutputSed s/word/name/g", $words,
        'weak'],
    'sed-type' => ["AddOutputFilterByType Sed text/html\n"
        . "OutputSed s/word/name/g", $words, 'weak', 'a.html'],
    'ext' => ['SetOutputFilter capitals', $capitals, 'none'],
    'case-type' => ['AddOutputFilterByType CaseFilter text/html', $capitals,
        'none', 'a.html'],
    'case-css' => ['AddOutputFilterByType CaseFilter text/html', $same,
        'strong', 'a.css'],
    'ext-last' => ['SetOutputFilter late', $capitals, 'none'],
    'both' => ["SetOutputFilter SUBSTITUTE;capitals\n"
        . "Substitute s/word/name/n", sub { uc $words->($_[0]) }, 'none'],
    'both-reversed' => ["SetOutputFilter capitals;SUBSTITUTE\n"
        . "Substitute s/WORD/NAME/n", sub { uc $words->($_[0]) }, 'none'],
    'two' => ["SetOutputFilter Sed;SUBSTITUTE\nOutputSed s/word/noun/g\n"
        . "Substitute s/noun/name/n", $words, 'weak'],
    'packed' => ["SetOutputFilter SUBSTITUTE;DEFLATE\n"
        . "Substitute s/word/name/n", $words, 'weak'],
    'chain' => ["FilterDeclare change\nFilterProvider change SUBSTITUTE"
        . " \"%{CONTENT_TYPE} =~ m!^text/!\"\nFilterChain change\n"
        . "Substitute s/word/name/n", $words, 'weak'],
    'chain-sed' => ["FilterDeclare sed\nFilterProvider sed CaseFilter"
        . " \"%{CONTENT_TYPE} =~ m!^text/!\"\nFilterChain sed", $capitals,
        'none'],
    'chain-unset' => ["FilterDeclare change\nFilterProvider change SUBSTITUTE"
        . " \"%{CONTENT_TYPE} =~ m!^text/!\"\nFilterChain change\n"
        . "FilterChain !\nSubstitute s/word/name/n", $same, 'strong'],
    'case' => ['SetOutputFilter CaseFilter', $capitals, 'none'],
    'charset' => ["CharsetSourceEnc UTF-16BE\nCharsetDefault UTF-8\n"
        . 'CharsetOptions ImplicitAdd', undef, 'none', 'a.txt'],
    # What it makes is for proxied pages alone.
    'proxy-html' => ['ProxyHTMLEnable On', $same, 'strong', 'a.html'],
    'data' => ['SetOutputFilter DATA', undef, 'none'],
    'buffer' => ['SetOutputFilter BUFFER', $same, 'strong'],
    'ratelimit' => ["SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 20000",
        $same, 'strong'],
    'ttfb' => ['LogIOTrackTTFB On', $same, 'strong'],
    'nothing' => ['', $same, 'strong'],
);

my @settling;
my %files;
my $sections = '';
for my $name (sort keys %cases) {
    my ($conf, $make, $said, $leaf) = @{$cases{$name}};
    $leaf ||= 'a.txt';
    for my $size (['small', $some], ['large', $many]) {
        $files{"$name/$size->[0]/$leaf"} = $name eq 'charset'
            ? wide($size->[1]) : $size->[1];
    }
    $sections .= "<Directory \"DOCS/$name\">\n$conf\n</Directory>\n";
}
$files{'new/small/a.txt'} = $some;
$files{'new/large/a.txt'} = $many;

sub wide { return join '', map { "\0$_" } split //, $_[0] }

my $server = start_around('filters', \%files, sub {
    my $docs = $_[0]->docs;
    return load_modules(qw(buffer ratelimit case_filter charset_lite data proxy_html))
        . <<'END' . $sections =~ s/DOCS/$docs/gr
ExtFilterDefine capitals mode=output cmd="/usr/bin/tr a-z A-Z"
ExtFilterDefine late mode=output ftype=25 cmd="/usr/bin/tr a-z A-Z"
END
        . <<"END";
<Directory "$docs/new">
    SetOutputFilter SUBSTITUTE
    Substitute s/word/name/n
</Directory>
<IfModule mod_validators.c>
    ValidatorsQuickHandler On
</IfModule>
END
}, unindexed => ['new']);
my $c = $server->client;

for my $name (sort keys %cases) {
    my ($conf, $make, $said, $leaf) = @{$cases{$name}};
    $leaf ||= 'a.txt';
    for my $size (qw(small large)) {
        my $content = $files{"$name/$size/$leaf"};
        my $wanted = $make ? $make->($content)
            : $name eq 'charset' ? ($size eq 'small' ? $some : $many) : undef;
        filtered("/$name/$size/$leaf", $content, $wanted, $said,
            "$name, $size");
    }
}

# What is said of a filtered file, by whom it is believed, and for how long.
sub filtered
{
    my ($url, $content, $wanted, $said, $what) = @_;
    my $full = $c->get($url);
    is($full->{status} . (!defined $wanted || $full->{body} eq $wanted ? ''
        : ' other'), 200, "$what: sent as the filter makes it");
    my $tag = tag_in($full);
    if ($said eq 'strong') {
        is($tag, tag_of($full->{body}), "$what: with the tag of its content");
    }
    else {
        ok($said eq 'none' ? $tag eq 'none' : weak($tag), "$what: with a $said tag") or diag($tag);
        is($c->get($url, 'If-None-Match' => tag_of($content))->{status}, 200,
            "$what: the tag of the file is none of the response's");
    }
    like(difference($full, $c->head($url)), qr/^(?:last-modified: [^;]+)?\z/,
        "$what: HEAD says the same");
    believed($url, $full, $said, $what);
    changed($url, $content, $full, $what);
}

sub believed
{
    my ($url, $full, $said, $what) = @_;
    if (tag_in($full) ne 'none') {
        my $res = twice($server, $c, 'GET', $url,
            validators_of($full, 'tag'));
        my $same = $res->{status} == 304 ? same_fields($full, $res) : '';
        is("$res->{status} $same", '304 ', "$what: not modified by its tag");
        like($res->{note}, $said eq 'strong' ? qr/^quick\z/ : qr/^304\z/,
            "$what: which is "
            . ($said eq 'strong' ? 'answered early' : 'not remembered'));
    }
    else {
        my $id = new_id();
        my $res = $c->get($url, 'X-Id' => $id, 'If-None-Match' => '"any"');
        is("$res->{status} " . note_from($server, $id),
            '200 declined-filter', "$what: the log says why");
    }
}

# Another content of the same size and time.
sub changed
{
    my ($url, $content, $full, $what) = @_;
    my $other = $content =~ /\0/ ? wide(other($content =~ s/\0//gr))
        : other($content);
    die 'no change' unless length $other == length $content
        && $other ne $content;
    my $path = $server->docs($url =~ s{^/}{}r);
    stamp(spew($path, $other), $mtime);
    my @held = (validators_of($full, 'tag'), 'If-Modified-Since' =>
        $full->{h}{'last-modified'} || http_date($mtime));
    for my $kind ('tag', 'date', 'both') {
        my @some = $kind eq 'tag' ? @held[0 .. $#held - 2]
            : $kind eq 'date' ? @held[-2, -1] : @held;
        my $res = $c->get($url, @some);
        ok($res->{status} == 200 && $res->{body} ne $full->{body}
            && (tag_in($res) eq 'none' || tag_in($res) ne tag_in($full)),
            "$what: changed in its size and time, it is sent by $kind")
            or diag("$res->{status} " . tag_in($res) . " @some");
    }
    push @settling, [$url, $full, $what];
}

# When the change can be told from a later one.
sub settled
{
    settle();
    for my $one (splice @settling) {
        my ($url, $full, $what) = @$one;
        my $again = $c->get($url);
        my $held = tag_in($again) eq 'none' ? '"any"' : tag_in($again);
        my $res = $c->get($url, 'If-None-Match' => $held);
        ok($again->{body} ne $full->{body} && $res->{status}
            == ($held eq '"any"' ? 200 : 304), "$what: and has validators as"
            . ' before') or diag("$res->{status} $held");
    }
}

# Not indexed: the same.
for my $size (qw(small large)) {
    filtered("/new/$size/a.txt", $files{"new/$size/a.txt"},
        $words->($files{"new/$size/a.txt"}), 'weak', "not indexed, $size");
}
settled();

# The date of what is filtered: of the last change or of the rules, never the
# file's mtime.
{
    my $url = '/substitute/small/a.txt';
    my $full;
    for (1 .. 60) {
        $full = $c->get($url);
        last if defined $full->{h}{'last-modified'};
        Time::HiRes::sleep(0.1);
    }
    my $date = $full->{h}{'last-modified'} || 'none';
    isnt($date, http_date($mtime), 'the date of what is filtered is not the'
        . ' mtime');
    is($c->get($url, 'If-Modified-Since' => $date)->{status}, 304,
        'by its date it is not modified');
    is($c->get($url, 'If-Modified-Since' => http_date($mtime))->{status}, 200,
        'by the mtime it is sent');
    # Weak: not for If-Match and If-Range.
    my $tag = tag_in($full);
    is($c->get($url, 'If-Match' => $tag)->{status}, 412,
        'a weak tag is none for If-Match');
    is($c->get($url, 'If-Match' => '*')->{status}, 200,
        'but there is something that * names');
    my $part = $c->get($url, Range => 'bytes=0-4', 'If-Range' => $tag);
    is($part->{status}, 200, 'nor for If-Range: all is sent');
    like($server->error_log, qr/the filter substitute rewrites the octets of /,
        'the error log at trace2 says which filter it was') if module_loaded();
}

# After a restart with another rule.
for my $rule (['Substitute s/word/noun/n', qr/a noun of/],
    ['Substitute s/word/verb/n', qr/a verb of/])
{
    my ($line, $sign) = @$rule;
    my $url = '/substitute/large/a.txt';
    my $before = Vld::Http->new(port => $server->{port})->get($url);
    my $conf = slurp("$server->{root}/httpd.conf");
    $conf =~ s{(/substitute">\n[^\n]+\n)Substitute[^\n]+}{$1$line};
    spew("$server->{root}/httpd.conf", $conf);
    $server->graceful;
    my $full;
    for (1 .. 100) {
        $full = Vld::Http->new(port => $server->{port})->get($url);
        last if $full->{body} =~ $sign;
        Time::HiRes::sleep(0.1);
    }
    like(substr($full->{body}, 0, 40), $sign, "after a restart with `$line`"
        . ' it is sent as that makes it');
    ok(weak(tag_in($full)) && tag_in($full) ne tag_in($before),
        "with another tag ($line)") or diag(tag_in($full));
    for my $kind (kinds()) {
        my @held = validators_of($before, $kind) or next;
        my $res = Vld::Http->new(port => $server->{port})->get($url, @held);
        is($res->{status}, 200, "and to who has the old one, by $kind"
            . " ($line)");
    }
}
$server->stop;

# --- filters of other modules, vouched for or not ------------------------------

{
    my %files = map { ("$_/a.txt" => $some, "$_/b.txt" => $many) }
        qw(other known type chain);
    my $server = start_around('filters-vouched', \%files, sub {
        my $docs = $_[0]->docs;
        return load_modules(qw(bucketeer case_filter)) . <<"END";
<Directory "$docs/other">
    SetOutputFilter CaseFilter
</Directory>
<Directory "$docs/known">
    SetOutputFilter BUCKETEER
</Directory>
<Directory "$docs/type">
    AddOutputFilterByType BUCKETEER text/plain
</Directory>
<Directory "$docs/chain">
    FilterDeclare pieces
    FilterProvider pieces BUCKETEER "%{CONTENT_TYPE} =~ m!^text/!"
    FilterChain pieces
</Directory>
<IfModule mod_validators.c>
    ValidatorsVouchFor mod_none.c bucketeer
    ValidatorsQuickHandler On
</IfModule>
END
    });
    my $c = $server->client;
    for my $folder (qw(known type chain)) {
        for my $file (['a.txt', $some], ['b.txt', $many]) {
            my $url = "/$folder/$file->[0]";
            my $full = $c->get($url);
            is("$full->{status} " . tag_in($full), '200 '
                . tag_of($file->[1]), "$url: through a filter that is vouched"
                . ' for, with the tag of its content');
            ok($full->{body} eq $file->[1], "$url: all of it");
            for my $kind (kinds()) {
                my $res = twice($server, $c, 'GET', $url,
                    validators_of($full, $kind));
                is("$res->{status} $res->{note}", '304 quick',
                    "$url: not modified by $kind");
            }
        }
    }
    for my $file (qw(a.txt b.txt a.txt)) {
        my $full = $c->get("/other/$file");
        ok($full->{status} == 200 && tag_in($full) eq 'none'
            && !defined $full->{h}{'last-modified'}, "/other/$file: through"
            . ' one that is not, without validators');
    }
    my @said = grep { /\[validators:(?:warn|notice)\]/ && /casefilter/i }
        split /\n/, $server->error_log;
    is(scalar @said, 1, 'the error log names the filter that is not vouched'
        . ' for, once') or diag(@said) if module_loaded();
    $server->stop;
}

# --- the way that INFLATE goes -------------------------------------------------

{
    my $server = start_around('filters-inflate', {}, sub {
        return <<"END";
AddOutputFilter INFLATE gz
AddEncoding gzip .gz
END
    });
    my $c = $server->client;
    my $path = $server->docs('a.txt.gz');
    my ($one, $two) = map { packed($server, $_) } $some, other($some);
    my $length = length $one > length $two ? length $one : length $two;
    # Octets after the end of the stream are none of its business.
    $_ .= "\0" x ($length - length $_) for $one, $two;
    stamp(spew($path, $one), $mtime);
    settle();
    my $full = $c->get('/a.txt.gz');
    ok(!strong(tag_in($full)), 'inflated on the way: no strong tag')
        or diag(tag_in($full));
    stamp(spew($path, $two), $mtime);
    settle();
    for my $kind (kinds()) {
        my @held = validators_of($full, $kind);
        my $res = $c->get('/a.txt.gz', @held,
            $kind eq 'date' ? ('If-Modified-Since' => http_date($mtime)) : ());
        is($res->{status}, 200, 'inflated on the way, changed in its size and'
            . " time: sent by $kind");
    }
    $server->stop;
}

sub packed
{
    my ($server, $text) = @_;
    my $path = spew("$server->{root}/index/packed", $text);
    my ($rc, $out) = run_command('gzip', '-n', '-c', $path);
    unlink $path;
    return $out;
}

# --- server-side includes ------------------------------------------------------

my $page = "<p>$some <!--#echo var=\"QUERY_STRING\" --></p>\n";
my %ssi = (
    # Folder => [configuration, date of the response, parsed].
    'plain' => ["AddOutputFilter INCLUDES html", undef, 1],
    'type' => ["AddOutputFilterByType INCLUDES text/html", undef, 1],
    'bit-off' => ['XBitHack Off', 'own', 0],
    'bit-on' => ['XBitHack On', undef, 1],
    'bit-full' => ['XBitHack Full', 'mtime', 1],
    'bit-full-none' => ['XBitHack Full', undef, 1],
    'bit-none' => ['XBitHack Full', 'own', 0],
    'last' => ["AddOutputFilter INCLUDES html\nSSILastModified On", 'some',
        1],
    'last-off' => ["AddOutputFilter INCLUDES html\nSSILastModified Off",
        undef, 1],
    'tag' => ["AddOutputFilter INCLUDES html\nSSIETag On", undef, 1],
    'tag-last' => ["AddOutputFilter INCLUDES html\nSSIETag On\n"
        . 'SSILastModified On', 'some', 1],
);
my %mode = ('bit-off' => 0755, 'bit-on' => 0744, 'bit-full' => 0755,
    'bit-full-none' => 0744, 'bit-none' => 0644, 'bit-later' => 0644);
$ssi{'bit-later'} = ['XBitHack On', 'own', 0];

my $includes = start_around('filters-ssi', {}, sub {
    my $server = shift;
    my $docs = $server->docs;
    for my $name (keys %ssi) {
        my $path = spew($server->docs("$name/a.html"), $page);
        stamp($path, $mtime);
        chmod $mode{$name} || 0644, $path;
    }
    settle();
    return "<Directory \"$docs\">\nOptions +Includes\n</Directory>\n" . join
        '', map { "<Directory \"$docs/$_\">\n$ssi{$_}[0]\n</Directory>\n" }
        sort keys %ssi;
});
$c = $includes->client;
for my $name (sort keys %ssi) {
    my ($conf, $date, $parsed) = @{$ssi{$name}};
    my $url = "/$name/a.html";
    my ($one, $two) = map { $c->get("$url?$_") } 'one', 'two';
    my $what = "mod_include, $name";
    unless ($parsed) {
        is($one->{body}, $page, "$what: not parsed");
        is(tag_in($one), tag_of($page), "$what: with its tag");
        not_modified($c, $url, $one, $_, "$what: not modified by $_")
            for 'tag';
        next;
    }
    ok($one->{body} ne $two->{body} && $one->{body} =~ /\bone</,
        "$what: parsed");
    ok(!strong(tag_in($one)), "$what: no strong tag") or diag(tag_in($one));
    if ($name =~ /^tag/) {
        ok(weak(tag_in($one)), "$what: a weak tag, since it is said that the"
            . ' page follows from the file');
        not_modified($c, "$url?one", $one, 'tag', "$what: not modified by"
            . ' it');
    }
    else {
        is(tag_in($one), 'none', "$what: no tag at all");
    }
    my $got = $one->{h}{'last-modified'};
    my %fits = (none => !defined $got, mtime => ($got || '')
        eq http_date($mtime), some => defined $got);
    ok($fits{$date || 'none'}, "$what: the date that mod_include says")
        or diag($got);
    for my $tag ('"any"', tag_of($page), tag_of($one->{body})) {
        is($c->get("$url?two", 'If-None-Match' => $tag)->{status}, 200,
            "$what: not found to be unchanged by $tag");
    }
    my $res = $c->get($url, 'If-Modified-Since' => $got
        || http_date(time + 5));
    is($res->{status}, defined $got ? 304 : 200, "$what: by a date "
        . (defined $got ? 'not modified' : 'it is sent'));
    is($c->get($url, 'If-None-Match' => '*')->{status}, 304,
        "$what: * names it") if module_loaded();
}
# The bit that makes a file one to be parsed.
{
    my $url = '/bit-later/a.html';
    my $full = $c->get($url);
    is(tag_in($full), tag_of($page), 'a file that is not executable has its'
        . ' tag');
    my @held = validators_of($full, 'tag');
    is($c->get($url, @held)->{status}, 304, 'and is not modified');
    chmod 0755, $includes->docs('bit-later/a.html');
    my $res = $c->get("$url?now", @held);
    ok($res->{status} == 200 && $res->{body} =~ /\bnow</ && !strong(tag_in(
        $res)), 'made executable under XBitHack, it is parsed at once');
    $res = $c->get($url, @held);
    ok($res->{status} == 200 && !strong(tag_in($res)), 'and not answered by'
        . ' what was known of it');
    chmod 0644, $includes->docs('bit-later/a.html');
    $res = $c->get($url);
    is(tag_in($res), tag_of($page), 'no more executable, it has its tag'
        . ' again');
}
$includes->stop;

# --- filters in Lua, and mod_xml2enc ------------------------------------------

{
    my $lua = start_around('filters-lua', { 'upper/a.txt' => $some,
        'upper/b.txt' => $many, 'pass/a.txt' => $some,
        'enc/a.txt' => "caf\xe9\n$some" }, sub {
        my $server = shift;
        my $docs = $server->docs;
        my $script = spew("$server->{root}/filter.lua", <<'END');
function upper(r)
    coroutine.yield()
    while bucket do
        coroutine.yield(string.upper(bucket))
    end
    coroutine.yield("")
end

function counted(r)
    coroutine.yield("seen at " .. r:clock() .. "\n")
    while bucket do
        coroutine.yield(bucket)
    end
    coroutine.yield("")
end
END
        return load_modules('lua', 'xml2enc', 'proxy_html') . <<"END";
LuaOutputFilter LUPPER "$script" upper
LuaOutputFilter LCOUNTED "$script" counted
<Directory "$docs/upper">
    SetOutputFilter LUPPER
</Directory>
<Directory "$docs/pass">
    SetOutputFilter LCOUNTED
</Directory>
<Directory "$docs/enc">
    ProxyHTMLEnable On
    xml2EncDefault iso-8859-1
    AddDefaultCharset Off
</Directory>
<IfModule mod_validators.c>
    ValidatorsQuickHandler On
</IfModule>
END
    });
    my $c = $lua->client;
    for my $url ('/upper/a.txt', '/upper/b.txt', '/pass/a.txt') {
        my $full = $c->get($url);
        ok($full->{status} == 200 && $full->{body} !~ /^a word/,
            "mod_lua, $url: sent as the filter makes it");
        ok(!strong(tag_in($full)), "mod_lua, $url: no strong tag")
            or diag(tag_in($full));
        for my $kind ('tag', 'date') {
            my $id = new_id();
            my $res = $c->get($url, 'X-Id' => $id, $kind eq 'tag'
                ? ('If-None-Match' => tag_of($url =~ /b/ ? $many : $some))
                : ('If-Modified-Since' => http_date($mtime)));
            is("$res->{status} " . note_from($lua, $id),
                '200 declined-filter', "mod_lua, $url: sent to who has the"
                . " file's $kind");
        }
    }
    my $full = $c->get('/enc/a.txt');
    ok($full->{body} =~ /^caf\xc3\xa9\n/, 'mod_xml2enc: sent in another'
        . ' charset') or diag(substr $full->{body}, 0, 9);
    ok(!strong(tag_in($full)), 'mod_xml2enc: no strong tag')
        or diag(tag_in($full));
    is($c->get('/enc/a.txt', 'If-None-Match' => tag_of("caf\xe9\n$some"))
        ->{status}, 200, 'mod_xml2enc: the tag of the file is none of the'
        . ' response\'s');
    $lua->stop;
}

done_testing();
