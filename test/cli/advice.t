#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# What the messages advise.  Each row makes a situation, reads the message, runs
# the command that it names, as whom it names, and sees that the situation is
# mended.  In mounts of its own.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliTest;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use Test::More;

plan skip_all => 'users are root\'s to become' if $> != 0;
plan skip_all => 'there is no user www-data' unless getpwnam 'www-data';
if (!$ENV{HTVALIDATORS_TEST_UNSHARED} && can_do(qw(unshare -m true))) {
    $ENV{HTVALIDATORS_TEST_UNSHARED} = 1;
    CliTest::leave_for('unshare', '-m', $^X, $0);
}

my $www = getpwnam 'www-data';
my $www_group = getgrnam 'www-data';
my $nobody = 65534;
my $bin = "$work/bin";
mkdir $bin;
copy($tool, "$bin/htvalidators") or die;
chmod 0755, $work, $site, $bin, "$bin/htvalidators";
$ENV{PATH} = "$bin:$ENV{PATH}";
make_files('page.html' => 'a page', 'other.html' => 'another');

# --- one row -------------------------------------------------------------------

my %ids = ('www-data' => "$www:$www_group", nobody => "$nobody:$nobody");
my $base = "$work/place";

sub as_user
{
    my ($user, @command) = @_;
    if ($user ne 'root') {
        my ($uid, $gid) = split /:/, $ids{$user};
        unshift @command, 'setpriv', "--reuid=$uid", "--regid=$gid",
            '--clear-groups';
    }
    return finished(background(@command));
}

# The first command in a message, ready to be run, and whose it is to run.
sub cure_of
{
    my ($message, $user, $command) = @_;
    return ('root', $command)
        if $message =~ /run the same command as (?:user \S+ or as )?root/;
    my ($cure) = $message =~ /`([^`]+)`/ or return;
    $cure =~ s/ FOLDER/ $site/g;
    return ($message =~ /as root, run `/ ? 'root' : $user, $cure);
}

sub row
{
    my (%r) = @_;
    my $user = $r{as} || 'root';
    my $path = $r{index} || "$base/index/v.mdb";
    mkdir $base;
    $r{make}->();
    my $command = $r{command} || "scan --quiet $site";
    $command = "htvalidators -i \"$path\" $command";
    my $before = as_user($user, 'sh', '-c', $command);
    isnt($before->{exit}, 0, "$r{what}: is refused");
    like($before->{err}, $r{says}, "$r{what}: the message says why");
    unlike($before->{err}, $r{not}, "$r{what}: and nothing else") if $r{not};
    is(() = $before->{err} =~ /\n/g, 1, "$r{what}: in one line");
    my ($who, $cure) = cure_of($before->{err}, $user, $command);
    if ($r{no_cure}) {
        ok(!defined $cure, "$r{what}: no command mends it");
    }
    elsif (ok(defined $cure, "$r{what}: the message names a command")) {
        my $ran = as_user($who, 'sh', '-ec', $cure);
        is($ran->{exit}, $r{cure_exit} || 0, "$r{what}: $who runs: $cure")
            or diag $ran->{err};
        if (!$r{elsewhere}) {
            my $after = as_user($user, 'sh', '-c', $command);
            is($after->{exit}, 0, "$r{what}: which mends it")
                or diag $after->{err};
        }
    }
    $r{clear}->() if $r{clear};
    system('rm', '-rf', $base);
}

sub folder
{
    my ($path, $mode, $user, $group) = @_;
    mkdir $path;
    chown $user || 0, $group || 0, $path;
    chmod $mode, $path;
}

# An index, of a user's.
sub index_of
{
    my ($user) = @_;
    folder("$base/index", 0755, split /:/, $ids{$user} || '0:0');
    as_user($user, "$bin/htvalidators", '-i', "$base/index/v.mdb", 'scan',
        '--quiet', $site)->{exit} == 0 or die "no index";
}

# --- no index --------------------------------------------------------------------

row(what => 'no index yet', command => 'stat',
    make => sub { folder("$base/index", 0755) },
    says => qr/no such file.*there is no index: make it with `htvalid/);
row(what => 'no folder yet', command => 'list', make => sub { },
    says => qr/there is no index: make it with `htvalid/);
