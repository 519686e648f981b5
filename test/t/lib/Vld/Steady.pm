# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The other half of the truth test: files that nobody changes, asked for the
# first time one after the other by several clients at once, and again ever
# after.  Their tags and dates never change, every octet is right, and who holds
# a copy is told so.  Never asks the server what is true.
package Vld::Steady;
use strict;
use warnings;
use File::Path ();
use Time::HiRes qw(sleep);
use Vld::Http ();
use Vld::Test qw(now);

my $mtime = 1_490_000_000;

# By how often they come in ten: real content up to 8 MB, holes above.
my @sizes = ((100 << 10) x 4, (1 << 20) x 3, 8 << 20, 64 << 20, 300 << 20);

# seconds: of the round; count: how many files.
sub new
{
    my ($class, %opt) = @_;
    my $self = bless { %opt, files => [] }, $class;
    my $n = $opt{count} || 10 + int($opt{seconds} * 0.7);
    $n = 200 if $n > 200;
    for my $i (0 .. $n - 1) {
        # The first wait for nobody; of half of them the tag is but promised.
        my $folder = $i % 2 ? 'promised' : 'read';
        push @{$self->{files}}, { n => $i, size => $sizes[$i % @sizes],
            url => "/steady/$folder/$i.bin", name => "$folder/$i.bin",
            opens => $opt{seconds} * 0.85 * $i / $n };
    }
    return $self;
}

# Directives: the files are out of reach of scans and watchers of the site.
sub conf
{
    my ($self, $server) = @_;
    return <<"END";
Alias /steady "$server->{root}/steady"
<Directory "$server->{root}/steady">
    Require all granted
</Directory>
<IfModule mod_validators.c>
    <Directory "$server->{root}/steady/promised">
        ValidatorsAutoIndex On 64K
    </Directory>
</IfModule>
END
}

# 32 octets that say which file and where.
sub text
{
    my ($file, $from, $len) = @_;
    return "\0" x $len if $file->{size} > 8 << 20;
    my $first = int $from / 32;
    my $all = join '', map { sprintf "%9d%22d\n", $file->{n}, $_ }
        $first .. ($from + $len) / 32;
    return substr $all, $from - 32 * $first, $len;
}

sub create
{
    my ($self, $server) = @_;
    File::Path::make_path("$server->{root}/steady/$_") for qw(read promised);
    for my $file (@{$self->{files}}) {
        $file->{path} = "$server->{root}/steady/$file->{name}";
        Vld::Test::spew($file->{path}, $file->{size} > 8 << 20 ? ''
            : text($file, 0, $file->{size}));
        truncate $file->{path}, $file->{size} or die "$file->{path}: $!\n";
        Vld::Test::stamp($file->{path}, $mtime);
    }
}

# --- clients --------------------------------------------------------------------

# Ask until the time is over, from its beginning on; a line for each answer.
sub read_until
{
    my ($self, $began, $end, $log, $port, $server) = @_;
    open my $out, '>', $log or die "$log: $!\n";
    my $c = Vld::Http->new(port => $port, timeout => 60);
    my $open = 0;
    while (now() < $end) {
        my $files = $self->{files};
        my $file;
        if ($open < @$files && now() >= $began + $files->[$open]{opens}) {
            $file = $files->[$open++];
        }
        else {
            sleep(0.01);
            $file = $open ? $files->[rand $open] : next;
        }
        $self->scan_one($file, $server) if $open > 3 && rand() < 0.002;
        print {$out} $self->ask($c, $file), "\n";
    }
    close $out or die "$log: $!\n";
}

# What the server has promised, a scan reads.
sub scan_one
{
    my ($self, $file, $server) = @_;
    local $ENV{VLD_INDEX} = $server->index_path;
    Vld::Test::tool('scan', '--quiet', $file->{path});
}

