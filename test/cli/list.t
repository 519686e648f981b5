#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Digest::SHA qw(hmac_sha256 sha256);
use MIME::Base64 qw(encode_base64url);
use CliTest;
use Test::More;

make_files(map { $_ => "content of $_" }
        qw(a/1 a/2 a/b/3 ab/4 a.html b z));
scan($site);

my $all = run('list');
is($all->{exit}, 0, 'list exits with 0');
my @paths = map { substr $_, 57 } lines($all->{out});
is_deeply(\@paths, [sort map { "$site/$_" } qw(a/1 a/2 a/b/3 ab/4 a.html b z)],
    'every record is listed, sorted by octets');
like((lines($all->{out}))[0],
    qr/^"[\w-]{22}"  \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT  \//,
    'tag, date and path stand in fixed columns');

sub below {
    my ($prefix) = @_;
    return [map { substr $_, length "$site/" }
            map { $_->{path} } json(run('list', '--json', $prefix)->{out})];
}

is_deeply(below("$site/a"), [qw(a/1 a/2 a/b/3)],
    'a prefix is a folder, not the beginning of a name');
is_deeply(below("$site/a/"), [qw(a/1 a/2 a/b/3)],
    'a slash at the end of the prefix means nothing');
is_deeply(below("$site/b"), ['b'], 'a file is below itself');
is(scalar @{below('/')}, 7, 'everything is below the root');
symlink "$site/a", "$work/current" or die;
is_deeply(below("$work/current"), [qw(a/1 a/2 a/b/3)],
    'a symbolic link without records stands for its folder');

my $none = run('list', "$site/nothing");
is($none->{exit}, 1, 'a prefix without records exits with 1');
is($none->{out}, '', 'and lists nothing');

my $record = json(run('list', '--json', "$site/b")->{out});
is_deeply([sort keys %{$record}],
    [qw(ctime etag indexed inode last_modified mtime path promised sha256
        size)],
    'the objects have the fields that the manual names');
my $jq = finished(background('sh', '-c',
    "'$tool' -i '$index' list --json | perl -MJSON::PP -ne "
    . q{'decode_json($_); $n++; END { print $n }'}));
is($jq->{out}, 7, 'every line is valid JSON by itself');

spew("$work/key", 'sixteen octets..');
chmod 0600, "$work/key" or die;
my @with = ('--tag-key', "$work/key");
my $keyed = '"' . encode_base64url(substr hmac_sha256(sha256('content of b'),
        'sixteen octets..'), 0, 16) . '"';
is(json(run('list', '--json', @with, "$site/b")->{out})->{etag}, $keyed,
    'with a key the tags are those that httpd sends');
is(substr(run('list', @with, "$site/b")->{out}, 0, 24), $keyed,
    'as text, too');
my $both = run('list', '--sha256sum', @with);
is($both->{exit} . $both->{out}, '2', 'sha256sum has no tags: the key is'
        . ' refused with it');
chmod 0640, "$work/key" or die;
is(run('list', @with)->{exit}, 0, 'the group may read the key');
chmod 0660, "$work/key" or die;
my $refused = run('list', @with);
is($refused->{exit} . $refused->{out}, '2', 'but not write it');
like($refused->{err}, qr/--tag-key: \Q$work\E\/key: .*; .*chmod/,
    'and what to do is said');

my $sums = run('list', '--sha256sum')->{out};
spew("$work/sums", $sums);
my $check = finished(background('sha256sum', '-c', "$work/sums"));
is($check->{exit}, 0, 'sha256sum accepts the list') or diag $check->{err};
is(scalar(grep {/: OK$/} lines($check->{out})), 7, 'and checks every file');
spew("$site/b", 'tampered w');
is(finished(background('sha256sum', '-c', "$work/sums"))->{exit}, 1,
    'and finds a file that has changed');

unlink "$site/z" or die;
like(run('list')->{out}, qr{/z$}m, 'list does not look at the files');

my $early = finished(background('sh', '-c',
    "'$tool' -i '$index' list | head -n 1"));
is(scalar(lines($early->{out})), 1, 'a reader may leave early');
is($early->{err}, '', 'without a complaint');

my $ignored = finished(background('sh', '-c',
    "trap '' PIPE; { '$tool' -i '$index' list; echo \$? >&2; } | sleep 0.3 "
    . '| true'));
unlike($ignored->{err}, qr/Segmentation|Abort/,
    'nor does it end badly where SIGPIPE is ignored');

done_testing;
