#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# No circle of includes or calls ties source files or rooms together.  A file
# uses another where it includes its header, or where its object file needs a
# symbol that the other's defines.  A header counts as the source file of its
# name, and as itself where there is none.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

built('MODULE', '.libs/mod_validators.so', 'mod_validators.so');

my @sources = files(qr{^(?!test/).*\.[ch]$});
my %is_file = map { $_ => 1 } @sources;
some(\@sources, 'source files');

# %uses: file => { file that it uses => the reason }
my %uses;
my ($includes, $calls) = (0, 0);

sub file_of
{
    my $name = shift;
    my $source = $name =~ s/\.h$/.c/r;
    return $is_file{$source} ? $source : $name;
}

sub add_arrow
{
    my ($from, $to, $why) = @_;
    $uses{$from}{$to} = $why unless $from eq $to || $uses{$from}{$to};
}

# --- includes -----------------------------------------------------------------

sub path_of
{
    my ($name, $from) = @_;
    my ($folder) = $from =~ m{^(.*/)};
    for my $path ($name, "include/$name", ($folder || '') . $name) {
        return $path if $is_file{$path};
    }
    return;
}

my @lost;
for my $name (@sources) {
    for my $header (text($name) =~ /^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/mg) {
        my $path = path_of($header, $name);
        if (!$path) {
            push @lost, "$name: $header";
            next;
        }
        $includes++;
        add_arrow(file_of($name), file_of($path), "includes $header");
    }
}
none(\@lost, 'every header that is included was found');
cmp_ok($includes, '>', 0, 'there are includes to check');

# --- calls --------------------------------------------------------------------

sub object_of
{
    my ($folder, $name) = shift =~ m{^(.*/|)([^/]+)\.c$};
    my ($found) = grep { -f }
        map { build("$folder$_") } ".libs/$name.o", "$name.o";
    return $found;
}

my (%defined_in, %needed_by, @not_built, @twice);
for my $name (grep { /\.c$/ } @sources) {
    my $object = object_of($name);
    if (!$object) {
        push @not_built, $name;
        next;
    }
    open my $nm, '-|', 'nm', '-g', '-P', $object or die "nm: $!\n";
    while (<$nm>) {
        my ($symbol, $type) = split;
        next if $symbol =~ /^__(?:asan|odr_asan|start|stop|tsan|ubsan)_/;
        if ($type =~ /^[Uwv]$/) {
            push @{ $needed_by{$symbol} }, $name;
            next;
        }
        push @twice, "$symbol: $name, $defined_in{$symbol}"
            if $defined_in{$symbol};
        $defined_in{$symbol} = $name;
    }
    close $nm or die "nm $object failed\n";
}
none(\@not_built, 'every source file has an object file in the build folder');
none(\@twice, 'no symbol has two definitions');

# The module's record is its name for httpd's log and configuration: each file
# that logs or reads its configuration needs it, and calls nobody by it.
my $record = 'validators_module';

for my $symbol (sort keys %needed_by) {
    my $to = $defined_in{$symbol};
    next if !$to || $symbol eq $record;
    for my $from (@{ $needed_by{$symbol} }) {
        $calls++;
        add_arrow($from, $to, "needs $symbol");
    }
}
cmp_ok($calls, '>', 0, 'there are calls to check');

# --- circles ------------------------------------------------------------------

# The strongly connected components of more than one node (Tarjan).
sub circles
{
    my $graph = shift;
    my ($next, %index, %low, @stack, %on_stack, @found) = (0);
    my $visit;
    $visit = sub {
        my $node = shift;
        $index{$node} = $low{$node} = $next++;
        push @stack, $node;
        $on_stack{$node} = 1;
        for my $other (sort keys %{ $graph->{$node} || {} }) {
            if (!defined $index{$other}) {
                $visit->($other);
                $low{$node} = $low{$other} if $low{$other} < $low{$node};
            }
            elsif ($on_stack{$other} && $index{$other} < $low{$node}) {
                $low{$node} = $index{$other};
            }
        }
        return if $low{$node} != $index{$node};
        my @component;
        do {
            push @component, pop @stack;
            delete $on_stack{ $component[-1] };
        } until $component[-1] eq $node;
        push @found, [sort @component] if @component > 1;
    };
    defined $index{$_} or $visit->($_) for sort keys %$graph;
    return @found;
}

# The names in the circle, and each arrow in it.
sub describe
{
    my ($graph, $circle) = @_;
    my %inside = map { $_ => 1 } @$circle;
    my @lines = "circle: @$circle";
    for my $from (@$circle) {
        push @lines, map { "    $from -> $_ ($graph->{$from}{$_})" }
            grep { $inside{$_} } sort keys %{ $graph->{$from} };
    }
    return join "\n", @lines;
}

none([map { describe(\%uses, $_) } circles(\%uses)],
    'no circle ties source files together');

# The table of the directives names functions of every room of the server:
# it is a room of its own.
sub room_of
{
    my $name = shift;
    return 'the directives' if $name =~ m{^server/directives\.[ch]$};
    return $name =~ m{^(.*)/} ? $1 : 'the front door';
}

my %rooms;
for my $from (keys %uses) {
    for my $to (keys %{ $uses{$from} }) {
        my ($a, $b) = (room_of($from), room_of($to));
        $rooms{$a}{$b} = "$from $uses{$from}{$to}" if $a ne $b;
    }
}
cmp_ok(scalar(keys %rooms), '>', 1, 'there are rooms to check');
none([map { describe(\%rooms, $_) } circles(\%rooms)],
    'no circle ties rooms together');
done_testing();
