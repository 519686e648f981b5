# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Whatever becomes of the index's file and its lock file, while httpd runs: each
# request is answered as without an index, one line of the log says what is
# wrong and what mends it, no child dies and no 304 is untrue.
use strict;
use warnings;
use lib 'lib';
use Digest::SHA ();
use IO::Socket::UNIX ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Vld::Server ();
use Vld::Test;

my $old = 1_530_000_000;
my $text = "a small page\n" x 60;
my $big = "a line of a large page\n" x 5000;
my $records = 1500;
my $seed = $ENV{VLD_SEED} || 20_261;
srand $seed;
diag("seed $seed") if $ENV{VLD_SEED};

sub start
{
    my ($name, $prepare) = @_;
    return Vld::Server->start(name => "damage-$name", conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
<Directory "$docs">
    Require all granted
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsAutoIndex Off
    ValidatorsQuickHandler On
    ValidatorsAnswerTTL 60
</IfModule>
END
    }, prepare => sub {
        my $s = shift;
        stamp(spew($s->docs('small.css'), $text), $old);
        stamp(spew($s->docs($_), $big), $old) for qw(big.css moving.css);
        spew($s->docs("many/$_.txt"), $_) for 1 .. $records;
        scan_of($s);
        $prepare->($s) if $prepare;
    });
}

# --- states ---------------------------------------------------------------------

# A good index and lock file, of which damaged ones are made.
my ($good, $good_lock, $other_lock);

# The file appears at once, in the place of what was there.
sub put
{
    my ($path, $octets, $mode) = @_;
    spew("$path.new", $octets);
    chmod defined $mode ? $mode : 0640, "$path.new";
    clear($path) if -d $path;
    rename "$path.new", $path or die "$path: $!\n";
}

sub clear
{
    my $path = shift;
    -d $path && !-l $path ? rmdir $path : unlink $path;
}

sub put_other
{
    my ($path, $make) = @_;
    clear("$path.new");
    $make->("$path.new");
    clear($path) if -d "$path.new" && !-l "$path.new";
    rename "$path.new", $path or die "$path: $!\n";
}

sub noise
{
    my ($octets, $from, $count) = @_;
    $count = length($octets) - $from unless $count;
    substr($octets, $from, $count) = pack 'L*', map { int rand 2 ** 32 }
        1 .. $count / 4;
    return $octets;
}

sub flip
{
    my ($octets, $count, $from) = @_;
    for (1 .. $count) {
        my $at = $from + int rand(length($octets) - $from);
        vec($octets, 8 * $at + int rand 8, 1) ^= 1;
    }
    return $octets;
}

sub lock_state
{
    my ($server, $make) = @_;
    my $path = $server->index_path;
    $make->("$path-lock");
    put($path, $good);
}

# name, what makes it (of a server, with a good index), whether all of it must
# be refused ('all'), may be ('some') or nothing is wrong ('none').
my @states;

sub state_of { push @states, [@_] }