for my $command ('stat', "scan $site") {
    row(what => "$command below a folder that is not there",
        command => $command, make => sub { }, index => "$base/a/b/c/v.mdb",
        says => qr{folder above the index's folder is not there: run `mkdir -p});
}
row(what => 'a link to no folder', command => 'stat',
    make => sub { symlink "$base/nowhere", "$base/index" },
    says => qr/is a link to a folder that is not there.*rm /,
    elsewhere => 1);
row(what => 'a path through a file', command => 'stat', no_cure => 1,
    make => sub { spew("$base/file", 'x') }, index => "$base/file/v.mdb",
    says => qr/a folder on its path is a file: name another/);
row(what => 'a link to no file', make => sub {
        folder("$base/index", 0755);
        symlink "$base/nowhere", "$base/index/v.mdb" },
    says => qr/it is a link to a file that is not there: run `rm /);

# --- no index, but something else --------------------------------------------------

row(what => 'a folder of other files', index => '/etc', make => sub { },
    command => 'stat', no_cure => 1,
    says => qr/it is a folder, of other files: name another/, not => qr/away/);
row(what => 'a folder for an index', index => "$base/index",
    make => sub { folder("$base/index", 0755) }, elsewhere => 1,
    says => qr{it is a folder: name the file in it});
row(what => 'another program\'s file', make => sub {
        spew("$base/index/v.mdb", 'something else ' x 1000) },
    says => qr/is not an index.*name another file.*, or, if it is no other/);
row(what => 'an empty file', command => 'stat',
    make => sub { spew("$base/index/v.mdb", '') },
    says => qr/it is empty: run `htvalidators/);
row(what => 'a device', index => '/dev/null', command => 'stat', no_cure => 1,
    make => sub { }, says => qr/left as it is: name another/, not => qr/away/);

# --- an index that is not trusted ----------------------------------------------------

row(what => 'a folder of everybody', command => 'stat', make => sub {
        index_of('root'); chmod 0777, "$base/index" }, as => 'nobody',
    says => qr/trusted.* can be written by everybody: run `chmod o-w/,
    not => qr/belongs to/, elsewhere => 1, cure_exit => 1);
row(what => 'root in a folder of everybody', command => 'stat', make => sub {
        index_of('root'); chmod 0777, "$base/index" },
    says => qr/can be written by everybody.*`chmod go-w/);
row(what => 'a folder for temporary files', index => "$base/tmp/v.mdb",
    make => sub { folder("$base/tmp", 01777) }, as => 'nobody', elsewhere => 1,
    says => qr/can be written by everybody; an index needs one of its own/,
    not => qr/belongs to/);
row(what => 'a file of everybody', command => 'stat', make => sub {
        index_of('root'); chmod 0666, "$base/index/v.mdb" },
    says => qr/trusted.*it can be written by everybody: run `chmod o-w/);
row(what => 'a file of another user', command => 'stat', as => 'www-data',
    make => sub { index_of('www-data');
        chown $nobody, $www_group, glob "$base/index/v.mdb*" },
    says => qr/trusted.*it belongs to user nobody, who is neither/);

# --- an index that is damaged, a lock file of others, a group of others ------------

row(what => 'a damaged index', command => 'stat', make => sub {
        index_of('root'); truncate "$base/index/v.mdb", 8192 or die },
    says => qr/is damaged.*move it away and make a new one: run `mv /);
row(what => 'a lock file of another user', as => 'www-data', make => sub {
        index_of('www-data');
        chown $nobody, $nobody, "$base/index/v.mdb-lock" },
    says => qr/lock file is not this user's.*run `rm -f /);
row(what => 'a group that the owner is not in', as => 'nobody',
    command => 'compact', make => sub {
        folder("$base/index", 0755, $nobody, $www_group);
        as_user('nobody', "$bin/htvalidators", '-i', "$base/index/v.mdb",
            'scan', $site);
        chown $nobody, $www_group, "$base/index/v.mdb" },
    says => qr/user nobody is no member of the file's group: as root, run `/);

# --- rights -----------------------------------------------------------------------------

row(what => 'a root-only folder, for the server', command => 'list',
    as => 'www-data', make => sub {
        index_of('root');
        chown 0, $www_group, glob "$base/index/v.mdb*";
        chmod 0700, "$base/index" },
    says => qr/user www-data may not enter "\Q$base\E\/index" \(user root's\): as root, run `chgrp/,
    not => qr/v\.mdb"`/);
row(what => 'a root-only folder on the way', command => 'stat',
    as => 'www-data', make => sub { chmod 0700, $base }, no_cure => 1,
    says => qr/www-data may not enter .* not for the server: keep/);
row(what => 'a root-only file, for the server', command => 'list',
    as => 'www-data', make => sub { index_of('root');
        chown 0, 0, "$base/index/v.mdb"; chmod 0600, "$base/index/v.mdb" },
    says => qr/user www-data may not read it: as root, run `chgrp/);
row(what => 'root in another\'s folder with a file of root\'s', make => sub {
        index_of('www-data');
        chown 0, $www_group, glob "$base/index/v.mdb*" },
    says => qr/Permission denied; it is in user www-data's folder, and is not/);
row(what => 'root in another\'s folder that is closed', make => sub {
        folder("$base/index", 0055, $www, $www_group) },
    says => qr/user www-data may not .*own folder .* run `chmod u\+rwx/);
row(what => 'root in another\'s folder that is read-only', make => sub {
        folder("$base/index", 0555, $www, $www_group) },
    says => qr/user www-data may not make files in the own folder/);
row(what => 'another user\'s folder', as => 'nobody', elsewhere => 1,
    make => sub { index_of('www-data'); chmod 0640, "$base/index/v.mdb" },
    says => qr/user nobody may not read it: run the same command as root/);
row(what => 'a folder of root\'s', as => 'nobody', elsewhere => 1,
    make => sub { folder("$base/index", 0755) },
    says => qr/user nobody may not make files in .*: run the same command as/);

SKIP: {
    skip 'no mounts here', 20 unless $ENV{HTVALIDATORS_TEST_UNSHARED};
    row(what => 'no index on a read-only file system', command => 'stat',
        make => sub { folder("$base/ro", 0755);
            system("mount -t tmpfs -o ro,mode=755 tmpfs $base/ro") == 0 or die },
        index => "$base/ro/index/v.mdb", no_cure => 1,
        says => qr/the file system of "\Q$base\E\/ro" is read-only/,
        not => qr/scan/, clear => sub { system("umount $base/ro") });
    row(what => 'an index on a read-only file system', make => sub {
            index_of('root');
            system("mount --bind $base/index $base/index && mount -o "
                . "remount,ro,bind $base/index") == 0 or die },
        no_cure => 1, says => qr/can be read where it is, but not written/,
        clear => sub { system("umount $base/index") });
}

# --- root is led ---------------------------------------------------------------------------

row(what => 'root\'s folder in another\'s', make => sub {
        folder("$base/theirs", 0755, $nobody, $nobody);
        folder("$base/theirs/index", 0755) },
    index => "$base/theirs/index/v.mdb",
    says => qr/could be led to other files/);
row(what => 'no folder in one of everybody\'s', make => sub {
        folder("$base/tmp", 01777) }, index => "$base/tmp/index/v.mdb",
    says => qr/make the index's folder first/);
row(what => 'no folder in one of a group\'s', make => sub {
        folder("$base/shared", 0775, 0, $nobody) },
    index => "$base/shared/index/v.mdb",
    says => qr/can be written by group $nobody/);

# --- show ------------------------------------------------------------------------------------

my $new = "$site/new.html";
spew($new, 'new');
row(what => 'show of a file that is not indexed', command => "show $new",
    make => sub { index_of('root'); spew($new, 'newer'); chmod 0644, $new;
        system('touch', '-d', '-1 hour', $new);
        as_user('root', "$bin/htvalidators", '-i', "$base/index/v.mdb",
            'forget', $new) },
    says => qr/no record; `htvalidators -i "[^"]+" scan "\Q$new\E"` makes one/);
row(what => 'show of a folder', command => "show $site",
    make => sub { index_of('root') }, elsewhere => 1,
    says => qr/it is a folder: `htvalidators -i "[^"]+" list /,
    not => qr/scan/);
for my $none (['a URL', 'http://www.example.org/page.html', qr/not a URL/],
    ['nothing', '/nope', qr/there is no such file/],
    ['a device', '/dev/null', qr/it is not a regular file/]) {
    row(what => "show of $none->[0]", command => "show $none->[1]",
        make => sub { index_of('root') }, no_cure => 1, says => $none->[2],
        not => qr/scan/);
}

# --- httpd -------------------------------------------------------------------------------------

sub serve_row
{
    my (%r) = @_;
    my $path = $r{index} || "$base/index/v.mdb";
    my %how = (user => 'www-data', group => 'www-data', %{$r{how} || {}},
        main => "ValidatorsIndex $path\n" . ($r{main} || ''));
    mkdir $base;
    $r{make}->();
    start(%how);
    wait_for(10, sub { log_of() =~ /\[validators:warn\]/ });
    stop();
    my ($line) = log_of() =~ /\[validators:warn\](.*)/;
    ok(defined $line, "httpd: $r{what}: there is a warning") or return;
    like($line, $r{says}, "httpd: $r{what}: it says why");
    unlike($line, $r{not}, "httpd: $r{what}: and nothing else") if $r{not};
    my ($who, $cure) = cure_of($line, 'root', '');
    if (ok($r{no_cure} xor defined $cure), "httpd: $r{what}: and the command")
    {
        if (!$r{no_cure}) {
            is(as_user('root', 'sh', '-ec', $cure)->{exit}, 0,
                "httpd: $r{what}: which runs: $cure");
            start(%how);
            stop();
            unlike(log_of(), qr/\[validators:warn\]/,
                "httpd: $r{what}: and mends it");
        }
    }
    system('rm', '-rf', $base);
}

serve_row(what => 'a root-only folder', make => sub {
        index_of('root'); chmod 0700, "$base/index" },
    says => qr/user www-data may not enter .*index" \(user root's\): as root/);
serve_row(what => 'a folder of other files', index => '/etc', make => sub { },
    says => qr/it is a folder, of other files: name another/, no_cure => 1,
    not => qr/away/);
serve_row(what => 'a file of another user', make => sub {
        index_of('www-data');
        chown $nobody, $www_group, glob "$base/index/v.mdb*" },
    says => qr/it belongs to user nobody, who is neither/);
done_testing();
