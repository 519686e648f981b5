# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The decision table as requests: expands test/tables (its README says how).
# Has no opinion of its own on any row.
package Vld::Table;
use strict;
use warnings;
use Vld::Test ();

my @factors = qw(method if-match if-unmodified-since if-none-match
    if-modified-since range);

sub read_lines
{
    my $name = shift;
    my $path = Vld::Test::top() . "/../tables/$name";
    open my $fh, '<', $path or die "$path: $!\n";
    my @lines = grep { $_ ne '' && !/^#/ } map { s/\n\z//r } <$fh>;
    return map { [split /\t/, $_, -1] } @lines;
}

sub fill_in
{
    my ($line, $opaque, $lm) = @_;
    my %value = ('opaque' => $opaque);
    $line =~ s/\{opaque\}/$opaque/g;
    $line =~ s/\{lm\}/date($lm)/ge;
    $line =~ s/\{lm-1h\}/date($lm - 3600)/ge;
    $line =~ s/\{lm\+1h\}/date($lm + 3600)/ge;
    $line =~ s/\{lm\+1d\}/date($lm + 86400)/ge;
    $line =~ s/\{now\+1y\}/date(time + 365 * 86400)/ge;
    die "unknown placeholder: $line\n" if $line =~ /[{}]/;
    return $line;
}

sub date { return Vld::Test::http_date(shift) =~ s/ GMT$//r }

# All rows for a representation with this tag (its opaque part) and date, both
# strong: [method, field lines as text, status wanted, name].
sub rows
{
    my ($opaque, $lm) = @_;
    my %values;
    for my $f (read_lines('factors.tsv')) {
        my ($factor, $name, $class) = @$f[0, 1, 2];
        my $text = join '', map { fill_in($_, $opaque, $lm) . "\r\n" }
            @$f[6 .. $#$f];
        push @{$values{$factor}}, [$name, $class, $text];
    }
    my @rules = map { [[map { {map { $_ => 1 } split /\|/} } @$_[0 .. 5]],
        $_->[6]] } read_lines('rules.tsv');
    my @rows = ([]);
    for my $factor (@factors) {
        my @longer;
        for my $row (@rows) {
            push @longer, [@$row, $_] for @{$values{$factor}};
        }
        @rows = @longer;
    }
    return map { one_row($_, \@rules) } @rows;
}

sub one_row
{
    my ($row, $rules) = @_;
    my @classes = map { $_->[1] } @$row;
    RULE: for my $rule (@$rules) {
        for my $i (0 .. 5) {
            next RULE unless $rule->[0][$i]{'*'}
                || $rule->[0][$i]{$classes[$i]};
        }
        return [$row->[0][0], join('', map { $_->[2] } @$row), $rule->[1],
            join ' ', map { "$factors[$_]=$row->[$_][0]" } 0 .. 5];
    }
    die "no rule fits @classes\n";
}

1;
