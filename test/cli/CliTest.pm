# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
# What the tests of the command line share: running it, making trees. Knows
# nothing of the commands.
package CliTest;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    $index $site $tool $work
    background can_do catches finished json lines make_files make_sparse
    needs_proc records run run_as_nobody scan slurp spew wait_for
);

# Who starts the tests may ignore signals (a shell does for what it puts in the
# background), and what is ignored stays so in every program started from here.
$SIG{$_} = 'DEFAULT' for qw(HUP INT PIPE QUIT TERM);

our $tool = abs_path($ENV{HTVALIDATORS} || './htvalidators')
    or die "no htvalidators\n";
-x $tool or die "$tool is not a program\n";

our $work  = abs_path(tempdir('htvalidators.XXXXXX', TMPDIR => 1, CLEANUP => 1));
our $site  = "$work/site";
our $index = "$work/index/validators.mdb";
mkdir $site or die "$site: $!";

sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$path: $!";
    local $/;
    my $text = <$in>;
    return defined $text ? $text : '';
}

sub spew {
    my ($path, $text) = @_;
    make_path(dirname($path));
    open my $out, '>:raw', $path or die "$path: $!";
    print {$out} $text;
    close $out or die "$path: $!";
}

# Files that have rested: their times are older than any margin of local
# file systems.
sub make_files {
    my (%content) = @_;
    spew("$site/$_", $content{$_}) for sort keys %content;
    sleep 0.2;
}

# Files that take time to hash and no room on the disk.
sub make_sparse {
    my ($folder, $count, $octets) = @_;
    make_path($folder);
    for my $n (1 .. $count) {
        my $path = sprintf '%s/%05d', $folder, $n;
        open my $out, '>', $path or die "$path: $!";
        truncate $out, $octets or die "$path: $!";
    }
    sleep 0.2;
}

my $runs = 0;

# Becomes another program; what this one made is taken away first.
sub leave_for {
    my (@command) = @_;
    remove_tree($work);
    exec @command or die "$command[0]: $!";
}

# Starts a command; what it writes goes to files, so that no pipe fills up.
sub background {
    my (@command) = @_;
    my $name = "$work/run." . ++$runs;
    # It may be killed before it has made them.
    spew("$name.$_", '') for qw(out err);
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDIN,  '<', '/dev/null'  or POSIX::_exit(126);
        open STDOUT, '>', "$name.out" or POSIX::_exit(126);
        open STDERR, '>', "$name.err" or POSIX::_exit(126);
        exec {$command[0]} @command or POSIX::_exit(127);
    }
    return { pid => $pid, name => $name };
}

# Waits for it: hash of out, err, exit, signal.
sub finished {
    my ($job) = @_;
    waitpid $job->{pid}, 0;
    return {
        out    => slurp("$job->{name}.out"),
        err    => slurp("$job->{name}.err"),
        exit   => $? >> 8,
        signal => $? & 127,
    };
}

# A later -i wins over the one that is given here.
sub run {
    return finished(background($tool, '-i', $index, @_));
}

# Whether a program does what a test needs of the system, which may not be
# allowed in a chroot or a container.
sub can_do {
    my (@command) = @_;
    return finished(background(@command))->{exit} == 0;
}

# For a test that looks at processes, or in which the tool looks at its own open
# files.
sub needs_proc {
    plan skip_all => 'there is no /proc here' unless -e '/proc/self/status';
}

# As a user who is nobody; for a test that is run without root: as oneself.
sub run_as_nobody {
    my (@arguments) = @_;
    my @command = ($tool, '-i', $index, @arguments);
    if ($> == 0) {
        my $copy = "$work/htvalidators";
        copy($tool, $copy) or die "$copy: $!";
        chmod 0755, $copy, $work;
        $command[0] = $copy;
        unshift @command, qw(setpriv --reuid=65534 --regid=65534 --clear-groups);
    }
    return finished(background(@command));
}

# A scan that must succeed.
sub scan {
    my $result = run('scan', @_);
    is($result->{exit}, 0, 'scan exits with 0') or diag $result->{err};
    return $result;
}

sub json {
    my ($text) = @_;
    my @values = map { JSON::PP->new->utf8->decode($_) } split /\n/, $text;
    return wantarray ? @values : $values[0];
}

sub lines {
    my ($text) = @_;
    return split /\n/, $text;
}

# How many records the index has, or that of "-i"; 0 while there is none.
sub records {
    my (@which) = @_;
    my $result = run(@which, 'stat', '--json');
    return $result->{exit} ? 0 : json($result->{out})->{records};
}

# Whether a command has come so far that it takes signals to stop.
sub catches {
    my ($job) = @_;
    return wait_for(60, sub {
        my ($caught) = slurp("/proc/$job->{pid}/status") =~ /^SigCgt:\s+(\w+)/m;
        return hex(substr $caught, -4) & 1 << POSIX::SIGINT() - 1;
    });
}

# Whether it came true within the seconds.
sub wait_for {
    my ($seconds, $true) = @_;
    my $end = time + $seconds;
    while (time < $end) {
        return 1 if $true->();
        sleep 0.01;
    }
    return 0;
}

1;
