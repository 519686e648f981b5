# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What every suite needs: where things are, files and their times, the tag of a
# content, the index tool, processes, the access log's notes.  Knows no server's
# configuration and no request's outcome.
package Vld::Test;
use strict;
use warnings;
use Cwd ();
use Digest::SHA ();
use Exporter 'import';
use File::Basename ();
use File::Path ();
use MIME::Base64 ();
use POSIX ();
use Test::More ();
use Time::HiRes ();
use Vld::Http ();

our @EXPORT = qw(top docs module_loaded mpm port_of client spew slurp stamp
    settle scan scan_of tool note_of new_id strong weak etag_ok tag_of
    tag_of_digest promise_of promised_tag_of tag_in http_date now_s now
    same_fields gunzip run_command try_config make_module child_of all_well children_of seconds_until
    validators_of kinds not_modified noted all_right);

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

# The same with the index of a private server; without paths all that it serves.
sub scan_of
{
    my ($server, @paths) = @_;
    local $ENV{VLD_INDEX} = $server->index_path;
    return scan(@paths ? @paths : $server->docs);
}

# --- httpd's programs -----------------------------------------------------------

# (exit status, output) of `httpd -t` for these lines of configuration.
sub try_config
{
    my $lines = join '', @_;
    my $dir = "$top/private/try-$$";
    spew("$dir/httpd.conf", <<"END");
ServerRoot "$dir"
ServerName localhost
Listen 127.0.0.1:1
PidFile "$dir/pid"
ErrorLog "$dir/error_log"
Include "$top/../modules.conf"
$lines
END
    return run_command($ENV{VLD_HTTPD}, '-t', '-f', "$dir/httpd.conf");
}

# Make a module from a file of test/modules as others make theirs, by what apxs
# says: (its LoadModule line, exit status and output).
sub make_module
{
    my ($name, $file, @flags) = @_;
    my ($cc, $cflags, $extra, $cpp, $include, $apr)
        = map { chomp(my $said = `apxs -q $_`); $said }
        qw(CC CFLAGS EXTRA_CFLAGS EXTRA_CPPFLAGS INCLUDEDIR APR_CONFIG);
    chomp(my $apr_flags = `$apr --includes --cppflags`);
    my $so = "$top/logs/$file.so";
    my ($rc, $out) = run_command($cc,
        split(' ', "$cflags $extra $cpp $apr_flags"),
        qw(-Wall -Wextra -shared -fPIC), @flags, "-I$include", '-o', $so,
        "$top/../modules/mod_$name.c");
    return ("LoadModule ${name}_module \"$so\"\n", "$rc $out");
}

# --- processes ----------------------------------------------------------------

# Seconds that only grow.
sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# How many seconds passed until the code returned true; undef where it did not
# in that time.
sub seconds_until
{
    my ($limit, $code) = @_;
    my $began = now();
    until ($code->()) {
        return undef if now() > $began + $limit;
        Time::HiRes::sleep(0.05);
    }
    return now() - $began;
}

# Run the code in a child process; its process id.
sub child_of
{
    my $code = shift;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return $pid if $pid;
    srand;
    my $ok = eval { $code->(); 1 };
    print STDERR "# $@" unless $ok;
    POSIX::_exit($ok ? 0 : 1);
}

# Wait for these children; how many of them ended well.
sub all_well
{
    my $well = 0;
    for my $pid (@_) {
        waitpid $pid, 0;
        $well++ if $? == 0;
    }
    return $well;
}

# The process ids of a process's children.
sub children_of
{
    my $parent = shift;
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $stat or next;
        my $line = <$fh>;
        push @found, $1 if defined $line
            && $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
    }
    return @found;
}

# --- the access log -----------------------------------------------------------

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

# --- fields of responses ------------------------------------------------------

# The strong tag that the content has wherever it is served, without a key.
sub tag_of { return tag_of_digest(Digest::SHA::sha256(shift)) }

# What the tag of a file that was not read is made of: a promise's seed, and
# zeros (docs/index-format.md).
sub promise_of
{
    my $path = shift;
    my ($status, $out) = run_command('stat', '-c', '%s %.9Y %.9Z %i', $path);
    my ($size, $mtime, $ctime, $inode) = split ' ', $out;
    tr/.//d for $mtime, $ctime;
    ($status, $out) = run_command('stat', '-f', '-c', '%i', $path);
    my @system = map { hex } sprintf('%016s', $out =~ /(\w+)/) =~ /(.{8})/g;
    my $digest = Digest::SHA::sha256("vld promise v1\0\0"
        . pack 'Q<4V2', $size, $mtime, $ctime, $inode, @system);
    return substr($digest, 0, 16) . "\0" x 16;
}

# The tag that a large file has as long as nobody has read it.
sub promised_tag_of { return tag_of_digest(promise_of(shift)) }

# The tag that is made of a digest: its first 128 bits in base64url.
sub tag_of_digest
{
    my $raw = substr shift, 0, 16;
    (my $b64 = MIME::Base64::encode_base64($raw, '')) =~ tr{+/=}{-_}d;
    return "\"$b64\"";
}

sub tag_in { my $tag = $_[0]{h}{etag}; return defined $tag ? $tag : 'none' }

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

# --- tests ----------------------------------------------------------------------

use constant MOST_NAMED => 200;

# A test of many cases: passes when none of them was wrong.  Each of @wrong
# names a case and says what it was.  All of them are shown; where there are
# more than MOST_NAMED, so many, and how many are not.
sub all_right
{
    my ($name, @wrong) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::pass($name) unless @wrong;
    Test::More::fail($name);
    Test::More::diag('wrong cases: ' . @wrong);
    Test::More::diag("  $_") for splice @wrong, 0, MOST_NAMED;
    Test::More::diag('  and ' . @wrong . ' more, which are not shown')
        if @wrong;
    return 0;
}

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
