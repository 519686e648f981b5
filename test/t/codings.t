# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Content codings: each has a tag of its own and is not modified by it, in
# whichever way it was asked for; what is decided is not compressed; files that
# were compressed before are files like others.
use strict;
use warnings;
use Digest::MD5 ();
use List::Util ();
use Test::More;
use Vld::Around;
use Vld::Test;

my $css = join '', map { ".row-$_ { color: #" . substr(Digest::MD5::md5_hex($_),
    0, 6) . " }\n" } 1 .. 90;
my $sheet = join '', map { "$_ $css" } 1 .. 80;
my $suffix = { '' => '', gzip => 'gzip', br => 'br' };

# What each way can make, the one that is preferred first.
my %ways = (
    'bytype' => ['br', 'gzip'],
    'bytype-gzip' => ['gzip'],
    'set-gzip' => ['gzip'],
    'set-br' => ['br'],
    'set-both' => ['br', 'gzip'],
    'add-gzip' => ['gzip'],
    'add-br' => ['br'],
    'chain' => ['br', 'gzip'],
    'chain-resource' => ['gzip'],
    'htaccess-bytype' => ['br', 'gzip'],
    'htaccess-set' => ['gzip'],
    'htaccess-chain' => ['gzip'],
    'if' => ['gzip'],
    'none' => [],
);

# What a client says that it accepts, and what of it httpd knows.
my %clients = (
    'says nothing' => [undef],
    'accepts gzip' => ['gzip', 'gzip'],
    'accepts br' => ['br', 'br'],
    'accepts gzip and br' => ['gzip, deflate, br', 'gzip', 'br'],
    'accepts neither' => ['deflate, zstd'],
    'refuses gzip' => ['gzip;q=0'],
    'refuses both' => ['br;q=0, gzip;q=0.0'],
    'refuses identity' => ['identity;q=0'],
    'accepts gzip, refuses identity' => ['gzip, identity;q=0', 'gzip'],
    'accepts gzip a little' => ['gzip;q=0.1', 'gzip'],
);

sub coding_of
{
    my ($way, $client) = @_;
    my ($value, @known) = @{$clients{$client}};
    my %known = map { $_ => 1 } @known;
    return (List::Util::first { $known{$_} } @{$ways{$way}}) || '';
}

my %htaccess = (
    'htaccess-bytype' => "AddOutputFilterByType BROTLI_COMPRESS;DEFLATE"
        . " text/css\n",
    'htaccess-set' => "SetOutputFilter DEFLATE\n",
    'htaccess-chain' => "FilterDeclare small CONTENT_SET\n"
        . "FilterProvider small DEFLATE \"%{CONTENT_TYPE} =~ m#^text/#\"\n"
        . "FilterChain small\n",
);

my %files;
for my $way (keys %ways) {
    $files{"$way/small.css"} = $css;
    $files{"$way/large.css"} = $sheet;
    $files{"$way/later.css"} = $css;
    $files{"$way/.htaccess"} = $htaccess{$way} if $htaccess{$way};
}
for my $alter (qw(suffix same gone)) {
    $files{"$alter/$_.css"} = $css for qw(gzip br);
    $files{"$alter/large.css"} = $sheet;
}

