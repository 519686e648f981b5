#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A record's octets are the same in the code, in the table above it, and in
# docs/index-format.md, where other programs learn them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $code = text('index/record.c');
my $docs = text('docs/index-format.md');

my ($enum) = $code =~ /\benum \{(\s*AT_VERSION\b.*?)\}/s;
my %at = ($enum || '') =~ /(AT_\w+) = (\d+)/g;
some([keys %at], 'offsets in index/record.c');
is(scalar(keys %at), scalar(() = ($enum || '') =~ /AT_/g),
    'every offset was understood');
my @offsets = sort { $a <=> $b } values %at;

# Rows of offset and size; the last is the path's, of size n.
my ($comment) = $code =~ /OFFSET  SIZE  DESCRIPTION\n(.*?)\*\//s;
my @rows = map { [/^ \* +(\d+) +(\d+|n)  \S/] }
    grep { /^ \* +\d+ +(?:\d+|n)  \S/ } split /\n/, $comment || '';
my ($section) = $docs =~ /^### `files`\n(.*?)(?=^##|\z)/ms;
my @documented = map { [/^\| (\d+) \| (\d+|n) \|/] }
    grep { /^\| \d+ \|/ } split /\n/, $section || '';
some(\@rows, 'rows in index/record.c');
some(\@documented, 'rows in docs/index-format.md');

is_deeply([map { $_->[0] } @rows], \@offsets,
    'the table of octets in index/record.c has the offsets of the code');
is_deeply([map { $_->[0] } @documented], \@offsets,
    'docs/index-format.md has the offsets of the code');
is_deeply(\@documented, \@rows,
    'docs/index-format.md has the sizes of index/record.c');
none([map { "at $rows[$_][0]: $rows[$_][1] octets" }
        grep { $rows[$_][0] + $rows[$_][1] != $rows[$_ + 1][0] }
        0 .. $#rows - 1],
    'the fields of a record follow each other without a gap');

my ($size) = text('index/record.h') =~ /^#define VLD_PROMISED_SIZE (\d+)$/m;
is($size, $offsets[-1], 'a record ends where the path begins');
my ($format) = text('index/record.h') =~ /^#define VLD_FORMAT_PROMISES (\d+)$/m;
like($docs, qr/^\| 0 \| 2 \| version of the record, \Q$format\E \|$/m,
    'docs/index-format.md has the version of the code');
done_testing();
