# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Files are indexed by the server itself: with the engine on and nothing else,
# no command ever run, they get tags of their content, and whatever happens to
# files, index and children, no 304 is untrue.
use strict;
use warnings;
use Fcntl ();
use IO::Socket::INET ();
use File::Path ();
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_540_000_000;

# Content of a size, told apart by its name.
sub content
{
    my ($name, $size) = @_;
    my $line = sprintf "%-31s\n", $name;
    return substr $line x ($size / 32 + 1), 0, $size;
}

sub start
{
    my ($name, $more, $prepare, @opt) = @_;
    my $server = Vld::Server->start(name => "auto-$name", before => '', @opt,
        conf => sub {
        my $s = shift;
        my $docs = $s->docs;
        my $text = ref $more ? $more->($s) : $more;
        return <<"END";
$s->{before}
<Directory "$docs">
    Require all granted
</Directory>
<IfModule mod_validators.c>
    LogLevel validators:debug
    ValidatorsEngine On
    $text
</IfModule>
END
    }, prepare => sub { $prepare->($_[0]) if $prepare });
    return $server;
}

sub put
{
    my ($server, $name, $size, $what) = @_;
    my $text = content($what || $name, $size);
    stamp(spew($server->docs($name), $text), $old);
    return $text;
}

sub lines_of
{
    my ($server, $pattern) = @_;
    return grep { /\[validators:/ && $_ =~ $pattern } split /\n/,
        $server->error_log;
}

# Whether an answer to this path says that it comes from a fresh record.
sub is_known
{
    my ($server, $path, $tag) = @_;
    my $id = new_id();
    my $res = $server->client->get($path, 'X-Id' => $id);
    my $note = note_of($id, $server->log_path) || '';
    return $note eq '200' && $res->{status} == 200
        && ($res->{h}{etag} || '') eq $tag;
}

sub gets_known
{
    my ($server, $path, $text, $name, $seconds) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $tag = tag_of($text);
    my $took = seconds_until($seconds || 6,
        sub { is_known($server, $path, $tag) });
    return ok(defined $took, $name);
}

# The children that have been the indexer's, in this order.
sub indexers
{
    my $server = shift;
    return map { /\[pid (\d+)/ ? $1 : () }
        lines_of($server, qr/the indexer runs in this child/);
}

sub well
{
    my ($server, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(scalar(() = $server->error_log =~ /exit signal (?!Killed)/g), 0,
        "$name: no child of httpd died");
    $server->stop;
}

# --- a content that comes back ----------------------------------------------

# The index has seen only the first of two; a date that was sent for the other
# makes its record's later, so that it outlives what the server remembers.
{
    my $one = content('one', 500);
    my $server = start('back', "ValidatorsQuickHandler On\n"
        . 'ValidatorsAutoIndex On 1K', sub {
        my $s = shift;
        put($s, 'back.css', 500, 'one');
        scan_of($s);
    });
    my $date = sub {
        local $ENV{VLD_INDEX} = $server->index_path;
        my ($exit, $out) = Vld::Test::tool('show', '--json',
            $server->docs('back.css'));
        return $out =~ /"last_modified": ?"([^"]+)"/ ? $1 : '';
    };
    my $first = $date->();
    ok($first, 'a content has a record');
    put($server, 'back.css', 2000, 'two');
    settle();
    Time::HiRes::sleep(1.1);
    my $other = $server->client->get('/back.css')->{h}{'last-modified'};
    ok($other, 'another is sent with a date');
    put($server, 'back.css', 500, 'one');
    scan_of($server);
    is($date->(), $first, 'the first again, seen by a scan, keeps its date');
    Time::HiRes::sleep(1.1);
    ok(defined seconds_until(10, sub {
        $server->client->get('/back.css');
        my $now = $date->();
        return $now ne $first && $now ne '';
    }), 'until it is asked for: its record gets a later date');
    my $res = $server->client->get('/back.css',
        'If-Modified-Since' => $other);
    is($res->{status}, 200, 'than that under which the other was sent');
    $server->graceful;
    Time::HiRes::sleep(1.5);
    $res = $server->client->get('/back.css', 'If-Modified-Since' => $other);
    is("$res->{status} " . ($res->{body} eq $one ? 'one' : 'two'), '200 one',
        'also when the server has forgotten that');
    well($server, 'a content that comes back');
}

# --- nothing but the engine -------------------------------------------------

{
    my %text;
    my $server = start('alone', 'ValidatorsQuickHandler On', sub {
        my $s = shift;
        rmdir "$s->{root}/index";
        $text{big} = put($s, 'big.css', 300_000);
        $text{small} = put($s, 'small.css', 900);
        $text{empty} = put($s, 'empty.css', 0);
    });
    my $c = $server->client;
    settle();
    is($c->get('/small.css')->{h}{etag}, tag_of($text{small}),
        'a small file has its tag from the first request on');
    is($c->get('/big.css')->{h}{etag}, tag_of($text{big}), 'a large one too');
    for my $name (sort keys %text) {
        gets_known($server, "/$name.css", $text{$name},
            "and soon the index has the $name one", 5);
        Time::HiRes::sleep(1.2); # all children have looked for it
        my $full = $c->get("/$name.css");
        is($full->{h}{'last-modified'}, http_date($old),
            "with its own date ($name)");
        not_modified($c, "/$name.css", $full, $_, "a 304 by $_ ($name)")
            for kinds();
        my $id = new_id();
        $c->get("/$name.css", validators_of($full, 'tag'), 'X-Id' => $id);
        noted($id, qr/^quick$/, "given by the quick handler ($name)",
            $server->log_path);
    }
    is(sprintf('%o', 07777 & (stat "$server->{root}/index")[2]), '750',
        'the folder of the index was made, for the server alone');
    is(sprintf('%o', 07777 & (stat $server->index_path)[2]), '640',
        'and so was the index');
    is_deeply([$server->complaints], [], 'and nothing is complained of');
    is(scalar(indexers($server)), 1, 'one child is the indexer');
    is(scalar(lines_of($server, qr/big\.css: indexed; rests/)), 1,
        'a file is read once');

    # Changed so that size and mtime stay.
    my %way = (
        'in place' => sub {
            my ($path, $new) = @_;
            sysopen my $fh, $path, Fcntl::O_RDWR() or die "$path: $!";
            syswrite $fh, $new;
            close $fh;
            stamp($path, $old);
        },
        'by rename' => sub {
            my ($path, $new) = @_;
            stamp(spew("$path.new", $new), $old);
            rename "$path.new", $path or die "$path: $!";
        },
        'to an older date' => sub {
            my ($path, $new) = @_;
            stamp(spew("$path.new", $new), $old - 1e6);
            rename "$path.new", $path or die "$path: $!";
        },
    );
    for my $way (sort keys %way) {
        for my $size (900, 200_000) {
            (my $name = "$way-$size.css") =~ s/ /-/g;
            my $what = "a file of $size octets changed $way";
            my $now = put($server, $name, $size);
            settle();
            gets_known($server, "/$name", $now, "$what is known before");
            my $full = $c->get("/$name");
            my $new = content("changed $way", $size);
            $way{$way}->($server->docs($name), $new);
            for my $kind (kinds()) {
                my $res = $c->get("/$name", validators_of($full, $kind));
                is($res->{status} . ($res->{body} eq $new), 2001,
                    "$what is sent at once (by $kind)");
            }
            gets_known($server, "/$name", $new, "$what is indexed again");
            $full = $c->get("/$name");
            isnt($full->{h}{'last-modified'} || '', http_date($old),
                "$what has another date");
            not_modified($c, "/$name", $full, 'tag', "$what has its 304");
        }
    }

    # Gone, renamed, a folder in its place: nothing goes wrong.
    put($server, "gone$_.css", 200_000) for 1 .. 5;
    settle();
    $c->get("/gone$_.css") for 1 .. 5;
    unlink $server->docs("gone$_.css") for 1 .. 5;
    mkdir $server->docs('gone1.css');
    put($server, 'after.css', 100_000);
    settle();
    gets_known($server, '/after.css', content('after.css', 100_000),
        'files that are gone before they are read hold nothing up');

    # A file that cannot be read when its turn comes.
    my $found = seconds_until(20, sub {
        my $n = new_id();
        put($server, "secret-$n.css", 70_000);
        settle();
        $c->get("/secret-$n.css");
        chmod 0, $server->docs("secret-$n.css");
        Time::HiRes::sleep(0.3);
        return lines_of($server, qr/secret-\S+: .*ermission denied.*rests/);
    });
    ok(defined $found, 'one that cannot be read rests, and the log says why');

    # By a link, and in a release that is switched.
    for my $n (1, 2) {
        put($server, "releases/$n/app.css", 150_000, "release $n");
    }
    symlink 'releases/1', $server->docs('current') or die $!;
    settle();
    my $one = content('release 1', 150_000);
    my $two = content('release 2', 150_000);
    gets_known($server, '/current/app.css', $one,
        'a file that is reached by a link is indexed');
    my $full = $c->get('/current/app.css');
    symlink 'releases/2', $server->docs('next') or die $!;
    rename $server->docs('next'), $server->docs('current') or die $!;
    my $res = $c->get('/current/app.css', validators_of($full, 'both'));
    is($res->{status} . ($res->{body} eq $two), 2001,
        'when the link is switched the other release is sent');
    gets_known($server, '/current/app.css', $two, 'and indexed');
    local $ENV{VLD_INDEX} = $server->index_path;
    my ($rc, $out) = Vld::Test::tool('list', $server->docs('releases'));
    is(scalar(() = $out =~ /app\.css/g), 2, 'both under their real paths');

    # Longer than a slot of the list.
    my $long = join '/', map { $_ x 240 } 'a' .. 'e';
    my $text = put($server, "$long/f.css", 100_000);
    settle();
    $c->get("/$long/f.css") for 1 .. 3;
    Time::HiRes::sleep(0.6);
    is($c->get("/$long/f.css")->{h}{etag}, tag_of($text),
        'a path that is too long for the list has its tag');
    ($rc, $out) = Vld::Test::tool('list', $server->docs);
    unlike($out, qr/eeeee/, 'and waits for a scan');
    ok(scan($server->docs($long)), 'which can write beside the server');
    gets_known($server, "/$long/f.css", $text, 'and the server reads it');
    well($server, 'nothing but the engine');
}

# --- a file that changes all the time ---------------------------------------

{
    my $server = start('busy', 'ValidatorsAnswerTTL 1');
    my $c = $server->client;
    my ($n, $last, %of, @untrue, @wrong) = (0);
    my $end = Time::HiRes::time() + 9;
    while (Time::HiRes::time() < $end) {
        my $text = content('version ' . ++$n, 120_000);
        stamp(spew($server->docs('busy.new'), $text), $old);
        rename $server->docs('busy.new'), $server->docs('busy.css');
        my $res = $c->get('/busy.css',
            $last ? ('If-None-Match' => $last) : ());
        push @untrue, "version $n: $res->{status} "
            . length($res->{body}) . ' octets, holding ' . ($last || 'none')
            unless $res->{status} == 200 && $res->{body} eq $text;
        $last = $res->{h}{etag};
        Time::HiRes::sleep(0.03) unless $n % 3;
        for (1 .. 3) {
            $res = $c->get('/busy.css', $last ? ('If-None-Match' => $last)
                : ());
            $last = $res->{h}{etag} || $last;
            push @wrong, "version $n: $last is of version $of{$last}"
                if strong($last) && ($of{$last} ||= $n) != $n;
        }
    }
    cmp_ok($n, '>', 50, 'a file that changes all the time does');
    all_right('every content is sent when it is new', @untrue);
    all_right('no strong tag is of another', @wrong);
    my @rests = lines_of($server, qr/busy\.css: .*rests for/);
    cmp_ok(scalar(@rests), '>', 1, 'it is tried');
    cmp_ok(scalar(@rests), '<', 7, 'and backed off')
        or diag(join "\n", @rests);
    like($rests[-1] || '', qr/rests for (?:[2-9]|\d\d)\d\d\d ms/,
        'for longer each time');
    well($server, 'a busy file');
}

# --- sizes, and where it is off ----------------------------------------------

{
    my %text;
    my $server = start('sizes', sub {
        my $docs = $_[0]->docs;
        return <<"END";
ValidatorsAutoIndex On 100K
<Directory "$docs/large">
    ValidatorsAutoIndex On 1M
</Directory>
<Directory "$docs/off">
    ValidatorsAutoIndex Off
</Directory>
<Directory "$docs/mtime">
    ValidatorsVerify mtime
</Directory>
END
    }, sub {
        my $s = shift;
        $text{$_} = put($s, $_, 102_400) for 'just.css', 'off/a.css',
            'mtime/a.css';
        $text{$_} = put($s, $_, 102_401) for 'over.css', 'large/a.css';
    });
    settle();
    $server->client->get("/$_") for sort keys %text;
    gets_known($server, "/$_", $text{$_}, "$_ is indexed")
        for 'just.css', 'large/a.css', 'mtime/a.css';
    Time::HiRes::sleep(1);
    isnt($server->client->get("/$_")->{h}{etag}, tag_of($text{$_}), "$_ is not")
        for 'over.css', 'off/a.css';
    is(scalar(lines_of($server, qr/(?:over|off.a)\.css: indexed/)), 0,
        'nor is it read');
    stamp($server->docs('mtime/a.css'), $old);
    is_known($server, '/mtime/a.css', tag_of($text{'mtime/a.css'}))
        for 1 .. 3;
    Time::HiRes::sleep(0.4);
    is(scalar(lines_of($server, qr/mtime.a\.css: indexed; rests/)), 1,
        'what ValidatorsVerify takes for unchanged is not read again');
    well($server, 'sizes');

    $server = start('off', 'ValidatorsAutoIndex Off', sub {
        put($_[0], 'big.css', 200_000);
    });
    settle();
    for (1 .. 20) {
        $server->client->get('/big.css');
        Time::HiRes::sleep(0.1);
    }
    isnt($server->client->get('/big.css')->{h}{etag},
        tag_of(content('big.css', 200_000)),
        'where it is off for the server nothing is indexed');
    ok(!-e $server->index_path, 'no index is made');
    is(scalar(indexers($server)), 0, 'no child is the indexer');
    is(scalar($server->complaints), 1, 'and the log says that there is none');
    well($server, 'off');
}

# --- an index that is not the server's ----------------------------------------

{
    my $before;
    my $server = start('deployed', '', sub {
        my $s = shift;
        put($s, 'known.css', 200_000);
        scan_of($s);
        put($s, 'new.css', 200_000);
        chmod 0440, $s->index_path;
        chmod 0550, "$s->{root}/index";
        $before = slurp($s->index_path) if -e $s->index_path;
    });
    settle();
    gets_known($server, '/known.css', content('known.css', 200_000),
        'an index that is read-only to the server is read');
    for my $n (1 .. 25) {
        $server->client->get("/new.css?$n");
        Time::HiRes::sleep(0.1);
    }
    isnt($server->client->get('/new.css')->{h}{etag},
        tag_of(content('new.css', 200_000)), 'nothing is indexed');
    ok(-e $server->index_path && slurp($server->index_path) eq $before,
        'nor is the index written to');
    is(scalar(lines_of($server, qr/:info\].*ValidatorsAutoIndex is off/)), 1,
        'one line says so');
    is(scalar($server->complaints), 0, 'and it is no complaint');
    well($server, 'deployed');
    chmod 0750, "$server->{root}/index";
}

