#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# htvalidators watch among random changes of files and folders, killed and
# started again: in the end the index is the truth, whatever came between.
use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $patience = 90; # a file that has never rested is looked at after a minute
my $seed = $ENV{WATCH_SEED} || time ^ $$;
my $seconds = $ENV{WATCH_SECONDS} || 4;
my $rounds = 4;
srand $seed;
diag sprintf 'WATCH_SEED=%d makes these changes again', $seed;

my $watcher;
END { kill 'KILL', $watcher->{pid} if $watcher }

my @names = ('a' .. 'd');

# A path of one to four names, of which most are folders some time.
sub any { return join '/', $site, map { $names[rand @names] } 0 .. rand 4 }

my @deeds = (
    sub { make_path(any(), { error => \my $ignored }) },
    sub { remove_tree(any(), { error => \my $ignored }) if rand() < 0.3 },
    sub { unlink any() },
    sub { rename any(), any() },
    sub { rename any(), "$work/aside" if !-e "$work/aside" },
    sub { rename "$work/aside", any() if -e "$work/aside" },
    sub { symlink any(), any() },
    sub { link any(), any() },
    sub { utime 1e9, 1e9, any() },
    sub { chmod 0644, grep { -f } any() },
    (sub {
        my $path = any();
        return if -l $path;
        open my $out, '>', $path or return;
        print {$out} rand;
        close $out;
        utime 1e9, 1e9, $path if rand() < 0.5;
    }) x 6,
);

sub disturb {
    my $end = time + $seconds;
    my $count = 0;
    while (time < $end) {
        $deeds[rand @deeds]->();
        sleep 0.05 if ++$count % 100 == 0;
    }
    return $count;
}

sub files { return sort map { chomp; $_ } `find '$site' -type f` }

sub listed {
    return sort map { $_->{path} } json(run('list', '--json', $site)->{out});
}

sub is_true {
    my ($name) = @_;
    my @files = files();
    ok(wait_for($patience, sub { "@files" eq join ' ', listed() }),
        "$name there is one record a file")
        or diag "files:  @files\nlisted: @{[listed()]}";
    return if !@files;
    ok(wait_for($patience, sub { run('show', '--quiet', @files)->{exit} == 0 }),
        "$name every record is fresh")
        or diag run('show', @files)->{out};
    my $sums = run('list', '--sha256sum', $site)->{out};
    is($sums, join('', sort { substr($a, 66) cmp substr($b, 66) }
                `find '$site' -type f -exec sha256sum {} +`),
        "$name every digest is that of the content");
}

for my $round (1 .. $rounds) {
    $watcher = background($tool, '-i', $index, 'watch', '--interval', '1',
        $site);
    my $count = disturb();
    cmp_ok($count, '>', 100, "round $round: files were disturbed");
    is_true("round $round: in the end");
    disturb() if $round % 2;
    my $signal = $round % 2 ? 'KILL' : 'TERM';
    kill $signal, $watcher->{pid};
    my $result = finished($watcher);
    undef $watcher;
    is($result->{signal} . $result->{exit}, $signal eq 'KILL' ? '90' : '00',
        "round $round: it ends by SIG$signal and by nothing else");
    is(scalar(grep { !/no such file|followed again|more changes/ }
                lines($result->{err})), 0, "round $round: no problem was met")
        or diag $result->{err};
}

done_testing;
