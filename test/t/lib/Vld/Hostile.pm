# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The truth test: files changed in hostile ways under a running server, while
# clients revalidate.  The writer logs when each content was a file's; the
# clients log what they held and what they were told; the judge compares.
# Runs no command after a change, and never asks the server what is true.
package Vld::Hostile;
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use Fcntl qw(O_RDWR);
use POSIX ();
use Time::HiRes qw(sleep);
use Vld::Http ();
use Vld::Test qw(now);

my %sizes = ('1k' => 1024, '40k' => 40 * 1024, '200k' => 200 * 1024,
    '2m' => 2 * 1024 * 1024);
my @ways = qw(utimes renamed rewritten linked back grown touched flipped
    released);
my $mtime = 1_500_000_000;

# Every file of the test: [name of its way, name of its size].
#   pause     about so many seconds between two changes of a file
#   ways      which files there are, by how they are changed; all
#   idle      so many seconds between a client's requests; none
sub new
{
    my ($class, %opt) = @_;
    my $self = bless { %opt, files => [], version => 0 }, $class;
    for my $way (@{$opt{ways} || \@ways}) {
        for my $size (sort { $sizes{$a} <=> $sizes{$b} } keys %sizes) {
            push @{$self->{files}}, { way => $way, size => $sizes{$size},
                n => scalar @{$self->{files}},
                url => "/$way/" . ($way eq 'released' ? "$size/now/" : '')
                    . "$size.css" };
        }
    }
    return $self;
}

sub content
{
    my ($self, $file, $version) = @_;
    my $line = sprintf "%-31s\n", "file $file->{n} version $version";
    return $line x ($file->{size} / 32);
}

sub next_content
{
    my ($self, $file) = @_;
    return $self->content($file, ++$self->{version});
}

# --- the files, before the clients start ---------------------------------

sub create
{
    my ($self, $docs) = @_;
    for my $file (@{$self->{files}}) {
        my $path = $file->{path} = $docs . $file->{url};
        my $content = $self->next_content($file);
        if ($file->{way} eq 'released') {
            ($file->{base} = $path) =~ s{/now/[^/]+$}{};
            ($file->{leaf}) = $path =~ m{([^/]+)$};
            $self->release($file, 'r0', $content);
        }
        else {
            $self->whole($path, $content);
        }
        if ($file->{way} eq 'linked') {
            my $other = $self->next_content($file);
            $self->whole("$path.b", $other);
            link $path, "$path.a" or die "$path.a: $!\n";
            $file->{pair} = [[a => $content], [b => $other]];
        }
        $file->{now} = $content;
    }
}

sub whole
{
    my ($self, $path, $content) = @_;
    Vld::Test::stamp(Vld::Test::spew($path, $content), $mtime);
}

sub release
{
    my ($self, $file, $name, $content) = @_;
    my $base = $file->{base};
    $self->whole("$base/$name/$file->{leaf}", $content);
    unlink "$base/.next";
    symlink $name, "$base/.next" or die "$base/.next: $!\n";
    rename "$base/.next", "$base/now" or die "$base/now: $!\n";
}

# --- the writer -------------------------------------------------------------

# Change files until the time is over; a line for each change: file, begin,
# end, digest of the content from then on, or "touch" where that stays.
sub write_until
{
    my ($self, $end, $log) = @_;
    open my $out, '>', $log or die "$log: $!\n";
    my $t = now();
    print {$out} join(' ', $_->{n}, 0, 0, md5_hex($_->{now})), "\n"
        for @{$self->{files}};
    my @due = map { [$t + rand $self->{pause}, $_] } @{$self->{files}};
    while (($t = now()) < $end) {
        @due = sort { $a->[0] <=> $b->[0] } @due;
        if ($due[0][0] > $t) {
            sleep($due[0][0] - $t);
            next;
        }
        my $file = $due[0][1];
        $due[0][0] = $t + $self->{pause} * (0.2 + rand 1.6);
        # Now and then several changes within a tick or two of the clock.
        my $times = rand() < 0.25 ? 2 + int rand 3 : 1;
        for (1 .. $times) {
            $self->change($file, $out);
            sleep(rand 0.006);
        }
    }
    close $out or die "$log: $!\n";
}

