# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The tag is a promise: every settled file has a strong tag and a date in its
# first answer, however large it is and however it is asked for, and keeps both
# while it does not change: when it is indexed, scanned, touched, and over
# restarts.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

plan skip_all => 'without the module nothing is promised'
    unless module_loaded();

my $old = 1_550_000_000;

# Different octets for each name, `size` of them.
sub content_of
{
    my ($name, $size) = @_;
    my $line = sprintf "%s: a line of a file that nobody has asked for\n", $name;
    return substr $line x ($size / length($line) + 1), 0, $size;
}

my %content = map { my ($n, $s) = @$_; ($n => content_of($n, $s)) }
    (map { ["cold-$_.bin", 65_537 + 1000 * $_] } 1 .. 9),
    ['mega.bin', 1 << 20], ['large.bin', 24 << 20];

sub start
{
    my ($name, $lines, %opt) = @_;
    return Vld::Server->start(name => "promise-$name", %opt, conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
LogLevel info validators:debug
<Directory "$docs">
    Require all granted
    AllowOverride All
    ValidatorsEngine On
    $lines
</Directory>
END
    }, prepare => sub {
        my $s = shift;
        stamp(spew($s->docs($_), $content{$_}), $old) for keys %content;
        $opt{prepare}->($s) if $opt{prepare};
    });
}

my $held_text = content_of('held', 100_000);

sub stamped_by
{
    my ($server, $name) = @_;
    my $path = spew($server->docs($name), $held_text);
    stamp($path, $old);
    settle();
    return $path;
}

# What a response says of the file, apart from its body.
sub said { return join ' ', map { $_ || 'nothing' } @{$_[0]{h}}{'etag', 'last-modified'} }

my $auto = start('auto', 'ValidatorsAutoIndex On 256M 20s');
my $promised = start('promised', 'ValidatorsAutoIndex On 256M 0');
my $small = start('small', 'ValidatorsAutoIndex On 66K');
my $alone = start('alone', 'ValidatorsAutoIndex Off');
settle();

# Processor time, in hundredths of a second, that a server's processes have used.
sub ticks_of
{
    my $sum = 0;
    for my $pid ($_[0]{pid}, children_of($_[0]{pid})) {
        my @stat = split ' ', (slurp("/proc/$pid/stat") =~ /.*\) (.*)/s)[0];
        $sum += $stat[11] + $stat[12];
    }
    return $sum;
}

# --- what can be read in time ---------------------------------------------------

{
    my $before = ticks_of($auto);
    Time::HiRes::sleep(2);
    cmp_ok(ticks_of($auto) - $before, '<', 20,
        'an indexer that has nothing to do does nothing');
}

my $date = http_date($old);
{
    my $c = $auto->client;
    my $tag = sub { tag_of($content{$_[0]}) };
    my %first = (
        'a GET' => ['cold-1.bin', sub { $c->get("/$_[0]") }, 200],
        'a HEAD' => ['cold-2.bin', sub { $c->head("/$_[0]") }, 200],
        'a range' => ['cold-3.bin',
            sub { $c->get("/$_[0]", Range => 'bytes=0-99') }, 206],
        'a GET by another tag' => ['cold-4.bin',
            sub { $c->get("/$_[0]", 'If-None-Match' => '"x"') }, 200],
        'a GET by its tag' => ['cold-5.bin', sub {
            $c->get("/$_[0]", 'If-None-Match' => $tag->($_[0])) }, 304],
        'a GET by a date' => ['cold-6.bin',
            sub { $c->get("/$_[0]", 'If-Modified-Since' => $date) }, 304],
        'a GET that must match' => ['cold-7.bin',
            sub { $c->get("/$_[0]", 'If-Match' => $tag->($_[0])) }, 200],
        'a range by its tag' => ['cold-8.bin', sub {
            $c->get("/$_[0]", Range => 'bytes=0-99',
                'If-Range' => $tag->($_[0])) }, 206],
        'a GET of a megabyte' => ['mega.bin', sub { $c->get("/$_[0]") }, 200],
        'a GET of 24 megabytes' => ['large.bin', sub { $c->get("/$_[0]") },
            200],
    );
    for my $what (sort keys %first) {
        my ($name, $ask, $status) = @{$first{$what}};
        my $res = $ask->($name);
        is($res->{status}, $status, "$what is the first: $status");
        is($res->{h}{etag}, $tag->($name), "$what: the tag of the content");
        is($res->{h}{'last-modified'}, $date, "$what: the date of the file")
            unless $status == 304 && $res->{h}{etag};
        my $again = $c->get("/$name");
        is(said($again), $tag->($name) . " $date", "$what: and so it stays");
        ok($again->{body} eq $content{$name}, "$what: its octets come");
    }
}

