# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# With a key, no tag can be made by who does not have it; all of them are the
# same wherever the key is, and change with it.
use strict;
use warnings;
use lib 'lib';
use Digest::SHA ();
use File::Temp ();
use POSIX ();
use Test::More;
use Time::HiRes ();
use Vld::Server ();
use Vld::Test;

my $old = 1_550_000_000;
my $small = "voucher 4711\n" x 40;
my $big = "a line of a long page\n" x 9000;
my @secret = ('the first key, octets: ' . pack('C*', 0, 10, 255, 13),
    'another key of the same site');
my %now = (key => $secret[0]);

sub keyed { return tag_of_digest(Digest::SHA::hmac_sha256(shift, $now{key})) }
sub keyed_tag_of { return keyed(Digest::SHA::sha256(shift)) }

sub key_file
{
    my ($path, $octets, $mode) = @_;
    unlink $path;
    spew($path, $octets);
    chmod $mode, $path or die "$path: $!\n";
    return $path;
}

sub start
{
    my ($name, $level) = @_;
    my $server = Vld::Server->start(name => "tagkey-$name", conf => sub {
        my $docs = $_[0]->docs;
        return <<"END";
LogLevel $level
DavLockDB "$_[0]{root}/logs/davlock"
<Directory "$docs">
    Require all granted
    <IfModule mod_validators.c>
        ValidatorsEngine On
        ValidatorsAutoIndex Off
    </IfModule>
</Directory>
<Directory "$docs/quick">
    <IfModule mod_validators.c>
        ValidatorsQuickHandler On
    </IfModule>
</Directory>
<Directory "$docs/gzip">
    AddOutputFilterByType DEFLATE text/css
</Directory>
<Directory "$docs/dav">
    Dav On
</Directory>
<IfModule mod_validators.c>
    ValidatorsAnswerTTL 60
    ValidatorsTagKey key
</IfModule>
END
    }, prepare => sub {
        my $s = shift;
        key_file("$s->{root}/key", "$now{key}\n", 0600);
        stamp(spew($s->docs("$_/small.css"), $small), $old)
            for qw(full quick gzip dav);
        stamp(spew($s->docs('full/big.css'), $big), $old);
    });
    settle();
    return $server;
}

my $server = start('one', 'trace8');
my $log = $server->log_path;

sub ask
{
    my ($url, @fields) = @_;
    my $id = new_id();
    my $res = $server->client->get($url, @fields, 'X-Id' => $id);
    $res->{note} = note_of($id, $log) || 'not logged';
    return $res;
}

# --- the tags -----------------------------------------------------------------

my $full = ask('/full/small.css');
is($full->{h}{etag}, keyed_tag_of($small),
    'the tag of a small file is made with the key');
isnt($full->{h}{etag}, tag_of($small),
    'and not of its content alone');
is(ask('/quick/small.css')->{h}{etag}, $full->{h}{etag},
    'equal contents have equal tags');
my $promised = ask('/full/big.css');
my $identity = promise_of($server->docs('full/big.css'));
is($promised->{h}{etag}, keyed($identity),
    'the tag of a large file that was not read, too');
isnt($promised->{h}{etag}, tag_of_digest($identity),
    'and it cannot be made from what stat says');
is(ask('/full/big.css', 'If-None-Match' => $promised->{h}{etag} || '""')
    ->{status}, 304, 'by which it is not modified');
{
    local $ENV{VLD_INDEX} = $server->index_path;
    scan($server->docs);
    Time::HiRes::sleep(1.2);
    my $res = ask('/full/big.css');
    is($res->{h}{etag}, keyed_tag_of($big),
        'the tag of an indexed file is made with the key');
    my ($status, $out) = (1, '');
    ($status, $out) = tool('show', '--tag-key', "$server->{root}/key",
        $server->docs('full/big.css')) if module_loaded();
    like($out, qr/^etag +\Q@{[keyed_tag_of($big)]}\E$/m,
        'htvalidators show tells the tag that httpd sends');
}
my $gzip = ask('/gzip/small.css', 'Accept-Encoding' => 'gzip');
(my $suffixed = keyed_tag_of($small)) =~ s/"$/-gzip"/;
is($gzip->{h}{etag}, $suffixed, 'a content coding adds its suffix');
my $dav = $server->client->request('PROPFIND', '/dav/small.css',
    Depth => 0, ':body' => '');
is($dav->{body} =~ m{getetag>([^<]+)<} ? $1 : 'none', keyed_tag_of($small),
    'mod_dav shows the tag that GET shows');

# --- 304 ----------------------------------------------------------------------

my %way = ('/full/small.css' => 'replay', '/quick/small.css' => 'quick',
    '/full/big.css' => 'replay', '/gzip/small.css' => 'replay');
for my $url (sort keys %way) {
    my @accept = $url =~ /gzip/ ? ('Accept-Encoding' => 'gzip') : ();
    my $have = ask($url, @accept);
    my @notes;
    for (1 .. 2) {
        my $res = ask($url, @accept, validators_of($have, 'tag'));
        push @notes, "$res->{status} $res->{note} " . ($res->{h}{etag} || '');
    }
    is($notes[1], "304 $way{$url} $have->{h}{etag}",
        "$url: 304 with the tag of the 200, by $way{$url}");
}
# A content of which nothing is prepared.
stamp(spew($server->docs('full/new.css'), "new $small"), $old);
settle();
my $res = ask('/full/new.css', 'If-None-Match' => keyed_tag_of("new $small"));
is("$res->{status} $res->{note}", '304 304',
    '304 of a full response to who has the tag from elsewhere');
