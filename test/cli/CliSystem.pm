# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
# A system of its own for the recipes of the documents: users, and mounts over
# what they write to, so that nothing of the machine is touched.
package CliSystem;

use strict;
use warnings;
use CliTest;
use Exporter qw(import);
use File::Copy qw(copy);
use Test::More;

our @EXPORT = qw(own_system shell unshare_or_skip);

# First of all: go on in a name space of mounts that is this test's own.
sub unshare_or_skip
{
    my ($test) = @_;
    plan skip_all => 'users and mounts are root\'s to make' if $> != 0;
    return if $ENV{HTVALIDATORS_TEST_UNSHARED};
    plan skip_all => 'no mounts of one\'s own here'
        unless can_do(qw(unshare -m true));
    $ENV{HTVALIDATORS_TEST_UNSHARED} = 1;
    CliTest::leave_for('unshare', '-m', $^X, $test);
}

# A command as root types it; it ends well.
sub shell
{
    my ($command) = @_;
    my $result = finished(background('sh', '-ec', $command));
    is($result->{exit}, 0, "ran: $command")
        or diag $result->{out} . $result->{err};
    return $result;
}

# The users deploy, www-data and other; /srv/www with two files; sudo,
# apachectl and htvalidators in PATH.  Returns where all this lies.
sub own_system
{
    chmod 0755, $work;
    my $root = "$work/root";
    mkdir $root;
    mkdir "$root/$_" for qw(bin cache srv tmp default);
    for my $file (qw(passwd group)) {
        my $own = slurp("/etc/$file");
        $own =~ s/^(?:deploy|www-data|other):.*\n//mg;
        my @ids = (deploy => 64001, 'www-data' => 64002, other => 64003);
        while (my ($name, $id) = splice @ids, 0, 2) {
            $own .= $file eq 'group' ? "$name:x:$id:\n"
                : "$name:x:$id:${id}::/nonexistent:/bin/sh\n";
        }
        spew("$root/$file", $own);
        system('mount', '--bind', "$root/$file", "/etc/$file") == 0 or die;
    }
    my %place = (srv => '/srv', cache => '/var/cache/apache2',
        tmp => '/var/tmp', default => '/etc/default');
    for my $name (sort keys %place) {
        mkdir $place{$name} unless -e $place{$name};
        system('mount', '--bind', "$root/$name", $place{$name}) == 0 or die;
    }
    copy($tool, "$root/bin/htvalidators") or die;
    spew("$root/bin/sudo", <<'END');
#!/bin/sh
# What the recipes use of sudo: -u USER COMMAND.
shift
user=$1
shift
exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups "$@"
END
    # The recipes end with it; this test starts its httpd anew.
    spew("$root/bin/apachectl", "#!/bin/sh\n[ \"\$1\" = graceful ]\n");
    chmod 0755, glob("$root/bin/*"), $root,
        map("$root/$_", qw(bin cache srv tmp default));
    $ENV{PATH} = "$root/bin:$ENV{PATH}";
    spew('/srv/www/page.html', 'a page');
    spew('/srv/www/large.bin', 'a large file ' x 20_000);
    select undef, undef, undef, 0.2;
    return $root;
}

1;