my $conf = sub {
    my $server = shift;
    my $docs = $server->docs;
    my $here = "127.0.0.1:$server->{port}";
    return <<"END";
<Directory "$docs">
    AllowOverride All
</Directory>
<Directory "$docs/bytype">
    AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/html text/css
</Directory>
<Directory "$docs/bytype-gzip">
    AddOutputFilterByType DEFLATE text/css
</Directory>
<Directory "$docs/set-gzip">
    SetOutputFilter DEFLATE
</Directory>
<Directory "$docs/set-br">
    SetOutputFilter BROTLI_COMPRESS
</Directory>
<Directory "$docs/set-both">
    SetOutputFilter BROTLI_COMPRESS;DEFLATE
</Directory>
<Directory "$docs/add-gzip">
    AddOutputFilter DEFLATE css
</Directory>
<Directory "$docs/add-br">
    AddOutputFilter BROTLI_COMPRESS css
</Directory>
<Directory "$docs/chain">
    FilterDeclare first CONTENT_SET
    FilterProvider first BROTLI_COMPRESS "%{CONTENT_TYPE} =~ m#^text/css#"
    FilterDeclare second CONTENT_SET
    FilterProvider second DEFLATE "%{CONTENT_TYPE} =~ m#^text/css#"
    FilterChain first second
</Directory>
<Directory "$docs/chain-resource">
    FilterDeclare plain
    FilterProvider plain DEFLATE "%{CONTENT_TYPE} =~ m#^text/css#"
    FilterChain plain
</Directory>
<Directory "$docs/if">
    <If "%{CONTENT_TYPE} == 'text/css' || %{REQUEST_URI} =~ /css\$/">
        SetOutputFilter DEFLATE
    </If>
</Directory>
<Directory "$docs/private">
    Header set Cache-Control private
</Directory>
<IfModule mod_validators.c>
    <Directory "$docs/quick">
        ValidatorsQuickHandler On
    </Directory>
    <Directory "$docs/unindexed">
        ValidatorsAutoIndex Off
    </Directory>
</IfModule>
<DirectoryMatch "^$docs/(?:private|quick|replay|unindexed)">
    AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/css
</DirectoryMatch>
<DirectoryMatch "^$docs/(?:suffix|same|gone)">
    AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/css
</DirectoryMatch>
<VirtualHost $here>
    ServerName suffix.test
    ServerAlias 127.0.0.1
    DeflateAlterETag AddSuffix
    BrotliAlterETag AddSuffix
</VirtualHost>
<VirtualHost $here>
    ServerName fast.test
    BrotliCompressionQuality 2
    DeflateCompressionLevel 1
</VirtualHost>
<VirtualHost $here>
    ServerName same.test
    DeflateAlterETag NoChange
    BrotliAlterETag NoChange
</VirtualHost>
<VirtualHost $here>
    ServerName gone.test
    DeflateAlterETag Remove
    BrotliAlterETag Remove
</VirtualHost>
END
};

# A file whose compression costs what can be measured.
my $heavy = join '', map { Digest::MD5::md5_hex($_) . " $_\n" } 1 .. 150_000;
my %answered = (private => '304', replay => 'replay', quick => 'quick');
for my $how (keys %answered, 'unindexed') {
    $files{"$how/page.css"} = $css;
    $files{"$how/sheet.css"} = $sheet;
    $files{"$how/heavy.css"} = $heavy if $how eq 'private';
}

my $server = start_around('codings', \%files, $conf,
    unindexed => ['unindexed']);
my $c = $server->client;

# Every way, every client, both sizes.
for my $way (sort keys %ways) {
    for my $size (qw(small large)) {
        my $body = $size eq 'small' ? $css : $sheet;
        my $url = "/$way/$size.css";
        my %full;
        for my $client (sort keys %clients) {
            my $coding = coding_of($way, $client);
            my $accept = $clients{$client}[0];
            my $what = "$way, $size, a client that $client";
            my $res = represented($c, $url, ['Accept-Encoding' => $accept], {
                body => $body, coding => $coding,
                tag => with_suffix(tag_of($body), $suffix->{$coding}) },
                $what);
            is(scalar(() = ($res->{h}{vary} || '') =~ /Accept-Encoding/gi) > 0,
                @{$ways{$way}} > 0, "$what: Vary names Accept-Encoding"
                . ' where there is a choice');
            $full{$coding} ||= $res;
        }
        is(scalar(keys %{{ map { tag_in($_) => 1 } values %full }}),
            scalar(keys %full), "$way, $size: no two codings have one tag");
        others_tags($url, "$way, $size", \%full);
    }
}

