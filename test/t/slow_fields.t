# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Clients that send the request line and take their time for the fields: what
# they are told is true when it is told, not when the line came.
use strict;
use warnings;
use IO::Socket::INET ();
use Test::More;
use Time::HiRes qw(sleep);
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_520_000_000;
my $text = "a page that is asked for slowly\n" x 30;
my $ttl = 3;

my $server = Vld::Server->start(name => 'slow', loglevel => 'notice',
    conf => sub {
        my $docs = $_[0]->docs;
        return "<Directory \"$docs\">\nRequire all granted\n"
            . "AllowOverride All\n</Directory>\n"
            . engine("ValidatorsEngine On\nValidatorsQuickHandler On\n"
                . "ValidatorsAnswerTTL $ttl\n");
    }, prepare => sub {
        my $s = shift;
        stamp(spew($s->docs("$_/page.css"), "$_: $text"), $old)
            for qw(denied new same);
        scan_of($s);
    });

my $c = $server->client;

# The request's line now, the rest when it is told to: the status.
sub begin
{
    my $url = shift;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $server->{port}) or die "connect: $!\n";
    $socket->autoflush(1);
    print {$socket} "GET $url HTTP/1.1\r\n";
    return sub {
        my %field = @_;
        print {$socket} join('', "Host: $c->{host}\r\n", map({
            "$_: $field{$_}\r\n" } sort keys %field), "\r\n");
        my $line = <$socket> || '';
        return $line =~ m{^HTTP/1\.1 (\d+)} ? $1 : "no status: $line";
    };
}

my $id;
for my $dir (qw(denied new same)) {
    my $tag = tag_of("$dir: $text");
    for my $n (0 .. 2) {
        my $res = $c->get("/$dir/page.css", 'X-Id' => $id = new_id(), $n
            ? ('If-None-Match' => $tag) : ());
        is($res->{status}, $n ? 304 : 200, "$dir: answer $n");
    }
    is(notes_of($server->log_path, $id)->{$id}, 'quick',
        "$dir: the quick handler has an answer");
}

# The lines come while the answers are young; the fields when they are not, and
# the world has changed.
my %rest = map { $_ => begin("/$_/page.css") } qw(denied new same);
sleep 0.2;
spew($server->docs('denied/.htaccess'), "Require all denied\n");
stamp(spew($server->docs('new/page.css'), "NEW: $text"), $old);
sleep $ttl + 0.5;
is($rest{denied}->('If-None-Match' => tag_of("denied: $text")), 403,
    'a rule that came after the line refuses');
is($rest{new}->('If-None-Match' => tag_of("new: $text")), 200,
    'a content that came after the line is sent');
is($rest{same}->('If-None-Match' => tag_of("same: $text")), 304,
    'and what is as it was is not modified');

# Last-Modified is never later than Date, which is that of the line.
{
    my $rest = begin('/new/late.css');
    sleep 2.2;
    spew($server->docs('new/late.css'), "late: $text");
    sleep 2.2;
    is($rest->(), 200, 'a file that is younger than the line is sent');
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $server->{port}) or die "connect: $!\n";
    print {$socket} "GET /new/late.css?2 HTTP/1.1\r\n";
    spew($server->docs('new/late.css'), "later: $text");
    sleep 2.2;
    print {$socket} "Host: localhost\r\nConnection: close\r\n\r\n";
    my $answer = do { local $/; <$socket> };
    my ($date) = $answer =~ /^Date: (.*?)\r$/m;
    my ($modified) = $answer =~ /^Last-Modified: (.*?)\r$/m;
    ok(!defined $modified || stamp_of($modified) <= stamp_of($date),
        'and is not dated later than the answer')
        or diag("$modified, $date");
}
$server->stop;
done_testing();

sub stamp_of
{
    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = (0 .. 11);
    require Time::Local;
    return $_[0] =~ /(\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT/
        ? Time::Local::timegm($6, $5, $4, $1, $month{$2}, $3) : undef;
}