sub change
{
    my ($self, $file, $out) = @_;
    my $change = $self->can("change_$file->{way}");
    my $began = now();
    my @steps = $self->$change($file);
    print {$out} sprintf("%d %.7f %.7f touch\n", $file->{n}, $began, now())
        unless @steps;
    for my $step (@steps) {
        print {$out} join(' ', $file->{n}, sprintf('%.7f %.7f',
            @$step[0, 1]), md5_hex($step->[2])), "\n";
        $file->{now} = $step->[2];
    }
}

# In place, in several writes, without truncating.
sub overwrite
{
    my ($path, $content) = @_;
    sysopen my $fh, $path, O_RDWR or die "$path: $!\n";
    my $part = length($content) > 4096 ? length($content) / 4 : 4096;
    for (my $off = 0; $off < length $content; $off += $part) {
        my $n = $part < length($content) - $off ? $part
            : length($content) - $off;
        sysseek $fh, $off, 0;
        syswrite($fh, $content, $n, $off) == $n or die "$path: $!\n";
        sleep(0.002) if $off + $part < length $content;
    }
    close $fh;
}

sub replace
{
    my ($path, $content, $time) = @_;
    Vld::Test::spew("$path.new", $content);
    Vld::Test::stamp("$path.new", $time) if defined $time;
    my $t0 = now();
    rename "$path.new", $path or die "$path: $!\n";
    return [$t0, now(), $content];
}

sub change_utimes
{
    my ($self, $file) = @_;
    my ($new, $t0) = ($self->next_content($file), now());
    overwrite($file->{path}, $new);
    Vld::Test::stamp($file->{path}, $mtime);
    return [$t0, now(), $new];
}

sub change_renamed
{
    my ($self, $file) = @_;
    return replace($file->{path}, $self->next_content($file), $mtime);
}

sub change_rewritten
{
    my ($self, $file) = @_;
    my ($new, $t0) = ($self->next_content($file), now());
    overwrite($file->{path}, $new);
    return [$t0, now(), $new];
}

sub change_linked
{
    my ($self, $file) = @_;
    my $path = $file->{path};
    my $pair = $file->{pair};
    @$pair = reverse @$pair;
    my ($which, $content) = @{$pair->[0]};
    unlink "$path.l";
    my $t0 = now();
    link "$path.$which", "$path.l" or die "$path.l: $!\n";
    rename "$path.l", $path or die "$path: $!\n";
    return [$t0, now(), $content];
}

sub change_back
{
    my ($self, $file) = @_;
    my $time = rand() < 0.5 ? 0 : 978_307_200;
    return replace($file->{path}, $self->next_content($file), $time)
        if rand() < 0.5;
    my ($new, $t0) = ($self->next_content($file), now());
    overwrite($file->{path}, $new);
    Vld::Test::stamp($file->{path}, $time);
    return [$t0, now(), $new];
}

# A line appended, or all that was appended cut off again.
sub change_grown
{
    my ($self, $file) = @_;
    my ($path, $old) = @$file{qw(path now)};
    if (length $old > $file->{size}) {
        my $new = substr $old, 0, $file->{size};
        my $t0 = now();
        truncate $path, $file->{size} or die "$path: $!\n";
        Vld::Test::stamp($path, $mtime) if rand() < 0.5;
        return [$t0, now(), $new];
    }
    my $line = sprintf "%-31s\n", 'appended ' . ++$self->{version};
    my $t0 = now();
    open my $fh, '>>:raw', $path or die "$path: $!\n";
    syswrite $fh, $line;
    close $fh;
    return [$t0, now(), $old . $line];
}

sub change_touched
{
    my ($self, $file) = @_;
    Vld::Test::stamp($file->{path}, rand() < 0.5 ? time : $mtime
        - int rand 1e6);
    return;
}

