# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The tag is a promise: the first answer of a file that no index knows has a
# strong tag and its date, whatever its size and the method, and both stay while
# the file does: when it is indexed, scanned, over restarts.  ValidatorsTagSalt
# is the way to have others.
use strict;
use warnings;
use IO::Socket::INET ();
use Test::More;
use Time::HiRes ();
use Vld::Cold;
use Vld::Server ();
use Vld::Test;

my @sizes = ([1 => '1k'], [100 => '100k'], [1 << 10 => '1m'],
    [64 << 10 => '64m'], [300 << 10 => '300m']);
my @folders = qw(default patient promised off);

# What a first request may be.  A wildcard matches whatever there is.
my %first = (
    get => ['GET', 200],
    head => ['HEAD', 200],
    part => ['GET', 206, Range => 'bytes=0-99'],
    none => ['GET', 304, 'If-None-Match' => '*'],
);

my @files;
my $server = cold_server('promise-kept', sub {
    my $s = shift;
    @files = ();
    for my $folder (@folders) {
        for my $size (@sizes) {
            for my $way (sort keys %first) {
                my $name = "$folder/$way-$size->[1].bin";
                push @files, { folder => $folder, size => $size->[0] << 10,
                    way => $way, path => "/$name", file => $s->docs($name) };
                if ($size->[0] > 10_000) {
                    cold_sparse($s->docs($name), $size->[0] << 10);
                }
                else {
                    cold_text($s->docs($name), $size->[0] << 10);
                }
            }
        }
    }
});

# The head of an answer; what follows is not waited for.
sub head_of
{
    my ($server, $method, $path, @fields) = @_;
    my $c = $server->client;
    $c->connect;
    $c->send_text($c->request_text($method, $path, @fields));
    my $head;
    until (defined $head) {
        my $end = index $c->{buf}, "\r\n\r\n";
        $head = substr $c->{buf}, 0, $end + 4 if $end >= 0;
        last unless defined $head || $c->fill;
    }
    $c->close;
    my $res = defined $head ? Vld::Http::parse_head($head) : undef;
    return $res || { status => 0, h => {} };
}

# httpd's 304 has no Last-Modified.
sub said
{
    my $res = shift;
    my $date = $res->{h}{'last-modified'};
    return tag_in($res) . ', ' . (defined $date ? $date
        : $res->{status} == 304 ? http_date($Vld::Cold::old) : 'no date');
}

# --- first answers -----------------------------------------------------------------

# Files that have just changed may be growing: nothing is promised of them, but
# they are read.
{
    my @wrong;
    for my $size (@sizes) {
        my $path = "patient/young-$size->[1].bin";
        cold_sparse($server->docs($path), $size->[0] << 10);
        settle();
        my $res = head_of($server, 'GET', "/$path");
        push @wrong, "$path: " . said($res) unless strong($res->{h}{etag})
            && ($res->{h}{'last-modified'} || '')
            eq http_date($Vld::Cold::old);
    }
    all_right('young files are read before their first answer', @wrong);
}

for my $folder (@folders) {
    my @wrong;
    for my $file (grep { $_->{folder} eq $folder } @files) {
        my ($method, $status, @fields) = @{$first{$file->{way}}};
        my $res = head_of($server, $method, $file->{path}, @fields);
        $file->{said} = said($res);
        push @wrong, "$file->{path}: $res->{status}, $file->{said}"
            unless $res->{status} == $status && strong($res->{h}{etag})
            && $file->{said} eq "$res->{h}{etag}, "
            . http_date($Vld::Cold::old);
    }
    all_right("first answers ($folder): each has a strong tag and the date",
        @wrong);
}

# --- and all later ones --------------------------------------------------------------

my $round = 0;

# Every file again, by another method each time.
sub same_again
{
    my ($when, @of) = @_;
    my @ways = sort keys %first;
    my @wrong;
    @of = @files unless @of;
    $round++;
    for my $i (0 .. $#of) {
        my $file = $of[$i];
        my ($method, $status, @fields)
            = @{$first{$ways[($i + $round) % @ways]}};
        my $res = head_of($server, $method, $file->{path}, @fields);
        push @wrong, "$file->{path}: $res->{status}, " . said($res)
            . ", not $file->{said}" unless $res->{status} == $status
            && said($res) eq $file->{said};
    }
    all_right("tags and dates are as they were $when", @wrong);
}