# Many at once ask for one file that nobody has asked for.
for my $server ($auto, $promised) {
    my @c = map { $server->client } 1 .. 8;
    $_->connect for @c;
    my $text = $c[0]->request_text('GET', '/cold-9.bin');
    $_->send_text($text) for @c;
    my %said;
    $said{said($_->read_response('GET'))}++ for @c;
    is(scalar keys %said, 1, 'many who ask at once are told the same')
        or diag(explain \%said);
    like((keys %said)[0], qr/^"\S+" \w/, 'a strong tag and a date');
}

# --- what cannot ----------------------------------------------------------------

# A file that changed just now may be growing.
{
    my $path = spew($small->docs('written.bin'), content_of('w', 100_000));
    settle();
    my $res = $small->client->get('/written.bin');
    ok(weak($res->{h}{etag}),
        'nothing is promised of a file that may be growing') or diag(said($res));
    is($res->{h}{'last-modified'}, undef, 'and it has no date');
    stamp($path, time - 61);
    settle();
    $res = $small->client->get('/written.bin');
    ok(strong($res->{h}{etag}), 'a minute later it is') or diag(said($res));
}

my %held;
for my $case (['promised', $promised], ['small', $small], ['alone', $alone]) {
    my ($what, $server) = @$case;
    my $c = $server->client;
    for my $name (qw(mega.bin large.bin)) {
        my $res = $c->get("/$name");
        ok(strong($res->{h}{etag}), "$what: $name: a strong tag at once")
            or diag(said($res));
        isnt($res->{h}{etag}, tag_of($content{$name}),
            "$what: $name: not of the content, which was not read");
        is($res->{h}{'last-modified'}, $date, "$what: $name: and a date");
        ok($res->{body} eq $content{$name}, "$what: $name: its octets");
        $held{$what}{$name} = $res;
        my $part = $c->get("/$name", Range => 'bytes=5-9',
            'If-Range' => $res->{h}{etag});
        is("$part->{status} $part->{body}",
            '206 ' . substr($content{$name}, 5, 5),
            "$what: $name: a download goes on");
        is(said($part), said($res), "$what: $name: with the same validators");
        not_modified($c, "/$name", $res, $_, "$what: $name: by $_") for kinds();
    }
}

# ... and stays when it was read, scanned, touched, and over restarts.
sub stays
{
    my ($what, $server, $when) = @_;
    my $c = $server->client;
    for my $name (sort keys %{$held{$what}}) {
        my $res = $c->get("/$name");
        is(said($res), said($held{$what}{$name}), "$what: $name: $when");
        not_modified($c, "/$name", $held{$what}{$name}, $_,
            "$what: $name: $when: by $_") for kinds();
    }
}

sub digest_in_index
{
    my ($server, $name) = @_;
    my ($status, $out) = tool_of($server, 'list', '--sha256sum');
    return $out =~ /^(?!0{64})\w{64}  \S*\Q$name\E$/m;
}

sub tool_of
{
    my ($server, @args) = @_;
    local $ENV{VLD_INDEX} = $server->index_path;
    return tool(@args);
}

# What the tool says of what was promised alone.
{
    my ($status, $out) = tool_of($small, 'show', $small->docs('mega.bin'));
    is($status, 0, 'show: a promise is fresh') or diag($out);
    like($out, qr/^etag +\Q$held{small}{'mega.bin'}{h}{etag}\E$/m,
        'show: the tag that was sent');
    like($out, qr/^promised +yes/m, 'show: that it is promised');
    like($out, qr/^sha256 +not read yet$/m, 'show: that it was not read');
    ($status, $out) = tool_of($small, '--json', 'show',
        $small->docs('mega.bin'));
    like($out, qr/"sha256":null,"promised":true/, 'the same in JSON');
    ($status, $out) = tool_of($small, 'list', '--sha256sum');
    is($status, 0, 'list --sha256sum ends well');
    unlike($out, qr/  \S+(?:mega|large)\.bin$/m, '... without what was not read');
    like($out, qr/3 files were not read yet and left out/, '... and says so');
    ($status, $out) = tool_of($small, 'verify');
    is($status, 0, 'verify ends well');
    like($out, qr/^unread +\S+mega\.bin$/m, '... and names it');
}

