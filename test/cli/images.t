#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Two images that were built alike (the same sizes, times and inodes, other
# contents), mounted one after the other at one place: no client keeps the
# content of the first for that of the second, and a scan reads it again.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliTest;
use Test::More;

plan skip_all => 'images are root\'s to mount' if $> != 0;
if (!$ENV{HTVALIDATORS_TEST_UNSHARED}) {
    plan skip_all => 'no mounts of one\'s own here'
        unless can_do(qw(unshare -m true));
    $ENV{HTVALIDATORS_TEST_UNSHARED} = 1;
    CliTest::leave_for('unshare', '-m', $^X, $0);
}

my $time = 1_700_000_000;
my %size = ('small.css' => 1000, 'big.css' => 100_000);
my %command = (
    squashfs => [qw(mksquashfs FROM TO -all-time), $time, '-mkfs-time', $time,
        qw(-noappend -quiet -no-progress)],
    erofs => ['mkfs.erofs', "-T$time", '-U',
        '11111111-1111-1111-1111-111111111111', qw(TO FROM)],
);
$ENV{PATH} .= ':/usr/sbin:/sbin';
chmod 0755, $work;
mkdir "$work/index";
chown 65534, (getgrnam 'nogroup')[2], "$work/index";
my $tried = 0;

# Before the folder is removed.
END { local $?; system "umount -l $site 2>/dev/null" if $tried }

# An image of a release; undef: not here.
sub build
{
    my ($type, $release) = @_;
    my ($from, $to) = ("$work/$release", "$work/$release.$type");
    my @command = map { $_ eq 'FROM' ? $from : $_ eq 'TO' ? $to : $_ }
        @{$command{$type}};
    mkdir $from;
    for my $name (keys %size) {
        spew("$from/$name", $release x $size{$name});
        utime $time, $time, "$from/$name";
    }
    utime $time, $time, $from;
    return can_do(@command) ? $to : undef;
}

sub mounted { return can_do('mount', '-o', 'loop,ro', $_[0], $site) }
sub unmount { system('umount', $site) == 0 or die "$site: in use\n" }

sub body { return answer(@_) =~ /\r\n\r\n(.*)/s ? $1 : '' }

sub begin
{
    my ($verify) = @_;
    return start(user => 'nobody', group => 'nogroup', site =>
        "ValidatorsEngine On\nValidatorsVerify $verify\n",
        main => "ValidatorsIndex $index\n");
}

sub try_swap
{
    my ($type, @image) = @_;
    my $port = begin('strict');
    my %tag;
    for my $turn (1 .. 2) {
        $tag{$_} = etag($port, $_) || '"none"' for keys %size;
        select undef, undef, undef, 1.1; # a date would be sent by now
    }
    like($tag{'small.css'}, qr/^"\S{22}"$/, "$type: a small file has its tag");
    is($tag{'big.css'}, '"none"',
        "$type: a large one has none, recorded or not");
    unmount();
    mounted($image[1]) or die;
    for my $name (sort keys %size) {
        my $b = 'b' x $size{$name};
        is(body($port, $name), $b, "$type: $name of b is sent");
        is(body($port, $name, "If-None-Match: $tag{$name}"), $b,
            "$type: to who has the tag of a, too");
        is(body($port, $name, 'If-Modified-Since: Fri, 01 Jan 2038 00:00:00 '
                . 'GMT'), $b, "$type: and to who asks by date");
        isnt(etag($port, $name), $tag{$name}, "$type: not under that tag")
            if $tag{$name} ne '"none"';
    }
    stop();
}

sub digest_of
{
    my $manifest = run('export', "$site/big.css")->{out};
    return $manifest =~ /^([0-9a-f]{64}) /m ? $1 : 'none';
}

for my $type (sort keys %command) {
    my @image = map { build($type, $_) } 'a', 'b';
    next unless $image[0] && $image[1] && mounted($image[0]);
    $tried++;
    scan($site);
    my $before = digest_of();
    try_swap($type, @image);
    scan($site);
    isnt(digest_of(), $before, "$type: a scan reads the second image");
    for my $verify (qw(mtime none)) {
        my $port = begin($verify);
        my $tag = etag($port, 'big.css');
        like($tag, qr/^"\S{22}"$/, "$type, $verify: a large file has its tag");
        like(answer($port, 'big.css', "If-None-Match: $tag"),
            qr/^HTTP\S+ 304/, "$type, $verify: and 304s");
        stop();
    }
    unmount();
    run('forget', $site);
}
plan skip_all => 'images cannot be built or mounted here' unless $tried;
done_testing();
