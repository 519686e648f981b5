#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 sha256 sha256_hex);
use FindBin;
use lib $FindBin::Bin;
use MIME::Base64 qw(encode_base64url);
use CliTest;
use Test::More;

make_files(map { $_ => "content of $_" } qw(a b gone folder grown touched));
utime 1700000000, 1700000000, "$site/a" or die;
select undef, undef, undef, 0.2;
scan($site);

my $etag = '"' . encode_base64url(substr sha256('content of a'), 0, 16) . '"';
my @stat = stat "$site/a";
my $one = run('show', '--json', "$site/a");
is($one->{exit}, 0, 'a fresh record exits with 0');
my $record = json($one->{out});
is($record->{path}, "$site/a", 'the path is shown');
is($record->{etag}, $etag, 'the tag is made from the content');
is($record->{sha256}, sha256_hex('content of a'), 'the digest is shown');
is($record->{size}, 12, 'the size is shown');
is($record->{inode}, "$stat[1]", 'the inode is shown');
is($record->{mtime}, '2023-11-14T22:13:20.000000000Z', 'the mtime is shown');
is($record->{last_modified}, 'Tue, 14 Nov 2023 22:13:20 GMT',
    'the date is shown as the field has it');
like($record->{$_}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/,
    "$_ is a time in nanoseconds") for qw(ctime indexed);
ok($record->{fresh}, 'the record is fresh');
ok(!exists $record->{reason}, 'and there is nothing to explain');

my $text = run('show', "$site/a");
is($text->{exit}, 0, 'as text, too, a fresh record exits with 0');
like($text->{out}, qr/^etag           \Q$etag\E$/m, 'the text has the tag');
like($text->{out}, qr/^last-modified  Tue, 14 Nov 2023 22:13:20 GMT$/m,
    'the text has the date');
like($text->{out}, qr/^size           12 \(12 B\)$/m, 'the text has the size');
like($text->{out}, qr/^fresh          yes$/m, 'the text says fresh');
is(scalar(lines($text->{out})), 10, 'the text has ten lines');

unlink "$site/gone" or die;
spew("$site/grown", 'content of grown, and more');
utime 1600000000, 1600000000, "$site/touched" or die;
unlink "$site/folder" or die;
mkdir "$site/folder" or die;
spew("$site/new", 'other bytes ');
rename "$site/new", "$site/b" or die;

sub not_fresh {
    my ($name, $reason, $path) = @_;
    my $result = run('show', '--json', $path);
    is($result->{exit}, 1, "$name: exits with 1");
    my $shown = json($result->{out});
    ok(!$shown->{fresh}, "$name: is not fresh");
    like($shown->{reason}, $reason, "$name: the reason is told");
    my $as_text = run('show', $path);
    is($as_text->{exit}, 1, "$name: exits with 1 as text");
    like($as_text->{out} . $as_text->{err}, $reason,
        "$name: the reason is told as text");
}

not_fresh('a file that is gone', qr/no longer there/, "$site/gone");
not_fresh('a file that has grown', qr/changed since: size 16 -> 26, mtime /,
    "$site/grown");
not_fresh('a touched file', qr/changed since: mtime .* -> 2020-09-13T12:26:40/,
    "$site/touched");
not_fresh('a file that is a folder now', qr/no longer a regular file/,
    "$site/folder");
not_fresh('a file of the same size in its place', qr/inode \d+ -> \d+/,
    "$site/b");
not_fresh('a file that was never indexed', qr/no record/, "$site/never");

my $quiet = run('show', '--quiet', "$site/gone");
is($quiet->{exit} . $quiet->{out} . $quiet->{err}, '1',
    'with --quiet the exit status says it all');
is(run('show', '-q', "$site/a")->{out}, '', 'and for a fresh record, too');

my $several = run('show', '--json', "$site/a", "$site/never", "$site/gone");
is($several->{exit}, 1, 'one that is not fresh among several exits with 1');
is(scalar(lines($several->{out})), 3, 'each has its object');
like(run('show', "$site/a", "$site/gone")->{out}, qr/fresh .*\n\npath/,
    'as text an empty line separates them');

symlink $site, "$work/current" or die;
is(json(run('show', '--json', "$work/current/a")->{out})->{path}, "$site/a",
    'a path through a symbolic link finds the real file');
is(json(run('show', '--json', "$work/current/gone")->{out})->{path},
    "$site/gone", 'also one that is no longer there');
chdir $site or die;
is(json(run('show', '--json', './../site//a')->{out})->{path}, "$site/a",
    'a relative path finds the file');
chdir '/' or die;

# With the key of ValidatorsTagKey.
sub key_file {
    my ($octets, $mode) = @_;
    spew("$work/key", $octets);
    chmod $mode, "$work/key" or die;
    return "$work/key";
}

my $key = "a key of more than 16 octets\n";
chomp(my $secret = $key);
my $keyed = '"' . encode_base64url(substr hmac_sha256(sha256('content of a'),
        $secret), 0, 16) . '"';
my @with = ('--tag-key', key_file($key, 0600));
$record = json(run('show', '--json', @with, "$site/a")->{out});
is($record->{etag}, $keyed, 'with a key the tag is the one that httpd sends');
is($record->{sha256}, sha256_hex('content of a'),
    'the digest is that of the content all the same');
like(run('show', @with, "$site/a")->{out}, qr/^etag           \Q$keyed\E$/m,
    'as text, too');
my %wrong = (
    'that others can read' => ["$work/key", qr/others.*; .*chmod/],
    'that is too short' => ["$work/key", qr/16 octets/],
    'that is not there' => ["$work/no-key", qr/No such file.*; make one/],
    'that is a folder' => [$site, qr/not a regular file; /],
);
for my $name (sort keys %wrong) {
    my ($file, $says) = @{$wrong{$name}};
    key_file($name =~ /short/ ? 'fifteen octets.' : $key,
        $name =~ /others/ ? 0644 : 0600);
    my $refused = run('show', '--tag-key', $file, "$site/a");
    is($refused->{exit}, 2, "a key file $name: exits with 2");
    is($refused->{out}, '', "a key file $name: nothing is shown");
    like($refused->{err}, qr/^htvalidators: --tag-key: \Q$file\E: .*$says/,
        "a key file $name: what is wrong and what to do");
    unlike($refused->{err}, qr/more than 16|fifteen/,
        "a key file $name: the key is not told");
}

my $other = "$work/none.mdb";
my $result = run('-i', $other, 'show', "$site/a");
is($result->{exit}, 2, 'without an index show exits with 2');
like($result->{err}, qr/\Q$other\E.*scan/, 'and says how to make one');
ok(!-e $other, 'and makes none');

done_testing;