is(ask('/full/small.css', 'If-None-Match' =>
        tag_of($small))->{status}, 200,
    'the tag without the key is none');

# --- nobody is told -------------------------------------------------------------

my ($child) = split ' ', (run_command('pgrep', '-P', $server->{pid}))[1];
unlike(slurp("/proc/$child/environ"), qr/the first key/,
    'the key is not in the environment of a child');
my $told = $server->error_log;
cmp_ok(length $told, '>', 10_000, 'the log is full of words');
unlike($told, qr/the first key/, 'but not with the key');
unlike($told, qr/\Q@{[unpack 'H*', 'the first key']}\E/i,
    'nor with its octets in hexadecimal digits');

# --- another host ---------------------------------------------------------------

my $second = start('two', 'info');
is($second->client->get('/full/small.css', 'If-None-Match' =>
        $full->{h}{etag} || '""')->{status}, 304,
    'another host with the same key has the same tags');
$second->stop;

# --- another key ------------------------------------------------------------------

my %had = map { $_ => ask($_, 'Accept-Encoding' => 'gzip')->{h}{etag} }
    sort keys %way;
key_file("$server->{root}/key", $secret[1], 0600);
is(ask('/full/small.css')->{h}{etag}, keyed_tag_of($small),
    'a key that is changed counts only after a restart');
$now{key} = $secret[1];
$server->graceful;
# Until no child of the generation before is left.
my $in_a_row = 0;
for (1 .. 200) {
    my $new = (ask('/full/small.css')->{h}{etag} || '') eq keyed_tag_of($small);
    $in_a_row = $new ? $in_a_row + 1 : 0;
    last if $in_a_row == 10;
    Time::HiRes::sleep(0.05);
}
is($in_a_row, 10, 'a graceful restart takes the new key');
for my $url (sort keys %way) {
    my @accept = ('Accept-Encoding' => 'gzip');
    my $want = keyed_tag_of($url =~ /big/ ? $big : $small);
    $want =~ s/"$/-gzip"/ if $url =~ /gzip/;
    for my $time ('at once', 'again') {
        my $changed = ask($url, @accept, 'If-None-Match' => $had{$url} || '""');
        is("$changed->{status} " . ($changed->{h}{etag} || ''), "200 $want",
            "$url: a tag of the old key gives 200 and the new tag, $time");
    }
    my $again;
    $again = ask($url, @accept, 'If-None-Match' => $want) for 1 .. 2;
    is("$again->{status} $again->{note}", "304 $way{$url}",
        "$url: by which it is not modified then");
}
is(scalar(() = $server->error_log =~ /exit signal/g), 0,
    'no child of httpd died');

# --- no key ---------------------------------------------------------------------

# A restart without a good key would be the end of the server: httpd's own
# test of the configuration tells before.
my $dir = File::Temp::tempdir(CLEANUP => 1);

sub try_key { return try_config("ValidatorsTagKey \"$_[0]\"") }

mkdir "$dir/folder" or die $!;
POSIX::mkfifo("$dir/fifo", 0600) or die $!;
my @bad = (
    ['that is not there', "$dir/none", qr/No such file or directory; make/],
    ['that is a folder', "$dir/folder", qr/not a regular file; name/],
    ['that is a fifo', "$dir/fifo", qr/not a regular file; name/],
    ['that is a device', '/dev/zero', qr/not a regular file; name/],
    ['that cannot be read', key_file("$dir/mute", 'k' x 32, 0200),
        qr/cannot be read: Permission denied; name/],
    ['of 15 octets', key_file("$dir/short", "fifteen octets.\n", 0600),
        qr/less than 16 octets.*; make/],
    ['that is empty', key_file("$dir/empty", '', 0600),
        qr/less than 16 octets.*; make/],
    ['of 4097 octets', key_file("$dir/long", 'k' x 4097, 0600),
        qr/longer than.*4096 octets; make/],
    ['that others read', key_file("$dir/read", 'k' x 32, 0604),
        qr/by others.*; `chmod/],
    ['that others write', key_file("$dir/write", 'k' x 32, 0602),
        qr/by others.*; `chmod/],
    ['that the group writes', key_file("$dir/group", 'k' x 32, 0620),
        qr/by its group.*; `chmod/],
);
for my $case (@bad) {
    my ($what, $file, $says) = @$case;
    my ($status, $out) = try_key($file);
    isnt($status, 0, "a key file $what is refused");
    like($out, qr/ValidatorsTagKey: \Q$file\E: .*$says/s,
        "a key file $what: the error names directive, file and cure");
    unlike($out, qr/fifteen|kkkk/, "a key file $what: is not told");
}
for my $mode (0400, 0600, 0640) {
    my ($status, $out) = try_key(key_file("$dir/good", 'k' x 16, $mode));
    is($status, 0, sprintf 'a key file of mode %04o is taken', $mode)
        or diag($out);
}
$server->stop;
done_testing();
