#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Every file of the project is in the released archive, and the makefile
# names no file that is not there.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $makefile = text('Makefile.am');
$makefile =~ s/\\\n/ /g;
my %variable;
while ($makefile =~ /^(\w+)\s*\+?=\s*(.*)$/mg) {
    $variable{$1} .= " $2";
}

# $(name) is put in its place; names of the build folder are left out.
sub expand
{
    my $value = shift;
    $value =~ s/\$\((\w+)\)/defined $variable{$1} ? expand($variable{$1}) : ''/ge;
    return $value;
}

my @named = map { split ' ', expand($variable{$_}) }
    grep { /_SOURCES$|^EXTRA_DIST$|^dist_|_HEADERS$|^TESTS$/
        && !/^nodist_/ } keys %variable;
some(\@named, 'names in the makefile');
none([grep { !/\$/ && !-e top($_) && /[.\/]/ && !-e build($_) } @named],
    'every file that the makefile names is there');

# Automake takes these along by itself.
my $automatic = qr{^(Makefile\.am|configure\.ac|m4/.*|build-aux/.*)$};
# These are for who works in the repository.
my $not_released = qr{(^|/)\.git[^/]*$|^\.ci/|^\.github/};

my %named = map { s{/+$}{}r => 1 } @named;
my @files = grep { !/$automatic/ && !/$not_released/ } files();
some(\@files, 'files');

sub is_named
{
    my $path = shift;
    while (length $path) {
        return 1 if $named{$path};
        $path =~ s{/?[^/]+$}{};
    }
    return 0;
}

none([grep { !is_named($_) } @files], 'every file is in the released archive');
done_testing();
