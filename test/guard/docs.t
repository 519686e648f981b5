#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The documents lead somewhere: every link has its target, every file that they
# name is there, and docs/design.md names every source file.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my @documents = files(qr{^(?!test/).*\.md$});
some(\@documents, 'documents');

# Names in a document that a reader is going to make.
my $example = qr/hello/;

sub folder_of { return shift =~ m{^(.*/)} ? $1 : '' }

# What a fenced block shows is no text.
sub prose { return text(shift) =~ s/^```.*?^```$//msgr }

# The anchors that GitHub makes of headings.
sub anchors_of
{
    my %anchors;
    for my $title (prose(shift) =~ /^#+ +(.+?) *$/mg) {
        my $anchor = lc $title;
        $anchor =~ s/[^\w\- ]//g;
        $anchor =~ tr/ /-/;
        $anchors{$anchor} = 1;
    }
    return \%anchors;
}

# --- links ---------------------------------------------------------------------

my ($links, @broken) = (0);
for my $name (@documents) {
    for my $link (prose($name) =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ /^\w+:/;
        $links++;
        my ($file, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
        my $target = length $file ? folder_of($name) . $file : $name;
        $target =~ s{[^/]+/\.\./}{}g;
        push @broken, "$name: $link"
            unless -e top($target)
            && (!defined $anchor || anchors_of($target)->{$anchor});
    }
}
cmp_ok($links, '>', 0, 'there are links to check');
none(\@broken, 'every link in the documents has a target');

# --- files ---------------------------------------------------------------------

my @folders = grep { -d top($_) } qw(precond content index scan watch slots
    answers wanted server cli include test scripts docs man packaging);
my $folders = join '|', @folders;
my ($named, @missing) = (0);
for my $name (@documents) {
    for my $path (prose($name) =~ /`((?:$folders)\/[\w.\/-]*)`/g) {
        next if $path =~ $example;
        $named++;
        push @missing, "$name: $path" unless -e top($path);
    }
}
cmp_ok($named, '>', 0, 'files are named');
none(\@missing, 'every file that a document names is there');

# --- the table of files ----------------------------------------------------------

my ($section) = text('docs/design.md') =~ /^## Files\n(.*?)(?=^## |\z)/ms;
my %row;
while (($section || '') =~ /^\| `([\w.\/]+)`( `\.h`)? \| (.+) \|$/mg) {
    my ($file, $header) = ($1, $2);
    $row{$file}++;
    $row{ $file =~ s/\.c$/.h/r }++ if $header;
}
some([keys %row], 'files in the table of docs/design.md');
my @sources = files(qr{^(?!test/).*\.[ch]$});
none([grep { !$row{$_} } @sources],
    'docs/design.md has a purpose for every source file');
none([grep { !-e top($_) } sort keys %row],
    'every file in the table of docs/design.md exists');
none([grep { $row{$_} > 1 } sort keys %row],
    'no file has two rows in docs/design.md');
done_testing();