# A client that comes back with another coding's tag.
sub others_tags
{
    my ($url, $what, $full) = @_;
    for my $held (sort keys %$full) {
        for my $accept (sort keys %$full) {
            next if $held eq $accept;
            my @wrong;
            for my $method (qw(GET HEAD)) {
                my $res = $c->request($method, $url,
                    'If-None-Match' => tag_in($full->{$held}),
                    'If-Modified-Since' => $full->{$held}{h}{'last-modified'},
                    'Accept-Encoding' => $accept || undef);
                my $got = $res->{h}{'content-encoding'} || '';
                push @wrong, "$method $res->{status} $got"
                    unless "$res->{status} $got" eq "200 $accept";
            }
            all_right("$what: who holds " . ($held || 'identity')
                . ' and wants ' . ($accept || 'identity') . ' is sent it',
                @wrong);
        }
    }
    my $all = join ', ', map { tag_in($_) } values %$full;
    for my $accept (sort keys %$full) {
        my $res = $c->get($url, 'If-None-Match' => "\"none\", $all",
            'Accept-Encoding' => $accept || undef);
        is("$res->{status} " . tag_in($res), '304 '
            . tag_in($full->{$accept}), "$what: who holds all codings is told"
            . ' which one is selected (' . ($accept || 'identity') . ')');
    }
}

# Each way that an answer is come by: evaluated, after access control, early.
for my $how (sort keys %answered) {
    for my $file (qw(page sheet)) {
        for my $accept ('', 'gzip', 'br') {
            my $url = "/$how/$file.css";
            my $what = "$how, $file, " . ($accept || 'identity');
            my @fields = ('Accept-Encoding' => $accept || undef);
            my $full = $c->get($url, @fields);
            for my $kind (kinds()) {
                for my $method (qw(GET HEAD)) {
                    my $res = twice($server, $c, $method, $url, @fields,
                        validators_of($full, $kind));
                    is("$res->{status} $res->{note} "
                        . same_fields($full, $res), "304 $answered{$how} ",
                        "$what: $method by $kind is answered in this way");
                }
            }
        }
    }
}

# A large file that nobody has read: tags of its identity, suffixes all the
# same.
{
    my %full;
    for my $accept ('', 'gzip', 'br') {
        my $what = 'a large file that is not indexed, '
            . ($accept || 'identity');
        my $tag = promised_tag_of($server->docs('unindexed/sheet.css'));
        my $res = represented($c, '/unindexed/sheet.css',
            ['Accept-Encoding' => $accept || undef], { body => $sheet,
            coding => $accept, tag => with_suffix($tag, $accept) }, $what);
        $full{$accept} = $res;
    }
    others_tags('/unindexed/sheet.css', 'not indexed', \%full);
    my %strong;
    for my $accept ('', 'gzip', 'br') {
        my $what = 'a small file that is not indexed, '
            . ($accept || 'identity');
        $strong{$accept} = represented($c, '/unindexed/page.css',
            ['Accept-Encoding' => $accept || undef], { body => $css,
            coding => $accept, tag => with_suffix(tag_of($css), $accept) },
            $what);
    }
    others_tags('/unindexed/page.css', 'small, not indexed', \%strong);
}

# A change of the content, the times set back.
for my $way (sort keys %ways) {
    my $url = "/$way/later.css";
    my %full = map { $_ => $c->get($url, 'Accept-Encoding' => $_ || undef) }
        '', 'gzip', 'br';
    (my $other = $css) =~ tr/0-9/1-90/;
    my $path = $server->docs("$way/later.css");
    spew($path, $other);
    stamp($path, 1_510_000_000);
    for my $accept (sort keys %full) {
        my $res = $c->get($url, validators_of($full{$accept}, 'both'),
            'Accept-Encoding' => $accept || undef);
        my $body = $res->{status} == 200 ? decoded($res) : '';
        ok($res->{status} == 200 && $body eq $other && tag_in($res)
            ne tag_in($full{$accept}), "$way: changed in its size and time, "
            . 'it is sent again (' . ($accept || 'identity') . ')')
            or diag("$res->{status} " . tag_in($res));
    }
}

# The three settings of DeflateAlterETag and BrotliAlterETag.
my %altered = (
    suffix => sub { with_suffix(@_) },
    same => sub { $_[0] },
    gone => sub { $_[1] eq '' ? $_[0] : undef },
);
for my $alter (sort keys %altered) {
    my @host = (Host => "$alter.test");
    for my $file ("gzip", "br", "large") {
        my $body = $file eq 'large' ? $sheet : $css;
        my $url = "/$alter/$file.css";
        my %full;
        for my $accept ('', 'gzip', 'br') {
            my $tag = $altered{$alter}->(tag_of($body), $accept);
            $full{$accept} = represented($c, $url,
                [@host, 'Accept-Encoding' => $accept || undef], {
                body => $body, coding => $accept, tag => $tag,
                kinds => defined $tag ? [kinds()] : ['date'] },
                "tags are $alter, $file, " . ($accept || 'identity'));
        }
        next unless $alter eq 'gone';
        for my $accept ('gzip', 'br') {
            my $res = $c->get($url, @host, 'Accept-Encoding' => $accept,
                'If-None-Match' => tag_in($full{''}));
            is("$res->{status} " . tag_in($res), '200 none', "tags are gone:"
                . " identity's tag does not answer for $accept ($file)");
        }
    }
}

