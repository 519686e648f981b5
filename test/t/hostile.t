# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# No untrue 304, and no strong tag for two contents, whatever is done to the
# files.  VLD_HOSTILE_SECONDS makes it longer.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Vld::Hostile ();
use Vld::Server ();
use Vld::Test;

my $seconds = $ENV{VLD_HOSTILE_SECONDS} || 18;
my $clients = $ENV{VLD_HOSTILE_CLIENTS} || 2;
my $truth = Vld::Hostile->new(pause => $ENV{VLD_HOSTILE_PAUSE} || 1.5);
my $name = 'hostile' . ($ENV{VLD_HOSTILE_NAME} || '');

# A file that is cut while httpd has it mapped kills stock httpd too: its
# manual says to switch mapping off for such files.
my $server = Vld::Server->start(name => $name, loglevel => 'notice',
    conf => sub {
    my $docs = $_[0]->docs;
    return <<"END";
EnableMMAP Off
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsQuickHandler On
</IfModule>
<Directory "$docs">
    Require all granted
    AddOutputFilterByType DEFLATE text/css
</Directory>
<FilesMatch "^(?:40k|2m)">
    EnableSendfile On
</FilesMatch>
END
}, prepare => sub {
    my $s = shift;
    $truth->create($s->docs);
    local $ENV{VLD_INDEX} = $s->index_path;
    scan($s->docs);
});

sub child
{
    my $code = shift;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return $pid if $pid;
    srand;
    my $ok = eval { $code->(); 1 };
    print STDERR "# $@" unless $ok;
    POSIX::_exit($ok ? 0 : 1);
}

my $logs = $server->{root} . '/logs';
my $end = Vld::Hostile::now() + $seconds;
my @children = child(sub { $truth->write_until($end, "$logs/changes") });
for my $i (1 .. $clients) {
    push @children, child(sub {
        $truth->read_until($end + 3, "$logs/client$i", $server->{port});
    });
}
my $well = 0;
for my $pid (@children) {
    waitpid $pid, 0;
    $well++ if $? == 0;
}
is($well, $clients + 1, 'the writer and every client ran to the end');

my $r = $truth->judge("$logs/changes", map { "$logs/client$_" } 1 .. $clients);
my $share = $r->{due} ? 100 * $r->{due_given} / $r->{due} : 0;
diag(sprintf '%d changes, %d requests: %d full, %d not modified, %d failed;'
    . ' %d untrue 304s; %d of %d true ones given (%.1f %%); %d torn bodies,'
    . ' %d of them under a strong tag; %d strong tags on a second body',
    @$r{qw(writes requests full not_modified failed untrue due_given due)},
    $share, @$r{qw(torn torn_strong two_bodies)});

sub none
{
    my ($which, $what) = @_;
    is($r->{$which} || 0, 0, $what) and return;
    my $of = $r->{of}{$which};
    diag("  $of->{$_} x $_") for sort keys %$of;
    diag("  $_") for @{$r->{examples}{$which}};
}

cmp_ok($r->{writes}, '>', 5 * $seconds, 'files were changed');
cmp_ok($r->{not_modified}, '>', 50 * $seconds, 'clients were given 304s');
none('untrue', 'no 304 is untrue');
none('two_bodies', 'no strong tag names two contents');
none('torn_strong', 'no torn body is delivered under a strong tag that is not'
    . ' its own');
none('old_body', 'no 200 sends a content that was gone before the request');
none('unasked', 'no 304 answers an unconditional request');
cmp_ok($share, '>=', 90, 'nine in ten of the true 304s are given') or do {
    my $of = $r->{due_of};
    diag(sprintf '  %-20s %6d given %6d not', $_, map { $_ || 0 }
        @{$of->{$_}}[0, 1]) for sort keys %$of;
};
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');
$server->stop;
done_testing();