# --- children that are killed, restarts -----------------------------------------

{
    my %text;
    my $server = start('killed', 'ValidatorsAutoIndex On 16G', sub {
        my $s = shift;
        $text{$_} = put($s, "$_.css", 100_000) for 1 .. 6;
    });
    settle();
    gets_known($server, '/1.css', $text{1}, 'a first file is indexed');
    my ($pid) = (indexers($server))[-1] || 0;
    ok($pid > 1 && kill('KILL', $pid), 'the child that does so is killed');
    $server->client->get('/2.css');
    gets_known($server, '/2.css', $text{2}, 'another goes on', 25);
    isnt((indexers($server))[-1], $pid, 'with the list of the first');

    # Clients that keep every child busy.
    open my $slow, '>', $server->docs('slow.bin') or die $!;
    truncate $slow, 64 << 20 or die $!;
    close $slow;
    stamp($server->docs('slow.bin'), $old);
    settle();
    my @slow = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $server->{port}, Proto => 'tcp') || die $! } 1 .. 16;
    syswrite $_, "GET /slow.bin HTTP/1.0\r\n\r\n" for @slow;
    ok(defined seconds_until(30, sub { lines_of($server,
        qr/slow\.bin: indexed(?: already)?; rests/) }), 'while clients are served slowly');

    # In the middle of a file that takes seconds.
    my $huge = $server->docs('huge.bin');
    open my $fh, '>', $huge or die $!;
    truncate $fh, 12 << 30 or die $!;
    close $fh;
    stamp($huge, $old);
    settle();
    $pid = (indexers($server))[-1];
    my $reads = sub {
        grep { (readlink $_ || '') eq $huge } glob "/proc/$_[0]/fd/*";
    };
    $server->client->request('HEAD', '/huge.bin');
    my $began = seconds_until(5, sub { $reads->($pid) });
    ok(defined $began, 'a huge file is being read');
    $server->graceful;
    # Prefork tells nobody before the child's own request is over.
    my $stopped = seconds_until(1.5, sub { !$reads->($pid) });
    ok(mpm() eq 'prefork' || defined $stopped,
        'a child that is to end reads on for no second');
    ok(-e "/proc/$pid", 'though it still has clients to serve');
    close $_ for @slow;
    my $took = seconds_until(10, sub { !-e "/proc/$pid" });
    ok(defined $took && $took < 2.5,
        'and ends soon after the last of them') or diag($took);
    gets_known($server, '/3.css', $text{3}, 'the next generation indexes',
        8);
    is(scalar(() = lines_of($server, qr/huge\.bin: indexed/)), 0,
        'half a file is not recorded');
    $pid = (indexers($server))[-1];
    $server->client->request('HEAD', '/huge.bin');
    ok(defined seconds_until(5, sub { $reads->($pid) }),
        'the huge file is being read again');
    my $stop = Time::HiRes::time();
    kill 'TERM', $server->{pid};
    ok(defined seconds_until(10, sub { !-e "/proc/$pid" })
            && Time::HiRes::time() - $stop < 2.5,
        'nor does the end of the server wait for it');
    unlink $huge;
    well($server, 'killed');
}

