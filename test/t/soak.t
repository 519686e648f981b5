# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The truth test with everything at once: whatever may write to an index (the
# module's own indexer, a watcher, scans and compactions) on a server that began
# without one and is restarted all the time; first requests to large files, parts
# that are compared, files that are mapped by their writers.  scripts/soak makes
# it longer (VLD_SOAK_SECONDS).
use strict;
use warnings;
use POSIX ();
use Test::More;
use Vld::Test;
use Vld::Truth;

my $seconds = $ENV{VLD_SOAK_SECONDS} || 30;

sub scan_on
{
    my ($server, $end) = @_;
    until_then($end, 0.3 + rand 0.4, sub {
        Vld::Test::tool('scan', '--quiet', $server->docs);
    });
}

sub compact_on
{
    my ($server, $end) = @_;
    until_then($end, 1.5, sub { Vld::Test::tool('compact', '--quiet') });
}

# A watcher that is stopped and killed in turn, and started again.
sub watch_on
{
    my ($server, $end) = @_;
    my ($runs, $unwell) = (0, 0);
    while (now() < $end) {
        my $pid = fork;
        die "fork: $!\n" unless defined $pid;
        if (!$pid) {
            open STDOUT, '>>', $server->{root} . '/logs/watch.out';
            open STDERR, '>&', \*STDOUT;
            exec $ENV{VLD_HTVALIDATORS}, '-i', $server->index_path, 'watch',
                $server->docs or POSIX::_exit(127);
        }
        my $left = $end - now();
        my $for = 3 + rand 4;
        select undef, undef, undef, $for < $left ? $for : $left;
        my $kill = $runs++ % 2;
        kill $kill ? 'KILL' : 'TERM', $pid;
        waitpid $pid, 0;
        $unwell++ if !$kill && $? != 0;
    }
    die "the watcher ended badly $unwell of $runs times\n" if $unwell;
    die "the watcher ran only $runs times\n" if $runs < 2;
}

sub is_whole
{
    my $server = shift;
    local $ENV{VLD_INDEX} = $server->index_path;
    my ($exit, $out) = Vld::Test::tool('list', '--json');
    is($exit, 0, 'in the end every record of the index is whole');
    my $records = () = $out =~ /^\{/mg;
    cmp_ok($records, '>', 20, 'and there are many');
    # Those that their writers map without setting their times may be.
    Vld::Test::tool('forget', $server->docs('silent'));
    ($exit) = Vld::Test::tool('verify');
    is($exit, 0, 'and none of them is untrue');
}

truth_test(name => 'soak', what => 'with every writer at once',
    seconds => $seconds, clients => $ENV{VLD_SOAK_CLIENTS},
    pause => $ENV{VLD_SOAK_PAUSE}, unscanned => 1, everything => 1,
    conf => 'ValidatorsQuickHandler On',
    beside => module_loaded() ? [\&scan_on, \&compact_on, \&watch_on] : [],
    after => module_loaded() ? \&is_whole : undef);
done_testing();