# To another content and back.
sub change_flipped
{
    my ($self, $file) = @_;
    my $old = $file->{now};
    my $other = replace($file->{path}, $self->next_content($file), $mtime);
    sleep(rand() < 0.5 ? 0.001 : rand 0.1);
    return ($other, replace($file->{path}, $old, $mtime));
}

sub change_released
{
    my ($self, $file) = @_;
    my $new = $self->next_content($file);
    my $name = 'r' . ($file->{release} = !$file->{release} ? 1 : 0);
    my $t0 = now();
    my $base = $file->{base};
    # The folder that is not linked is made anew before the switch.
    unlink "$base/$name/$file->{leaf}";
    $self->release($file, $name, $new);
    return [$t0, now(), $new];
}

# --- the clients --------------------------------------------------------------

# Revalidate until the time is over; a line for each answer.
sub read_until
{
    my ($self, $end, $log, $port, $other) = @_;
    open my $out, '>', $log or die "$log: $!\n";
    my $c = $other || Vld::Http->new(port => $port, timeout => 20);
    my $slow = $other || Vld::Http->new(port => $port, timeout => 20,
        slow => 0.002);
    my @states;
    for my $file (@{$self->{files}}) {
        for my $kind (Vld::Test::kinds()) {
            for my $coding ('', 'gzip') {
                my $state = { file => $file, kind => $kind,
                    coding => $coding };
                # The largest less often: they cost the client most.
                push @states, ($state) x ($file->{size} > 1e6 ? 1 : 4);
            }
        }
    }
    while (now() < $end) {
        # Several times in a row now and then: as a reload does.
        my $state = $states[rand @states];
        for (1 .. 1 + int rand 4) {
            # Slowly where it can be overtaken by a change.
            my $by = $state->{file}{size} > 100_000 && !$state->{coding}
                && rand() < 0.3 ? $slow : $c;
            print {$out} $self->ask($by, $state), "\n";
        }
        sleep($self->{idle}) if $self->{idle};
        # curl over HTTP/2 is slow enough as it is.
        print {$out} map { "$_\n" } $self->ask_parts($c, $state->{file})
            if !$other && rand() < 0.05;
    }
    # Once more when all is quiet.
    my %seen;
    @states = grep { !$seen{$_}++ } @states;
    @states = grep { $_->{held} } @states if $other;
    for my $state (@states) {
        print {$out} $self->ask($c, $state), "\n" for 1 .. 2;
    }
    close $out or die "$log: $!\n";
}

# As read_until, over HTTP/2 by curl, one process a request.
sub read_h2_until
{
    my ($self, $end, $log, $port) = @_;
    my $c = bless { port => $port, file => "$log.tmp" }, 'Vld::Hostile::Curl';
    return $self->read_until($end, $log, $port, $c);
}

# An answer; where the server does not listen, one of status 0.
sub answer
{
    my ($c, @request) = @_;
    my $res = eval { $c->request(@request) } || { status => 0, h => {},
        body => '', complete => 0 };
    sleep(0.02) unless $res->{status};
    return $res;
}

# Where the parts of a file begin that are compared, and how long they are.
use constant PARTS => 8;

sub part
{
    my ($file, $i) = @_;
    my $most = $file->{size} / PARTS;
    return ($i * $most, $most < 4096 ? $most : 4096);
}

sub part_line
{
    my ($file, $i, $t0, $t1, $res, $octets, $series) = @_;
    my ($tag, $date) = @{$res->{h}}{qw(etag last-modified)};
    return join ' ', $file->{n}, sprintf('%.7f %.7f', $t0, $t1), 'part', $i,
        $series, $res->{status}, '-', md5_hex($octets),
        defined $tag ? $tag : '-', defined $date ? $date =~ s/ /_/gr : '-';
}

