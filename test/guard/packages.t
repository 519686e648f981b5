#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Scripts that install packages wait for another program that does, say for
# which, and give up after a while.  apt-get is a stand-in that finds a lock held
# as often as it is told to.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

my $dir = File::Temp::tempdir('vld-packages-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# The words of apt 2.6, for each command.
my %held = (
    update => <<'END',
E: Could not get lock /var/lib/apt/lists/lock. It is held by process 77 (packagekitd)
E: Unable to lock directory /var/lib/apt/lists/
END
    install => <<'END',
E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 42 (unattended-upgr)
E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?
END
);

sub write_file
{
    my ($name, $text) = @_;
    open my $fh, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$fh} $text;
    close $fh or die "$dir/$name: $!\n";
}

# Install by a stand-in that finds the lock of each command held so often, or
# fails with that text: (exit status, output, the stand-in's commands, the log).
sub install
{
    my (%how) = @_;
    unlink glob "$dir/*";
    for my $command (qw(update install)) {
        write_file($command, $held{$command});
        write_file("$command.left", $how{$command} || 0);
    }
    write_file('fails', $how{fails}) if $how{fails};
    write_file('apt-get', <<'END');
#!/bin/sh
for word; do
    case $word in update | install) command=$word ;; esac
done
cd "$(dirname "$0")" || exit 9
echo "$command" >>commands
read -r left <"$command.left"
if [ "$left" -gt 0 ]; then
    echo $((left - 1)) >"$command.left"
    cat "$command" >&2
    exit 100
fi
[ "$command" = update ] || [ ! -e fails ] || { cat fails >&2; exit 100; }
END
    chmod 0755, "$dir/apt-get";
    local $ENV{PATH} = "$dir:$ENV{PATH}";
    local $ENV{PACKAGES_PAUSE} = $how{pause} || 0.02;
    local $ENV{PACKAGES_LIMIT} = $how{limit} || 60;
    open my $fh, '-|', 'bash', '-c', 'set -u; . "$1"; packages_install "$2" a b',
        'bash', top('scripts/lib/packages.sh'), "$dir/log" or die "bash: $!\n";
    my $out = do { local $/; <$fh> };
    close $fh;
    my $exit = $? >> 8;
    my ($commands, $log) = map { open my $in, '<', "$dir/$_" or die "$_: $!\n";
        local $/; <$in> } qw(commands log);
    return ($exit, defined $out ? $out : '', join(' ', split ' ', $commands),
        defined $log ? $log : '');
}

my ($exit, $out, $commands) = install();
is("$exit $out", '0 ', 'where nobody holds a lock nothing is said');
is($commands, 'update install', 'and each command runs once');

($exit, $out, $commands) = install(update => 3);
is("$exit $out", "0 waiting for packagekitd (process 77), which holds"
    . " /var/lib/apt/lists/lock\n",
    'who brings the lists up to date is waited for, and named once');
is($commands, 'update update update update install',
    'until the lock is free');

($exit, $out, $commands) = install(install => 2);
is("$exit $out", "0 waiting for unattended-upgr (process 42), which holds"
    . " /var/lib/dpkg/lock-frontend\n",
    'who installs is waited for, and named once');
is($commands, 'update install install install', 'until the lock is free');

my $log;
($exit, $out, $commands, $log) = install(install => 1000, limit => 1,
    pause => 0.3);
isnt($exit, 0, 'a lock that is never free ends in failure');
like($log, qr/^waited 1 seconds for unattended-upgr \(process 42\)/m,
    'which says for whom it waited');
cmp_ok(scalar(() = $commands =~ /install/g), '<', 12, 'and not for ever');

($exit, $out, $commands, $log) = install(fails => "E: Unable to locate b\n");
is("$exit $out $commands", '1  update install',
    'another failure ends it at once');
is($log, "E: Unable to locate b\n", 'with the words of apt-get in the log');

# Who installs packages does so by these functions.
my @scripts = grep { $_ ne 'scripts/lib/packages.sh' } files(qr{^scripts/});
some(\@scripts, 'scripts');
none([grep { grep { /^[^"'#]*\bapt-get\b/ && !/command -v apt-get/ } lines($_) }
        @scripts], 'no script calls apt-get by itself');
done_testing();