# One strong tag, one sequence of octets: whole, by ranges, after a failed
# condition, from the first response and later ones.
for my $how (qw(replay quick unindexed bytype set-both chain)) {
    for my $file ($how =~ /replay|quick|unindexed/ ? qw(page sheet)
        : qw(small large))
    {
        for my $accept ('', 'gzip', 'br') {
            one_sequence($_, "/$how/$file.css", $accept)
                for 'suffix.test', 'fast.test';
        }
    }
}

sub one_sequence
{
    my ($host, $url, $accept) = @_;
    my @fields = (Host => $host, 'Accept-Encoding' => $accept || undef);
    my $what = "$host$url, " . ($accept || 'identity');
    my $whole = $c->get($url, @fields);
    my $tag = tag_in($whole);
    my $middle = int(length($whole->{body}) / 2);
    my $again = $c->get($url, @fields, 'If-None-Match' => '"other"');
    is(tag_in($again) . Digest::MD5::md5_hex($again->{body}), $tag
        . Digest::MD5::md5_hex($whole->{body}), "$what: sent again, the same"
        . ' octets have the same tag');
    my @parts = map { $c->get($url, @fields, Range => "bytes=$_",
        'If-Range' => strong($tag) ? $tag : undef) }
        '0-' . ($middle - 1), "$middle-";
    # A coding that passes on what it has before the end comes as a whole.
    my $streamed = $parts[0]{status} == 200;
    my $joined = $streamed ? $parts[1]{body}
        : join '', map { $_->{body} } @parts;
    my $status = $streamed && $host =~ /fast/ ? 200 : 206;
    is(join(' ', map { "$_->{status} " . tag_in($_) } @parts)
        . ($joined eq $whole->{body} ? ' alike' : ' other octets'),
        "$status $tag $status $tag alike", "$what: two halves are the whole");
}

# What is decided is not compressed to its end.
SKIP: {
    skip('there is no /proc', 8) unless -r '/proc/self/stat';
    my $url = '/private/heavy.css';
    for my $coding ('gzip', 'br') {
        my @fields = ('Accept-Encoding' => $coding);
        my $full = $c->get($url, @fields);
        is($full->{h}{'content-encoding'}, $coding,
            "a file of several MB is sent in $coding");
        my @held = validators_of($full, 'both');
        my $before = cpu_seconds($server);
        $c->get($url, @fields);
        my $whole = cpu_seconds($server) - $before;
        cmp_ok($whole, '>', 0.05, "which costs work ($coding)");
        for my $case (['a 304', 304, @held],
            ['a 412', 412, 'If-Match' => '"other"'])
        {
            my ($name, $status, @conditions) = @$case;
            $before = cpu_seconds($server);
            my @got = map { $c->get($url, @fields, @conditions)->{status} }
                1 .. 4;
            my $cost = (cpu_seconds($server) - $before) / 4;
            is_deeply(\@got, [($status) x 4], "it is answered by $name"
                . " ($coding)");
            cmp_ok($cost, '<', $whole / 4, "$name is not compressed to its"
                . " end ($coding)") or diag("$cost of $whole s");
        }
    }
}

$server->stop;