# Some parts one after the other, as one who puts a file together from them.
sub ask_parts
{
    my ($self, $c, $file) = @_;
    my $series = ++$self->{series};
    my @lines;
    for (1 .. 3) {
        my $i = int rand PARTS;
        my ($from, $len) = part($file, $i);
        my $t0 = now();
        my $res = answer($c, 'GET', $file->{url}, Range => sprintf
            'bytes=%d-%d', $from, $from + $len - 1);
        push @lines, part_line($file, $i, $t0, now(), $res, $res->{body},
            $series) if $res->{status} == 206 && $res->{complete};
    }
    return @lines;
}

# A part of what is held, if it still is: what comes must fit what is held.
sub ask_range
{
    my ($self, $c, $state) = @_;
    my $held = $state->{held};
    my $from = int rand(length($held->{body}) - 64);
    my $to = $from + 32 + int rand 20_000;
    my $t0 = now();
    my $res = answer($c, 'GET', $state->{file}{url},
        Range => "bytes=$from-$to", 'If-Range' => $held->{etag});
    my $t1 = now();
    my $tag = $res->{h}{etag};
    $tag = '-' unless defined $tag;
    my $fits = '-';
    if ($res->{status} == 206) {
        my $want = substr $held->{body}, $from, $to - $from + 1;
        $fits = $tag eq $held->{etag} && $res->{body} eq $want ? 1 : 0;
    }
    return join ' ', $state->{file}{n}, sprintf('%.7f %.7f', $t0, $t1),
        'range', 'identity', 0, $res->{status}, $held->{key}, '-', $tag,
        $fits;
}

sub ask
{
    my ($self, $c, $state) = @_;
    my $held = $state->{held};
    return $self->ask_range($c, $state) if $held && !$state->{coding}
        && defined $held->{body} && length $held->{body} > 64
        && rand() < 0.15;
    my @fields;
    if ($held) {
        push @fields, 'If-None-Match' => $held->{etag}
            if defined $held->{etag} && $state->{kind} ne 'date';
        push @fields, 'If-Modified-Since' => $held->{date}
            if defined $held->{date} && $state->{kind} ne 'tag';
    }
    my $conditional = @fields ? 1 : 0;
    push @fields, 'Accept-Encoding' => 'gzip' if $state->{coding};
    my $t0 = now();
    my $res = answer($c, 'GET', $state->{file}{url}, @fields);
    my $t1 = now();
    my ($etag, $date) = @{$res->{h}}{qw(etag last-modified)};
    my ($key, $honest, $more) = ('-', '-', '');
    if ($res->{status} == 200 && $res->{complete}) {
        my $body = $res->{body};
        $body = Vld::Test::gunzip($body)
            if ($res->{h}{'content-encoding'} || '') eq 'gzip';
        $body = "not gzip:$res->{body}" unless defined $body;
        $key = md5_hex($body);
        $honest = Vld::Test::strong($etag) ? is_digest($etag, $body) : '-';
        $state->{held} = { key => $key, etag => $etag, date => $date };
        if (!$state->{coding} && Vld::Test::strong($etag)) {
            $state->{held}{body} = $body;
            my $i = int rand PARTS;
            my ($from, $len) = part($state->{file}, $i);
            $more = "\n" . part_line($state->{file}, $i, $t0, $t1, $res,
                substr($body, $from, $len), 0) if length $body >= $from + $len;
        }
    }
    elsif ($res->{status} == 304 && $held) {
        $held->{etag} = $etag if defined $etag;
        $held->{date} = $date if defined $date;
    }
    return join ' ', $state->{file}{n}, sprintf('%.7f %.7f', $t0, $t1),
        $state->{kind}, $state->{coding} || 'identity', $conditional,
        $res->{status}, $held ? $held->{key} : '-', $key,
        defined $etag ? $etag =~ s/ /_/gr : '-', $honest . $more;
}

# Whether a tag is the digest of these octets (its coding's suffix aside).
sub is_digest
{
    my ($etag, $body) = @_;
    my ($opaque) = Vld::Test::tag_of($body) =~ /^"(.*)"$/;
    return $etag =~ /^"\Q$opaque\E(?:-\w+)?"$/ ? 1 : 0;
}

