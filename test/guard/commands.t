#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What `htvalidators --help` lists is what the manual page describes and what
# has a suite.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $tool = built('HTVALIDATORS', '.libs/htvalidators', 'htvalidators');
my $man = text('man/htvalidators.8');

sub help
{
    open my $fh, '-|', $tool, @_ or die "$tool: $!\n";
    local $/;
    my $text = <$fh>;
    close $fh;
    is($?, 0, "htvalidators @_ has exit status 0");
    return defined $text ? $text : '';
}

sub section
{
    my $name = shift;
    return $man =~ /^\.Sh \Q$name\E\n(.*?)(?=^\.Sh |\z)/ms ? $1 : '';
}

# The items of the outer list of a section.
sub items
{
    my ($depth, @items) = (0);
    for my $line (split /\n/, shift) {
        $depth++ if $line =~ /^\.Bl/;
        $depth-- if $line =~ /^\.El/;
        push @items, $line if $depth == 1 && $line =~ /^\.It/;
    }
    return @items;
}

sub long_options { return sort map { /Fl -([a-z][\w-]*)/g } @_ }

my $help = help('--help');
my ($list) = $help =~ /^Commands:\n((?:  .*\n)+)/m;
my @commands = sort(($list || '') =~ /^  (\w+)/mg);
my @described = sort map { /^\.It Cm (\w+)/ } items(section('COMMANDS'));
some(\@commands, 'commands in the help');
is_deeply(\@described, \@commands,
    'the manual page describes the commands that the help lists');

my ($global) = $help =~ /^Options[^\n]*:\n((?:  .*\n)+)/m;
my @global = sort(($global || '') =~ /--(\w[\w-]*)/g);
some(\@global, 'options in the help');
is_deeply([long_options(items(section('OPTIONS')))], \@global,
    'the manual page describes the options that the help lists');

none([grep { $_ ne 'help' && !-e top("test/cli/$_.t") } @commands],
    'every command has a suite in test/cli');

for my $command (grep { $_ ne 'help' } @commands) {
    my ($own) = help($command, '--help') =~ /^Options:\n((?:  .*\n)+)/m;
    my %general = map { $_ => 1 } @global;
    my @own = sort grep { !$general{$_} } ($own || '') =~ /--(\w[\w-]*)/g;
    my ($text) = section('COMMANDS')
        =~ /^(\.It Cm $command\b.*?)(?=^\.It Cm|\z)/ms;
    my %seen;
    my @in_man = grep { !$seen{$_}++ }
        long_options(grep { /^\.It/ } split /\n/, $text || '');
    is_deeply(\@in_man, \@own,
        "the manual page describes the options of $command");
}
done_testing();