# A chain that takes the tag away, as a recipe that is often copied does: its
# FilterProtocol is the whole server's.
{
    my $server = start_around('codings-recipe', { 'a.css' => $css },
        sub { <<'END' });
FilterDeclare COMPRESS
FilterProvider COMPRESS DEFLATE "%{CONTENT_TYPE} =~ m#^text/#"
FilterChain COMPRESS
FilterProtocol COMPRESS DEFLATE change=yes;byteranges=no
END
    my $c = $server->client;
    for my $accept ('', 'gzip') {
        represented($c, '/a.css', ['Accept-Encoding' => $accept || undef], {
            body => $css, coding => $accept, tag => undef,
            kinds => ['date'] }, 'FilterProtocol change=yes, '
            . ($accept || 'identity'));
    }
    my $res = $c->get('/a.css', 'If-None-Match' => tag_of($css));
    is($res->{status}, 200, 'a tag that FilterProtocol takes away answers for'
        . ' nothing');
}

# The other way that is often copied: the suffix taken off again and put on.
{
    my $server = start_around('codings-edit', { 'a.css' => $css }, <<'END');
AddOutputFilterByType DEFLATE text/css
RequestHeader edit "If-None-Match" "^\"((.*)-gzip)\"$" "\"$1\", \"$2\""
END
    my $c = $server->client;
    for my $accept ('', 'gzip') {
        represented($c, '/a.css', ['Accept-Encoding' => $accept || undef], {
            body => $css, coding => $accept,
            tag => with_suffix(tag_of($css), $accept) },
            'If-None-Match is edited, ' . ($accept || 'identity'));
    }
}

# --- files that were compressed before ----------------------------------------

my %bytes = (
    'app.js' => $sheet, 'app.js.gz' => "gz $sheet", 'app.js.br' => "br $css",
    'only.js.gz' => "only gz $css", 'only.js.br' => "only br $css",
);
my @ways = qw(direct views rewrite rewrite-dir);
my %pre;
for my $way (@ways) {
    $pre{"$way/$_"} = $bytes{$_} for keys %bytes;
}
$pre{'views/lib.js.gz'} = "lib gz $sheet";
$pre{'views/lib.js.br'} = "lib br $sheet";
$pre{"copied/$_"} = $bytes{$_} for keys %bytes;

my $before = start_around('codings-files', \%pre, sub {
    my $docs = $_[0]->docs;
    return <<"END";
AddEncoding gzip .gz
AddEncoding br .br
AddOutputFilterByType DEFLATE application/javascript
<Directory "$docs/views">
    Options +MultiViews
    MultiviewsMatch Any
</Directory>
<Directory "$docs/rewrite-dir">
    RewriteEngine On
    RewriteCond %{HTTP:Accept-Encoding} br
    RewriteCond %{REQUEST_FILENAME}.br -s
    RewriteRule ^(.*)\\.js\$ \$1.js.br [L]
    RewriteCond %{HTTP:Accept-Encoding} gzip
    RewriteCond %{REQUEST_FILENAME}.gz -s
    RewriteRule ^(.*)\\.js\$ \$1.js.gz [L]
</Directory>
<DirectoryMatch "^$docs/rewrite">
    <FilesMatch "\\.js">
        ForceType application/javascript
        Header merge Vary Accept-Encoding
    </FilesMatch>
</DirectoryMatch>
<IfModule mod_validators.c>
    ValidatorsQuickHandler On
</IfModule>
RewriteEngine On
RewriteCond %{HTTP:Accept-Encoding} br
RewriteCond "$docs%{REQUEST_URI}.br" -s
RewriteRule ^(/rewrite/.*)\\.js\$ \$1.js.br [L]
RewriteCond %{HTTP:Accept-Encoding} gzip
RewriteCond "$docs%{REQUEST_URI}.gz" -s
RewriteRule ^(/rewrite/.*)\\.js\$ \$1.js.gz [L]
END
});
$c = $before->client;

