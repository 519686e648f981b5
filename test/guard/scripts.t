#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Every script can at least be read by its interpreter.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my (@shell, @sourced, @perl);
for my $name (grep { -T top($_) } files()) {
    my ($first) = lines($name);
    next unless defined $first && $first =~ /^#/;
    # What is sourced names its shell for shellcheck.
    push @sourced, [$name, $1] if $first =~ /^# shellcheck shell=(\w+)/;
    next unless $first =~ /^#!/;
    push @shell, [$name, $1] if $first =~ m{\b(bash|dash|sh)\b};
    push @perl, $name if $first =~ /\bperl\b/;
}

sub complaint
{
    my @command = @_;
    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or die "sh: $!\n";
    my @out = <$fh>;
    return close($fh) ? () : @out ? @out : "@command: failed\n";
}

some(\@shell, 'shell scripts');
some(\@perl, 'perl scripts');
none([map { chomp; $_ } map { complaint($_->[1], '-n', top($_->[0])) } @shell,
        @sourced],
    'every shell script can be read by its shell');
none([grep { !-x top($_) } map { $_->[0] } @shell],
    'every shell script may be executed');
my %known = map { $_->[0] => 1 } @shell, @sourced;
none([grep { !$known{$_} } files(qr{\.sh$})],
    'every file of shell says for which shell it is');
none([grep { !-x top($_) } @perl], 'every perl script may be executed');
SKIP: {
    skip 'shellcheck is not installed', 1
        unless grep { -x "$_/shellcheck" } split /:/, $ENV{PATH};
    none([map { chomp; $_ } map {
            complaint('shellcheck', '-S', 'warning', '-f', 'gcc', '-x', '-P',
                top(), top($_->[0])) } @shell, @sourced],
        'shellcheck finds nothing in any shell script');
}
done_testing();
