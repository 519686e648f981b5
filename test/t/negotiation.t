# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Content negotiation: each variant has a valid tag of its own and is not
# modified by it, and the 304 says of the choice what the 200 says.  That
# mod_negotiation chooses right is not tried here.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Around;
use Vld::Test;

my @more = qw(tcn alternates);

sub page
{
    my ($name, $rows) = @_;
    return join '', map { "<p>line $_ of $name</p>\n" } 1 .. $rows || 60;
}

# Variants of every kind, below each of: /plain (replayed after access
# control), /quick (early), /held (never remembered).
my %variants;
$variants{"lang/page.html.$_"} = page("lang $_") for qw(en de fr);
$variants{"lang/long.html.$_"} = page("long $_", 4000) for qw(en de);
$variants{"set/note.html.$_"} = page("charset $_")
    for qw(utf8 latin1);
$variants{'code/doc.html'} = page('code plain');
$variants{'code/doc.html.gz'} = page('code gz');
$variants{'code/doc.html.br'} = page('code br');
$variants{'type/pic.txt'} = page('type text');
$variants{'type/pic.html'} = page('type html');
$variants{'all/all.html.de.latin1'} = page('all de latin1');
$variants{'all/all.html.de.utf8'} = page('all de utf8');
$variants{'all/all.html.en.utf8'} = page('all en utf8');
$variants{'all/all.html.en.utf8.gz'} = page('all en utf8 gz');
$variants{'dir/index.html.en'} = page('index en');
$variants{'dir/index.html.de'} = page('index de');
$variants{'packed/page.html.en'} = page('packed en');
$variants{'packed/page.html.de'} = page('packed de');
$variants{'map/one.en.html'} = page('map en');
$variants{'map/one.de.html'} = page('map de');
$variants{'map/one.fr.gz'} = page('map fr gz');
$variants{'map/one.var'} = <<'END';
URI: one

URI: one.en.html
Content-type: text/html; charset=utf-8
Content-language: en

URI: one.de.html
Content-type: text/html; charset=utf-8
Content-language: de

URI: one.fr.gz
Content-type: text/html
Content-encoding: gzip
Content-language: fr
END
$variants{'map/inside.var'} = <<'END';
Content-language: en
Content-type: text/html
Body:----en----
<p>English, inside the map</p>
----en----

Content-language: de
Content-type: text/html
Body:----de----
<p>German, inside the map</p>
----de----
END

# What is asked for, by whom, and which file is to come.
my @asked = (
    ['lang/page', 'Accept-Language' => [qw(en de fr)], 'lang/page.html.%s'],
    ['lang/page.html', 'Accept-Language' => [qw(en de fr)],
        'lang/page.html.%s'],
    ['lang/long', 'Accept-Language' => [qw(en de)], 'lang/long.html.%s'],
    ['set/note', 'Accept-Charset' => [['utf-8', 'utf8'],
        ['iso-8859-1', 'latin1']], 'set/note.html.%s'],
    ['code/doc', 'Accept-Encoding' => [['', 'html'], ['gzip', 'html.gz'],
        ['br', 'html.br']], 'code/doc.%s'],
    ['type/pic', 'Accept' => [['text/plain', 'txt'], ['text/html', 'html']],
        'type/pic.%s'],
    ['all/all', 'Accept-Language' => [['en', 'en.utf8'], ['de', 'de.utf8']],
        'all/all.html.%s'],
    ['dir/', 'Accept-Language' => [qw(en de)], 'dir/index.html.%s'],
    ['map/one.var', 'Accept-Language' => [qw(en de)], 'map/one.%s.html'],
    ['map/one', 'Accept-Language' => [qw(en de)], 'map/one.%s.html'],
);

my %places = (plain => 'replay', quick => 'quick', held => '304');
my %files;
for my $place (sort keys %places) {
    $files{"$place/$_"} = $variants{$_} for keys %variants;
}
my $common = <<'END';
AddLanguage en .en
AddLanguage de .de
AddLanguage fr .fr
RemoveType .en .de .fr
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
AddCharset utf-8 .utf8
AddCharset iso-8859-1 .latin1
AddEncoding gzip .gz
AddEncoding br .br
AddHandler type-map .var
LanguagePriority en de fr
ForceLanguagePriority Prefer Fallback
DirectoryIndex index.html
END

