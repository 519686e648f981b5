# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# One round of the truth test (Vld::Hostile): a private server, the writer, the
# clients, whatever else is to run at the same time, and the verdict as tests.
# With `everything` also files that nobody changes (Vld::Steady), files that are
# written through mappings (Vld::Mapped), and restarts.
package Vld::Truth;
use strict;
use warnings;
use Exporter 'import';
use Test::More;
use POSIX ();
use Time::HiRes ();
use Vld::Hostile ();
use Vld::Mapped ();
use Vld::Server ();
use Vld::Steady ();
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
        return ($opt->{steady} ? $opt->{steady}->conf($_[0]) : '') . <<"END";
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
        $_->create($s->docs) for values %{$opt->{mapped} || {}};
        $opt->{steady}->create($s) if $opt->{steady};
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

# --- restarts ------------------------------------------------------------------

# In turn gracefully, at once, and by a stop and a start; a line for each with
# its beginning and end, in which a request may fail.
sub restart_until
{
    my ($server, $end, $log) = @_;
    open my $out, '>', $log or die "$log: $!\n";
    $out->autoflush;
    for (my $n = 0; now() < $end - 4; $n++) {
        Time::HiRes::sleep(3 + rand 2);
        my $t0 = now();
        if ($n % 3 == 0) {
            $server->graceful;
            Time::HiRes::sleep(1);
        }
        elsif ($n % 3 == 1) {
            kill 'HUP', $server->{pid};
            Time::HiRes::sleep(1.5);
        }
        else {
            $server->stop;
            $server->launch or die "httpd does not start again\n"
                . $server->error_log;
            Time::HiRes::sleep(0.5);
        }
        printf {$out} "%.7f %.7f %s\n", $t0, now(),
            $n % 3 ? 'at once' : 'gracefully';
    }
    close $out;
    return Vld::Hostile::read_restarts($log);
}

# Children that ended by a signal, but for those that were told to end at once:
# the event MPM may die of a socket that a worker gives up at that moment, and
# under prefork mod_http2 of what it is doing when the signal comes.
sub signals
{
    my ($server, $restarts) = @_;
    my $ahead = Time::HiRes::time() - now();
    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 0 .. 11;
    my $count = 0;
    for my $line (grep { /exit signal/ } split /\n/, $server->error_log) {
        my $at = $line =~ /^\[\w+ (\w+) (\d+) (\d+):(\d+):([\d.]+) (\d+)\]/
            ? POSIX::mktime(0, $4, $3, $2, $month{$1}, $6 - 1900, 0, 0, -1)
                + $5 - $ahead : 0;
        $count++ unless grep { $_->[2] eq 'at' && $_->[0] - 1 <= $at
            && $_->[1] + 2 >= $at } @$restarts;
    }
    # Whoever runs the suites need not look again.
    Vld::Test::spew("$server->{root}/logs/judged", '') if @$restarts;
    return $count;
}

# --- a round -------------------------------------------------------------------

# Processes that write and read what the mapped writers change.
sub begin_mapped
{
    my ($mapped, $logs, $end, $port) = @_;
    my @children;
    for my $name (sort keys %$mapped) {
        push @children, child_of(sub {
            $mapped->{$name}->write_until($end, "$logs/changes-$name");
        });
        push @children, child_of(sub {
            $mapped->{$name}->read_until($end + 2, "$logs/mapped-$name", $port);
        });
    }
    return @children;
}

sub begin_steady
{
    my ($steady, $server, $end) = @_;
    my $began = now();
    my $logs = $server->{root} . '/logs';
    return map {
        my $log = "$logs/steady$_";
        child_of(sub {
            $steady->read_until($began, $end, $log, $server->{port}, $server);
        });
    } 1 .. 2;
}