# The file that is sent, whatever its coding says.
sub chosen
{
    my ($url, $accept, $content, $coding, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @fields = ('Accept-Encoding' => $accept || undef);
    my $full = $c->get($url, @fields);
    is("$full->{status} " . ($full->{h}{'content-encoding'} || ''),
        "200 $coding", "$what: sent in its coding");
    ok($full->{body} eq $content, "$what: the file as it is");
    is(tag_in($full), tag_of($content), "$what: with its own tag, without a"
        . ' suffix');
    is(difference($full, $c->head($url, @fields)), '',
        "$what: HEAD says the same");
    not_modified($c, $url, $full, $_, "$what: not modified by $_", @fields)
        for kinds();
    return $full;
}

for my $file (sort keys %bytes) {
    my $coding = $file =~ /gz$/ ? 'gzip' : $file =~ /br$/ ? 'br' : '';
    chosen("/direct/$file", $coding, $bytes{$file}, $coding, "$file itself");
}
# A file without a coding of its own is still compressed.
{
    my $res = $c->get('/direct/app.js', 'Accept-Encoding' => 'gzip');
    is(tag_in($res), with_suffix(tag_of($sheet), 'gzip'), 'a file beside them'
        . ' is compressed, with the suffix');
    isnt(tag_in($res), tag_of($bytes{'app.js.gz'}), 'and has not the tag of'
        . ' the file that was compressed before');
}

my %choice = (
    '/views/lib.js' => { gzip => ["lib gz $sheet", 'gzip'],
        br => ["lib br $sheet", 'br'] },
    '/rewrite/app.js' => { '' => [$bytes{'app.js'}, ''],
        gzip => [$bytes{'app.js.gz'}, 'gzip'],
        'br, gzip' => [$bytes{'app.js.br'}, 'br'] },
    '/rewrite-dir/app.js' => { '' => [$bytes{'app.js'}, ''],
        gzip => [$bytes{'app.js.gz'}, 'gzip'],
        'br, gzip' => [$bytes{'app.js.br'}, 'br'] },
);
for my $url (sort keys %choice) {
    my %full;
    for my $accept (sort keys %{$choice{$url}}) {
        my $what = "$url, " . ($accept || 'identity');
        $full{$accept} = chosen($url, $accept, @{$choice{$url}{$accept}},
            $what);
        like($full{$accept}{h}{vary} || '', qr/accept-encoding/i,
            "$what: Vary says so");
    }
    for my $held (sort keys %full) {
        for my $want (grep { $_ ne $held } sort keys %full) {
            my $res = twice($before, $c, 'GET', $url,
                validators_of($full{$held}, 'both'),
                'Accept-Encoding' => $want || undef);
            is("$res->{status} " . tag_in($res), '200 '
                . tag_in($full{$want}), "$url: who holds " . ($held ||
                'identity') . ' and wants ' . ($want || 'identity')
                . ' is sent it');
        }
    }
}
# Where a rule asks for Accept-Encoding, that is part of an answer's key: who
# accepts the same is answered early, and nobody else.
{
    my @fields = ('Accept-Encoding' => 'gzip');
    my $full = $c->get('/rewrite/app.js', @fields);
    my $res = twice($before, $c, 'GET', '/rewrite/app.js', @fields,
        validators_of($full, 'both'));
    is("$res->{status} $res->{note}", '304 quick', 'a file that a rule of'
        . ' mod_rewrite chose by Accept-Encoding is answered early to who'
        . ' accepts the same');
    for my $other ('br', undef) {
        $res = twice($before, $c, 'GET', '/rewrite/app.js',
            'Accept-Encoding' => $other, validators_of($full, 'both'));
        is($res->{status}, 200, 'and not to who accepts ' . ($other || 'none'));
    }
}
# A new file beside the first, and one that goes.
for my $url ('/rewrite/app.js', '/rewrite-dir/app.js') {
    my @fields = ('Accept-Encoding' => 'gzip');
    my $full = $c->get($url, @fields);
    my @held = validators_of($full, 'tag');
    is(twice($before, $c, 'GET', $url, @fields, @held)->{status}, 304,
        "$url: not modified while the compressed file is there");
    my $path = $before->docs($url =~ s{^/}{}r . '.gz');
    rename $path, "$path.old" or die "$path: $!\n";
    my $res = $c->get($url, @fields, @held);
    my $body = $res->{status} == 200 ? decoded($res) : undef;
    ok(defined $body && $body eq $sheet && tag_in($res) eq
        with_suffix(tag_of($sheet), 'gzip'), "$url: compressed on the way"
        . ' as soon as the compressed file is gone')
        or diag("$res->{status} " . tag_in($res));
    spew($path, "new gz $sheet");
    $res = $c->get($url, @fields, @held);
    is("$res->{status} $res->{body}", "200 new gz $sheet", "$url: and a new"
        . ' one is sent') if length $res->{body} < 1e6;
}
$before->stop;

done_testing();