ok(defined seconds_until(30, sub { digest_in_index($promised, 'mega.bin') }),
    'the content is read when there is time');
stays('promised', $promised, 'when it has been read');
for my $case (['promised', $promised], ['small', $small]) {
    my ($what, $server) = @$case;
    my ($status, $out) = tool_of($server, 'scan', $server->docs);
    is($status, 0, "$what: a scan ends well") or diag($out);
    stays($what, $server, 'when it has been scanned');
    utime time, time, $server->docs($_) for keys %{$held{$what}};
    settle();
    ($status, $out) = tool_of($server, 'scan', $server->docs);
    stays($what, $server, 'when it was touched and scanned again');
    $server->graceful;
    Time::HiRes::sleep(0.5);
    stays($what, $server, 'after a graceful restart');
}

# Another host, or this one before the promise, has the tag of the content.
{
    my $c = $promised->client;
    my $tag = tag_of($content{'mega.bin'});
    my $res = $c->get('/mega.bin', 'If-None-Match' => $tag);
    is("$res->{status} $res->{h}{etag}", "304 $tag",
        'the tag of the content is as good, and comes back');
    $res = $c->get('/mega.bin', Range => 'bytes=0-0', 'If-Range' => $tag);
    is("$res->{status} $res->{h}{etag}", "206 $tag", 'in If-Range too');
    $res = $c->get('/mega.bin', 'If-Match' => $tag);
    is("$res->{status} $res->{h}{etag}", "200 $tag", 'and in If-Match');
    $res = $c->get('/mega.bin', 'If-None-Match' => tag_of('another'));
    is("$res->{status} " . said($res), '200 ' . said($held{promised}{'mega.bin'}),
        'that of another content is not');
}