# --- the judge ---------------------------------------------------------------

sub read_history
{
    my $log = shift;
    open my $fh, '<', $log or die "$log: $!\n";
    my (%history, %moves);
    while (my $line = <$fh>) {
        my ($n, $t0, $t1, $key) = split ' ', $line;
        push @{$moves{$n}}, [$t0, $t1];
        push @{$history{$n}}, { t0 => $t0, t1 => $t1, key => $key }
            if $key ne 'touch';
    }
    return (\%history, \%moves);
}

# The first change after which no other was over by then.
sub first_at
{
    my ($changes, $t0) = @_;
    my ($low, $high) = (0, $#$changes);
    while ($low < $high) {
        my $middle = int(($low + $high) / 2);
        if ($changes->[$middle + 1]{t1} < $t0) {
            $low = $middle + 1;
        }
        else {
            $high = $middle;
        }
    }
    return $low;
}

# Whether that content was the file's at some moment of the request (any), or
# at every moment of it (all); undef: the file was being written all along.
sub was
{
    my ($changes, $key, $t0, $t1) = @_;
    my ($any, $all, $writing) = (0, 0, 0);
    for my $i (first_at($changes, $t0) .. $#$changes) {
        my ($c, $next) = @$changes[$i, $i + 1];
        last if $c->{t0} > $t1;
        $writing = 1 if $c->{t1} >= $t0;
        next unless $c->{key} eq $key;
        $any = 1;
        $all = 1 if $c->{t1} <= $t0 && (!$next || $next->{t0} >= $t1);
    }
    return ($any, $all, $writing);
}

# Whether the file was left alone from before t0 to after t1.
sub lay_still
{
    my ($moves, $t0, $t1) = @_;
    return !grep { $_->[1] >= $t0 && $_->[0] <= $t1 } @$moves;
}

# The intervals in which the server was being restarted, from their log; none
# where it has none.
sub read_restarts
{
    my $log = shift;
    open my $fh, '<', $log or return [];
    return [map { [split] } <$fh>];
}

# Whether a request that failed has a restart for it.
sub was_restarting
{
    my ($self, $t0, $t1) = @_;
    return grep { $_->[1] >= $t0 && $_->[0] <= $t1 } @{$self->{restarts}
        || []};
}

# Counts from the logs, and what was wrong.
sub judge
{
    my ($self, $changes_log, @client_logs) = @_;
    my ($history, $moves) = read_history($changes_log);
    $self->{moves} = $moves;
    my %known = map { my $n = $_; $n => { map { $_->{key} => 1 }
        @{$history->{$n}} } } keys %$history;
    my %r = map { $_ => 0 } qw(requests full not_modified untrue due due_given
        ranges two_bodies torn_strong torn failed writes parts changed_tag
        restarted);
    $r{writes} += @{$history->{$_}} - 1 for keys %$history;
    my %body_of;
    for my $log (@client_logs) {
        $self->{last_part} = {};
        open my $fh, '<', $log or die "$log: $!\n";
        while (my $line = <$fh>) {
            chomp $line;
            $self->weigh(\%r, $line, $history, \%known, \%body_of);
        }
    }
    return \%r;
}

sub weigh
{
    my ($self, $r, $line, $history, $known, $body_of) = @_;
    my ($n, $t0, $t1, $kind, $coding, $conditional, $status, $held, $key,
        $etag, $honest) = split ' ', $line;
    my $file = $self->{files}[$n];
    my $what = "$file->{url} $kind $coding";
    $r->{requests}++;
    if ($kind eq 'range') {
        $r->{ranges}++ if $status == 206;
        note($r, 'unfit_range', $what, $line) if $honest eq '0';
        return;
    }
    return weigh_part($self, $r, $line, $body_of) if $kind eq 'part';
    if (!$status && $self->was_restarting($t0, $t1)) {
        $r->{restarted}++;
        return;
    }
    $r->{by_status}{$status}++;
    if ($conditional) {
        my ($any, $all, $writing) = was($history->{$n}, $held, $t0, $t1);
        if ($all) {
            $r->{due}++;
            $r->{due_given}++ if $status == 304;
            $r->{due_of}{"$file->{way} $kind"}[$status == 304 ? 0 : 1]++;
        }
        if ($status == 304) {
            $r->{not_modified}++;
            note($r, 'untrue', $what, $line) unless $any
                || $writing && !$known->{$n}{$held};
        }
    }
    elsif ($status == 304) {
        note($r, 'unasked', $what, $line);
    }
    if ($status == 200) {
        $r->{full}++;
        my $torn = !$known->{$n}{$key};
        $r->{torn}++ if $torn;
        if (Vld::Test::strong($etag)) {
            note($r, 'torn_strong', $what, $line) if $torn && $honest ne '1';
            my $seen = $body_of->{"$n $coding $etag"} ||= $key;
            note($r, 'two_bodies', $what, $line) if $seen ne $key;
        }
        note($r, 'old_body', $what, $line)
            if !$torn && !(was($history->{$n}, $key, $t0, $t1))[0];
    }
    $r->{failed}++ unless $status == 200 || $status == 304;
}

# One strong tag, one sequence of octets, whatever the part.  The parts of a
# series name one tag and one date while the file lies still; a file that has
# just changed may have a weak tag, and no date, for a moment.
sub weigh_part
{
    my ($self, $r, $line, $body_of) = @_;
    my ($n, $t0, $t1, undef, $i, $series, undef, undef, $key, $etag, $date)
        = split ' ', $line;
    my $what = "$self->{files}[$n]{url} part";
    $r->{parts}++;
    if (Vld::Test::strong($etag)) {
        my $seen = $body_of->{"$n part $i $etag"} ||= $key;
        note($r, 'two_bodies', $what, $line) if $seen ne $key;
    }
    return unless $series;
    my $last = $self->{last_part};
    my @before = $last->{series} && $last->{series} == $series
        ? @$last{qw(etag date t0)} : ();
    %$last = (series => $series, etag => $etag, date => $date,
        t0 => @before ? $before[2] : $t0);
    return unless @before && lay_still($self->{moves}{$n}, $before[2], $t1);
    note($r, 'changed_tag', $what, "$line, not $before[0] $before[1]")
        if Vld::Test::strong($etag) && Vld::Test::strong($before[0])
        && $etag ne $before[0] || $date ne '-' && $before[1] ne '-'
        && $date ne $before[1];
}

sub note
{
    my ($r, $which, $what, $line) = @_;
    $r->{$which}++;
    $r->{of}{$which}{$what}++;
    push @{$r->{wrong}{$which}}, "$what: $line";
}

# --- a client over HTTP/2, with as much of Vld::Http's face as is needed ------

package Vld::Hostile::Curl;

sub request
{
    my ($self, $method, $path, @fields) = @_;
    my @lines;
    while (my ($name, $value) = splice @fields, 0, 2) {
        push @lines, '-H', "$name: $value";
    }
    unlink "$self->{file}.h", "$self->{file}.b";
    my ($rc) = Vld::Test::run_command('curl', '-s', '--max-time', 20,
        '--http2-prior-knowledge', '-D', "$self->{file}.h", '-o',
        "$self->{file}.b", @lines, "http://127.0.0.1:$self->{port}$path");
    my %res = (status => 0, h => {}, body => '', complete => $rc == 0);
    my $head = -e "$self->{file}.h" ? Vld::Test::slurp("$self->{file}.h")
        : '';
    $res{status} = $1 if $rc == 0 && $head =~ m{^HTTP/2 (\d+)};
    $res{h}{lc $1} = $2 while $head =~ /^([^:\r\n]+):\s*([^\r\n]*)/mg;
    $res{body} = Vld::Test::slurp("$self->{file}.b")
        if -e "$self->{file}.b";
    return \%res;
}

1;
