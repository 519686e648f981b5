# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Releases switched under load: a symbolic link leads to one release after
# another, forwards and back, while clients ask by tag, by date and by both.
# What a client has after asking is of a release that was there meanwhile.
# A tree of its own: now -> r1, r2 or r3, of which the last is not indexed.
# File 0 is the same in all; 1 has the same time and size in all; of the others
# the later release is the older.
package Releases;

use strict;
use warnings;
use lib 'lib';
use Digest::MD5 qw(md5_hex);
use Vld::Origins;
use Vld::Test;

my @sizes = (1000, 1000, 2000, 100_000);

sub new
{
    my ($class, $root, $time) = @_;
    my $self = bless { root => $root, of => {} }, $class;
    for my $r (1 .. 3) {
        for my $n (0 .. $#sizes) {
            my $line = sprintf "%-49s\n", "file $n" . ($n ? " of $r" : '');
            my $text = $line x ($sizes[$n] / 50);
            file_of("$root/r$r/$n.css", $text,
                $time - ($n > 1 ? $r * 1000 : 0));
            $self->{of}{md5_hex($text)}{$r} = $n + 1;
        }
    }
    link_to("$root/now", 'r1');
    return $self;
}

# Switch until the time is over; the log: release, begin, end.  Now and then
# it stays long enough for dates to be sent.
sub switch_until
{
    my ($self, $end, $log) = @_;
    open my $out, '>', $log or die "$log: $!\n";
    print {$out} "1 0 0\n";
    my ($now, $n) = (1, 0);
    while (now() < $end) {
        my $next = 1 + ($now + int rand 2) % 3;
        my $begin = now();
        link_to("$self->{root}/now", "r$next");
        printf {$out} "%d %.7f %.7f\n", $next, $begin, now();
        $now = $next;
        Time::HiRes::sleep($n++ % 6 ? 0.01 + rand 0.1 : 1.25);
    }
    close $out or die "$log: $!\n";
}

# A client that keeps and asks, with all kinds of conditions; the log: kind,
# status, begin, end, what it has then, its tag.
sub ask_until
{
    my ($self, $end, $log, $port) = @_;
    open my $out, '>', $log or die "$log: $!\n";
    my $client = Vld::Http->new(port => $port);
    my @holders = map { my $k = $_; map { Vld::Origins::Holder->new($client,
        $k, 'Accept-Encoding' => $_) } 'identity', 'gzip' } kinds();
    while (now() < $end) {
        my $h = $holders[rand @holders];
        my $url = '/' . (rand() < 0.5 ? 'quick' : 'full') . '/'
            . int(rand @sizes) . '.css';
        my $begin = now();
        my $has = $h->ask($url);
        my $after = now();
        my $full = $h->{held}{$url}{h} || {};
        my $coding = $full->{'content-encoding'} || 'identity';
        $has = gunzip($has) if $coding eq 'gzip';
        printf {$out} "%s %s %.7f %.7f %s %s:%s\n", $h->{kind}, $h->{last},
            $begin, $after, md5_hex($has), $coding, $full->{etag} || '-';
    }
    close $out or die "$log: $!\n";
}

# (untrue answers, strong tags of two contents, 304s by kind)
sub judge
{
    my ($self, $changes, @logs) = @_;
    my @was = map { [split] } split /\n/, slurp($changes);
    my (@untrue, %tags, %kept, $n);
    for my $line (map { split /\n/, slurp($_) } @logs) {
        my ($kind, $status, $begin, $end, $has, $tag) = split ' ', $line;
        my $true = grep { my $next = $was[$_ + 1];
            $was[$_][1] <= $end && (!$next || $next->[2] >= $begin)
            && $self->{of}{$has}{$was[$_][0]} } 0 .. $#was;
        push @untrue, "$status by $kind: $tag, $begin to $end" unless $true;
        $tags{$tag}{$has} = 1 if $tag =~ /:"/;
        $kept{$kind}++ if $status == 304;
        $n++;
    }
    my @shared = grep { keys %{$tags{$_}} > 1 } sort keys %tags;
    return ($n, scalar @was, \@untrue, \@shared, \%kept);
}

package main;

use strict;
use warnings;
use lib 'lib';
use Test::More;
use Time::HiRes ();
use Vld::Origins;
use Vld::Server ();
use Vld::Test;

my $old = 1_500_000_000;

sub start_server
{
    my $root = shift;
    return Vld::Server->start(name => 'releases', conf => <<"END",
Alias /quick "$root/now"
Alias /full "$root/now"
EnableMMAP Off
<Directory "$root">
    Require all granted
    AddOutputFilterByType DEFLATE text/css
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsAnswerTTL 300
    <Location /quick>
        ValidatorsQuickHandler On
    </Location>
</IfModule>
END
        prepare => sub {
        my $server = shift;
        scan_of($server, "$root/r1", "$root/r2");
    });
}

{
    my $root = top() . '/private/releases-tree';
    my $releases = Releases->new($root, $old);
    my $server = start_server($root);
    my $seconds = 5;
    my $end = now() + $seconds;
    my @logs = map { "$root/log$_" } 1 .. 3;
    my @children = map { my $log = $_; child_of(sub {
        $releases->ask_until($end, $log, $server->{port});
    }) } @logs;
    push @children, child_of(sub {
        $releases->switch_until($end, "$root/changes");
    });
    is(all_well(@children), 4, 'releases are switched, and clients ask');
    my ($n, $switches, $untrue, $shared, $kept)
        = $releases->judge("$root/changes", @logs);
    all_right('what a client has after asking is of a release that was there'
        . ' meanwhile', @$untrue);
    all_right('no strong tag is of two contents', @$shared);
    cmp_ok($kept->{$_} || 0, '>', 20, "clients that ask by $_ could keep"
        . ' their copies') for kinds();
    my $quick = () = slurp($server->log_path) =~ / 304 quick /g;
    cmp_ok($quick, '>', 20, 'many of them by the quick handler');
    cmp_ok($switches, '>', 10, 'and there were releases enough');
    diag("$n requests, $switches releases, not modified: " . join ', ',
        map { "$kept->{$_} by $_" } sort keys %$kept);
    is(scalar(() = $server->error_log =~ /exit signal/g), 0,
        'no child of httpd died');
    $server->stop;
}

done_testing();
