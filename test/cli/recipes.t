#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The commands that README.md and docs/operations.md show, as they are written
# there: in the order of the document, as root, beside an httpd of the server's
# user.  Each block is run here, or the table says which test runs it or why
# none can.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliHttpd;
use CliSystem;
use CliTest;
use Test::More;

my $can = $> == 0 && can_do(qw(unshare -m true));
unshare_or_skip($0) if $can;

# A pattern for lines of a block, and who runs them: a test (its source has the
# words behind the colon), or the reason why they are not run.
my @elsewhere = (
    [qr/install -d -o www-data/, 'test/cli/deploy_owned.t: To make one by hand'],
    [qr/-o deploy|-u deploy/,
        'test/cli/deploy_owned.t: Make the folder before httpd does'],
    [qr/chown -R www-data/,
        'test/cli/deploy_owned.t: from the deployer'],
    [qr/chown -R root/, 'test/cli/deploy_owned.t: The other way'],
    [qr/^scripts\/demo DIR/, 'not run: the folder is the reader\'s'],
    [qr/^scripts\/demo/, 'scripts/check: scripts/demo'],
    [qr/^scripts\/check/, 'not run: it runs this test'],
    [qr/autogen\.sh && /, 'scripts/check: autogen.sh makes configure'],
    [qr/make install/, 'scripts/check: make install honours DESTDIR'],
    [qr/^systemctl/, 'not run: systemd is not the first process where tests'
        . ' run; test/cli/watch_service.t holds the unit'],
);

# --- the blocks ----------------------------------------------------------------

# Lines that are indented by four behind an empty line; fences that are named
# hold configuration.
sub blocks_of
{
    my ($name) = @_;
    my $text = slurp("$ENV{srcdir}/$name");
    my @fenced = $text =~ /^```(\w*)\n(.*?)^```/msg;
    my @blocks;
    while (my ($kind, $block) = splice @fenced, 0, 2) {
        push @blocks, $block if $kind !~ /^(?:apache|ini)$/;
    }
    $text =~ s/^```.*?^```$//msg;
    push @blocks, $text =~ /\n\n((?: {4}\S.*\n)+)/g;
    return map { [ map { s/^\s+//r } split /\n/ ] } @blocks;
}

my @blocks = map { blocks_of($_) } 'README.md', 'docs/operations.md';
cmp_ok(scalar @blocks, '>', 9, 'there are blocks');

# How a block's line is covered; '': it is run here.
sub covered_by
{
    my ($lines, $line) = @_;
    for my $row (@elsewhere) {
        my ($pattern, $who) = @{$row};
        next unless $line =~ $pattern
            || ($who =~ /^test/ && grep { /$pattern/ } @{$lines});
        return $who;
    }
    return '';
}

my (@here, @lost, %used);
for my $lines (@blocks) {
    for my $line (@{$lines}) {
        my $who = covered_by($lines, $line);
        $used{$who} = 1;
        push @here, $line if $who eq '';
        my ($file, $words) = $who =~ /^((?:test|scripts)\/\S+): (.*)/ or next;
        push @lost, "$line: $file: $words"
            if index(slurp("$ENV{srcdir}/$file"), $words) < 0;
    }
}
is_deeply(\@lost, [], 'tests that run a block elsewhere know it');
is_deeply([grep { !$used{$_} } map { $_->[1] } @elsewhere], [],
    'every line of the table is of a block that is there');

# --- as they are written ---------------------------------------------------------

SKIP: {
    skip 'users and mounts are root\'s to make', 1 unless $can;
    my ($default) = run('help')->{out} =~ m{^  (/\S+)$}m;
    skip 'the recipes are for the default index of Debian', 1
        unless $default eq '/var/cache/apache2/validators/validators.mdb';
    own_system();
    spew("/srv/releases/$_", 'a page of a release') for '123/a.html',
        '124/a.html', '124/b.html';
    symlink 'releases/123', '/srv/current' or die;
    select undef, undef, undef, 0.2;
    my $port = start(user => 'www-data', group => 'www-data',
        root => '/srv/www');
    shell($_) for @here;
    is(readlink '/srv/current', 'releases/124', 'the release is switched');
    my $verify = run('-i', $default, 'verify', '/srv');
    is($verify->{exit}, 0, 'the records are true') or diag $verify->{err};
    is(json(run('-i', $default, 'stat', '--json')->{out})->{records}, 2,
        'and the index is the one that was made again');
    is(slurp('/etc/default/htvalidators-watch'),
        qq{PATHS="/srv/www /srv/current"\n}, 'the watch knows its folders');
    like(etag($port, 'large.bin'), qr/^"/, 'httpd has the tag');
    unlike(log_of(), qr/\[validators:(?:warn|error)\]/,
        'and nothing to complain of');
    stop();
}
done_testing();
