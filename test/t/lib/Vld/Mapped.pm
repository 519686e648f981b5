# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Files of the truth test that are written through shared mappings, which move a
# file's times at the first store to a clean page only.  Of those whose writer
# sets the time when it is done nothing untrue may be said; of the others the
# manual says that it may.
package Vld::Mapped;
use strict;
use warnings;
use IPC::Open2 ();
use Vld::Hostile ();
use Vld::Test;

our @ISA = 'Vld::Hostile';

# ways: 'stamped' or 'silent'; the files lie in folders of these names.
sub new
{
    my ($class, %opt) = @_;
    return Vld::Hostile::new($class, %opt);
}

# Compile the program that writes; undef where that fails.
sub make_writer
{
    my $program = Vld::Test::top() . '/logs/mapped_writer';
    my ($rc, $out) = run_command('cc', '-O1', '-o', $program,
        Vld::Test::top() . '/../modules/mapped_writer.c');
    die "mapped_writer: $out\n" if $rc;
    return $program;
}

sub write_until
{
    my ($self, $end, $log) = @_;
    my @files = @{$self->{files}};
    my $pid = IPC::Open2::open2(my $from, my $to, $self->{program},
        map { $_->{path} } @files);
    @$self{qw(from to)} = ($from, $to);
    $self->SUPER::write_until($end, $log);
    close $to;
    waitpid $pid, 0;
    die "the writer's exit is $?\n" if $?;
}

sub store
{
    my ($self, $file, $stamp) = @_;
    my $version = ++$self->{version};
    my $t0 = now();
    syswrite $self->{to},
        "$file->{n} $stamp file $file->{n} version $version\n";
    readline($self->{from}) or die "the writer is gone\n";
    return [$t0, now(), $self->content($file, $version)];
}

# A second that passes, so that no time of another version comes again.
sub change_stamped
{
    my ($self, $file) = @_;
    return $self->store($file, 1_500_000_000 + ++$file->{stamps});
}

sub change_silent { return $_[0]->store($_[1], 0) }

1;
