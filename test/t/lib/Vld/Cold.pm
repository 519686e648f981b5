# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites about the first answers of files that no index knows: a server of
# them in folders with different limits, the programs of clients, and what the
# server says that it sent.  Judges nothing.
package Vld::Cold;
use strict;
use warnings;
use Digest::SHA ();
use Exporter 'import';
use File::Path ();
use POSIX ();
use Test::More ();
use Time::HiRes ();
use Vld::Extra;
use Vld::Server ();
use Vld::Test;

our @EXPORT = qw(cold_server cold_text cold_sparse program
    client_folder sha_of_file sent_for octets_for run_in);

# The mtime of every cold file.
our $old = 1_540_000_000;

# Folders of the site by their directives.
#   default    nothing is said
#   patient    every file is read before its first answer
#   promised   none is: the tag is of the identity
#   off        nothing is recorded
my %folders = (
    default => '',
    patient => 'ValidatorsAutoIndex On 1G 30s',
    promised => 'ValidatorsAutoIndex On 64K',
    off => 'ValidatorsAutoIndex Off',
);

# cold_server(name, prepare, directives): prepare is given the server.
sub cold_server
{
    my ($name, $prepare, $more) = @_;
    my $modules = load_modules('autoindex');
    return Vld::Server->start(name => $name, more => $more || '',
        prepare => $prepare, conf => sub {
        my $s = shift;
        my $docs = $s->docs;
        my $text = "$modules<Directory \"$docs\">\n    Options +Indexes\n"
            . "    Require all granted\n    AllowOverride FileInfo\n"
            . "</Directory>\n";
        return $text unless module_loaded();
        $text .= "ValidatorsEngine On\nLogLevel validators:debug\n$s->{more}\n";
        for my $name (sort keys %folders) {
            $text .= "<Directory \"$docs/$name\">\n    $folders{$name}\n"
                . "</Directory>\n";
        }
        return $text;
    });
}

# Content of that size; no two parts of it, and no two names, are alike.
sub cold_text
{
    my ($path, $size) = @_;
    (my $name = $path) =~ s{.*/}{};
    my $text = join '', map { sprintf "%-20.20s%11d\n", $name, $_ }
        0 .. $size / 32;
    $text = substr $text, 0, $size;
    stamp(spew($path, $text), $old);
    return Digest::SHA::sha256_hex($text);
}

# A file that takes no room.
sub cold_sparse
{
    my ($path, $size) = @_;
    spew($path, '');
    truncate $path, $size or die "$path: $!\n";
    stamp($path, $old);
}

# --- clients -------------------------------------------------------------------

# The path of a program; undef where it is not installed.
sub program
{
    my $name = shift;
    return (grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin',
        '/usr/local/sbin')[0];
}

my $folders = 0;

# A new folder for what a client keeps.
sub client_folder
{
    my $name = shift;
    my $dir = top() . "/logs/$name-" . ++$folders;
    File::Path::remove_tree($dir);
    File::Path::make_path($dir);
    return $dir;
}

# Run a program in a folder, which is its home as well: (exit status, output).
sub run_in
{
    my ($dir, @command) = @_;
    local $ENV{HOME} = $dir;
    my $back = top();
    chdir $dir or die "$dir: $!\n";
    my @said = run_command(@command);
    chdir $back or die "$back: $!\n";
    return @said;
}

sub sha_of_file
{
    my $path = shift;
    return 'no file' unless -f $path;
    return Digest::SHA->new(256)->addfile($path, 'b')->hexdigest;
}

# --- what the server sent --------------------------------------------------------

sub logged
{
    my ($server, $path) = @_;
    my @found;
    for my $line (split /\n/, slurp($server->log_path)) {
        my ($id, $status, $note, $octets, $method, $url) = split ' ', $line;
        push @found, { status => $status, octets => $octets,
            method => $method } if defined $url && $url eq $path;
    }
    return @found;
}

# The GETs of a path as "status octets", in their order, when there are so many
# or after a while.
sub sent_for
{
    my ($server, $path, $count) = @_;
    my @found;
    seconds_until(3, sub {
        @found = grep { $_->{method} eq 'GET' } logged($server, $path);
        return @found >= $count;
    });
    return map { "$_->{status} $_->{octets}" } @found;
}

# How many octets of contents were sent for paths below that one, in all.
sub octets_for
{
    my ($server, @paths) = @_;
    Time::HiRes::sleep(0.3);
    my $sum = 0;
    for my $path (@paths) {
        $sum += $_->{octets} =~ /^\d+$/ && $_->{method} eq 'GET'
            && $_->{status} =~ /^20/ ? $_->{octets} : 0
            for logged($server, $path);
    }
    return $sum;
}

1;
