# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Every row of the decision table, sent to a live server: identity and gzip,
# each by the full path, by replay in fixups and by the quick handler.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Vld::Many;
use Vld::Server ();
use Vld::Table ();
use Vld::Test;

my $content = join '', map { "octets $_ of a page that is compressed\n" }
    1 .. 50;
my $mtime = 1_600_000_000;

sub fields
{
    return <<'END';
    Require all granted
    AddOutputFilterByType DEFLATE text/css
    Header set Cache-Control "max-age=60, must-revalidate"
    Header set Content-Location "/canonical.css"
    Header set Access-Control-Allow-Origin "*"
    ExpiresActive On
    ExpiresDefault "access plus 1 hour"
END
}

sub start
{
    my ($name, $answers) = @_;
    my $server = Vld::Server->start(name => $name, conf => sub {
        my $docs = $_[0]->docs;
        return <<"END" . fields() . <<"END2";
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsAnswers $answers
</IfModule>
<Directory "$docs">
END
</Directory>
<Directory "$docs/quick">
    <IfModule mod_validators.c>
        ValidatorsQuickHandler On
    </IfModule>
</Directory>
END2
    }, prepare => sub {
        my $s = shift;
        for my $dir (qw(full replay quick)) {
            stamp(spew($s->docs($dir, 'page.css'), $content), $mtime);
        }
        scan_of($s);
    });
    return $server;
}

# Send all rows; [rows answered, wrong statuses, wrong bytes, wrong fields,
# 304s, the ids of rows that should be 304].
sub send_all
{
    my ($server, $dir, $coding) = @_;
    my $c = $server->client;
    my $url = "/$dir/page.css";
    my @accept = $coding ? ('Accept-Encoding' => $coding) : ();
    my $full = $c->get($url, @accept);
    my ($opaque) = ($full->{h}{etag} || '') =~ /^(?:W\/)?"(.*)"$/;
    $opaque = 'none' unless defined $opaque;
    my @rows = Vld::Table::rows($opaque, $mtime);
    my %r = (rows => scalar @rows, answered => 0, full => $full,
        date => $full->{h}{'last-modified'});
    my $tail = "Host: 127.0.0.1\r\n"
        . ($coding ? "Accept-Encoding: $coding\r\n" : '');
    my ($sent, $i) = (0, 0);
    my $key = $dir . ($coding || 'identity');
    $c->pipeline(sub {
        my $row = $rows[$sent++] or return undef;
        return [$row->[0], "$row->[0] $url HTTP/1.1\r\n$tail$row->[1]"
            . "X-Id: $key-$sent\r\n\r\n"];
    }, sub {
        my ($req, $res) = @_;
        my $row = $rows[$i++];
        $r{answered}++;
        $r{lost} = $c->{lost};
        judge(\%r, $row, $res, $full, $coding);
        if ($row->[2] == 304) {
            $r{should}++;
            push @{$r{$row->[3] =~ /if-none-match=any/ ? 'any'
                : 'replayable'}}, "$key-$i";
            $r{row}{"$key-$i"} = $row->[3];
        }
    }, 40);
    return \%r;
}

sub judge
{
    my ($r, $row, $res, $full, $coding) = @_;
    my ($method, undef, $want, $name) = @$row;
    my $status = $res->{status};
    my $fits = $status == $want
        || $coding && $want == 206 && $status == 200;
    push @{$r->{status}}, "$name: $status in place of $want" unless $fits;
    if ($status == 304) {
        $r->{given}++;
        my $wrong = same_fields($full, $res, 'Access-Control-Allow-Origin');
        push @{$r->{fields}}, "$name: $wrong" if $wrong ne '';
        push @{$r->{fields}}, "$name: Content-Encoding in a 304"
            if defined $res->{h}{'content-encoding'};
    }
    elsif ($status == 206) {
        $r->{ranges}++;
        push @{$r->{bytes}}, "$name: other octets"
            if $res->{body} ne substr($full->{body}, 0, 100);
    }
    elsif ($status == 200 && $method eq 'GET') {
        push @{$r->{bytes}}, "$name: other octets"
            if $res->{body} ne $full->{body};
    }
    elsif ($res->{body} ne '' && $status == 200) {
        push @{$r->{bytes}}, "$name: a body for HEAD";
    }
}

sub check
{
    my ($server, $dir, $coding, $word) = @_;
    my $what = ($coding || 'identity') . " by the $dir path";
    my $t0 = Time::HiRes::time();
    my $r = send_all($server, $dir, $coding);
    diag(sprintf '%s: %d rows in %.1f s', $what, $r->{answered},
        Time::HiRes::time() - $t0);
    is($r->{answered}, 23_520, "$what: all rows are answered");
    is($r->{date}, http_date($mtime), "$what: the file's date is sent");
    all_right("$what: every status is RFC 9110's", @{$r->{status} || []});
    all_right("$what: every 304 says what the 200 says",
        @{$r->{fields} || []});
    all_right("$what: every body is the right octets", @{$r->{bytes} || []});
    is($r->{given}, $r->{should}, "$what: as many 304s as the table has");
    cmp_ok($r->{ranges} || 0, '>', 0, "$what: ranges are sent")
        unless $coding;
    is($r->{lost} || 0, 0, "$what: on one connection");
    check_notes($server, $what, $dir, $r, $word);
}

sub check_notes
{
    my ($server, $what, $dir, $r, $word) = @_;
    my @ids = @{$r->{replayable} || []};
    my $note = notes_of($server->log_path, @ids, @{$r->{any} || []});
    my @by_replay = grep { ($note->{$_} || '') =~ /^(?:quick|replay)$/ } @ids;
    my $by_word = grep { ($note->{$_} || '') eq $word } @ids;
    if ($dir eq 'full') {
        my $named = sub { "$r->{row}{$_[0]}: " . ($note->{$_[0]} || 'none') };
        all_right("$what: nothing is replayed", map { $named->($_) }
            @by_replay);
        all_right("$what: the log's note of every 304 is 304",
            map { $named->($_) } grep { ($note->{$_} || '-') ne '304' } @ids);
        return;
    }
    cmp_ok($by_word, '>=', 0.95 * @ids, "$what: 95 in 100 of the 304s have"
        . " the note $word") or diag("$by_word of " . @ids);
    all_right("$what: no `If-None-Match: *` is answered by the quick handler",
        map { $r->{row}{$_} } grep { ($note->{$_} || '') eq 'quick' }
        @{$r->{any} || []});
}

my $full = start('table-full', 0);
check($full, 'full', $_, '304') for undef, 'gzip';
$full->stop;
my $replay = start('table-replay', 1024);
for my $coding (undef, 'gzip') {
    check($replay, 'replay', $coding, 'replay');
    check($replay, 'quick', $coding, 'quick');
}
$replay->stop;

done_testing();
