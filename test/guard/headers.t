#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A private header stays where it is private, and a name that a header gives
# means one thing: types, enumerators and macros have one definition.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my @sources = files(qr{^(?!test/).*\.[ch]$});
my @headers = grep { /\.h$/ } @sources;
some(\@headers, 'headers');

sub folder_of { return shift =~ m{^(.*/)} ? $1 : '' }

# --- "Private to folder/" -------------------------------------------------------

# The first comment after the licence, as one line.
sub head_of
{
    my ($head) = text(shift) =~ m{\A/\*.*?\*/\s*/\*(.*?)\*/}s;
    return ($head || '') =~ s/\s*\n \*\s*/ /gr;
}

my %private;
for my $name (@headers) {
    my ($owner) = head_of($name) =~ /\bprivate to ([\w\/]+\/)/i or next;
    $private{$name} = $owner;
}
some([keys %private], 'private headers');
none([grep { $private{$_} ne folder_of($_) } sort keys %private],
    'a private header is private to the folder where it lies');
none([grep { !$private{$_}
            && m{^(?:precond|content|index|scan|watch|slots|answers|wanted)/} }
        @headers],
    'a header beside the sources of a part is private: contracts are in include/');

# Unit tests and fuzzers may look inside, by way of the test library, too.
my ($seen, @strangers) = (0);
for my $name (files(qr{\.[ch]$})) {
    for my $header (text($name) =~ /^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/mg) {
        my ($path) = grep { $private{$_} } $header, folder_of($name) . $header;
        next unless $path;
        $seen++;
        push @strangers, "$name includes $path"
            unless index($name, $private{$path}) == 0
            || $name =~ m{^test/(?:unit|fuzz)/};
    }
}
cmp_ok($seen, '>', 0, 'private headers are included');
none(\@strangers, 'a private header is included by its own folder and tests');

# --- one definition -----------------------------------------------------------------

# The text without comments, strings and preprocessor lines.
sub bare
{
    my $text = shift;
    $text =~ s{/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'}{ }gs;
    $text =~ s{^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*$}{}mg;
    return $text;
}

# Whose name it is: the whole project's, or of one room with private headers.
sub scope_of
{
    my ($name, $file) = @_;
    return $name =~ /^vld_/i ? '' : $private{$file} || '';
}

# %where: kind and name => the places that define it.
my %where;

sub note_name
{
    my ($kind, $name, $file) = @_;
    push @{ $where{"$kind $name"} }, $file;
}

sub note_types
{
    my $file = shift;
    my $text = bare(text($file));
    while ($text =~ /\b(struct|union|enum)\s+(vld_\w+)\s*\{/g) {
        note_name($1, $2, $file);
    }
    1 while $text =~ s/\{[^{}]*\}/ /g;
    while ($text =~ /\btypedef\b([^;]*);/g) {
        my $words = $1;
        my ($name) = $words =~ /\(\s*\*\s*(\w+)\s*\)/;
        ($name) = $words =~ /(\w+)\s*(?:\[[^\]]*\]\s*)*$/ unless $name;
        note_name('type', $name, $file) if $name && $name =~ /^vld_/;
    }
}

sub note_enumerators
{
    my $file = shift;
    my $text = bare(text($file));
    while ($text =~ /\benum\b\s*\w*\s*\{([^}]*)\}/g) {
        for my $item (split /,/, $1) {
            my ($name) = $item =~ /^\s*(\w+)\s*(?:=|$)/ or next;
            note_name('enumerator', $name, $file);
        }
    }
}

# One header may define a macro once for each of several compilers.
sub note_macros
{
    my $file = shift;
    my %names = map { $_ => 1 }
        text($file) =~ /^[ \t]*#[ \t]*define[ \t]+(\w+)/mg;
    note_name('macro', $_, $file) for sort keys %names;
}

for my $file (@sources) {
    note_types($file);
    note_enumerators($file);
    note_macros($file) if $file =~ /\.h$/;
}

# Two definitions meet where one is in a header that both files may see.
sub collides
{
    my ($kind, $name, @files) = @_;
    return 0 if @files < 2;
    return 1 if $name =~ /^vld_/i;
    my %rooms = map { (scope_of($name, $_) => 1) } grep { /\.h$/ } @files;
    return 0 unless %rooms;
    my $shared = delete $rooms{''};
    return 1 if $shared;
    return grep {
        my $room = $_;
        1 < grep { index($_, $room) == 0 } @files
    } keys %rooms;
}

for my $kind ('type', 'enumerator', 'macro') {
    my @names = map { /^$kind (\w+)$/ ? $1 : () } sort keys %where;
    some(\@names, "names of the kind $kind");
    none([map { "$_: @{ $where{\"$kind $_\"} }" }
            grep { collides($kind, $_, @{ $where{"$kind $_"} }) } @names],
        "no $kind that a header gives has two definitions");
}
none([map { "$_: @{ $where{$_} }" } grep { @{ $where{$_} } > 1 }
        grep { /^(?:struct|union|enum) / } sort keys %where],
    'no structure of the project has two definitions');
done_testing();