my $server = start_around('negotiation', \%files, sub {
    my $docs = $_[0]->docs;
    return $common . <<"END";
<Directory "$docs">
    Options +MultiViews
    Header set Cache-Control max-age=7
</Directory>
<DirectoryMatch "^$docs/\\w+/packed">
    AddOutputFilterByType DEFLATE text/html
</DirectoryMatch>
<Directory "$docs/held">
    Header merge Cache-Control private
</Directory>
<IfModule mod_validators.c>
    <Directory "$docs/quick">
        ValidatorsQuickHandler On
    </Directory>
</IfModule>
END
});
my $c = $server->client;

# Plain choices and those that a client asks to be made transparently: with
# these stock httpd's tags lack their closing quote.
for my $place (sort keys %places) {
    for my $asked (@asked) {
        for my $trans (undef, '*') {
            variants_of($place, $asked, $trans);
        }
    }
}

sub variants_of
{
    my ($place, $asked, $trans) = @_;
    my ($path, $field, $choices, $pattern) = @$asked;
    my $url = "/$place/$path";
    my %full;
    for my $choice (@$choices) {
        my ($value, $part) = ref $choice ? @$choice : ($choice, $choice);
        my $content = $variants{sprintf $pattern, $part};
        my $what = "$url, $field " . ($value || 'none')
            . ($trans ? ', transparently' : '');
        my @fields = ($field => $value eq '' ? undef : $value,
            Negotiate => $trans);
        $full{$part} = chosen($url, \@fields, $content, $what);
        $full{$part}{asked} = \@fields;
        next unless $full{$part}{status} == 200;
        in_its_way($place, $url, $full{$part}, $what);
    }
    not_anothers($url, \%full, $trans ? ', transparently' : '');
}

sub chosen
{
    my ($url, $fields, $content, $what) = @_;
    my $full = $c->get($url, @$fields);
    is($full->{status} . ($full->{body} eq $content ? '' : ' other'), 200,
        "$what: the variant is sent") or diag($full->{body});
    is(tag_in($full), tag_of($content), "$what: with the tag of its content");
    ok(defined $full->{h}{vary} && defined $full->{h}{'content-location'}
        || $url =~ m{/$|\.var$}, "$what: with Vary and Content-Location");
    is(difference($full, $c->head($url, @$fields)), '',
        "$what: HEAD says the same");
    for my $kind (kinds()) {
        my @held = validators_of($full, $kind);
        my @wrong;
        for my $method (qw(GET HEAD)) {
            my $res = $c->request($method, $url, @$fields, @held);
            my $other = same_fields($full, $res, 'tcn');
            push @wrong, "$method: $res->{status} $other"
                if $res->{status} != 304 || $other ne '';
        }
        all_right("$what: not modified by $kind, in the words of the 200",
            @wrong);
    }
    return $full;
}

# A type map leads to its variant by an internal redirect, of which nothing
# is remembered.
sub in_its_way
{
    my ($place, $url, $full, $what) = @_;
    my $want = $url =~ /\.var$/ ? '304' : $places{$place};
    my $res = twice($server, $c, 'GET', $url, @{$full->{asked}},
        validators_of($full, 'both'));
    is("$res->{status} $res->{note}", "304 $want", "$what: in the way of its"
        . ' place');
}

sub not_anothers
{
    my ($url, $full, $how) = @_;
    my %tags = map { tag_in($_) => 1 } values %$full;
    is(scalar(keys %tags), scalar(keys %$full), "$url$how: no two variants"
        . ' have one tag');
    for my $held (sort keys %$full) {
        for my $want (grep { $_ ne $held } sort keys %$full) {
            my $res = $c->get($url, @{$full->{$want}{asked}},
                validators_of($full->{$held}, 'both'));
            is("$res->{status} " . tag_in($res), '200 '
                . tag_in($full->{$want}), "$url$how: who holds $held and asks"
                . " for $want is sent it");
        }
    }
}

