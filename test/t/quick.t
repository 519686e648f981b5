# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What the quick handler says, for how long, and to whom.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Test;

my $old = 1_560_000_000;
my $text = join '', map { "row $_ of a page that is answered early\n" } 1 .. 60;
my @more = qw(Access-Control-Allow-Origin);
my $c = client('quick');
my $log = top() . '/logs/vld_log';

sub file
{
    my ($path, $content) = @_;
    stamp(spew(docs("quick/$path"), defined $content ? $content : $text),
        $old);
    return '/' . $path;
}

# The second conditional request, its note among the fields as :note.
sub second
{
    my ($client, $url, @fields) = @_;
    my ($id, $res);
    for (1 .. 2) {
        $id = new_id();
        $res = $client->get($url, @fields, 'X-Id' => $id);
    }
    $res->{note} = note_of($id) || 'not logged';
    return $res;
}

sub quickly
{
    my ($client, $url, $full, $kind, $what, @fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @held = validators_of($full, $kind);
    my $res = second($client, $url, @held, @fields);
    is("$res->{status} $res->{note}", '304 quick', "$what: a quick 304");
    is(same_fields($full, $res, @more) . other_fields($full, $res), '',
        "$what: says what the 200 says");
    return $res;
}

# Fields of a 304 that the 200 had otherwise, or not at all.
sub other_fields
{
    my ($full, $res) = @_;
    my @wrong = grep { !/^(?:date|expires|connection|keep-alive|upgrade)$/
        && (!defined $full->{h}{$_} || $full->{h}{$_} ne $res->{h}{$_}) }
        sort keys %{$res->{h}};
    return join ' ', map { "$_: $res->{h}{$_};" } @wrong;
}

# Fields from every place that sets them.
{
    my $url = file('fields/page.css');
    my $htaccess = file('htaccess/page.css');
    spew(docs('quick/htaccess/.htaccess'), "Header set X-Own htaccess\n"
        . "Header set Cache-Control max-age=11\n");
    scan(docs('quick'));
    for my $u ($url, $htaccess) {
        my $full = $c->get($u);
        quickly($c, $u, $full, $_, "$u by $_") for kinds();
        my $res = second($c, $u, validators_of($full, 'tag'));
        my %lines;
        $lines{lc $_->[0]}++ for @{$res->{lines}};
        is_deeply([grep { $lines{$_} > 1 } sort keys %lines], [],
            "$u: no field of the quick 304 stands there twice")
            unless $full->{h}{'cache-control'} =~ /public/;
        ok(!defined $res->{h}{'content-encoding'}
            && ($res->{h}{'content-length'} || 0) == 0
            && defined $res->{h}{date}, "$u: with Date, without a body's"
            . ' fields');
        is($res->{h}{'cache-control'}, $full->{h}{'cache-control'},
            "$u: Cache-Control is as it was") if module_loaded();
        if (defined $full->{h}{expires}) {
            my $day = $res->{h}{expires} || '';
            like($day, qr/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/,
                "$u: Expires is there");
        }
        $res = $c->head($u, validators_of($full, 'both'), 'X-Id' =>
            (my $id = new_id()));
        is($res->{status}, 304, "$u: HEAD is not modified");
        noted($id, qr/^quick$/, "$u: quickly");
    }
    # A 200 that follows is whole.
    my $again = $c->get($url);
    is($again->{body}, $text, 'a full request after quick 304s gets all');
    is($again->{h}{'x-own'}, 'directory', 'with its own fields')
        if module_loaded();
}

# Codings.
{
    my $url = file('coded/page.css');
    settle();
    my %full = map { $_ => $c->get($url, 'Accept-Encoding' => $_) }
        qw(identity gzip br);
    my %tag = map { $_ => $full{$_}{h}{etag} || 'none' } keys %full;
    is(scalar(keys %{{reverse %tag}}), 3, 'each coding has its own tag')
        or diag(explain(\%tag));
    for my $have (sort keys %tag) {
        for my $want (sort keys %tag) {
            my $res = second($c, $url, 'If-None-Match' => $tag{$have},
                'Accept-Encoding' => $want);
            my $what = "holds $have, accepts $want";
            if ($have eq $want) {
                is("$res->{status} $res->{note}", '304 quick', "$what: a quick"
                    . ' 304');
                is(same_fields($full{$want}, $res), '', "$what: which says"
                    . ' what the 200 says');
                next;
            }
            is($res->{status}, 200, "$what: sent in full");
            is($res->{h}{'content-encoding'} || 'identity', $want,
                "$what: in its coding") if module_loaded();
        }
        my $res = second($c, $url, 'If-None-Match' => join(', ',
            map { $tag{$_} } sort keys %tag), 'Accept-Encoding' => $have);
        is("$res->{status} " . ($res->{h}{etag} || ''), "304 $tag{$have}",
            "holds all, accepts $have: told which one");
    }
}

# Variants by another field.
{
    my $url = file('origin/page.css');
    settle();
    my %full = map { $_ => $c->get($url, Origin => "https://$_") } qw(a b);
    for my $o (qw(a b a)) {
        my $res = quickly($c, $url, $full{$o}, 'tag', "origin $o",
            Origin => "https://$o");
        is($res->{h}{'access-control-allow-origin'}, "https://$o",
            "origin $o is told its own name");
    }
    my $full = $c->get($url);
    my $res = quickly($c, $url, $full, 'tag', 'no origin');
    is($res->{h}{'access-control-allow-origin'}, undef,
        'and who names none is told none');
}

# Queries.
{
    my $url = file('query/page.css');
    settle();
    my %full = map { $_ => $c->get("$url?$_") } qw(v=1 v=2);
    for my $q (qw(v=1 v=2 v=1)) {
        my $res = quickly($c, "$url?$q", $full{$q}, 'tag', "query $q");
        is($res->{h}{'cache-control'}, $q, "query $q: the 304 is that"
            . " query's");
    }
    my $id = new_id();
    my $res = $c->get("$url?v=3", 'If-None-Match' => $full{'v=1'}{h}{etag},
        'X-Id' => $id);
    is($res->{h}{'cache-control'}, 'v=3', 'a query that is seen first gets its own');
    noted($id, qr/^(?!quick$)\w/, 'by the full path');
}

# Virtual hosts and the spelling of their names.
{
    my $url = file('hosts/page.css', "the first host's $text");
    stamp(spew(docs('quick2/hosts/page.css'), "the second host's $text"),
        $old);
    settle();
    my $port = port_of('quick');
    my %full = map { $_ => $c->get($url, Host => $_) }
        ('one.test', 'two.test');
    isnt($full{'one.test'}{h}{etag}, $full{'two.test'}{h}{etag},
        'two virtual hosts have two contents') if module_loaded();
    for my $host (qw(one.test two.test)) {
        my @held = validators_of($full{$host}, 'tag');
        for my $spelling ($host, uc $host, "$host:$port", "$host.") {
            my $res = second($c, $url, @held, Host => $spelling);
            is("$res->{status} $res->{note}", '304 quick',
                "Host: $spelling: a quick 304");
            is($res->{h}{'cache-control'}, $full{$host}{h}{'cache-control'},
                "Host: $spelling: that host's");
        }
        my ($other) = grep { $_ ne $host } keys %full;
        is(second($c, $url, @held, Host => $other)->{status}, 200,
            "the tag of $host is none of $other");
    }
    my $res = second($c, "http://two.test$url", validators_of(
        $full{'two.test'}, 'tag'), Host => 'one.test');
    is($res->{status}, 304, 'an absolute target names the host');
    $res = second($c, "http://two.test$url", validators_of(
        $full{'one.test'}, 'tag'), Host => 'two.test');
    is($res->{status}, 200, 'and no other host\'s answer is given');
}

# Spellings of the path: whatever they name, the 304 is true.
{
    my $url = file('paths/a b/page.css');
    settle();
    my $tag = $c->get('/paths/a%20b/page.css')->{h}{etag} || '"none"';
    for my $path ('/paths/a%20b/page.css', '/paths/%61%20b/page.css',
        '/paths//a%20b/page.css', '/paths/./a%20b/page.css',
        '/x/../paths/a%20b/page.css', '/paths/a%20b/page.css?')
    {
        my $res = second($c, $path, 'If-None-Match' => $tag);
        is($res->{status}, 304, "$path is not modified") if module_loaded();
    }
    for my $path ('/paths/a%20b/page.css/', '/paths/a%20b/page.css%00',
        '/paths/a%20b/page.css/more', '/paths/a%2520b/page.css',
        '/paths/a%20b/PAGE.css', '/paths/a%20b/')
    {
        my $res = second($c, $path, 'If-None-Match' => $tag);
        isnt($res->{status}, 304, "$path is another resource");
    }
}

# How long.
{
    my $url = file('ttl/page.css');
    settle();
    my $full = $c->get($url);
    quickly($c, $url, $full, 'tag', 'before the answer is too old');
    my @held = validators_of($full, 'tag');
    select undef, undef, undef, 2.7;
    my $id = new_id();
    my $res = $c->get($url, @held, 'X-Id' => $id);
    is($res->{status}, 304, 'an answer that is too old: still not modified');
    noted($id, qr/^(?!quick$)\w/, 'but by the full path');
    $id = new_id();
    $c->get($url, @held, 'X-Id' => $id);
    noted($id, qr/^quick$/, 'which prepares it anew');
    # Answers are not kept alive by being given.
    my %word;
    my $end = Time::HiRes::time() + 6.5;
    while (Time::HiRes::time() < $end) {
        $id = new_id();
        $c->get($url, @held, 'X-Id' => $id);
        $word{note_of($id) || ''}++;
        select undef, undef, undef, 0.2;
    }
    cmp_ok(($word{304} || 0), '>=', 2, 'an answer that is asked for all the'
        . ' time is still renewed when it is too old')
        or diag(explain(\%word));
    cmp_ok($word{quick} || 0, '>', 10, 'and given in between');
}

# How closely files are looked at.
{
    my %verify = (strict => 200, mtime => 304, none => 304);
    for my $verify (sort keys %verify) {
        my $url = file("verify/$verify/page.css");
        my $path = docs("quick/verify/$verify/page.css");
        settle();
        my $full = $c->get($url);
        quickly($c, $url, $full, 'tag', "ValidatorsVerify $verify");
        my @held = validators_of($full, 'tag');
        (my $new = $text) =~ tr/a-z/b-za/;
        $c->get($url); # the answer is as young as can be
        stamp(spew($path, $new), $old);
        is($c->get($url, @held)->{status}, $verify{$verify},
            "ValidatorsVerify $verify: another content, same size and mtime");
        stamp(spew($path, $text), $old);
        settle();
        $c->get($url);
        stamp(spew($path, "longer $new"), $old + 5);
        is($c->get($url, @held)->{status}, $verify eq 'none' ? 304 : 200,
            "ValidatorsVerify $verify: another size and mtime");
        select undef, undef, undef, 2.7;
        is($c->get($url, @held)->{status}, 200, "ValidatorsVerify $verify:"
            . ' when the answer is too old') unless $verify eq 'mtime';
    }
}

# Off in a folder below.
{
    my $url = file('fields/off/page.css');
    settle();
    my $full = $c->get($url);
    my $res = second($c, $url, validators_of($full, 'tag'));
    is("$res->{status} $res->{note}", '304 replay', 'switched off for a'
        . ' folder below, the quick handler leaves it to fixups');
    my $other = file('fields/nothing/page.css');
    settle();
    $full = $c->get($other);
    $res = second($c, $other, 'If-None-Match' => $full->{h}{etag} || '""');
    is($res->{note}, '-', 'switched off for a folder below, the engine leaves'
        . ' it alone');
}

# A change is seen at once, by tag and by date.
{
    my $url = file('change/page.css');
    my $big = file('change/big.css', $text x 60);
    scan(docs('quick/change'));
    for my $u ($url, $big) {
        my $full = $c->get($u);
        quickly($c, $u, $full, 'both', "before the change of $u");
        (my $new = $full->{body}) =~ tr/a-z/b-za/;
        stamp(spew(docs("quick$u"), $new), $old);
        for my $kind (kinds()) {
            my $res = $c->get($u, validators_of($full, $kind));
            is($res->{status} . ($res->{body} eq $new ? ' new' : ' old'),
                '200 new', "$u: changed with the same size and mtime, it is"
                . " sent at once to who sends $kind");
        }
    }
}

done_testing();
