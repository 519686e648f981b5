#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The house rules that a program can see.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

use constant { WIDTH => 80, LONGEST_FUNCTION => 43, LONGEST_IN_SCRIPTS => 60,
    LONGEST_FILE => 500, LONGEST_README => 120 };

my $holder = 'Copyright The mod_validators authors.';
my $licence = 'SPDX-License-Identifier: Apache-2.0';

my @c = files(qr{\.[ch]$});
my @text = grep { -T top($_) || -z _ } files();
my @code = grep { is_code($_) } @text;
some(\@c, 'C files');
some(\@text, 'text files');
some(\@code, 'files of code');

# What has a head: everything that is written in a language of comments, the
# programs without a suffix among it.
sub is_code
{
    my $name = shift;
    return 1 if $name =~ /\.(?:[ch]|t|pl|pm|sh|py|ac|am|css|js|html|\d)$/;
    return $name !~ /\./ && text($name) =~ /\A#!/;
}

sub offenders
{
    my ($files, $pattern) = @_;
    my @bad;
    for my $name (@$files) {
        my $n = 0;
        for my $line (lines($name)) {
            $n++;
            push @bad, "$name:$n: $line" if $line =~ $pattern;
        }
    }
    return \@bad;
}

none([grep { text($_) !~ m{\A/\* \Q$holder\E\n \* \Q$licence\E \*/\n/\* \w} }
        @c],
    'every C file begins with copyright, licence and what it is');
none([grep { my @head = (lines($_))[0 .. 4];
            my $head = join "\n", grep { defined } @head;
            index($head, $holder) < 0 || index($head, $licence) < 0 } @code],
    'every file of code names copyright and licence at its head');
none(offenders(\@c, qr/\t/), 'no tab stands in C');
none(offenders(\@c, qr/^.{${\ (WIDTH + 1)}}/),
    'no line of C is longer than ' . WIDTH . ' columns');
none(offenders(\@text, qr/[ \t\r]$/), 'no line ends with white space');
none([grep { my $t = text($_); length $t && $t !~ /[^\n]\n\z/ } @text],
    'every text file ends with one newline');

# Spelled so that these lines are not found themselves.
my $marks = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'X' . 'XX';
none(offenders(\@text, qr/\b(?:$marks)\b/),
    'no mark of unfinished work stands in the source');
my $private = join '|', 'wo' . 'rk', 'ho' . 'me/\w', 'Us' . 'ers/\w',
    't' . 'mp/(?!validators-|vld-)\w';
none(offenders([grep { $_ ne 'LICENSE' } @text],
        qr{(?:^|[\s"'`=:(,])/(?:$private)}),
    'no path of one machine stands in the source');

cmp_ok(scalar(grep { 1 } lines('README.md')) - 1, '<=', LONGEST_README,
    'the README has at most ' . LONGEST_README . ' lines');

# A manual page is a document, and has no parts.
my @sources = grep { !/^test\// && !/\.\d$/ } @code;
none([grep { my @lines = lines($_);
            @lines - 1 > LONGEST_FILE
                && !grep { /Longer than ${\ LONGEST_FILE} lines because\b/ }
                    @lines[2 .. 20] } @sources],
    'no file is longer than ' . LONGEST_FILE . ' lines, unless its head says why');

# --- functions -----------------------------------------------------------------

# A function's braces stand alone in the first column; in a script the first of
# them may end the line of its name.
sub functions
{
    my ($name, $n, $start, @found) = (shift, 0);
    my $last = '';
    for my $line (lines($name)) {
        $n++;
        if ($line eq '{') {
            $start = $n;
        }
        elsif ($line =~ /^(?:sub |function )?[\w-]+(?:\(\))? \{$/) {
            ($start, $last) = ($n, $line);
        }
        elsif ($line eq '}' && $start) {
            push @found, [$name, $start, $n - $start - 1, $last];
            undef $start;
        }
        $last = $line unless $start;
    }
    return @found;
}

my @functions = map { functions($_) } @c;
some(\@functions, 'functions');
my @scripted = map { functions($_) } grep { /^scripts\// } @code;
some(\@scripted, 'functions of scripts');

sub longer_than
{
    my ($most, @found) = @_;
    return [map { "$_->[0]:$_->[1]: $_->[2] lines: $_->[3]" }
        grep { $_->[2] > $most } @found];
}

none(longer_than(LONGEST_FUNCTION, grep { $_->[0] !~ /^test\// } @functions),
    'no function is longer than ' . LONGEST_FUNCTION . ' lines');
none(longer_than(LONGEST_IN_SCRIPTS, @scripted),
    'no function of a script is longer than ' . LONGEST_IN_SCRIPTS . ' lines');
none(offenders(\@c, qr/^(?:static |const |unsigned )*\w+ [\w* ]+\([^;]*\) \{$/),
    'the brace of a function stands on a line of its own');
none(offenders(\@c, qr/^\s*\} else\b/), 'else stands on a line of its own');
done_testing();