# The files whose digests the index has, by the manifest.
sub digests
{
    local $ENV{VLD_INDEX} = $server->index_path;
    my ($rc, $out) = Vld::Test::tool('export');
    return map { $_->{file} => index($out, "  $_->{file}\n") >= 0 } @files;
}

sub restarted
{
    $server->stop;
    ok($server->launch, 'the server starts again');
}

same_again('at the second request');
same_again('at the third');
{
    my @due = grep { $_->{folder} =~ /default|patient/
        && $_->{size} < 100 << 20 } @files;
    ok(defined seconds_until(60, sub {
        my %has = digests();
        return !grep { !$has{$_->{file}} } @due;
    }), 'the server has indexed what it may');
}
same_again('when files are indexed');
$server->graceful;
Time::HiRes::sleep(1);
same_again('after a graceful restart');
restarted();
same_again('after a restart');

# Where nothing may be recorded there is no memory of promises.
my @kept = grep { $_->{folder} ne 'off' } @files;
ok(scan_of($server, map { $server->docs($_) } @folders),
    'htvalidators reads all of them');
same_again('when a scan has read them', @kept);
Time::HiRes::sleep(1.2);
same_again('when every child knows it', @kept);
{
    my %has = digests();
    all_right('the index has the digest of each', map { $_->{path} }
        grep { !$has{$_->{file}} } @files);
}
restarted();
same_again('after one more restart', @kept);
{
    local $ENV{VLD_INDEX} = $server->index_path;
    is((Vld::Test::tool('compact', '--quiet'))[0], 0, 'the index is compacted');
}
Time::HiRes::sleep(1.2);
same_again('after that', @kept);

# Another time, the same content: whoever reads the file finds that out.
{
    my @touched = grep { $_->{folder} eq 'patient'
        || $_->{folder} eq 'default' && $_->{size} <= 1 << 20 } @files;
    stamp($_->{file}, $Vld::Cold::old + 5000) for @touched;
    settle();
    same_again('after a touch of what the server reads', @touched);
    stamp($_->{file}, $Vld::Cold::old + 9000) for @kept;
    ok(scan_of($server, map { $server->docs($_) } @folders),
        'touched again, htvalidators reads them');
    same_again('after a touch of what a scan has read', @kept);
}

# A client that holds the answer of a host that promised nothing, or of one
# that did: the digest's tag counts beside the promise.
{
    my @wrong;
    for my $file (grep { $_->{folder} eq 'promised' && $_->{size} == 1 << 20 }
        @files)
    {
        my $other = tag_of(slurp($file->{file}));
        my $res = head_of($server, 'GET', $file->{path},
            'If-None-Match' => $other);
        push @wrong, "$file->{path}: If-None-Match: $res->{status} "
            . tag_in($res)
            unless $res->{status} == 304 && tag_in($res) eq $other;
        $res = head_of($server, 'GET', $file->{path}, 'If-Range' => $other,
            Range => 'bytes=0-99');
        push @wrong, "$file->{path}: If-Range: $res->{status} " . tag_in($res)
            unless $res->{status} == 206 && tag_in($res) eq $other;
        $res = head_of($server, 'GET', $file->{path}, 'If-Match' => $other);
        push @wrong, "$file->{path}: If-Match: $res->{status} " . tag_in($res)
            unless $res->{status} == 200 && tag_in($res) eq $other;
    }
    all_right('the tag of the digest counts as well', @wrong);
}
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$server->stop;

# --- a log that grows ------------------------------------------------------------------

