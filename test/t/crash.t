# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Children and whole servers killed at any moment while they index: what was
# committed stays, nothing is half there, nothing stays locked, and no slot of
# a reader is lost.  VLD_CRASH_ROUNDS makes it longer.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Vld::Server ();
use Vld::Test;

my $rounds = $ENV{VLD_CRASH_ROUNDS} || 40;
my $files = 400;
my $old = 1_500_000_000;

sub name_of { return sprintf 'f%03d.css', shift }

sub fill
{
    my ($server, $round) = @_;
    for my $n (1 .. $files) {
        my $text = "file $n of round $round\n" x ($n % 40 ? 4 : 8000);
        stamp(spew($server->docs(name_of($n)), $text), $old);
    }
}

# Ask for all of the files, over and over, until killed or told.
sub ask_until
{
    my ($server, $end) = @_;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return $pid if $pid;
    while (time < $end) {
        my $c = eval { $server->client } or next;
        eval { $c->get('/' . name_of(1 + int rand $files)) } for 1 .. 50;
    }
    POSIX::_exit(0);
}

sub state_of
{
    my $server = shift;
    local $ENV{VLD_INDEX} = $server->index_path;
    my ($exit, $out) = Vld::Test::tool('stat', '--json');
    return unless $exit == 0;
    my %state = $out =~ /"(\w+)":\s*(\d+)/g;
    return \%state;
}

# Every record is whole, and none is untrue.
sub judge
{
    my ($server, $what) = @_;
    local $ENV{VLD_INDEX} = $server->index_path;
    my ($exit, $out) = Vld::Test::tool('list');
    is($exit, 0, "$what: every record is whole") or diag($out);
    ($exit, $out) = Vld::Test::tool('verify');
    is($exit, 0, "$what: and says what the file says") or diag($out);
    my $began = time;
    ($exit, $out) = Vld::Test::tool('scan', '--quiet', $server->docs);
    is($exit, 0, "$what: a writer gets in") or diag($out);
    cmp_ok(time - $began, '<', 10, "$what: at once");
}

my $server = Vld::Server->start(name => 'crash', loglevel => 'notice',
    conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
<Directory "$docs">
    Require all granted
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsQuickHandler On
</IfModule>
END
    }, prepare => sub { fill($_[0], 0) });

my ($killed, $least) = (0, 0);
my (@shrunk, @unread);
my @clients = map { ask_until($server, time + 600) } 1, 2;
for my $round (1 .. $rounds) {
    fill($server, $round) if $round % 8 == 0;
    sleep(0.05 + rand 0.4);
    my @pids = children_of($server->{pid});
    for my $pid (@pids ? $pids[rand @pids] : ()) {
        $killed++ if kill 'KILL', $pid;
    }
    my $state = state_of($server);
    if (!$state) {
        push @unread, "round $round" if $least;
        next;
    }
    push @shrunk, "round $round: $state->{records} records, of $least"
        if $state->{records} < $least;
    $least = $state->{records};
}
cmp_ok($killed, '>=', $rounds / 2, 'children were killed');
ok($server->alive, 'the server lives on');
cmp_ok($least, '>', 0, 'files were indexed meanwhile');
all_right('the index could be read after each kill', @unread);
all_right('and had what it had had before', @shrunk);
judge($server, 'after the children');

# The whole server, at any moment from its start on.
my $starts = 0;
@shrunk = ();
for my $round (1 .. $rounds / 4) {
    fill($server, "again $round") if $round % 3 == 0;
    my $parent = $server->{pid};
    sleep(rand 0.6);
    kill 'KILL', -$parent;
    waitpid $parent, 0;
    my $gone = 0;
    for (1 .. 200) {
        last if $gone = !kill 0, -$parent;
        sleep 0.05;
    }
    last unless $gone;
    my $state = state_of($server);
    push @shrunk, "server $round: $state->{records} records, of $least"
        if $state && $state->{records} < $least;
    $least = $state->{records} if $state;
    unlink "$server->{root}/logs/httpd.pid";
    $starts++ if $server->launch;
}
kill 'KILL', @clients;
waitpid $_, 0 for @clients;
is($starts, int($rounds / 4), 'a killed server starts again each time');
all_right('and finds what was committed', @shrunk);
judge($server, 'after the servers');
is($server->client->get('/' . name_of(1))->{status}, 200,
    'and answers');
$server->stop;
is(scalar(() = $server->error_log =~ /exit signal (?!Killed)/g), 0,
    'no child died of itself');
done_testing();
