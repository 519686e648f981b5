# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Without a usable index httpd starts, says once what is wrong, and lies
# to nobody; with one that comes later it needs no restart.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_540_000_000;
my $text = "a page of a server with trouble\n" x 50;
my $big = $text x 100;

sub start
{
    my ($name, $prepare) = @_;
    my $server = Vld::Server->start(name => "index-$name", conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
LogLevel info
<Directory "$docs">
    Require all granted
</Directory>
<IfModule mod_validators.c>
    LogLevel validators:info
    ValidatorsEngine On
    # Not by itself: this is about what an administrator has to do.
    ValidatorsAutoIndex Off
    ValidatorsQuickHandler On
    ValidatorsAnswerTTL 1
</IfModule>
END
    }, prepare => sub {
        my $s = shift;
        stamp(spew($s->docs('small.css'), $text), $old);
        stamp(spew($s->docs('big.css'), $big), $old);
        $prepare->($s) if $prepare;
    });
    settle();
    return $server;
}

# The lines of the module's that an administrator sees.
sub lies_to_nobody
{
    my ($server, $what) = @_;
    my $c = $server->client;
    my $small = $c->get('/small.css');
    is($small->{h}{etag}, tag_of($text), "$what: a small file has the tag of"
        . ' its content');
    not_modified($c, '/small.css', $small, 'tag', "$what: and is not"
        . ' modified');
    my $large = $c->get('/big.css');
    is($large->{body}, $big, "$what: a large file is sent");
    is($large->{h}{etag}, promised_tag_of($server->docs('big.css')),
        "$what: with the tag of its identity");
    is($c->get('/big.css', 'If-None-Match' => $large->{h}{etag} || '""')
        ->{status}, 304, "$what: by which it is not modified");
    (my $other = $big) =~ tr/a-z/b-za/;
    stamp(spew($server->docs('big.css'), $other), $old);
    my $res = $c->get('/big.css', validators_of($large, 'tag'));
    is($res->{status} . ($res->{body} eq $other), 2001,
        "$what: until it is changed");
    stamp(spew($server->docs('big.css'), $big), $old);
}

# Send requests from several connections, so that each child has tried.
sub load
{
    my @servers = @_;
    my @c = map { my $s = $_; map { $s->client } 1 .. 12 } @servers;
    for my $n (1 .. 16) {
        for my $c (@c) {
            $c->get('/small.css');
            $c->get("/big.css?$n");
        }
        Time::HiRes::sleep(0.15);
    }
}

my %trouble = (
    missing => undef,
    'no folder' => sub { rmdir $_[0]{root} . '/index' },
    garbage => sub { spew($_[0]->index_path, 'garbage' x 9999) },
    zeros => sub { spew($_[0]->index_path, "\0" x 65536) },
    empty => sub { spew($_[0]->index_path, '') },
    'a folder' => sub { mkdir $_[0]->index_path },
    unreadable => sub {
        spew($_[0]->index_path, 'x');
        scan_of($_[0]) if unlink $_[0]->index_path;
        spew($_[0]->index_path, 'x') unless -e $_[0]->index_path;
        chmod 0, $_[0]->index_path;
    },
    'cut in half' => sub {
        scan_of($_[0]);
        my $path = $_[0]->index_path;
        spew($path, '') unless -e $path;
        truncate $path, int((-s $path) / 2);
    },
);

my %server = map { $_ => start($_ =~ s/ /-/gr, $trouble{$_}) }
    sort keys %trouble;
