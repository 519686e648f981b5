# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Work that clients could make the server do for nothing: origins that are made
# up do not push answers out of their table, and a listing of a folder has its
# files hashed once, not each time.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Server ();
use Vld::Test;

plan skip_all => 'without the module there is nothing to be done'
    unless module_loaded();

my $old = 1_560_000_000;
my $files = 300;

sub start
{
    my ($name, $text, $prepare) = @_;
    return Vld::Server->start(name => "idle-$name", prepare => $prepare,
        conf => sub {
            my $s = shift;
            my $docs = $s->docs;
            return load_modules('dav', 'dav_fs') . <<"END";
DavLockDB "$s->{root}/logs/davlock"
ValidatorsAnswerTTL 60
<Directory "$docs">
    Require all granted
    ValidatorsEngine On
    ValidatorsQuickHandler On
</Directory>
<Directory "$docs/dav">
    Dav On
</Directory>
$text
END
    });
}

# The note of a second conditional request.
sub note_for
{
    my ($server, $url, $full, @fields) = @_;
    my $id = new_id();
    my $res = $server->client->get($url, 'If-None-Match' => $full->{h}{etag},
        @fields, 'X-Id' => $id);
    return "$res->{status} " . note_of($id, $server->log_path);
}

# --- origins ----------------------------------------------------------------------

my $page = sub { stamp(spew($_[0]->docs($_), "a page\n" x 40), $old)
    for qw(page.css granted.css) };
{
    my $server = start('origins', '', $page);
    settle();
    my $c = $server->client;
    my $full = $c->get('/page.css');
    is(note_for($server, '/page.css', $full), '304 quick',
        'an answer is remembered');
    $c->get('/page.css', Origin => "https://$_.made-up.test") for 1 .. 100;
    is(note_for($server, '/page.css', $full), '304 quick',
        'and is still after a hundred made-up origins');
    is(note_for($server, '/page.css', $full, Origin => 'https://new.test'),
        '304 quick', 'and is one for all origins');
    $server->stop;
}

# Where a rule asks, or a grant is made, an answer is for one origin.
for my $case (
    ['a rule', 'SetEnvIf Origin "^https://good\.test$" GOOD
        Header set Access-Control-Allow-Origin https://good.test env=GOOD'],
    ['a grant to all', '<Files granted.css>
        Header set Access-Control-Allow-Origin *
        </Files>'],
    ['an expression', 'Header set Access-Control-Allow-Origin '
        . 'https://good.test "expr=%{req:Origin} == \'https://good.test\'"'])
{
    my ($what, $text) = @$case;
    my $server = start($what =~ s/\W/-/gr, $text, $page);
    settle();
    my %origin = (good => 'https://good.test', bad => 'https://bad.test',
        none => undef);
    my %full = map { $_ => $server->client->get('/granted.css',
        Origin => $origin{$_}) } sort keys %origin;
    for my $round (1, 2) {
        for my $who (sort keys %origin) {
            my $res = $server->client->get('/granted.css',
                'If-None-Match' => $full{$who}{h}{etag},
                Origin => $origin{$who});
            is("$res->{status} "
                . ($res->{h}{'access-control-allow-origin'} || 'none'),
                '304 ' . ($full{$who}{h}{'access-control-allow-origin'}
                    || 'none'), "$what: $who gets its own grant ($round)");
        }
    }
    $server->stop;
}

# --- listings ------------------------------------------------------------------------

{
    my $server = start('listing', '', sub {
        my $s = shift;
        stamp(spew($s->docs('dav', "$_.txt"), "file $_\n" x 500), $old)
            for 1 .. $files;
    });
    settle();
    my $tags = sub {
        my $res = $server->client->request('PROPFIND', '/dav/', Depth => 1,
            ':body' => '<?xml version="1.0"?><propfind xmlns="DAV:"><prop>'
            . '<getetag/></prop></propfind>');
        my %tag;
        while ($res->{body} =~ m{<\w*:?href[^>]*>[^<]*?(\d+)\.txt</.*?
            getetag[^>]*>([^<]*)<}gsx) {
            $tag{$1} = $2 =~ s/&quot;/"/gr;
        }
        return \%tag;
    };
    my $first = $tags->();
    is(scalar keys %$first, $files, 'a listing has a tag for each file');
    is($first->{7}, tag_of("file 7\n" x 500), 'that of its content');
    local $ENV{VLD_INDEX} = $server->index_path;
    ok(defined seconds_until(20, sub {
        (my $out = (tool('list', $server->docs))[1]) or return;
        return (() = $out =~ /\.txt$/mg) == $files || $tags->() && 0;
    }), 'after which they are in the index');
    is_deeply($tags->(), $first, 'and the next listing says the same');
}
done_testing;