# Charset, language and coding at once.
for my $place (sort keys %places) {
    my @fields = ('Accept-Language' => 'en', 'Accept-Charset' => 'utf-8',
        'Accept-Encoding' => 'gzip');
    my $full = chosen("/$place/all/all", \@fields,
        $variants{'all/all.html.en.utf8.gz'}, "/$place/all/all, by three"
        . ' fields');
    is($full->{h}{'content-encoding'}, 'gzip', "/$place: in its coding");
    my $vary = lc($full->{h}{vary} || '');
    is_deeply([grep { $vary !~ /\b$_\b/ } qw(accept-language accept-charset
        accept-encoding)], [], "/$place: Vary names all three");
    $full->{asked} = \@fields;
    in_its_way($place, "/$place/all/all", $full, "/$place/all, three fields");
    # Another value of any of them is another question.
    for my $other (['Accept-Language' => 'de', 'all/all.html.de.utf8'],
        ['Accept-Charset' => 'iso-8859-1', undef],
        ['Accept-Encoding' => undef, 'all/all.html.en.utf8'])
    {
        my %fields = (@fields, @$other[0, 1]);
        my $want = $c->get("/$place/all/all", %fields);
        my $res = $c->get("/$place/all/all", %fields,
            validators_of($full, 'both'));
        my $which = $other->[2] ? $variants{$other->[2]} : $want->{body};
        is("$res->{status} " . tag_in($res), '200 ' . tag_of($which),
            "/$place: with another $other->[0] the variant for that is sent");
    }
}

# Negotiation and a coding on the way.
for my $place (sort keys %places) {
    my $url = "/$place/packed/page";
    my %full;
    for my $lang (qw(en de)) {
        for my $coding ('', 'gzip') {
            my $content = $variants{"packed/page.html.$lang"};
            my @fields = ('Accept-Language' => $lang,
                'Accept-Encoding' => $coding || undef);
            my $what = "$url, $lang, " . ($coding || 'identity');
            my $full = represented($c, $url, \@fields, { body => $content,
                coding => $coding, tag => with_suffix(tag_of($content),
                $coding) }, $what);
            like(lc($full->{h}{vary} || ''),
                qr/^(?=.*accept-language)(?=.*accept-encoding)/,
                "$what: Vary names both");
            $full->{asked} = \@fields;
            in_its_way($place, $url, $full, $what);
            $full{"$lang $coding"} = $full;
        }
    }
    not_anothers($url, \%full, '');
}

# What has no validators, or is not a variant.
for my $place (sort keys %places) {
    for my $lang (qw(en de)) {
        my $url = "/$place/map/inside.var";
        my $full = $c->get($url, 'Accept-Language' => $lang);
        ok($full->{status} == 200 && $full->{body} =~ /inside the map/
            && !defined $full->{h}{etag}, "$url: a variant that stands in the"
            . " map itself has no tag ($lang)") or diag(tag_in($full));
        my $id = new_id();
        my $res = $c->get($url, 'Accept-Language' => $lang, 'X-Id' => $id,
            'If-None-Match' => tag_of($variants{'map/inside.var'}));
        is("$res->{status} " . (module_loaded() ? note_from($server, $id)
            : 'declined-handler'), '200 declined-handler', "$url: and is"
            . " always sent ($lang)");
        $res = $c->get($url, 'Accept-Language' => $lang,
            'If-None-Match' => '*');
        is($res->{status}, 304, "$url: also * names it ($lang)")
            if module_loaded();
    }
    my $url = "/$place/lang/page";
    my $en = $c->get($url, 'Accept-Language' => 'en');
    my @held = validators_of($en, 'both');
    my $list = $c->get($url, 'Accept-Language' => 'ja;q=1',
        Negotiate => 'trans', @held, 'If-None-Match' => '*');
    ok($list->{status} == 300 || $list->{status} == 406, "$url: a list of"
        . ' the variants is never not modified') or diag($list->{status});
    my $none = $c->get("/$place/type/pic", Accept => 'image/png;q=1',
        'If-None-Match' => '*', 'If-Modified-Since' => http_date(time));
    is($none->{status}, 406, "/$place/type/pic: 406 is never not modified");
    my $gone = $c->get("/$place/lang/nothing", @held);
    is($gone->{status}, 404, "$url: nor is 404");
}