sub make_states
{
    my $size = length $good;
    for my $cut (0, 1, 4095, 4096, 4097, 8191, 8192, 12_288,
        4096 * int($size / 8192), $size - 4096, $size - 1) {
        state_of("cut to $cut octets",
            sub { put($_[0]->index_path, substr $good, 0, $cut) }, 'all');
    }
    for my $from (0, 16, 4096, 8192) {
        state_of("random octets from $from",
            sub { put($_[0]->index_path, noise($good, $from)) }, 'some');
    }
    for my $n (1 .. 6) {
        state_of("bits flipped, $n",
            sub { put($_[0]->index_path, flip($good, 60 * $n, 8192)) },
            'some');
    }
    # The record of the file that is asked for: each field of it in turn.
    my $digest = Digest::SHA::sha256($big);
    my %at = (version => -8, flags => -6, 'path size' => -4, digest => 0,
        'last octet of the digest' => 31, size => 32, mtime => 40,
        ctime => 48, inode => 56, date => 64, 'time of reading' => 72,
        checksum => 80);
    for my $field (sort keys %at) {
        state_of("a bit of the record's $field", sub {
            my $octets = $good;
            my $found = 0;
            while ($octets =~ /\Q$digest\E/g) {
                my $start = pos($octets) - 32;
                substr($octets, $start + $at{$field}, 1) ^= "\x04";
                pos($octets) = $start + 32;
                $found++;
            }
            fail('no record of big.css is in the index') unless $found;
            put($_[0]->index_path, $octets);
        }, 'record');
    }
    (my $version = $good) =~ s/format\x01\0\0\0/format\x03\0\0\0/g;
    state_of('another version of the format',
        sub { put($_[0]->index_path, $version) }, 'all');
    my $mark = substr $good, 16, 4;
    state_of('of a machine of the other byte order', sub {
        my $octets = $good;
        substr($octets, $_, 4) = reverse $mark for 16, 4096 + 16;
        put($_[0]->index_path, $octets);
    }, 'all');
    state_of('of a machine of 32 bits', sub {
        my $octets = $good;
        substr($octets, $_ + 12, 8) = $mark . "\1\0\0\0" for 0, 4096;
        put($_[0]->index_path, $octets);
    }, 'all');
    state_of('a text file', sub { put($_[0]->index_path, $text) }, 'all');
    state_of('writable for all',
        sub { put($_[0]->index_path, $good, 0666) }, 'all');
    state_of('unreadable', sub { put($_[0]->index_path, $good, 0) }, 'all');
    my %other = (
        'a folder' => sub { mkdir $_[0] or die $! },
        'a fifo' => sub { POSIX::mkfifo($_[0], 0600) or die $! },
        'a socket' => sub {
            my $dir = POSIX::getcwd();
            my ($folder, $name) = $_[0] =~ m{(.*)/(.*)};
            chdir $folder or die $!;
            IO::Socket::UNIX->new(Local => $name, Listen => 1) or die $!;
            chdir $dir or die $!;
        },
        'a link to nowhere' => sub { symlink 'none', $_[0] or die $! },
        'a link to a text' => sub {
            symlink top() . '/conf/mime.types', $_[0] or die $! },
    );
    for my $kind (sort keys %other) {
        state_of($kind,
            sub { put_other($_[0]->index_path, $other{$kind}) }, 'all');
        state_of("$kind for a lock file", sub { lock_state($_[0],
                sub { put_other($_[0], $other{$kind}) }) }, 'none')
            unless $kind eq 'a socket';
    }
    state_of('a link to an index', sub {
        my $path = $_[0]->index_path;
        put("$path.real", $good);
        put("$path.real-lock", $good_lock, 0660);
        put_other($path, sub { symlink "$path.real", $_[0] or die $! });
    }, 'some');
    state_of('without a lock file',
        sub { lock_state($_[0], sub { clear($_[0]) }) }, 'none');
    state_of('with a lock file that cannot be written', sub {
        lock_state($_[0], sub { put($_[0], $good_lock, 0440) }) }, 'none');
    state_of('with the lock file of another index', sub {
        lock_state($_[0], sub { put($_[0], $other_lock, 0660) }) }, 'none');
    state_of('with random octets for a lock file', sub {
        lock_state($_[0], sub { put($_[0], noise($good_lock, 0), 0660) }) },
        'none');
    state_of('with an empty lock file',
        sub { lock_state($_[0], sub { put($_[0], '', 0660) }) }, 'none');
}

# Back to a good one.
sub mend
{
    my $path = shift->index_path;
    clear("$path.real");
    clear("$path.real-lock");
    clear("$path-lock") if -d "$path-lock" && !-l "$path-lock";
    put("$path-lock", $good_lock, 0660);
    put($path, $good);
}

# --- what is asked ----------------------------------------------------------------

# Connections enough that each child is met, and a while until it has looked.
sub all_look
{
    my @servers = @_;
    sleep 1.05;
    for my $n (1 .. 2) {
        for my $server (@servers) {
            my @c = map { $server->client } 1 .. 10;
            $_->connect for @c;
            $_->get("/big.css?look$n") for @c;
        }
        sleep 0.15;
    }
}

sub is_mended
{
    my $server = shift;
    my $end = time + (module_loaded() ? 8 : 0.1);
    my $row = 0;
    while (time < $end && $row < 16) {
        my $tag = $server->client->get('/big.css?mended')->{h}{etag} || '';
        $row = $tag eq tag_of($big) ? $row + 1 : 0;
        sleep 0.05 unless $row;
    }
    return $row == 16;
}

