#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Every word of the note `validators` is documented, and the reverse; and each
# is said somewhere.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my ($macro) = text('server/server.h') =~ /#define VLD_WORDS\(X\)(.*?[^\\])\n/s;
my @words = ($macro || '') =~ /X\(\w+,\s*"([^"]+)"/g;
some(\@words, 'words in server/server.h');
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
done_testing();