# Downloaded slowly while lines are appended: what comes is its beginning, whole.
{
    my $size = 12 << 20;
    my %every = (fast => 0.01, slow => 0.25);
    my $logs = cold_server('promise-logs', sub {
        cold_text($_[0]->docs("default/$_.log"), $size) for keys %every;
    });
    my $end = now() + 40;
    my @writers = map {
        my $name = $_;
        child_of(sub {
            open my $fh, '>>', $logs->docs("default/$name.log") or die "$!\n";
            for (my $n = 0; now() < $end; $n++) {
                syswrite $fh, sprintf "%-31s\n", "line $n";
                Time::HiRes::sleep($every{$name});
            }
        });
    } sort keys %every;
    my $dir = client_folder('logs');
    for my $n (1 .. 4) {
        my @wrong;
        for my $name (sort keys %every) {
            my $path = "default/$name.log";
            my ($rc) = run_in($dir, 'curl', '-s', '--limit-rate', '8M', '-o',
                "got-$name", "http://127.0.0.1:$logs->{port}/$path");
            my $got = -s "$dir/got-$name" || 0;
            my $same = $got >= $size && substr(slurp($logs->docs($path)), 0,
                $got) eq slurp("$dir/got-$name");
            push @wrong, "$path: curl's exit is $rc, $got octets"
                unless $rc == 0 && $same;
        }
        all_right("logs that grow are sent to their end, download $n",
            @wrong);
    }
    kill 'TERM', @writers;
    waitpid $_, 0 for @writers;
    $logs->stop;
}

# --- salts --------------------------------------------------------------------------------

SKIP: {
    skip 'a stock server has no salts', 1 unless module_loaded();
    my $salt = '';
    my $salted = cold_server('promise-salt', sub {
        my $s = shift;
        cold_text($s->docs("default/$_->[1].css"), $_->[0] << 10)
            for @sizes[0 .. 2];
    }, 'ValidatorsAnswerTTL 1');
    my @paths = map { "default/$_->[1].css" } @sizes[0 .. 2];
    settle();
    my %tag;
    my $ask = sub { map { my $path = $_; $path => tag_in($salted->client->get(
        "/$path", 'If-None-Match' => $tag{$path})) } @paths };
    %tag = $ask->();
    my %plain = %tag;
    for my $case (['.htaccess', 'one'], ['.htaccess', 'two'],
        ['the configuration', 'three'])
    {
        my ($where, $text) = @$case;
        if ($where eq '.htaccess') {
            spew($salted->docs('default/.htaccess'),
                "ValidatorsTagSalt \"$text\"\n");
            Time::HiRes::sleep(1.2); # prepared answers are as old as that
        }
        else {
            unlink $salted->docs('default/.htaccess');
            $salted->{more} = "ValidatorsTagSalt \"$text\"\n"
                . 'ValidatorsAnswerTTL 1';
            $salted->configure;
            $salted->graceful;
            # Children of the configuration before may answer for a moment.
            my $new = 0;
            seconds_until(10, sub {
                my %now = $ask->();
                $new = (grep { $now{$_} eq $plain{$_} || $now{$_} eq $tag{$_} }
                    @paths) ? 0 : $new + 1;
                return $new == 5;
            });
        }
        my (@wrong, %new);
        for my $path (@paths) {
            my $res = $salted->client->get("/$path",
                'If-None-Match' => $tag{$path});
            $new{$path} = tag_in($res);
            push @wrong, "$path: $res->{status} $new{$path}"
                unless $res->{status} == 200 && strong($new{$path})
                && $new{$path} ne $tag{$path} && $new{$path} ne $plain{$path};
            $res = $salted->client->get("/$path",
                'If-None-Match' => $new{$path});
            push @wrong, "$path: $res->{status} again" if $res->{status}
                != 304;
            $res = $salted->client->get("/$path", 'If-Range' => $tag{$path},
                Range => 'bytes=0-9');
            push @wrong, "$path: a part of what was held: $res->{status}"
                if $res->{status} != 200;
        }
        all_right("a salt in $where flushes what clients hold", @wrong);
        %tag = %new;
    }
    $salted->{more} = '';
    $salted->configure;
    $salted->graceful;
    ok(defined seconds_until(10, sub { my %now = $ask->();
        !grep { $now{$_} ne $plain{$_} } @paths }),
        'without a salt the tags are as before');
    $salted->stop;
}
done_testing();