for my $what (sort keys %server) {
    ok($server{$what}->alive, "$what: httpd starts");
    lies_to_nobody($server{$what}, $what);
}
load(values %server);
for my $what (sort keys %server) {
    my $server = $server{$what};
    my @lines = $server->complaints;
    is(scalar @lines, 1, "$what: one line in the log, and not one a request")
        or diag(join "\n", @lines[0 .. ($#lines > 5 ? 5 : $#lines)]);
    my $line = $lines[0] || '';
    my $path = $server->index_path;
    like($line, qr/\Q$path\E/, "$what: which names the index");
    like($line, qr/htvalidators\b.*\bscan\b|chmod|permission|group/i,
        "$what: and what mends it") or diag($line);
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        "$what: no child of httpd died");
}

# Mended as the line says, without a restart.
my %since;
for my $what (sort keys %server) {
    my $server = $server{$what};
    my $path = $server->index_path;
    chmod 0644, $path;
    unlink $path, "$path-lock", "$path.lock";
    rmdir $path;
    mkdir "$server->{root}/index";
    ok(scan_of($server) && module_loaded(), "$what: a new index is made");
    $since{$what} = Time::HiRes::time();
}
for my $what (sort keys %server) {
    my $tag = '';
    while (Time::HiRes::time() < $since{$what} + 6) {
        $tag = $server{$what}->client->get('/big.css')->{h}{etag} || '';
        last if $tag eq tag_of($big);
        Time::HiRes::sleep(0.05);
    }
    is($tag, tag_of($big), "$what: and used without a restart");
    cmp_ok(Time::HiRes::time() - $since{$what}, '<', 4,
        "$what: within seconds");
}
Time::HiRes::sleep(2.2);
for my $what (sort keys %server) {
    my $other = grep { ($server{$what}->client->get('/big.css')->{h}{etag}
        || '') ne tag_of($big) } 1 .. 40;
    is($other, 0, "$what: by all children");
    $server{$what}->stop;
}

# An index that is damaged, replaced or removed while it is in use.
{
    my $server = start('used', sub { scan_of($_[0]) });
    my $c = $server->client;
    my $path = $server->index_path;
    is($c->get('/big.css')->{h}{etag}, tag_of($big), 'an index is in use');
    my @damage = (
        ['cut to nothing', sub { truncate $path, 0 if -e $path }],
        ['replaced by garbage', sub {
            spew("$path.new", 'garbage' x 9999);
            rename "$path.new", $path;
        }],
        ['removed', sub { unlink $path }],
        ['overwritten in place', sub {
            return unless -s $path;
            open my $fh, '+<:raw', $path or die $!;
            print {$fh} pack('N*', map { int rand 2 ** 32 }
                1 .. (-s $path) / 4);
        }],
        # The last page, which is in both of the head's pages.
        ['said to be endless', sub {
            return unless -s $path;
            open my $fh, '+<:raw', $path or die $!;
            for my $at (136, 4096 + 136) {
                seek $fh, $at, 0;
                print {$fh} pack 'Q', 1 << 51;
            }
        }],
    );
    for my $case (@damage) {
        my ($what, $damage) = @$case;
        $damage->();
        my $promised = promised_tag_of($server->docs('big.css'));
        my (@wrong, @failed);
        my $end = Time::HiRes::time() + 3;
        while (Time::HiRes::time() < $end) {
            for my $n (1 .. 8) {
                my $client = $server->client(timeout => 10);
                for my $name (qw(small big)) {
                    my $want = $name eq 'small' ? $text : $big;
                    my $res = $client->get("/$name.css?$n");
                    push @failed, "$name.css?$n: $res->{status}, "
                        . length($res->{body}) . ' octets'
                        unless $res->{status} == 200
                        && $res->{body} eq $want;
                    my $tag = $res->{h}{etag};
                    # Without an index a large file has the tag of its identity.
                    push @wrong, "$name.css?$n: $tag" if strong($tag)
                        && $tag ne tag_of($want)
                        && ($name eq 'small' || $tag ne $promised);
                }
            }
            Time::HiRes::sleep(0.1);
        }
        all_right("index $what: no request fails", @failed);
        all_right("index $what: no tag is wrong", @wrong);
        unlink $path, "$path-lock";
        scan_of($server);
        Time::HiRes::sleep(2.5);
        is($c->get('/big.css')->{h}{etag}, tag_of($big),
            "index $what: a new one is used");
    }
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        'no child of httpd died of it');
    cmp_ok(scalar($server->complaints), '<', 40, 'nor was the log filled');
    $server->stop;
}

# Replaced again and again: what was replaced is let go.
{
    my $server = start('replaced', sub { scan_of($_[0]) });
    my $path = $server->index_path;
    for my $n (1 .. 6) {
        local $ENV{VLD_INDEX} = $path;
        my ($code, $out) = tool('compact');
        is($code, 0, "compacted ($n)") or diag($out);
        Time::HiRes::sleep(1.1);
        for my $m (1 .. 60) {
            my $tag = $server->client->get("/big.css?$m")->{h}{etag};
            next if ($tag || '') eq tag_of($big);
            fail("a look-up missed: " . ($tag || 'no tag'));
            last;
        }
    }
    my @open;
    for my $child (split ' ', `pgrep -P $server->{pid}`) {
        my $maps = eval { slurp("/proc/$child/maps") };
        next unless defined $maps;
        my %inode = map { $_ => 1 } $maps
            =~ m{ (\d+) +\Q$path\E(?: \(deleted\))?$}mg;
        push @open, scalar keys %inode;
    }
    ok(@open && !grep({ $_ > 2 } @open), 'and each child has the present one'
        . ' open, or the one before at most') or diag("@open");
    ok(scalar(grep { $_ } @open), 'which was looked at');
    is_deeply([$server->complaints], [], 'nobody complains');
    $server->stop;
}

done_testing();