# Stock's own: the tag of a transparent choice is a valid one.
for my $place (sort keys %places) {
    my $res = $c->get("/$place/lang/page", Negotiate => '*',
        'Accept-Language' => 'de');
    ok(etag_ok($res->{h}{etag}), "/$place: the tag of a transparent choice"
        . ' has its closing quote') or diag(tag_in($res));
    is($res->{h}{tcn}, 'choice', "/$place: and TCN says choice");
    like($res->{h}{vary}, qr/\bnegotiate\b/, "/$place: Vary names negotiate");
}

# A variant that changes in its size and time.
for my $place (sort keys %places) {
    for my $path ('lang/page', 'lang/long', 'map/one.var') {
        my $url = "/$place/$path";
        my @fields = ('Accept-Language' => 'de');
        my $full = $c->get($url, @fields);
        my $file = $path eq 'map/one.var' ? 'map/one.de.html'
            : "$path.html.de";
        (my $other = $variants{$file}) =~ tr/a-y/b-z/;
        stamp(spew($server->docs("$place/$file"), $other), 1_510_000_000);
        for my $kind (kinds()) {
            my @held = validators_of($full, $kind);
            my $res = @held ? $c->get($url, @fields, @held)
                : { status => 0, body => '' };
            ok($res->{status} == 200 && $res->{body} eq $other, "$url: changed"
                . " in its size and time, it is sent again by $kind")
                or diag($res->{status});
        }
    }
}

$server->stop;

# A variant that comes later, and one that goes: after access control at once,
# early when the prepared answer is too old.
my %few = map { ("plain/page.html.$_" => page("few $_"),
    "quick/page.html.$_" => page("few $_")) } 'en', 'fr';
my $few = start_around('negotiation-few', \%few, sub {
    my $docs = $_[0]->docs;
    return $common . <<"END";
<Directory "$docs">
    Options +MultiViews
</Directory>
<IfModule mod_validators.c>
    ValidatorsAnswerTTL 1
    <Directory "$docs/quick">
        ValidatorsQuickHandler On
    </Directory>
</IfModule>
END
});
$c = $few->client;
for my $case (['plain', 0], ['quick', 10]) {
    my ($place, $patience) = @$case;
    my $url = "/$place/page";
    my @fields = ('Accept-Language' => 'de, en;q=0.5');
    # Older than the English one, and newer.
    for my $mtime (1_400_000_000, 1_550_000_000) {
        my $when = "$url, a variant of " . (1900 + (gmtime $mtime)[5]);
        my $full = $c->get($url, @fields);
        is($c->get($url, @fields, validators_of($full, 'tag'))->{status},
            304, "$when: English is not modified while there is no German");
        my $german = page("few de $mtime");
        stamp(spew($few->docs("$place/page.html.de"), $german), $mtime);
        settle();
        sent_by_all($url, $patience, $full, tag_of($german),
            "$when: German is sent when it has come");
        my $other = $c->get($url, @fields);
        unlink $few->docs("$place/page.html.de") or die $!;
        sent_by_all($url, 0, $other, tag_in($full),
            "$when: English again as soon as German is gone");
    }
}

# By tag, by date and by both: the prepared answer is too old when the first
# is answered.
sub sent_by_all
{
    my ($url, $patience, $held, $tag, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $kind (kinds()) {
        my @held = validators_of($held, $kind);
        next unless @held;
        my $res = until_status(200, $patience, $url,
            'Accept-Language' => 'de, en;q=0.5', @held);
        is("$res->{status} " . tag_in($res), "200 $tag", "$what, by $kind")
            or diag("sent: @held");
        $patience = 0;
    }
}

sub until_status
{
    my ($want, $patience, $url, @fields) = @_;
    my $end = Time::HiRes::time() + $patience;
    while (1) {
        my $res = $c->get($url, @fields);
        return $res if $res->{status} == $want
            || Time::HiRes::time() >= $end;
        Time::HiRes::sleep(0.1);
    }
}
$few->stop;

done_testing();
