#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

my @odd = ("new\nline", "back\\slash", "carriage\r", "latin\xe9", '-', '-dash',
    '#hash', ' space ', "\\n", '*star');
make_files((map { $_ => "content of $_" } qw(a/1 a/2 ab b), @odd));
utime 1600000000, 1600000000, "$site/b" or die;
select undef, undef, undef, 0.2;
scan($site);

my $all = run('export');
is($all->{exit}, 0, 'export exits with 0');
is($all->{err}, '', 'and has nothing to say');
my @lines = lines($all->{out});
is($lines[0], '# htvalidators manifest 1', 'the first line has the version');
is(scalar @lines, 1 + 2 * (4 + @odd), 'there are two lines for each record');
my $comment = qr/# of=([0-9a-f]{16}) last-modified=1600000000 size=12/;
like($all->{out}, qr/^$comment mtime-ns=160{17}\n\1\w{48}  \Q$site\E\/b$/m,
    'a comment has date, size and mtime');
is((join "\n", grep { !/^#/ } @lines) . "\n", run('list', '--sha256sum')->{out},
    'without comments it is what list --sha256sum writes');

sub sums_accept {
    my ($name, $text, $folder) = @_;
    spew("$work/sums", $text);
    chdir $folder or die;
    my $check = finished(background('sha256sum', '--strict', '-c',
            "$work/sums"));
    chdir '/' or die;
    is($check->{exit}, 0, $name) or diag $check->{err};
    return scalar grep {/: OK$/} lines($check->{out});
}
is(sums_accept('sha256sum -c accepts every name', $all->{out}, '/'), 14,
    'and checks every file');

my $below = run('export', "$site/a");
is_deeply([map { s/^.*  //r } grep { !/^#/ } lines($below->{out})],
    ["$site/a/1", "$site/a/2"], 'a prefix is understood as by list');
chdir $site or die;
is(run('export', 'a')->{out}, $below->{out}, 'relative, too');
chdir '/' or die;

my $relative = run('export', '--root', $site);
is($relative->{exit}, 0, 'names can be relative to a folder');
unlike($relative->{out}, qr/\Q$site/, 'which is not in them then');
is(sums_accept('sha256sum accepts those there', $relative->{out}, $site), 14,
    'and finds all, one named - among them');
is((lines(run('export', "--root=$site/", "$site/a")->{out}))[-1] =~ s/.* //r,
    'a/2', 'of a part of it, too');
symlink $site, "$work/current" or die;
is(run('export', '--root', "$work/current")->{out}, $relative->{out},
    'a symbolic link without records stands for its folder');
is((lines(run('export', '--root', '/', "$site/b")->{out}))[-1] =~ s/.* //r,
    substr("$site/b", 1), 'and / is a folder');

sub refused {
    my ($name, $status, $why, @arguments) = @_;
    my $result = run('export', @arguments);
    is($result->{exit}, $status, "$name exits with $status");
    like($result->{err}, $why, "$name is explained");
    is($result->{out}, '', "$name writes nothing");
}
refused('a prefix without records', 1, qr/no records at or below/,
    "$site/none");
refused('a root without records', 1, qr/no records at or below/, '--root',
    "$site/none");
refused('a prefix beside the root', 2, qr/is not below/, '--root', "$site/a",
    "$site/ab");
refused('a root that is a file', 2, qr/so it is a file/, '--root', "$site/b");
refused('an empty root', 2, qr/empty path/, '--root', '');
refused('JSON', 2, qr/list --json/, '--json');
refused('an index that is not there', 2, qr/No such file/i, '-i',
    "$work/none.mdb");

unlink "$site/b" or die;
like(run('export', "$site/b")->{out}, qr{/b$}m,
    'export does not look at the files');
my $full = finished(background('sh', '-c',
        "exec '$tool' -i '$index' export > /dev/full"));
is($full->{exit}, 2, 'output that cannot be written exits with 2');
my $early = finished(background('sh', '-c',
        "'$tool' -i '$index' export | head -n 1"));
is($early->{err}, '', 'a reader may leave early');

done_testing;
