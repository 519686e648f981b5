# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# One round of the truth test (Vld::Hostile): a private server, the writer, the
# clients, whatever else is to run at the same time, and the verdict as tests.
package Vld::Truth;
use strict;
use warnings;
use Exporter 'import';
use Test::More;
use Vld::Hostile ();
use Vld::Server ();
use Vld::Test;

our @EXPORT = qw(truth_test until_then);

# A file that is cut while httpd has it mapped kills stock httpd too: its
# manual says to switch mapping off for such files.
sub start
{
    my ($truth, $opt) = @_;
    my $more = $opt->{conf};
    return Vld::Server->start(name => "hostile-$opt->{name}",
        loglevel => 'notice', conf => sub {
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
        return if $opt->{unscanned};
        scan_of($s);
    });
}

# Do something again and again until the time is over.
sub until_then
{
    my ($end, $pause, $code) = @_;
    my $n = 0;
    while (now() < $end) {
        $code->();
        select undef, undef, undef, $pause;
        $n++;
    }
    die "only $n times\n" unless $n > 3;
}

# name, what (in words), seconds; clients, pause; conf: directives; unscanned:
# no scan before the start; beside: code that gets the server and the end of
# the round, each run in a process of its own.
sub truth_test
{
    my %opt = @_;
    my $what = $opt{what};
    my $truth = Vld::Hostile->new(pause => $opt{pause} || 1.5);
    my $server = start($truth, \%opt);
    my $logs = $server->{root} . '/logs';
    my $end = now() + $opt{seconds};
    my @children = child_of(sub { $truth->write_until($end, "$logs/changes") });
    my @logs = map { "$logs/client$_" } 1 .. $opt{clients} || 2;
    for my $log (@logs) {
        push @children, child_of(sub {
            $truth->read_until($end + 2, $log, $server->{port});
        });
    }
    push @logs, "$logs/client-h2";
    push @children, child_of(sub {
        $truth->read_h2_until($end + 2, $logs[-1], $server->{port});
    });
    for my $code (@{$opt{beside} || []}) {
        push @children, child_of(sub {
            local $ENV{VLD_INDEX} = $server->index_path;
            $code->($server, $end);
        });
    }
    is(all_well(@children), scalar @children, "$what: the writer, every client"
        . ' and what ran beside them came to the end');
    report($what, $truth->judge("$logs/changes", @logs), $opt{seconds});
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        "$what: no child of httpd died");
    $opt{after}->($server) if $opt{after};
    $server->stop;
}

sub none
{
    my ($r, $which, $what) = @_;
    all_right($what, @{$r->{wrong}{$which} || []}) and return;
    my $of = $r->{of}{$which};
    diag("  $of->{$_} x $_") for sort keys %$of;
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
    diag("  failed: $_ x $r->{by_status}{$_}")
        for grep { !/^(?:200|206|304)$/ } sort keys %{$r->{by_status}};
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

1;