my $turn = 0;

# The content changes, size and mtime stay: who has the old one gets the new.
sub never_untrue
{
    my ($server, $what) = @_;
    my @wrong;
    for my $round (1 .. 2) {
        my $have = $server->client->get('/moving.css');
        my $now = $big;
        $turn++;
        substr($now, 100, 8) = sprintf '%08d', $turn;
        stamp(spew($server->docs('moving.css'), $now), $old);
        for my $kind (kinds()) {
            my @held = validators_of($have, $kind) or next;
            my $res = $server->client->get('/moving.css', @held);
            push @wrong, "change $turn, by $kind: $res->{status}"
                unless $res->{status} == 200 && $res->{body} eq $now;
        }
        sleep 0.03;
    }
    all_right("$what: no 304 for what has changed", @wrong);
}

sub check
{
    my ($server, $state, $from) = @_;
    my ($what, undef, $refused) = @$state;
    my $c = $server->client;
    my $path = $server->index_path;
    my $small = $c->get('/small.css');
    is("$small->{status} " . ($small->{h}{etag} || ''), '200 ' . tag_of($text),
        "$what: a small file has the tag of its content");
    is($c->get('/small.css', 'If-None-Match' => tag_of($text))->{status}, 304,
        "$what: by which it is not modified");
    # A URL of which nothing is remembered.
    my $large = $c->get('/big.css?' . ++$turn);
    my $tag = defined $large->{h}{etag} ? $large->{h}{etag} : '';
    my $identity = promised_tag_of($server->docs('big.css'));
    ok($large->{body} eq $big && ($refused eq 'none' ? $tag eq tag_of($big)
            : $tag eq '' || $tag eq $identity
            || ($refused eq 'some' && $tag eq tag_of($big))),
        "$what: a large file has "
        . ($refused eq 'none' ? 'its tag' : 'that of its identity, or none'))
        or diag($tag);
    never_untrue($server, $what);
    my @lines = $server->complaints($from);
    return if $refused ne 'all' && !@lines;
    is(scalar @lines, 1, "$what: one line in the log")
        or diag(join "\n", @lines);
    my $line = $lines[0] || '';
    like($line, qr/:warn\].*\Q$path\E/, "$what: a warning that names the index");
    like($line, qr/htvalidators\ -i.*(?:scan|stat)|chmod|chown|-lock
        |name\ another\ file/x,
        "$what: and what mends it") or diag($line);
}

# --- one after the other, on a few servers -----------------------------------------

my @servers = map { start($_) } 1 .. 6;
if (-e $servers[0]->index_path) {
    # The servers' trees are alike, but not their paths.
    my $path = $servers[0]->index_path;
    my $other = "$servers[0]{root}/other.mdb";
    local $ENV{VLD_INDEX} = $other;
    scan($servers[0]->docs('many', "$_.txt")) for 1 .. 3;
    $other_lock = slurp("$other-lock");
}
my %file = map { my $s = $_; ($s => [map { -e $_ ? slurp($_) : 'x' x 40_000 }
        $s->index_path, $s->index_path . '-lock']) } @servers;
sub use_files { ($good, $good_lock) = @{$file{$_[0]}} }

$other_lock = '' unless defined $other_lock; # httpd without the module
use_files($servers[0]);
cmp_ok(length $good, '>', 200_000, 'the index is of some hundred KB');
make_states();
cmp_ok(scalar @states, '>=', 40, 'there are many states to try');
my %child = map { ($_ => (run_command('pgrep', '-P', $_->{pid}))[1]) }
    @servers;
