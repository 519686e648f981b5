#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The recipes of docs/operations.md, "Whose index it is", as they are written
# there: with real users, in the default place, under a real httpd.  In mounts
# of its own, so that nothing of the system is touched.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliSystem;
use CliTest;
use File::Basename qw(dirname);
use Test::More;

unshare_or_skip($0);
my ($default) = run('help')->{out} =~ m{^  (/\S+)$}m;
my $folder = dirname($default);
plan skip_all => 'the recipes are for the default index of Debian'
    unless $default eq '/var/cache/apache2/validators/validators.mdb';

my $root = own_system();

# --- the recipes ---------------------------------------------------------------

# The indented blocks behind a sentence, until the next paragraph that is none.
sub recipe
{
    my ($before) = @_;
    my $text = slurp("$ENV{srcdir}/docs/operations.md");
    $before =~ s/ /\\s+/g;
    my ($block) = $text =~ /$before[^:]*:\n\n((?:    .*\n)+)/;
    ok($block, "operations.md has the recipe: $before") or return ();
    return map { s/^\s+//r } split /\n/, $block;
}

sub clear
{
    system('rm', '-rf', $folder);
}

# Whether httpd's user finds the records, by the tool and by httpd itself.
sub is_read
{
    my ($what) = @_;
    my $result = finished(background("$root/bin/sudo", '-u', 'www-data',
        "$root/bin/htvalidators", 'show', '/srv/www/large.bin'));
    is($result->{exit}, 0, "$what: httpd's user may read the index")
        or diag $result->{err};
    my $port = start(user => 'www-data', group => 'www-data',
        root => '/srv/www');
    like(etag($port, 'large.bin'), qr/^"/, "$what: httpd has its tag");
    unlike(log_of(), qr/\[validators:(?:warn|error)\]/,
        "$what: and nothing to complain of");
    stop();
}

shell($_) for recipe('Make the folder before httpd does');
is_read('deploy-owned');
is((stat $default)[4], 64001, 'deploy-owned: the index is the deployer\'s');
is((stat $default)[2] & 07777, 0640, 'deploy-owned: others cannot read it');
my $result = finished(background("$root/bin/sudo", '-u', 'other',
    "$root/bin/htvalidators", 'stat'));
is($result->{exit}, 2, 'deploy-owned: nor can another user');
for my $command ('compact', 'scan /srv/www') {
    is(shell("sudo -u deploy htvalidators $command")->{err}, '',
        "deploy-owned: the deployer's $command has no warning");
    is_read("after the deployer's $command");
    is(shell("htvalidators $command")->{err}, '',
        "deploy-owned: nor has root's $command");
    is_read("after root's $command");
}

shell($_) for recipe('from the deployer\'s to the server\'s');
is_read('given to the server');
is((stat $default)[4], 64002, 'given to the server: the index is the server\'s');
is(shell('htvalidators scan /srv/www')->{err}, '', 'a scan goes along');
is_read('given to the server, and scanned');
shell($_) for recipe('The other way');
is((stat $default)[4], 0, 'given back: the index is root\'s');
is_read('given back');
shell('htvalidators scan /srv/www');
is_read('given back, and scanned');

clear();
shell($_) for recipe('To make one by hand');
shell('htvalidators scan /srv/www');
is((stat $default)[4], 64002, 'server-owned: the index is the server\'s');
is_read('server-owned');

clear();
shell('htvalidators scan /srv/www');
is((stat $default)[4], 0, 'root\'s first scan makes an index of root\'s');
is_read('made by root\'s first scan');

# Without the setgid bit the deployer cannot give the files away: it is said,
# with what mends it.
clear();
shell("install -d -o deploy -g www-data -m 0750 $folder");
for my $who ('sudo -u deploy ', '') {
    $result = shell("${who}htvalidators scan /srv/www");
    like($result->{err}, qr/warning: \Q$default\E belongs to group deploy, its/,
        'a scan says that httpd cannot read the index');
}
my ($cure) = $result->{err} =~ /as root, run `([^`]+)`/;
ok($cure, 'and what mends it');
shell($cure);
is_read('mended');
is(shell('sudo -u deploy htvalidators scan /srv/www')->{err}, '',
    'after which nothing is said');
shell('sudo -u deploy htvalidators compact');
is_read('mended, and compacted');

# A deployer who is a member of the group needs no bit.
clear();
shell("install -d -o deploy -g www-data -m 0750 $folder");
spew("$root/group", slurp("$root/group") =~ s/^(www-data:.*)$/$1deploy/mr);
is(shell('sudo -u deploy htvalidators scan /srv/www')->{err}, '',
    'a member of the group has no warning');
is_read('a member');
clear();
done_testing();
