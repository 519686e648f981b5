#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# mpm-itk: a process is forked for each connection and becomes the site's user,
# who may not open the index.  Tags and dates stay what they are all the same.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliTest;
use Test::More;
use Time::HiRes qw(sleep);

chomp(my $libexec = `apxs -q LIBEXECDIR`);
my @server = getpwnam 'www-data';
plan skip_all => 'only root can start mpm-itk' if $> != 0;
plan skip_all => 'libapache2-mpm-itk is not installed'
    unless -e "$libexec/mpm_itk.so";
plan skip_all => 'there is no user www-data' unless @server;

my $folder = "$work/cache";
my $made = "$folder/validators.mdb";
my @names = qw(small.txt large.txt late.txt);
chmod 0755, $work, $site;

# Of a time that is over.
sub deploy
{
    my %file = @_;
    make_files(%file);
    utime 1_580_000_000, 1_580_000_000, map { "$site/$_" } keys %file;
    sleep 0.1;
}

deploy('small.txt' => 'a small file', 'large.txt' => 'large ' x 50_000);

sub serve
{
    return start(user => 'www-data', group => 'www-data', mpm => 'mpm_prefork',
        main => "LoadModule mpm_itk_module $libexec/mpm_itk.so\n"
        . "AssignUserID nobody nogroup\nStartServers 3\nMinSpareServers 3\n"
        . "ValidatorsIndex $made\n");
}

my $port = serve();

# The validators of a file, in connections that many processes serve.
sub seen
{
    my ($name, $times) = @_;
    my %seen;
    for (1 .. $times) {
        my $answer = answer($port, $name);
        my ($tag) = $answer =~ /^ETag: (.*?)\r?$/mi;
        my ($date) = $answer =~ /^Last-Modified: (.*?)\r?$/mi;
        $seen{join ' ', defined $tag ? $tag : 'none',
            defined $date ? $date : 'none'}++;
        sleep 0.03;
    }
    return \%seen;
}

sub one_of
{
    my ($what, $name, $before) = @_;
    my $seen = seen($name, 20);
    is(scalar(keys %$seen), 1, "$what: $name has one tag and one date")
        or diag(explain($seen));
    my ($now) = keys %$seen;
    like($now, qr/^"/, "$what: a strong tag");
    is($now, $before, "$what: as before") if defined $before;
    return $now;
}

my %is = map { $_ => one_of('without an index', $_) } @names[0, 1];
ok(wait_for(15, sub { records('-i', $made) == 2 }),
    'the server has indexed both');
is(facts($made), "640:$server[2]:$server[3]",
    'the index is nobody\'s but the server\'s');
one_of('with an index', $_, $is{$_}) for @names[0, 1];

# While connections come, the index is replaced, and grows.
is(run('-i', $made, 'compact')->{exit}, 0, 'the index is compacted');
one_of('after compact', $_, $is{$_}) for @names[0, 1];
deploy('late.txt' => 'late ' x 60_000);
$is{'late.txt'} = one_of('a file that comes later', 'late.txt');
ok(wait_for(15, sub { records('-i', $made) == 3 }), 'it is indexed, too');
one_of('at the end', $_, $is{$_}) for @names;
unlike(log_of(), qr/\[validators:(?:warn|error)\]/,
    'nothing is to be complained of');
stop();

$port = serve();
one_of('after a restart', $_, $is{$_}) for @names;
stop();

done_testing();