while (@states) {
    my @now = splice @states, 0, scalar @servers;
    my (@on, %from);
    for my $n (0 .. $#now) {
        my $server = $servers[$n];
        use_files($server);
        ok(is_mended($server), "before: $now[$n][0]: the index is used");
        $from{$server} = length $server->error_log;
        $now[$n][1]->($server);
        push @on, $server;
    }
    all_look(@on);
    check($on[$_], $now[$_], $from{$on[$_]}) for 0 .. $#on;
    for my $server (@on) {
        use_files($server);
        mend($server);
    }
}
for my $server (@servers) {
    ok(is_mended($server), 'in the end the index is used');
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        'no child of httpd died');
    my %now = map { $_ => 1 } split ' ',
        (run_command('pgrep', '-P', $server->{pid}))[1];
    is(join(' ', grep { !$now{$_} } split ' ', $child{$server}), '',
        'the children are those of the beginning');
}

# --- while requests run ---------------------------------------------------------------

my $server = $servers[0];
use_files($server);
my $stop = time + 5;
my @clients;
for my $n (1 .. 4) {
    my $pid = open my $from, '-|';
    die "fork: $!\n" unless defined $pid;
    if ($pid) {
        push @clients, $from;
        next;
    }
    my $c = $server->client;
    my ($asked, @wrong) = (0);
    while (time < $stop) {
        for my $name (qw(small big)) {
            my $want = $name eq 'small' ? $text : $big;
            my $res = $c->get("/$name.css?$n." . $asked++ % 50,
                $asked % 3 ? () : ('If-None-Match' => tag_of($want)));
            push @wrong, "client $n, request $asked, $name.css: $res->{status}"
                . ' ' . length($res->{body}) . ' octets'
                unless $res->{status} == 304 && $asked % 3 == 0
                || $res->{status} == 200 && $res->{body} eq $want;
        }
    }
    print map { "$_\n" } "$asked $c->{lost}", @wrong;
    close STDOUT;
    POSIX::_exit(0);
}
my $path = $server->index_path;
my @blows = (
    sub { truncate $path, 4096 * int rand(length($good) / 4096) },
    sub { open my $fh, '+<:raw', $path or return; seek $fh, 8192, 0;
        print {$fh} noise($good, 8192) },
    sub { open my $fh, '+<:raw', $path or return;
        print {$fh} flip($good, 500, 0) },
    sub { unlink $path },
    sub { truncate $path, 0 },
    sub { truncate "$path-lock", 0 if -e "$path-lock" },
    sub { put($path, noise($good, 8192)) },
    sub { unlink "$path-lock" },
);
my $blow = 0;
while (module_loaded() && time < $stop - 0.5) {
    $blows[$blow++ % @blows]->();
    sleep 0.15;
    mend($server);
    sleep 0.1 + rand 0.3;
}
mend($server);
for my $from (@clients) {
    my ($counts, @wrong) = <$from>;
    chomp @wrong;
    close $from;
    my ($asked, $lost) = split ' ', $counts || '0 1';
    @wrong = ('a client said nothing') unless defined $counts;
    cmp_ok($asked, '>', 100, 'under blows: many requests were made');
    all_right('under blows: each had its right answer', @wrong);
    is($lost, 0, 'under blows: no connection was lost');
}
cmp_ok($blow, '>=', scalar @blows, 'under blows: each kind was tried');
ok(is_mended($server), 'under blows: then the index is used again');
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'under blows: no child of httpd died');
$_->stop for @servers;

# --- file systems without locks, and read-only ones --------------------------------------

my $faults = top() . '/faults.so';
is((run_command('cc', '-O1', '-shared', '-fPIC', '-o', $faults,
        top() . '/../modules/faults.c', '-ldl'))[0], 0,
    'the library of faults is made');
for my $fault (qw(ENOLCK EROFS)) {
    my $name = lc $fault;
    my $with;
    {
        local @ENV{qw(LD_PRELOAD FAULTS FAULTS_BELOW)} = ($faults, 'none',
            top() . "/private/damage-$name/index");
        $with = start($name, sub { $ENV{FAULTS} = $fault });
    }
    all_look($with);
    check($with, [$fault, undef, 'none'], 0) if $fault eq 'ENOLCK';
    ok(is_mended($with), 'an index on a read-only file system is used')
        if $fault eq 'EROFS';
    is(scalar($with->complaints), 0, 'and nothing is said')
        if $fault eq 'EROFS';
    $with->stop;
}
diag("seed $seed: VLD_SEED=$seed runs the same again")
    unless Test::More->builder->is_passing;
done_testing();
