#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# clang-format has the last word on the layout of C, by .clang-format.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my ($tool) = grep { -x } map { "$_/clang-format" } split /:/, $ENV{PATH};
plan skip_all => 'clang-format is not installed' unless $tool;

my @c = files(qr{\.[ch]$});
some(\@c, 'C files');
ok(-f top('.clang-format'), 'there are rules of layout');

sub complaints
{
    open my $fh, '-|', 'sh', '-c', 'cd "$1" && shift && exec "$@" 2>&1', 'sh',
        top(), $tool, '--dry-run', '-Werror', '--style=file', @_
        or die "sh: $!\n";
    my @out = <$fh>;
    my $fine = close $fh;
    chomp @out;
    my @bad = grep { /: error: / } @out;
    push @bad, @out ? @out : "$tool failed" unless $fine || @bad;
    return @bad;
}

none([complaints(@c)], 'clang-format finds nothing to do');
done_testing();
