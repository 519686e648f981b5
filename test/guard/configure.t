#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# configure refuses an httpd that is too old, in one sentence.  The header of
# httpd's version is changed in a copy, for this configure alone.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib $FindBin::Bin;
use Guard;
use Test::More;

plan skip_all => 'there is no configure: run autogen.sh'
    unless -x top('configure');

my ($apxs) = grep { -x } map { ("$_/apxs", "$_/apxs2") } split(/:/,
    $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
die "no apxs\n" unless $apxs;
chomp(my $include = `'$apxs' -q INCLUDEDIR`);

# What configure says, and its exit status, with this minor number.
sub configure_with
{
    my $minor = shift;
    my $dir = File::Temp->newdir;
    open my $in, '<', "$include/ap_mmn.h" or die "$include/ap_mmn.h: $!\n";
    local $/;
    my $text = <$in>;
    $text =~ s/^(#define MODULE_MAGIC_NUMBER_MINOR) \d+/$1 $minor/m
        or die "ap_mmn.h has another form\n";
    mkdir "$dir/include" or die "$dir: $!\n";
    link_headers("$dir/include");
    open my $out, '>', "$dir/include/ap_mmn.h" or die "$dir: $!\n";
    print {$out} $text;
    close $out or die "$dir: $!\n";
    my $said = `cd '$dir' && '${\ top('configure')}' -q CPPFLAGS='-I$dir/include' 2>&1`;
    return ($said, $? >> 8);
}

# The header includes its neighbours by their plain names.
sub link_headers
{
    my $dir = shift;
    for my $name (qw(ap_release.h)) {
        symlink "$include/$name", "$dir/$name" or die "$dir/$name: $!\n";
    }
}

SKIP: {
    # A source tree that is configured itself refuses other build folders.
    skip 'the source tree is configured', 3 if -e top('config.status');
    my ($said, $status) = configure_with(112);
    isnt($status, 0, 'an httpd of 2.4.48 is refused');
    like($said, qr/httpd 2\.4\.49 or later is needed: /,
        'in a sentence that says what is needed and why');
    ($said, $status) = configure_with(113);
    is($status, 0, 'one of 2.4.49 is taken') or diag($said);
}
done_testing();
