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

my $seconds = $ENV{VLD_HOSTILE_SECONDS} || 12;
my $clients = $ENV{VLD_HOSTILE_CLIENTS} || 2;
my $pause = $ENV{VLD_HOSTILE_PAUSE} || 1.5;

# A file that is cut while httpd has it mapped kills stock httpd too: its
# manual says to switch mapping off for such files.
sub start
{
    my ($name, $truth, $more) = @_;
    return Vld::Server->start(name => "hostile-$name", loglevel => 'notice',
        conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
<IfModule !mod_validators.c>
    EnableMMAP Off
</IfModule>
Protocols h2c http/1.1
<IfModule mod_validators.c>
    ValidatorsEngine On
    $more
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
}

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

# Scan the tree all the time, as one who means well may do.
sub scan_until
{
    my ($server, $end) = @_;
    return unless module_loaded();
    local $ENV{VLD_INDEX} = $server->index_path;
    my $n = 0;
    while (Vld::Hostile::now() < $end) {
        Vld::Test::tool('scan', '--quiet', $server->docs);
        select undef, undef, undef, 0.05;
        $n++;
    }
    die "no scans\n" unless $n > 3;
}

sub truth_test
{
    my ($name, $what, $for, $with_scans, $more) = @_;
    my $truth = Vld::Hostile->new(pause => $pause);
    my $server = start($name, $truth, $more);
    my $logs = $server->{root} . '/logs';
    my $end = Vld::Hostile::now() + $for;
    my @children = child(sub { $truth->write_until($end, "$logs/changes") });
    my @logs = map { "$logs/client$_" } 1 .. $clients;
    for my $log (@logs) {
        push @children, child(sub {
            $truth->read_until($end + 2, $log, $server->{port});
        });
    }
    push @logs, "$logs/client-h2";
    push @children, child(sub {
        $truth->read_h2_until($end + 2, $logs[-1], $server->{port});
    });
    push @children, child(sub { scan_until($server, $end) }) if $with_scans;
    my $well = 0;
    for my $pid (@children) {
        waitpid $pid, 0;
        $well++ if $? == 0;
    }
    is($well, scalar @children, "$what: the writer and every client ran to"
        . ' the end');
    report($what, $truth->judge("$logs/changes", @logs), $for);
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        "$what: no child of httpd died");
    $server->stop;
}

sub none
{
    my ($r, $which, $what) = @_;
    is($r->{$which} || 0, 0, $what) and return;
    my $of = $r->{of}{$which};
    diag("  $of->{$_} x $_") for sort keys %$of;
    diag("  $_") for @{$r->{examples}{$which}};
}

sub report
{
    my ($what, $r, $for) = @_;
    my $share = $r->{due} ? 100 * $r->{due_given} / $r->{due} : 0;
    diag(sprintf '%s: %d changes, %d requests: %d full, %d not modified,'
        . ' %d ranges, %d failed; %d untrue 304s; %d of %d true ones given'
        . ' (%.1f %%); %d torn bodies, %d of them under a strong tag; %d'
        . ' strong tags on a second body', $what, @$r{qw(writes requests
        full not_modified ranges failed untrue due_given due)}, $share,
        @$r{qw(torn torn_strong two_bodies)});
    cmp_ok($r->{writes}, '>', 5 * $for, "$what: files were changed");
    cmp_ok($r->{not_modified}, '>', 50 * $for,
        "$what: clients were given 304s");
    cmp_ok($r->{ranges}, '>', 2 * $for, "$what: and ranges");
    none($r, 'untrue', "$what: no 304 is untrue");
    none($r, 'two_bodies', "$what: no strong tag names two contents");
    none($r, 'torn_strong', "$what: no torn body is delivered under a strong"
        . ' tag that is not its own');
    none($r, 'unfit_range', "$what: no range is of another content than its"
        . ' tag says');
    none($r, 'old_body', "$what: no 200 sends a content that was gone before"
        . ' the request');
    none($r, 'unasked', "$what: no 304 answers an unconditional request");
    cmp_ok($share, '>=', 90, "$what: nine in ten of the true 304s are given")
        or do {
        my $of = $r->{due_of};
        diag(sprintf '  %-20s %6d given %6d not', $_, map { $_ || 0 }
            @{$of->{$_}}[0, 1]) for sort keys %$of;
    };
}

truth_test('quick', 'with the quick handler', $seconds, 0,
    'ValidatorsQuickHandler On');
truth_test('scans', 'while the tree is scanned', $seconds * 0.6, 1,
    'ValidatorsQuickHandler On');
truth_test('fixups', 'by fixups', $seconds * 0.4, 0, '');
truth_test('full', 'without prepared answers', $seconds * 0.4, 0,
    'ValidatorsAnswers 0');
done_testing();
