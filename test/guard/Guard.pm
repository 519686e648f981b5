# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What the guards share: the list of the project's files, and a test that
# names what breaks a rule.  Knows no rule.
package Guard;
use strict;
use warnings;
use Cwd ();
use Exporter 'import';
use File::Find ();
use Test::More ();

our @EXPORT = qw(top build files text lines none some built);

my $top = Cwd::abs_path($ENV{srcdir} || '.');
my $build = Cwd::abs_path($ENV{builddir} || $ENV{srcdir} || '.');
my @files;

# The top of the source tree, or a path below it.
sub top { return join '/', $top, @_ }

sub build { return join '/', $build, @_ }

# The project's files, relative to the top: what git tracks; where there is
# no git, as in a released archive, all but what a build leaves behind.
# Those that match the pattern.
sub files
{
    my $pattern = shift;
    @files = grep { -f top($_) && !-l top($_) } tracked() unless @files;
    die "no files below $top\n" unless @files;
    return grep { !defined $pattern || /$pattern/ } @files;
}

sub tracked
{
    return walked() unless -e top('.git');
    open my $git, '-|', 'git', '-c', "safe.directory=$top", '-C', $top,
        'ls-files', '-z' or die "git: $!\n";
    local $/ = "\0";
    my @found = map { chomp; $_ } <$git>;
    close $git or die "git ls-files failed in $top\n";
    return sort @found;
}

my $leftover = qr{
    ^(_build|_inst|autom4te\.cache|build-aux|build|build-[^/]*|m4)/
    | (^|/)(\.libs|\.deps|\.dirstamp)(/|$)
    | \.(o|lo|la|a|so|trs|log|tmp)$
    | ^(configure~?|aclocal\.m4|config\.[^/]*|libtool|stamp-h1)$
    | ^(Makefile|Makefile\.in|htvalidators|test_\w+)$
}x;

sub walked
{
    my @found;
    File::Find::find({ no_chdir => 1, wanted => sub {
        return unless -f $File::Find::name;
        my $name = substr $File::Find::name, length($top) + 1;
        return if index($File::Find::name, "$build/") == 0 && $build ne $top;
        push @found, $name if $name !~ $leftover;
    } }, $top);
    return sort @found;
}

sub text
{
    my $name = shift;
    open my $fh, '<:encoding(UTF-8)', top($name) or die "$name: $!\n";
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

sub lines { return split /\n/, text(shift), -1 }

# Passes when the list of offenders is empty; names them else.
sub none
{
    my ($bad, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $ok = Test::More::ok(!@$bad, $name);
    Test::More::diag("  $_") for @$bad;
    return $ok;
}

# Passes when there is something to check.
sub some
{
    my ($list, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::cmp_ok(scalar(@$list), '>', 0,
        "there are $what to check");
}

# A file that the build has made: where the environment says, or there.
sub built
{
    my ($variable, @places) = @_;
    for my $path ($ENV{$variable} || (), map { build($_) } @places) {
        return Cwd::abs_path($path) if -f $path;
    }
    die "nothing built: set $variable, or builddir to where it was built\n";
}

1;
