# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# An index that is written to faster than it can be read: nobody knows whether
# it has a record.  Then nothing is said, least of all that there is none.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Vld::Server ();
use Vld::Test;

my $old = 1_540_000_000;
my $big = "a large file with a record\n" x 4000;
# As long as it takes until a look-up has failed: where the processors are busy
# the writer seldom runs beside a reader.
my ($least, $most) = (3.5, 60);
my $server = Vld::Server->start(name => 'unknown', conf => sub {
    my $docs = $_[0]->docs;
    return <<"END";
<Directory "$docs">
    Require all granted
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    # A file without a record has a strong tag of its identity.
    ValidatorsAutoIndex Off
    ValidatorsQuickHandler On
    ValidatorsAnswerTTL 1
</IfModule>
END
}, prepare => sub {
    my $s = shift;
    stamp(spew($s->docs("$_.css"), $big), $old) for 1 .. 40;
    settle();
    scan_of($s);
});

my $restless = top() . '/restless';
is((run_command('cc', '-O2', '-o', $restless,
        top() . '/../modules/restless.c'))[0], 0, 'the restless writer is made');
is($server->client->get('/1.css')->{h}{etag}, tag_of($big),
    'the file has the tag of its record') if module_loaded();

my $pid = fork;
die "fork: $!\n" unless defined $pid;
if (!$pid) {
    exec $restless, $server->index_path, $most + 10 or POSIX::_exit(127);
}
my (@wrong, %seen);
my $began = time;
my $c = $server->client;
for (my $n = 0; time < $began + ($seen{nothing} ? $least : $most); $n++) {
    my $path = sprintf '/%d.css?%d', 1 + $n % 40, $n;
    my $res = $c->get($path, $n % 2 ? ('If-None-Match' => tag_of($big)) : ());
    my $tag = $res->{h}{etag};
    my $date = $res->{h}{'last-modified'};
    my $kind = defined $tag ? 'record' : 'nothing';
    $seen{$kind}++;
    push @wrong, "$path: $res->{status} " . (defined $tag ? $tag : '-')
        unless ($res->{status} == 200 && $res->{body} eq $big
            || $res->{status} == 304 && $n % 2)
        && (defined $tag ? $tag eq tag_of($big) : !defined $date);
}
kill 'TERM', $pid;
waitpid $pid, 0;
is($? & 127, POSIX::SIGTERM(), 'it has run until then');
SKIP: {
    skip 'without the module', 3 unless module_loaded();
    all_right('each answer says what the record says, or nothing', @wrong);
    cmp_ok($seen{nothing} || 0, '>', 0, 'nothing was said')
        or diag(join ' ', %seen);
    is(scalar($server->complaints), 0, 'nor in the log');
    is($c->get('/1.css?after')->{h}{etag}, tag_of($big),
        'afterwards the record is found again');
}
$server->stop;
done_testing();