# The fields of a request, and which octets of the content are to come; 'held'
# where a 304 is.
sub choose
{
    my ($file) = @_;
    my ($size, $held) = @$file{qw(size held)};
    my $from = int rand($size - 40_000);
    my @range = (Range => sprintf 'bytes=%d-%d', $from, $from + 32_767);
    my $how = rand;
    return ('HEAD', 'none') if $how < 0.1;
    return ('GET', [$from, 32_768], @range) if $how < 0.3 || !$held;
    return ('GET', 'held', 'If-None-Match' => $held->{etag}) if $how < 0.5
        && defined $held->{etag};
    return ('GET', 'held', 'If-Modified-Since' => $held->{date})
        if $how < 0.65 && defined $held->{date};
    return ('GET', [$from, 32_768], @range, 'If-Range' => $held->{etag})
        if $how < 0.8 && Vld::Test::strong($held->{etag});
    return ('GET', [0, $size]) if $size <= 1 << 20 || $how > 0.98 && $size
        <= 8 << 20;
    return ('GET', [$from, 32_768], @range);
}

sub ask
{
    my ($self, $c, $file) = @_;
    my ($method, $want, @fields) = choose($file);
    my $t0 = now();
    my $res = eval { $c->request($method, $file->{url}, @fields) }
        || { status => 0, h => {}, body => '', complete => 0 };
    my $t1 = now();
    my ($tag, $date) = @{$res->{h}}{qw(etag last-modified)};
    $file->{held} ||= { etag => $tag, date => $date }
        if $res->{status} == 200 || $res->{status} == 206;
    my $right = '-';
    if ($res->{complete} && $method eq 'GET' && ref $want
        && ($res->{status} == 206 || $res->{status} == 200))
    {
        $want = [0, $file->{size}] if $res->{status} == 200;
        $right = $res->{body} eq text($file, @$want) ? 1 : 0;
    }
    sleep(0.02) unless $res->{status};
    return join ' ', $file->{n}, sprintf('%.7f %.7f', $t0, $t1), $method,
        $res->{status}, !ref $want && $want eq 'held' ? 'held' : 'none',
        $right, map { defined $_ ? s/ /_/gr : '-' } $tag, $date,
        join ',', @fields;
}

# --- the judge --------------------------------------------------------------------

sub judge
{
    my ($self, @logs) = @_;
    my %r = map { $_ => 0 } qw(requests files first_large changed
        wrong_octets due due_given failed restarted);
    my @lines;
    for my $log (@logs) {
        open my $fh, '<', $log or die "$log: $!\n";
        push @lines, <$fh>;
    }
    chomp @lines;
    my %seen;
    $self->weigh(\%r, $_, \%seen) for map { $_->[1] }
        sort { $a->[0] <=> $b->[0] } map { [(split ' ')[2], $_] } @lines;
    $r{files} = keys %seen;
    $r{first_large} = grep { $self->{files}[$_]{size} > 1 << 20 } keys %seen;
    return \%r;
}

sub weigh
{
    my ($self, $r, $line, $seen) = @_;
    my ($n, $t0, $t1, $method, $status, $held, $right, $tag, $date)
        = split ' ', $line;
    my $file = $self->{files}[$n];
    my $what = "$file->{url} ($file->{size})";
    $r->{requests}++;
    if (!$status) {
        my $known = grep { $_->[1] >= $t0 && $_->[0] <= $t1 }
            @{$self->{restarts} || []};
        $r->{$known ? 'restarted' : 'failed'}++;
        return;
    }
    Vld::Hostile::note($r, 'wrong_octets', $what, $line) if $right eq '0';
    if ($held eq 'held') {
        $r->{due}++;
        $r->{due_given}++ if $status == 304;
    }
    my $first = $seen->{$n} ||= { tag => $tag, date => $date };
    # A 304 has no date, and the tag that the client holds.
    return if $status == 304;
    return if $tag eq $first->{tag} && $date eq $first->{date};
    Vld::Hostile::note($r, 'changed', $what,
        "$line, not $first->{tag} $first->{date}");
    @$first{qw(tag date)} = ($tag, $date);
}

1;