# A manifest carries promises to another index, but not over what stands there.
{
    my $server = $promised;
    my ($status, $out) = tool_of($server, 'export');
    like($out, qr/^# of=\w+ .* seed=\w{32}$/m, 'export: the seed');
    my $manifest = spew("$server->{root}/manifest", $out);
    for my $name (qw(new known)) {
        mkdir "$server->{root}/$name" or die $!;
        mkdir "$server->{root}/$name/index" or die $!;
        local $ENV{VLD_INDEX} = "$server->{root}/$name/index/validators.mdb";
        tool('scan', $server->docs) if $name eq 'known';
        ($status, $out) = tool('import', $manifest);
        is($status, 0, "$name: import ends well") or diag($out);
        ($status, $out) = tool('show', $server->docs('mega.bin'));
        my ($tag) = $out =~ /^etag +(\S+)$/m;
        is($tag, $name eq 'new' ? $held{promised}{'mega.bin'}{h}{etag}
            : tag_of($content{'mega.bin'}), "import: the tag in a $name index");
        my ($date) = $out =~ /^last-modified +(.+)$/m;
        is($date, $held{promised}{'mega.bin'}{h}{'last-modified'},
            'import: and the date') if $name eq 'new';
    }
}

# Where nothing may be recorded, the promise holds until the next scan; who
# holds its tag then is not sent the content again.
{
    my ($status, $out) = tool_of($alone, 'scan', $alone->docs);
    is($status, 0, 'alone: a scan ends well') or diag($out);
    my $c = $alone->client;
    my $res = $c->get('/mega.bin');
    is($res->{h}{etag}, tag_of($content{'mega.bin'}),
        'alone: then the tag is that of the content');
    not_modified($c, '/mega.bin', $held{alone}{'mega.bin'}, $_,
        "alone: who holds the promised one: by $_") for qw(tag both);
    $res = $c->get('/mega.bin', validators_of($held{alone}{'mega.bin'}, 'date'));
    is("$res->{status} $res->{h}{etag}", '304 ' . tag_of($content{'mega.bin'}),
        'alone: who holds its date alone is told the new tag');
}

# An administrator who wants the same tags on every host.
{
    my ($status, $out) = tool_of($promised, 'scan', '--forget-promises',
        $promised->docs);
    is($status, 0, 'scan --forget-promises ends well') or diag($out);
    my $res = $promised->client->get('/mega.bin');
    is($res->{h}{etag}, tag_of($content{'mega.bin'}),
        'then the tag is that of the content');
    $held{promised}{$_} = $promised->client->get("/$_")
        for keys %{$held{promised}};
}

# What changes has another tag and a later date.
for my $case (['promised', $promised], ['small', $small], ['alone', $alone]) {
    my ($what, $server) = @$case;
    my $c = $server->client;
    for my $name (qw(mega.bin large.bin)) {
        (my $other = $content{$name}) =~ tr/a-z/b-za/;
        stamp(spew($server->docs($name), $other), $old);
        settle();
        for my $by (kinds()) {
            my $res = $c->get("/$name", validators_of($held{$what}{$name}, $by));
            is($res->{status} . ($res->{body} eq $other), 2001,
                "$what: $name: changed: by $by");
        }
    }
}

# --- a file that is open to be written to ---------------------------------------------

# What is mapped may change under the same times: the server's own files have no
# strong tag while somebody has them so.
{
    my $path = stamped_by($auto, 'held.bin');
    open my $writer, '+<', $path or die "$path: $!\n";
    my $c = $auto->client;
    my $res = $c->get('/held.bin');
    ok(!strong($res->{h}{etag}), 'while a file has a writer it has no strong tag')
        or diag(said($res));
    close $writer;
    ok(defined seconds_until(20, sub {
        strong($c->get('/held.bin')->{h}{etag}) }), 'and then it has one');
}

# --- a log ------------------------------------------------------------------------

# It grows while it is sent: no download is cut, and it is not read for each.
{
    my $path = spew($auto->docs('live.log'), content_of('live', 8 << 20));
    my $c = $auto->client;
    settle();
    $c->get('/live.log'); # may be hashed, once
    my ($whole, $read) = (0, 0);
    my $at = length $auto->error_log;
    for my $n (1 .. 12) {
        open my $log, '>>', $path or die "$path: $!\n";
        $log->autoflush(1);
        my $child = child_of(sub {
            for (1 .. 20) {
                print {$log} "$n: another line\n";
                Time::HiRes::sleep(0.01);
            }
        });
        Time::HiRes::sleep(0.05);
        my $res = $auto->client(timeout => 20)->get('/live.log');
        $whole += $res && $res->{status} == 200
            && length $res->{body} >= 8 << 20;
        all_well($child);
    }
    cmp_ok($whole, '>=', 11, 'a log that grows is sent whole');
}

# --- the salt -----------------------------------------------------------------------

{
    my $dir = $auto->docs('salted');
    mkdir $dir or die "$dir: $!\n";
    my $text = content_of('salted', 500);
    stamp(spew("$dir/page.css", $text), $old);
    stamp(spew("$dir/large.css", content_of('big', 70_000)), $old);
    settle();
    my $c = $auto->client;
    my %before = map { $_ => $c->get("/salted/$_") } qw(page.css large.css);
    is($before{'page.css'}{h}{etag}, tag_of($text), 'no salt: as everywhere');
    for my $salt ('one', 'two') {
        spew("$dir/.htaccess", "ValidatorsTagSalt $salt\n");
        Time::HiRes::sleep(0.1);
        for my $name (sort keys %before) {
            my $res;
            # A prepared answer repeats the old one for as long as its TTL.
            ok(defined seconds_until(8, sub {
                $res = $c->get("/salted/$name",
                    'If-None-Match' => $before{$name}{h}{etag});
                return $res->{status} == 200;
            }), "salt $salt: $name is sent again");
            ok(strong($res->{h}{etag}), "salt $salt: $name: a strong tag");
            not_modified($c, "/salted/$name", $res, 'tag',
                "salt $salt: $name: which is not modified");
            $before{$name} = $res;
        }
    }
}

done_testing;
