#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Lists in the source and in docs/directives.md are the same: the words of the
# note `validators`, the fields that are kept, the filters that do no harm.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my ($macro) = text('server/note.h') =~ /#define VLD_WORDS\(X\)(.*?[^\\])\n/s;
my @words = ($macro || '') =~ /X\(\w+,\s*"([^"]+)"/g;
some(\@words, 'words in server/note.h');
is(scalar(@words), scalar(() = ($macro || '') =~ /X\(/g),
    'every word was understood');

my ($section) = text('docs/directives.md')
    =~ /^## [^\n]*\bnote\b[^\n]*\n(.*?)(?=^## |\z)/ms;
my @documented = ($section || '') =~ /^\| `([^`]+)` \|/mg;
some(\@documented, 'documented words');

my $code = join '', map { text($_) } files(qr{^server/.*\.c$});
none([grep { $code !~ /\bVLD_WORD_$_\b/ } ($macro || '') =~ /X\((\w+),/g],
    'every word is said somewhere in server/');

my %word = map { $_ => 1 } @words;
my %documented = map { $_ => 1 } @documented;
none([grep { !$documented{$_} } @words], 'every word is documented');
none([grep { !$word{$_} } @documented], 'every documented word exists');

# The strings of an array of the source, in lower case.
sub strings_of
{
    my ($file, $array) = @_;
    my ($list) = text($file)
        =~ /^static const char \*const $array\[\] = \{(.*?)\}/ms;
    return sort map { lc } ($list || '') =~ /"([^"]+)"/g;
}

sub section
{
    my $title = shift;
    return text('docs/directives.md') =~ /^## $title\n(.*?)(?=^## |\z)/ms
        ? $1 : '';
}

my @kept = strings_of('server/access/kept_fields.c', 'kept');
my ($fields) = section('Prepared answers')
    =~ /^These fields .*?:\n\n(.*?)\n\n/ms;
some(\@kept, 'fields that are kept');
is_deeply([sort map { lc } grep { !/^Access-Control/ }
        ($fields || '') =~ /`([^`]+)`/g], \@kept,
    'the documented fields of a prepared answer are those that are kept');

my @harmless = sort map { strings_of('server/access/filters.c', $_) }
    qw(harmless usually_harmless);
my @in_table = map { /`([^`]+)`/g } map { /^\| (`[^|]+)\|/mg }
    section('Filters');
some(\@harmless, 'filters that do no harm');
is_deeply([sort map { lc } @in_table], \@harmless,
    'the documented filters that do no harm are those of the source');
done_testing();