# --- an index that is lost --------------------------------------------------------

{
    my $server = start('lost', '');
    my $c = $server->client;
    for my $case ('with', 'without') {
        my $text = put($server, "$case.css", 100_000);
        settle();
        gets_known($server, "/$case.css", $text, "a file is indexed ($case)");
        unlink $server->index_path;
        unlink $server->index_path . '-lock' if $case eq 'with';
        my $new = put($server, "$case-new.css", 100_000);
        settle();
        gets_known($server, "/$case-new.css", $new,
            "an index removed $case its lock file is made anew", 10);
        gets_known($server, "/$case.css", $text, 'and filled again', 10);
    }

    # What was sent before the index was lost is not forgotten by the new one:
    # only it knows after a restart.
    my (%full, %new);
    for my $size (900, 200_000) {
        my $text = put($server, "date-$size.css", $size);
        settle();
        gets_known($server, "/date-$size.css", $text,
            "a file of $size octets is known");
        # To this connection's child, too, which looks once a second.
        seconds_until(10, sub {
            $full{$size} = $c->get("/date-$size.css");
            return ($full{$size}{h}{etag} || '') eq tag_of($text);
        });
        is($full{$size}{h}{'last-modified'}, http_date($old),
            'with its date')
            or diag(join "\n", "$size octets",
                (map { "$_: $full{$size}{h}{$_}" } keys %{$full{$size}{h}}),
                lines_of($server, qr/date-$size/));
    }
    unlink $server->index_path, $server->index_path . '-lock';
    for my $size (900, 200_000) {
        my $path = $server->docs("date-$size.css");
        $new{$size} = content('of an older date', $size);
        stamp(spew("$path.new", $new{$size}), $old - 1e6);
        rename "$path.new", $path or die "$path: $!";
    }
    settle();
    gets_known($server, "/date-$_.css", $new{$_}, 'its successor as well', 10)
        for 900, 200_000;
    my $before = indexers($server);
    $server->graceful;
    ok(defined seconds_until(20, sub { indexers($server) > $before }),
        'after a restart');
    Time::HiRes::sleep(1);
    for my $size (900, 200_000) {
        my $res = $server->client->get("/date-$size.css",
            validators_of($full{$size}, 'date'));
        is($res->{status} . ($res->{body} eq $new{$size}), 2001,
            "the date of a content that was there before is none of the new"
            . " one's ($size)");
    }
    $c = $server->client;
    is(scalar($server->complaints), 0, 'without complaint');
    File::Path::remove_tree("$server->{root}/index");
    for my $n (1 .. 25) {
        is($c->get("/with.css?$n")->{status}, 200,
            'without its folder requests are served') if $n == 25;
        Time::HiRes::sleep(0.1);
    }
    ok(!-e "$server->{root}/index", 'a folder that is gone is not made');
    is(scalar($server->complaints), 1, 'and the log says so once');
    mkdir "$server->{root}/index";
    put($server, 'later.css', 100_000);
    settle();
    # Its first answer may have come before the indexer had seen the folder: then
    # the tag that was sent stays.
    my @tags = (tag_of(content('later.css', 100_000)),
        promised_tag_of($server->docs('later.css')));
    ok(defined seconds_until(10, sub {
        grep { is_known($server, '/later.css', $_) } @tags }),
        'once there is one, the index is made in it');
    well($server, 'lost');
}