# name, what (in words), seconds; clients, pause; conf: directives; unscanned:
# no scan before the start; beside: code that gets the server and the end of
# the round, each run in a process of its own; everything: see above.
sub truth_test
{
    my %opt = @_;
    my $what = $opt{what};
    my $pause = $opt{pause} || 1.5;
    my $truth = Vld::Hostile->new(pause => $pause);
    if ($opt{everything}) {
        $opt{steady} = Vld::Steady->new(seconds => $opt{seconds});
        my $program = Vld::Mapped::make_writer();
        $opt{mapped} = { map { $_ => Vld::Mapped->new(pause => $pause,
            ways => [$_], program => $program, idle => 0.02) } qw(stamped silent) };
    }
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
    push @children, begin_mapped($opt{mapped}, $logs, $end, $server->{port})
        if $opt{mapped};
    push @children, begin_steady($opt{steady}, $server, $end) if $opt{steady};
    for my $code (@{$opt{beside} || []}) {
        push @children, child_of(sub {
            local $ENV{VLD_INDEX} = $server->index_path;
            $code->($server, $end);
        });
    }
    my $restarts = $opt{everything}
        ? restart_until($server, $end, "$logs/restarts") : [];
    $_->{restarts} = $restarts for $truth, values %{$opt{mapped} || {}},
        $opt{steady} || ();
    is(all_well(@children), scalar @children, "$what: the writer, every client"
        . ' and what ran beside them came to the end');
    my $r = $truth->judge("$logs/changes", @logs);
    report($what, $r, $opt{seconds});
    if ($opt{everything}) {
        figure(restarts => scalar @$restarts);
        figures($r);
        report_mapped($what, $opt{mapped}, $logs);
        report_steady($what, $opt{steady}, map { "$logs/steady$_" } 1 .. 2);
    }
    is(signals($server, $restarts), 0, "$what: no child of httpd died");
    $opt{after}->($server) if $opt{after};
    $server->stop;
}

# --- the verdict ---------------------------------------------------------------

# What scripts/soak adds up.
sub figure { diag(sprintf 'figure %s %d', @_) }

sub figures
{
    my $r = shift;
    figure($_ => $r->{$_}) for qw(writes requests not_modified ranges parts
        untrue torn torn_strong failed restarted due due_given);
    figure(two_contents => $r->{two_bodies} + ($r->{unfit_range} || 0));
    figure(changed => $r->{changed_tag});
}

sub report_mapped
{
    my ($what, $mapped, $logs) = @_;
    for my $name (sort keys %$mapped) {
        my $r = $mapped->{$name}->judge("$logs/changes-$name",
            "$logs/mapped-$name");
        figure("mapped_${name}_$_" => $r->{$_}) for qw(writes not_modified
            untrue);
        cmp_ok($r->{writes}, '>', 5, "$what: files are written through"
            . " mappings ($name)");
        none($r, 'untrue', "$what: no 304 is untrue of a file that is mapped"
            . ' by its writer, who sets its time') if $name eq 'stamped';
    }
}

sub report_steady
{
    my ($what, $steady, @logs) = @_;
    my $r = $steady->judge(@logs);
    figure("steady_$_" => $r->{$_}) for qw(requests files first_large changed
        wrong_octets due due_given failed restarted);
    cmp_ok($r->{files}, '>', 5, "$what: files are asked for first");
    cmp_ok($r->{first_large}, '>', 1, "$what: and large ones");
    none($r, 'changed', "$what: no tag or date changes while the file does"
        . ' not');
    none($r, 'wrong_octets', "$what: no answer has other octets");
    my $share = $r->{due} ? 100 * $r->{due_given} / $r->{due} : 0;
    cmp_ok($share, '>=', 90, "$what: who holds a file that does not change is"
        . ' told so');
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
    none($r, 'changed_tag', "$what: parts of a file that lies still have one tag"
        . ' and one date');
    none($r, 'unasked', "$what: no 304 answers an unconditional request");
    cmp_ok($share, '>=', 90, "$what: nine in ten of the true 304s are given")
        or do {
        my $of = $r->{due_of};
        diag(sprintf '  %-20s %6d given %6d not', $_, map { $_ || 0 }
            @{$of->{$_}}[0, 1]) for sort keys %$of;
    };
}

1;
