# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What every suite needs: where things are, files and their times, the index
# tool, the access log's notes.  Knows nothing of what is tested.
package Vld::Test;
use strict;
use warnings;
use Cwd ();
use Exporter 'import';
use File::Basename ();
use File::Path ();
use POSIX ();
use Test::More ();
use Time::HiRes ();
use Vld::Http ();

our @EXPORT = qw(top docs module_loaded mpm port_of client spew slurp stamp
    settle scan tool note_of new_id strong weak etag_ok http_date
    now_s same_fields gunzip run_command
    validators_of kinds not_modified noted);

my $top = Cwd::getcwd();

# The staged folder that holds the suites; the tests run there.
sub top { return $top }

sub docs { return join '/', $top, 'htdocs', @_ }

sub module_loaded { return $ENV{VLD_MODULE} ? 1 : 0 }

sub mpm { return $ENV{VLD_MPM} }

my $config;

# The port of the shared server, or of the virtual host of that name.
sub port_of
{
    my $name = shift;
    unless ($config) {
        require Apache::Test;
        $config = Apache::Test::config();
    }
    return $config->{vars}{port} unless $name;
    return $config->{vhosts}{$name}{port} || die "no virtual host $name\n";
}

sub client
{
    my ($name, %opt) = @_;
    return Vld::Http->new(port => port_of($name), %opt);
}

# Write a file (its folders made as needed) in place.
sub spew
{
    my ($path, $content) = @_;
    File::Path::make_path(File::Basename::dirname($path));
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $content or die "$path: $!\n";
    close $fh or die "$path: $!\n";
    return $path;
}

sub slurp
{
    my $path = shift;
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $content = <$fh>;
    return defined $content ? $content : '';
}

# Give a file this modification time.
sub stamp
{
    my ($path, $mtime) = @_;
    utime($mtime, $mtime, $path) or die "$path: $!\n";
}

my $margin;

# Wait until what was just written can be told from a later change by its
# timestamps: longer where the file system is not known to keep fine ones.
sub settle
{
    $margin ||= do {
        my $type = `stat -f -c %T '$top'`;
        $type =~ m{^(ext|xfs|btrfs|tmpfs)} ? 0.15 : 2.3;
    };
    Time::HiRes::sleep($margin);
}

# Run a program without a shell; (exit status, output of both kinds).
sub run_command
{
    my @command = @_;
    my $pid = open my $out, '-|';
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    local $/;
    my $text = <$out>;
    close $out;
    return ($? >> 8, defined $text ? $text : '');
}

sub index_path
{
    return $ENV{VLD_INDEX} || "$top/index/validators.mdb";
}

# htvalidators on the suite's index; (exit status, output).
sub tool
{
    my @args = @_;
    return (127, 'no htvalidators') unless $ENV{VLD_HTVALIDATORS};
    return run_command($ENV{VLD_HTVALIDATORS}, '-i', index_path(), @args);
}

# Index paths; without the module there is no index, and nothing to do.
sub scan
{
    my @paths = @_;
    settle();
    return 1 unless module_loaded();
    my ($rc, $out) = tool('scan', '--quiet', @paths);
    Test::More::diag("htvalidators scan: exit $rc: $out") if $rc;
    return $rc == 0;
}

my $id = 0;

# An identifier for one request, to be sent as X-Id and found in the log.
sub new_id { return sprintf '%s-%d-%d', $0 =~ /(\w+)\.t/, $$, ++$id }

my (%logged, %read_to);
my %log_began = ("$top/logs/vld_log" => -s "$top/logs/vld_log");

# The note `validators` that the access log has for the request of that id;
# '-' where the request left none, undef where it was never logged.
sub note_of
{
    my ($want, $log) = @_;
    $log ||= "$top/logs/vld_log";
    $read_to{$log} = $log_began{$log} unless defined $read_to{$log};
    for (1 .. 100) {
        read_log($log);
        return delete $logged{$want} if defined $logged{$want};
        Time::HiRes::sleep(0.03);
    }
    return undef;
}

# What the log has more of since it was last read; whole lines.
sub read_log
{
    my $log = shift;
    open my $fh, '<', $log or return;
    seek $fh, $read_to{$log} || 0, 0;
    while (my $line = <$fh>) {
        last unless $line =~ /\n\z/;
        $read_to{$log} += length $line;
        $logged{$1} = $2 if $line =~ /^(\w+-\d+-\d+) \d+ (\S+)/;
    }
}

my $chars = qr/[\x21\x23-\x7e\x80-\xff]*/;
sub etag_ok { return defined $_[0] && $_[0] =~ /^(?:W\/)?"$chars"\z/ }
sub strong { return defined $_[0] && $_[0] =~ /^"$chars"\z/ }
sub weak { return defined $_[0] && $_[0] =~ /^W\/"$chars"\z/ }

sub http_date
{
    my @t = gmtime shift;
    return sprintf '%s, %02d %s %d %02d:%02d:%02d GMT',
        (qw(Sun Mon Tue Wed Thu Fri Sat))[$t[6]], $t[3],
        (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$t[4]],
        $t[5] + 1900, @t[2, 1, 0];
}

sub now_s { return time }

my @carried = qw(etag vary cache-control content-location expires);

# What a 304 lacks or says otherwise than the 200; '' where nothing.
sub same_fields
{
    my ($full, $not_modified, @more) = @_;
    my @wrong;
    for my $name (@carried, map { lc } @more) {
        my ($a, $b) = map { $_->{h}{$name} } $full, $not_modified;
        next if !defined $a && !defined $b;
        next if $name eq 'expires' && defined $a && defined $b;
        next if defined $a && defined $b && $a eq $b;
        push @wrong, sprintf '%s: 200 %s, 304 %s', $name,
            map { defined $_ ? "[$_]" : 'none' } $a, $b;
    }
    return join '; ', @wrong;
}

# The conditional fields of a client that holds this response: by its tag, by
# its date, or as browsers do by both.  Empty where it has none of that kind.
sub validators_of
{
    my ($res, $kind) = @_;
    my ($tag, $date) = @{$res->{h}}{qw(etag last-modified)};
    my @fields;
    push @fields, 'If-None-Match' => $tag
        if defined $tag && $kind ne 'date';
    push @fields, 'If-Modified-Since' => $date
        if defined $date && $kind ne 'tag';
    return if $kind eq 'both' && @fields < 4;
    return @fields;
}

sub kinds { return qw(tag date both) }

# A test: the client that holds $full gets a 304 that says what $full said.
sub not_modified
{
    my ($client, $path, $full, $kind, $name, @fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @held = validators_of($full, $kind);
    return Test::More::fail("$name (no validator to send)") unless @held;
    my $res = $client->get($path, @held, @fields);
    return Test::More::is($res->{status}, 304, $name)
        unless $res->{status} == 304;
    return Test::More::is(same_fields($full, $res), '', $name);
}

# A test: the log's note for the request of that id is, or is not, the word.
sub noted
{
    my ($id, $want, $name, $log) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $note = note_of($id, $log);
    return Test::More::like(defined $note ? $note : 'not logged', $want,
        $name);
}

sub gunzip
{
    my $bytes = shift;
    require Compress::Raw::Zlib;
    my ($z, $rc) = Compress::Raw::Zlib::Inflate->new(
        -WindowBits => Compress::Raw::Zlib::WANT_GZIP());
    my $out = '';
    $rc = $z->inflate($bytes, $out);
    return $rc == Compress::Raw::Zlib::Z_STREAM_END() ? $out : undef;
}

1;