# --- many files at once --------------------------------------------------------------

{
    my $many = 6000;
    my $server = start('many', 'ValidatorsAnswerTTL 0', sub {
        my $s = shift;
        put($s, sprintf('%02d/%d.css', $_ % 50, $_), 2000) for 1 .. $many;
    });
    settle();
    my @clients = map { $server->client } 1 .. 4;
    my @paths = map { sprintf '/%02d/%d.css', $_ % 50, $_ } 1 .. $many;
    my $index = 0;
    local $ENV{VLD_INDEX} = $server->index_path;
    my $rounds = 0;
    my $took = seconds_until(60, sub {
        $rounds++;
        my @failed;
        for my $i (0 .. $#paths) {
            my $status = $clients[$i % 4]->get($paths[$i])->{status};
            push @failed, "$paths[$i]: $status" if $status != 200;
        }
        die @failed . " requests failed: @failed[0 .. ($#failed > 199 ? 199
            : $#failed)]\n" if @failed;
        Time::HiRes::sleep(0.5);
        my ($rc, $out) = Vld::Test::tool('list', $server->docs);
        return ($index = () = $out =~ /\.css$/mg) == $many;
    });
    is($index, $many, 'many thousand files that are asked for at once are'
        . ' all indexed in the end');
    cmp_ok($rounds, '<=', 6, 'after a few rounds of requests');
    is(join("\n", $server->complaints), '', 'and nothing is complained of');
    well($server, 'many');
}

# --- without mod_watchdog -------------------------------------------------------------

{
    my ($load, $made) = make_module('nodog', 'mod_nodog');
    is($made, '0 ', 'a module that takes mod_watchdog away is made');
    my $server = start('nodog', '', sub {
        put($_[0], 'big.css', 100_000);
        scan_of($_[0]);
        put($_[0], 'new.css', 100_000);
    }, before => $load);
    gets_known($server, '/big.css', content('big.css', 100_000),
        'without mod_watchdog the index is read');
    isnt($server->client->get('/new.css')->{h}{etag},
        tag_of(content('new.css', 100_000)), 'and no file indexed');
    my @lines = $server->complaints;
    is(scalar(@lines), 1, 'one line in the log');
    like($lines[0] || '', qr/mod_watchdog.*htvalidators -i "[^"]+" scan/,
        'says so, and what to do');
    well($server, 'nodog');
}

done_testing();
